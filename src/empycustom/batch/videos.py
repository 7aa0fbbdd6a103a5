"""What is worked on: the videos that SOURCES of the command line name."""

from __future__ import annotations

import hashlib
import os
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from empycustom.batch import Task
from empycustom.batch.remote import find, is_remote
from empycustom.errors import LaunchError
from empycustom.session.excerpt import LIVE_SCHEMES, scheme_of
from empycustom.session.playlist import expand, is_picture, is_played
from empycustom.session.sources import is_file, path_in
from empycustom.text import as_path, as_text, visible, without_password

_NO_VIDEOS = {
    ".json": "a stream configuration, not a video; `empycustom run` plays it",
    ".py": "a Python file, not a video; libraries come after --lib",
}
_LONGEST = 100  # bytes of a name in the name of a file


def find_videos(sources: Iterable[str], warn: Callable[[str], None]) -> list[Task]:
    """Return a task for each video, in the order of the sources, each once. Raises LaunchError.

    A source is a file, a folder, a glob, a URI, a URL that fsspec reads, or ``@list.txt``, a file with one of these a line. Of a
    folder all videos are meant, in its folders, too; a folder of pictures is one video.
    """
    found: dict[str, Task] = {}
    named = list(sources)
    for source in named:
        for location, where in _listed(source):
            with _placed(where):
                for each in _videos_at(location, warn, is_typed=not where):
                    found.setdefault(each, _task(each))
    if not found:
        raise LaunchError(f"There is no video in {', '.join(map(without_password, named))}.")
    return [*found.values()]


def _listed(source: str) -> Iterator[tuple[str, str]]:
    """Yield the sources that one stands for, each with where it is named, ``""``: on the command line."""
    if not source.startswith("@"):
        yield source, ""
        return
    try:
        content = as_path(source[1:]).read_bytes()
        if b"\0" in content or content.startswith((BOM_UTF16_BE, BOM_UTF16_LE)):
            raise ValueError("it is not a text in UTF-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise LaunchError(f"{source}: the list cannot be read ({reason}); give a text file with one source a line.") from error
    for number, line in enumerate(content.decode("utf-8-sig", "surrogateescape").split("\n"), 1):
        text, where = line.strip(), f"{source}, line {number}: "
        if text.startswith("@"):
            raise LaunchError(f"{where}{text} is a list itself; name it on the command line.")
        if text and not text.startswith("#"):
            yield text, where


@contextmanager
def _placed(where: str) -> Iterator[None]:
    """Let an error begin with where its source is named."""
    try:
        yield
    except LaunchError as error:
        raise LaunchError(f"{where}{error}") from error


def _videos_at(location: str, warn: Callable[[str], None], *, is_typed: bool) -> Iterator[str]:
    if is_remote(location):
        yield from find(location, is_typed=is_typed)
        return
    is_uri = "://" in location
    if is_uri and not is_file(location) and scheme_of(location) not in LIVE_SCHEMES:
        yield location
        return
    for ending, what in _NO_VIDEOS.items():
        if location.lower().endswith(ending) and not os.path.isdir(as_path(location)):
            raise LaunchError(f"{location} is {what}.")
    path = path_in(location) if is_uri else as_path(location)
    if not is_file(location) or _is_special(path):
        raise LaunchError(f"{without_password(location)} is not a recorded video; name files, folders, globs or URIs.")
    if os.path.isdir(path):
        yield from _in_folder(path, warn)
        return
    names = [as_text(path)] if is_uri else expand(location, warn)
    if is_typed and names in ([location], [as_text(path)]) and not path.exists():  # one that a list names fails alone
        raise LaunchError(f"There is no file or folder {location}.")
    yield from (os.path.abspath(as_path(name)) for name in names)


def _is_special(path: Path) -> bool:
    """Return True for what has another content whenever it is read: a pipe, a socket, a device."""
    return os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))


def _in_folder(folder: Path, warn: Callable[[str], None], above: tuple[str, ...] = ()) -> Iterator[str]:
    above = (*above, os.path.realpath(folder))
    inside = sorted(each for each in folder.iterdir() if not each.name.startswith("."))
    folders, files = [each for each in inside if each.is_dir()], [each for each in inside if not each.is_dir()]
    names = expand(as_text(folder), warn) if any(map(is_played, map(as_text, files))) or not folders else []
    for name in filter(_is_special, map(as_path, names)):
        warn(f"left out of {folder}, because it is a pipe or a device: {name.name}")
    names = [name for name in names if not _is_special(as_path(name))]
    if names and all(map(is_picture, names)):
        yield os.path.abspath(folder)
    else:
        yield from map(os.path.abspath, map(as_path, names))
    for each in folders:
        is_loop = os.path.realpath(each) in above
        if not is_loop and any(is_played(name) for _, _, found in os.walk(each) for name in found):
            yield from _in_folder(each, warn, above)


def _task(location: str) -> Task:
    """Return the task of a video; its key is its name and a short hash of where it is, so that no two have the same."""
    shown = without_password(location) if "://" in location else visible(location)
    last = shown.partition("::")[0].partition("?")[0] if "://" in location else shown
    last = last.rstrip("/").rpartition("/")[2] or last
    readable = re.sub(r"[^\w.-]+", "_", last.rpartition(".")[0] or last).encode()[:_LONGEST].decode(errors="ignore")
    readable = readable.lstrip("._") or "video"  # readers of folders leave out what begins so
    short = hashlib.sha256(location.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return Task(shown, f"{readable}-{short}", location)
