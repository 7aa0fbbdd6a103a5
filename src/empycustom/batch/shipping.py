"""What goes to the nodes of a cluster: the folders of the libraries, which hold what they import and read.

A library finds its helpers, models and labels beside itself. So its folder is copied, without what is not its own: hidden files,
virtual environments, caches, videos, what is worked on, and results. Where it lies on a node is known there alone.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.machinery import PathFinder
from pathlib import Path

from empycustom.batch import Work
from empycustom.batch.results import MARK
from empycustom.errors import LaunchError
from empycustom.library.compiled import SUFFIX
from empycustom.library.load import is_installed
from empycustom.session.playlist import is_picture, is_played
from empycustom.text import absolute, as_path, working_folder

LARGEST = 256 << 20  # bytes; Ray keeps them in the memory of its head, and takes twice as much at most
_MOST = 10_000  # files
_CACHES = ("__pycache__", "node_modules")
_PACKAGE = "empycustom"  # every node has it


@dataclass(frozen=True)
class Shipment:
    """Libraries in a folder that can lie anywhere. ``work`` has the paths in it, ``places`` where each folder came from.

    ``found_in`` are folders in it where dotted modules are found.
    """

    work: Work
    places: dict[str, str]
    found_in: Sequence[str]

    def work_at(self, folder: str) -> Work:
        """Return the work of a node where it lies in ``folder``."""
        stages = []
        for stage in self.work.stages:
            path = os.path.join(folder, stage["path"])
            stages.append({**stage, "path": path if os.path.exists(path) else stage["path"]})
        return replace(self.work, stages=stages)

    def as_here(self, text: str, folder: str) -> str:
        """Return a message of a node with the paths that the user knows."""
        for place, before in self.places.items():
            text = text.replace(os.path.join(folder, place), before)
        return text


def ship(work: Work, into: Path, without: Collection[str]) -> Shipment:
    """Copy what the libraries of ``work`` need into a folder. ``without`` are paths that stay here: sources and results.

    Raises LaunchError where a folder has too much, or cannot be read.
    """
    places: dict[str, str] = {}  # by the folder here
    found_in, stages = [], []
    for stage in work.stages:
        path, is_dotted = stage["path"], _is_dotted(stage["path"])
        file = None if is_dotted else _file(path)
        folder = _root(path) if file is None else str(file.parent)
        if folder is not None:
            if folder not in places:
                places[folder] = str(len(places))
                _copy(folder, into / places[folder], without, path)
            if file is None:
                found_in.append(places[folder])
            else:
                path = os.path.join(places[folder], file.name)
        stages.append({**stage, "path": path})
    return Shipment(replace(work, stages=stages), {place: folder for folder, place in places.items()}, found_in)


def _is_dotted(path: str) -> bool:
    return os.sep not in path and not path.endswith((".py", SUFFIX)) and not path.startswith("~")


def _file(path: str) -> Path:
    file = absolute(as_path(path))
    return file if file.exists() else file.with_name(f"{file.name}.py")


def _root(name: str) -> str | None:
    """Return the folder in which a dotted module is found, None where it is installed: nodes have it as well."""
    top = name.partition(".")[0]
    spec = PathFinder.find_spec(top, [working_folder(), *sys.path])
    place = spec and (spec.origin or next(iter(spec.submodule_search_locations or ()), None))
    if top == _PACKAGE or spec is None or not place:
        return None
    package = Path(place).parent if Path(place).stem == "__init__" else Path(place)
    folder = str(package.parent)
    return None if is_installed(folder) else folder


def _copy(folder: str, to: Path, without: Collection[str], library: str) -> None:
    """Copy a folder. Raises LaunchError."""
    size = count = 0
    try:
        for file in _files(folder, without):
            size, count = size + os.path.getsize(file), count + 1
            if size > LARGEST or count > _MOST:
                raise LaunchError(
                    f"--ray sends the folder of {library} to the nodes, and {folder} has more than {LARGEST >> 20} MB or {_MOST} "
                    "files; put the library, and what it needs, into a folder of its own."
                )
            place = to / os.path.relpath(file, folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
    except OSError as error:
        raise LaunchError(f"{error.filename} cannot be sent to the nodes: {error.strerror}; it lies beside {library}.") from error


def _files(folder: str, without: Collection[str]) -> Iterator[str]:
    """Yield the files below a folder that belong to a library."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if _is_kept(os.path.join(place, name), without)]
        for name in names:
            file = os.path.join(place, name)
            is_video = is_played(name) and not is_picture(name)
            if not name.startswith(".") and not is_video and file not in without and os.path.isfile(file):
                yield file


def _is_kept(folder: str, without: Collection[str]) -> bool:
    name = os.path.basename(folder)
    foreign = any(os.path.exists(os.path.join(folder, mark)) for mark in ("pyvenv.cfg", MARK))
    return not (name.startswith(".") or name in _CACHES or folder in without or foreign)
