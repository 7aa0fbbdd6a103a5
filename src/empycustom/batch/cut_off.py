"""Files that are cut off, by the sizes that are written at the beginning of their parts: nothing is decoded, and little is read.

GStreamer plays such a file as far as it goes, without an error. Durations would not show it: sound may be longer than the video.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import IO

from empycustom.errors import LaunchError
from empycustom.session.sources import is_file, path_in
from empycustom.text import as_path

_BOXES = {b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide"}  # with which an MP4 may begin
_NEEDED = {b"moov", b"moof", b"mdat"}  # without the end of another one no frame is lost
_MOST_BOXES = 1000  # of a fragmented MP4: each is another place on the disk
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"  # of Matroska and WebM
_UNKNOWN = (0, 0xFFFFFFFF)  # sizes of an AVI that was never finished


def check_file(location: str, name: str) -> None:
    """Raise LaunchError, which begins with ``name``, where a file is not there, or is shorter than it says.

    MP4, Matroska, WebM and AVI say so. What is not a file passes, as does what cannot be read: those who play it report that.
    """
    if not is_file(location):
        return
    path = path_in(location) if "://" in location else as_path(location)
    if not os.path.exists(path):
        raise LaunchError(f"{name}: there is no such file.")
    if not os.path.isfile(path):
        return
    try:
        with open(path, "rb") as file:
            there = os.fstat(file.fileno()).st_size
            wanted = _wanted(file, there)
    except OSError:
        return
    if wanted > there:
        raise LaunchError(
            f"{name}: the file is cut off: it ends at byte {there:,} of at least {wanted:,}; copy it again, or keep what is "
            "left: ffmpeg -i FILE -c copy NEW"
        )


def _wanted(file: IO[bytes], there: int) -> int:
    """Return how many bytes a file should have; 0: it does not say."""
    begin = file.read(8)
    kinds: dict[bytes, Callable[[IO[bytes], int], int]] = {_EBML: _of_matroska, b"RIFF": _of_avi}
    kind = kinds.get(begin[:4]) or (_of_mp4 if begin[4:] in _BOXES else None)
    return kind(file, there) if kind else 0


def _of_mp4(file: IO[bytes], there: int) -> int:
    """Return the end of the box that the file ends in, where that has something of the video."""
    at = 0
    for _ in range(_MOST_BOXES):
        file.seek(at)
        head = file.read(16)
        size, name = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:], "big")
        if size < 8:  # 0: to the end; other numbers are none
            return 0
        at += size
        if at >= there:
            return at if name in _NEEDED else 0
    return 0


def _of_matroska(file: IO[bytes], _there: int) -> int:
    """Return the end of the segment, which has all that is played."""
    file.seek(len(_EBML))
    size = _read_size(file)
    if size is None:
        return 0
    file.seek(size, os.SEEK_CUR)
    if file.read(len(_SEGMENT)) != _SEGMENT:
        return 0
    size = _read_size(file)
    return 0 if size is None else file.tell() + size


def _read_size(file: IO[bytes]) -> int | None:
    """Read a size in one to eight bytes, None: it was not known when it was written."""
    first = int.from_bytes(file.read(1), "big")
    length = 9 - first.bit_length()
    if length > 8:
        return None
    size = int.from_bytes(bytes([first & (0xFF >> length)]) + file.read(length - 1), "big")
    return None if size == (1 << 7 * length) - 1 else size


def _of_avi(file: IO[bytes], there: int) -> int:
    """Return the end of the last chunk; a long AVI has several."""
    at = 0
    while at < there:
        file.seek(at)
        head = file.read(12)
        size = int.from_bytes(head[4:8], "little")
        if head[:4] != b"RIFF" or head[8:11] != b"AVI" or size in _UNKNOWN:
            break
        at += 8 + size + size % 2
    return at
