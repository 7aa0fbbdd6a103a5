"""What results depend on: libraries, their options, and the files that these name; and how that differs from what it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from empycustom.batch import Work
from empycustom.buffers.callback import VIEWS
from empycustom.elements.limits import called, check_declared
from empycustom.elements.properties import read_object
from empycustom.errors import LaunchError
from empycustom.library.callbacks import Library
from empycustom.text import as_native

_READ_WHOLE = 256 << 20  # bytes; of a larger file size and time of change are compared
_AT_ONCE = 1 << 20
_INDIFFERENT = ("workers", "call-timeout")  # the same results come of it
_OPTIONS = {"process-interval": ("--every", 1), "on-error": ("--on-error", "fail"), "options": ("--options", "{}")}


def with_options(work: Work) -> Work:
    """Return the work with what is in the files that options name, which may change while it goes on. Raises PropertyError."""
    stages = []
    for stage in work.stages:
        properties = dict(stage["properties"])
        if (options := properties.get("options", "")).startswith("@"):
            properties["options"] = json.dumps(read_object("options", options))
        stages.append({**stage, "properties": properties})
    return replace(work, stages=stages)


def fingerprint(work: Work) -> dict[str, Any]:
    """Return what the results depend on: the contents of the libraries' files, and what is set.

    Each library is loaded for it, which shows what is wrong with it, or with what is set. Raises LibraryError, PropertyError.
    """
    libraries = []
    for stage in work.stages:
        library = open_library(stage)
        try:
            options = library.options_for(read_object("options", stage["properties"].get("options")))
            check_declared(stage["properties"], library)
            sources = library.all_sources()
            files = {_short(path, stage["path"]): hashlib.sha256(source).hexdigest() for path, source in sources.items()}
        finally:
            library.close()
        properties = {name: value for name, value in stage["properties"].items() if name not in _INDIFFERENT}
        named = contents_of(_texts([options, properties]), stage["path"])
        libraries.append({"path": stage["path"], "files": files, "named": named, "properties": properties})
    return {"libraries": libraries, "format": work.format, "lines": work.lines}


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in values of options, which may name files."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts([*value.values()])
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def contents_of(names: Iterable[str], library: str) -> dict[str, str]:
    """Return what stands for the contents of those names that are files, here or beside a library."""
    found = {}
    for name in names:
        path = os.path.expanduser(as_native(name))
        for place in (path, os.path.join(os.path.dirname(library), path)):
            if os.path.isfile(place):
                found[name] = _content(place)
                break
    return found


def _content(path: str) -> str:
    try:
        with open(path, "rb") as file:
            about, digest = os.fstat(file.fileno()), hashlib.sha256()
            if about.st_size <= _READ_WHOLE:
                while part := file.read(_AT_ONCE):
                    digest.update(part)
                return digest.hexdigest()
    except OSError as error:  # the library reports it, if it matters
        return f"{error.strerror}"
    return f"{about.st_size} bytes, {about.st_mtime_ns}"


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield how what results depend on has changed. A file that an option names counts if it was there before."""
    old, new = before.get("libraries", []), now.get("libraries", [])
    if [each["path"] for each in old] != [each["path"] for each in new]:
        yield f"its libraries are {', '.join(each['path'] for each in old) or 'none'}"
    else:
        for one, other in zip(old, new, strict=True):
            names = sorted(_differing(one["files"], other["files"]))
            changed = [name for name, content in one.get("named", {}).items() if other["named"].get(name) != content]
            if names or changed:
                yield f"{', '.join([*names, *changed])} has changed"
            yield from _options(one, other, f" of {other['path']}" if len(new) > 1 else "")
    if bool(before.get("lines")) != bool(now.get("lines")):
        yield f"it was --format {'jsonl' if before.get('lines') else 'parquet'}"
    if before.get("format") != now.get("format"):
        yield f"--pixel-format was {before.get('format') or 'that of each video'}"


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> set[str]:
    """Return the keys whose values differ; those that only one has, if there are any."""
    return {*one} ^ {*other} or {name for name in one if one[name] != other[name]}


def _options(one: Mapping[str, Any], other: Mapping[str, Any], whose: str) -> Iterator[str]:
    was, now = one["properties"], other["properties"]
    for name in sorted({*was, *now}):
        option, default = _OPTIONS.get(name, (f"--{name}", "not given"))
        if was.get(name) != now.get(name):
            yield f"{option}{whose} was {_shown(was.get(name, default))}, is {_shown(now.get(name, default))}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def open_library(stage: Mapping[str, Any]) -> Library:
    """Load the library of a stage, as the element does. Raises LibraryError."""
    values = {**stage["properties"], "in-place": stage["in_place"]}
    return Library.open(stage["path"], **called(values), views=VIEWS)


def _short(path: str, library: str) -> str:
    """Return a file as it lies beside the library, if it does."""
    folder = Path(library).parent
    return str(Path(path).relative_to(folder)) if Path(path).is_relative_to(folder) else path


def check_stateful(work: Work, why: str) -> None:
    """Raise LaunchError where a library declares that it needs all frames in their order."""
    for stage in work.stages:
        library = open_library(stage)
        try:
            is_stateful = library.stateful
        finally:
            library.close()
        if is_stateful:
            raise LaunchError(
                f"{why} lets pieces of a video be worked on side by side, and {library.path} declares STATEFUL: it needs all "
                "frames in their order; leave --segment out."
            )
