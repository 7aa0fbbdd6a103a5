"""Videos at URLs that GStreamer does not read itself, such as s3://: fsspec finds them, and each is played from a copy.

Credentials are those that fsspec takes from its configuration and from the environment. No message has them.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

from empycustom.batch import Task
from empycustom.batch.tables import INSTALL
from empycustom.errors import LaunchError
from empycustom.session.playlist import is_picture, is_played, natural_key
from empycustom.text import as_text, without_password, without_secrets

COPIES = ".copies"  # the folder in which they lie while they are played
# Schemes that GStreamer reads itself.
_PLAYED = ("file", "http", "https", "rtsp", "rtsps", "rtspt", "rtspu", "rtp", "rtmp", "rtmps", "srt", "udp")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)(://|::)", re.IGNORECASE)
_MAGIC = re.compile(r"[*?\[]")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def is_remote(location: str) -> bool:
    """Return True for a URL that fsspec is to read: ``s3://…``, also ``zip://…::…``, which is in another one.

    A file that is here is none, whatever its name is.
    """
    scheme = _SCHEME.match(location)
    return scheme is not None and scheme[1].lower() not in _PLAYED and not os.path.exists(location)


def find(url: str, *, is_typed: bool) -> Iterator[str]:
    """Yield the URLs of the videos that one names: a file, a folder, or a glob. Raises LaunchError.

    A folder of pictures is one video; its URL ends with ``/``. One file that is not ``is_typed`` is not asked for.
    """
    if not (is_typed or url.partition("::")[0].endswith("/") or _MAGIC.search(url)):
        yield url
        return
    with _explained(url):
        files, path = _opened(url)
        if files.isdir(path):
            found, what = _in_folder(files, path), "has no pictures or videos"
        elif files.exists(path):
            yield url
            return
        elif _MAGIC.search(path):
            found, what = [each for each in files.glob(path) if not (_is_hidden(each) or files.isdir(each))], "matches no file"
        else:
            found, what = [], "does not exist"
    if not found:
        raise LaunchError(f"{without_password(url)} {what}.")
    prefix = _prefix(files, url)
    inside = url[len(url.partition("::")[0]) :]
    for each in sorted(found, key=natural_key):
        yield f"{prefix}{each}{inside}"


def _opened(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path in it."""
    try:
        core = import_module("fsspec.core")
    except ImportError as error:
        raise LaunchError(f"{without_password(url)} needs the package fsspec ({error}); install it: {INSTALL}") from error
    found: tuple[Any, str] = core.url_to_fs(url)
    return found


def _prefix(files: Any, url: str) -> str:
    """Return what is before the path in a URL: its scheme, and its server where it has one."""
    head = url.partition("::")[0]
    path = str(files._strip_protocol(head))
    if path and head.rstrip("/").endswith(path.rstrip("/")):
        return head.rstrip("/").removesuffix(path.rstrip("/"))
    return f"{head.partition('://')[0]}://"


def _in_folder(files: Any, path: str) -> list[str]:
    """Return the videos in a folder, and in its folders; a folder of pictures ends with ``/``."""
    folders: dict[str, list[str]] = {}
    for each in files.find(path):
        inside = PurePosixPath(each[len(path) :].lstrip("/"))
        if is_played(each) and not any(map(_is_hidden, inside.parts)):
            folders.setdefault(each.rpartition("/")[0], []).append(each)
    return [
        name
        for folder, names in folders.items()
        for name in ([f"{folder}/"] if all(map(is_picture, names)) and folder else names)
    ]


def _is_hidden(path: str) -> bool:
    return path.rpartition("/")[2].startswith(".")


def copy_of(task: Task, folder: Path) -> Path:
    """Return where the copy of a video lies, or the folder with copies of its pictures, beside the tables in ``folder``."""
    location = task.location.partition("::")[0]
    suffix = "" if location.endswith("/") else PurePosixPath(location).suffix
    return folder / COPIES / f"{task.key}{suffix}"


@contextmanager
def fetched(task: Task, folder: Path) -> Iterator[str]:
    """Copy a video, and remove the copy at the end; what is there then is its location. Raises LaunchError, OSError."""
    place = copy_of(task, folder)
    place.parent.mkdir(exist_ok=True)
    try:
        _copy(task.location, place)
        yield as_text(place)
    finally:
        remove(place)


def _copy(url: str, place: Path) -> None:
    """Copy the video at a URL, or the pictures in its folder. Raises LaunchError; OSError where there is no room."""
    try:
        with _explained(url):
            files, path = _opened(url)
            if url.partition("::")[0].endswith("/"):
                place.mkdir(exist_ok=True)
                for name in filter(is_picture, files.ls(path, detail=False)):
                    files.get_file(name, str(place / PurePosixPath(name).name))
            else:
                files.get_file(path, str(place))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(place)) from error


def remove(place: Path) -> None:
    """Remove a copy, if it is there."""
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Raise LaunchError for whatever a file system of fsspec raises; OSError where this machine has no room for a copy."""
    name = without_password(url)
    try:
        yield
    except (LaunchError, GeneratorExit):
        raise
    except FileNotFoundError:
        raise LaunchError(f"{name} does not exist.") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise
        text = without_secrets(f"{error}".strip() or type(error).__name__, url).rstrip(".")
        raise LaunchError(f"{name} cannot be read: {text}.") from None
