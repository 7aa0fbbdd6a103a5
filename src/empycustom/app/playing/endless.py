"""Files that GStreamer plays and never ends: libav's demuxers of versions before 1.26 wait for ever behind the last frame."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from empycustom.app.playing.parts import exists
from empycustom.app.playing.sources import Source, locate
from empycustom.errors import LaunchError
from empycustom.gstreamer import Gst
from empycustom.text import shell_word

ENDS = Gst.version() >= (1, 26)
ENDINGS = frozenset({".gif", ".nut"})  # of their names
_NO_ENDS = f"GStreamer {Gst.version().major}.{Gst.version().minor} does not end"
ALL = f"{_NO_ENDS} GIFs and NUTs"
# How such files begin, what they are, and the demuxer that would read them.
_KINDS = {b"GIF8": ("a GIF", "avdemux_gif"), b"nut/multimedia container\0": ("a NUT", "avdemux_nut")}
_LONGEST = max(map(len, _KINDS))


def playable(source: str) -> Source:
    """Find what ``source`` means. Raises LaunchError if it is not there, or would never end."""
    found = locate(source)
    if not ENDS and found.path and (kind := _kind(found.path)):
        made = f"{os.path.splitext(found.name)[0]}.mp4"
        convert = f"ffmpeg -i {shell_word(found.name)} {shell_word(made)}"
        raise LaunchError(f"{found.name}: {_NO_ENDS} {kind}; convert it: {convert}")
    return found


def _kind(path: Path) -> str:
    """What the file is that would never end, or ``""``."""
    begins = b""
    with suppress(OSError), path.open("rb") as file:  # GStreamer says why it cannot be read
        begins = file.read(_LONGEST)
    return next((kind for mark, (kind, demuxer) in _KINDS.items() if begins.startswith(mark) and exists(demuxer)), "")
