"""What a SOURCE that means several files stands for: a folder, a glob, or a name with a number in it, as ``%05d.jpg``."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from pathlib import Path

from empycustom.app.endings import complain
from empycustom.app.playing import endless
from empycustom.app.playing.sources import is_file
from empycustom.errors import LaunchError
from empycustom.paths import as_path, as_text, from_native

# How the names of files end that are played; others in a folder are left out.
_OF_PICTURES = ".jpg .jpeg .jpe .jfif .png .bmp .webp .tif .tiff .pgm .ppm .pnm .jp2 .heic .heif .avif .dng"
_OF_VIDEOS = (
    ".mp4 .m4v .mov .mkv .webm .avi .ts .m2ts .mts .mpg .mpeg .m2v .vob .wmv .asf .flv .3gp .3g2 .ogv .ogg .mxf .mjpeg .mjpg "
    ".y4m .h264 .264 .h265 .265 .hevc .ivf .gif"
)
_PICTURES, _ALL = frozenset(_OF_PICTURES.split()), frozenset(f"{_OF_PICTURES} {_OF_VIDEOS}".split())
_NUMBER = re.compile(r"%0?\d{0,2}d")
_MOST = 5  # names in a message


def expand(source: str) -> list[str]:
    """Return the files that SOURCE stands for, named as it is, or SOURCE itself. Raises LaunchError where there is none."""
    if not source or not is_file(source) or "://" in source:
        return [source]
    path = as_path(source)
    if os.path.isdir(path):
        return _in_folder(path)
    if os.path.exists(path):
        return [source]
    if len(_NUMBER.findall(source)) == 1:
        return _numbered(path, source)
    if glob.has_magic(source):
        return _matching(path, source)
    return [source]


def is_picture(source: str) -> bool:
    """Whether a file is one picture, by its name."""
    return _ending(source) in _PICTURES


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def natural(name: str) -> list[str | int]:
    """What names are sorted by, so that 2.jpg stands before 10.jpg."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name.lower())]


def _in_folder(folder: Path) -> list[str]:
    entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    files = [entry.name for entry in entries if not entry.is_dir()]
    never_end = [name for name in files if not endless.ENDS and _ending(name) in endless.ENDINGS]
    found = [name for name in files if _ending(name) in _ALL and name not in never_end] or never_end  # alone, they are refused
    others = sorted(set(files) - {*found, *never_end}, key=natural)
    if not found:
        folders = [f"{entry.name}/" for entry in entries if entry.is_dir()]
        there = _listed([*sorted(folders, key=natural), *others])
        what = f"what it has is {there}" if there else "it is empty"
        raise LaunchError(f"{folder} has no pictures or videos, {what}; a glob names files of any kind: '{folder}/*/*.jpg'.")
    unplayed = sorted(set(never_end) - set(found), key=natural)
    for names, why in ((others, "their names do not end as those of pictures or videos"), (unplayed, endless.ALL)):
        if names:
            complain(f"left out of {folder}, because {why}: {_listed(names)}", kind="warning")
    return [as_text(folder / name) for name in sorted(found, key=natural)]


def _numbered(path: Path, source: str) -> list[str]:
    """The files of a pattern, in the order of their numbers."""
    head, number, tail = _split(str(path))
    there = re.compile(f"{re.escape(os.path.basename(head))}([0-9]+){re.escape(tail)}")
    folder = os.path.dirname(head)
    names = os.listdir(folder or ".") if os.path.isdir(folder or ".") else []
    numbers = sorted(int(found[1]) for name in names if (found := there.fullmatch(name)))
    files = [found for found in dict.fromkeys(f"{head}{number % each}{tail}" for each in numbers) if os.path.isfile(found)]
    if not files:
        raise LaunchError(f"There is no file {source} with a number in the place of {number}.")
    return [as_text(Path(name)) for name in files]


def _split(pattern: str) -> tuple[str, str, str]:
    found = _NUMBER.search(pattern)
    assert found, pattern
    return pattern[: found.start()], found[0], pattern[found.end() :]


def _matching(path: Path, source: str) -> list[str]:
    found = [name for name in glob.iglob(str(path), recursive=True) if os.path.isfile(name)]
    if not found:
        raise LaunchError(f"There is no file that {source} matches.")
    return [as_text(Path(name)) for name in sorted(found, key=natural)]


def _listed(names: Iterable[str]) -> str:
    shown = [from_native(name) for name in names]
    more = f" and {len(shown) - _MOST} more" if len(shown) > _MOST else ""
    return f"{', '.join(shown[:_MOST])}{more}"
