"""What is worked on: the videos that SOURCES of the command line name."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from empycustom.batch import Task
from empycustom.errors import LaunchError
from empycustom.session.playlist import expand, is_picture, is_played
from empycustom.session.sources import is_file
from empycustom.text import as_path, as_text

_LONGEST = 80  # characters of a name in the name of a file
_PLAYED = ("file", "http", "https", "rtsp", "rtsps")  # schemes that GStreamer reads itself


def find_videos(sources: Iterable[str], warn: Callable[[str], None]) -> list[Task]:
    """Return a task for each video, in the order of the sources, each once. Raises LaunchError.

    A source is a file, a folder, a glob, a URI, or ``@list.txt``, a file with one of these a line. Of a folder all videos are
    meant, in its folders, too; a folder of pictures is one video.
    """
    found: dict[str, Task] = {}
    named = list(sources)
    for source in named:
        for location in _listed(source):
            for each in _videos_at(location, warn, is_typed=location == source):
                found.setdefault(each, _task(each))
    if not found:
        raise LaunchError(f"There is no video in {', '.join(named)}.")
    return [*found.values()]


def _listed(source: str) -> Iterator[str]:
    if not source.startswith("@"):
        yield source
        return
    try:
        lines = as_path(source[1:]).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise LaunchError(f"{source}: the list cannot be read ({reason}); give a text file with one source a line.") from error
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text.startswith("@"):
            raise LaunchError(f"{source}, line {number}: {text} is a list itself; name it on the command line.")
        if text and not text.startswith("#"):
            yield text


def _videos_at(location: str, warn: Callable[[str], None], *, is_typed: bool) -> Iterator[str]:
    if "://" in location:
        yield location
        return
    if not is_file(location):
        raise LaunchError(f"{location} is not a recorded video; name files, folders, globs or URIs.")
    path = as_path(location)
    if os.path.isdir(path):
        yield from _in_folder(path, warn)
        return
    names = expand(location, warn)
    if is_typed and names == [location] and not path.exists():  # one that a list names fails alone
        raise LaunchError(f"There is no file or folder {location}.")
    yield from (os.path.abspath(as_path(name)) for name in names)


def _in_folder(folder: Path, warn: Callable[[str], None]) -> Iterator[str]:
    inside = sorted(each for each in folder.iterdir() if not each.name.startswith("."))
    folders, files = [each for each in inside if each.is_dir()], [each for each in inside if not each.is_dir()]
    names = expand(as_text(folder), warn) if any(map(is_played, map(as_text, files))) or not folders else []
    if names and all(map(is_picture, names)):
        yield os.path.abspath(folder)
    else:
        yield from map(os.path.abspath, map(as_path, names))
    for each in folders:
        if any(is_played(name) for _, _, found in os.walk(each) for name in found):
            yield from _in_folder(each, warn)


def _task(location: str) -> Task:
    """Return the task of a video; its key is its name and a short hash of where it is, so that no two have the same."""
    name = location.rstrip("/").rpartition("/")[2] or location
    readable = re.sub(r"[^\w.-]+", "_", name.rpartition(".")[0] or name)[:_LONGEST]
    short = hashlib.sha256(os.fsencode(location)).hexdigest()[:8]
    return Task(location, f"{readable}-{short}", location)
