"""``empycustom report``: a page for people about the results of ``empycustom batch``."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from empycustom.app.pictures import real
from empycustom.batch.report import page
from empycustom.batch.statistics import Crowded, statistics
from empycustom.errors import EmPyCustomError, LaunchError
from empycustom.gstreamer import GLib, Gst, GstVideo
from empycustom.session.console import DONE, reserve_stdout, show
from empycustom.session.playlist import expand, is_picture
from empycustom.text import as_path, as_text, for_people

_WIDTH = 480  # of a picture
_TIMEOUT = 30 * Gst.SECOND
_SHAPE = 0.02  # how far a picture's shape may be from that of the frames, as a part of it


def main(args: Namespace) -> int:
    """Write the page; return 0. Raises LaunchError where there are no results, or it cannot be written."""
    reserve_stdout()
    folder = as_path(args.results).absolute()
    if args.out == "-":
        show("".join(page(statistics(folder, args.pictures, _watched), _decoded)).rstrip("\n"))
        return DONE
    path = as_path(args.out).absolute() if args.out else folder / "report.html"
    if path.is_dir():
        raise LaunchError(f"--out {path} is a folder; name a file in it.")
    found = statistics(folder, args.pictures, _watched)
    _write(path, "".join(page(found, _decoded)))
    shown = args.out or as_text(as_path(args.results) / path.name)
    count = len(found.videos)
    show(f"{for_people(shown)} is written: {count} video{'' if count == 1 else 's'}")
    return DONE


def _write(path: Path, text: str) -> None:
    """Write a file aside, and rename it. Raises LaunchError."""
    aside = path.with_name(f".{path.name}.tmp")
    try:
        with aside.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        os.replace(aside, path)
    except OSError as error:
        with suppress(OSError):  # it is not there
            aside.unlink()
        raise LaunchError(f"{path} cannot be written ({error.strerror}); name another file: --out FILE.") from error


def _watched(keys: Collection[str]) -> Iterable[str]:
    """Return what shows on a terminal how many are read."""
    from tqdm import tqdm

    watched: Iterable[str] = tqdm(keys, unit="video", desc="reading", leave=False, disable=None)
    return watched


def _decoded(location: str, frame: Crowded) -> bytes:
    """Return a frame of a video as JPEG. Raises EmPyCustomError with the reason where it is not there any more."""
    if "://" in location and not location.startswith("file:"):
        raise EmPyCustomError("The video is not on this machine.")
    path = as_path(location)
    if "://" not in location and not path.exists():
        raise EmPyCustomError("The video is not there any more.")
    at_s = frame.time
    if path.is_dir():
        location, at_s = _picture_in(location, frame), 0.0
    elif at_s != at_s:
        raise EmPyCustomError("The frame has no time, so it cannot be found in the video.")
    decoded = real(location, "RGBA", None, 0, at_s=at_s)
    width, height = decoded.format.width, decoded.format.height
    if abs(width * frame.height / (height * frame.width) - 1) > _SHAPE:
        raise EmPyCustomError(f"The video is {width}x{height}, and the frame was {frame.width}x{frame.height}.")
    return _jpeg(decoded.pixels, width, height)


def _picture_in(location: str, frame: Crowded) -> str:
    pictures = expand(location, lambda _warning: None)
    if frame.frame_num >= len(pictures) or not all(map(is_picture, pictures)):
        raise EmPyCustomError("The folder has other files now.")
    return pictures[frame.frame_num]


def _jpeg(pixels: Any, width: int, height: int) -> bytes:
    small = min(_WIDTH, width), round(height * min(_WIDTH, width) / width)
    caps = Gst.Caps.from_string(f"video/x-raw,format=RGBA,width={width},height={height},framerate=1/1")
    wanted = Gst.Caps.from_string("image/jpeg,width={},height={}".format(*(max(size, 1) for size in small)))
    sample = Gst.Sample.new(Gst.Buffer.new_wrapped(pixels.tobytes()), caps, None, None)
    try:
        buffer = GstVideo.video_convert_sample(sample, wanted, _TIMEOUT).get_buffer()
    except GLib.Error as error:
        raise EmPyCustomError(f"The frame cannot be made into a picture: {error.message}.") from error
    return bytes(buffer.extract_dup(0, buffer.get_size()))
