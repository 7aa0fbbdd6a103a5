"""What a configuration says, as frozen values: streams, each with its stages in the order of the pipeline."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empycustom.errors import ConfigurationError
from empycustom.stream import schema
from empycustom.stream.choices import is_named
from empycustom.stream.document import load
from empycustom.stream.events import EventItem, read_items
from empycustom.stream.kinds import below
from empycustom.stream.options import Option, Setting, read_options, settings_of, typed_settings

CALLBACK_FILE = "emi_signal_callback.py"
_USUAL = {"primary": "nvinfer", "tracker": "nvtracker", "secondary": "nvinfer", "overlay": "nvdsosd"}
_CUSTOM = ("emcustom", "empycustom")
_FILES = ("config-file-path", "ll-config-file", "ll-lib-file", "model-engine-file")
_ROOT = "$.pipeline_configuration"


@dataclass(frozen=True)
class Stage:
    """One element. ``group`` is the key of pipeline_configuration that it stands under, ``path`` its own JSON path.

    ``format`` and ``memory`` (CPU, NVMM) are what a library wants its frames to be, None for other elements. ``named``: the
    configuration names the element, rather than meaning the usual one.
    """

    group: str
    element: str
    path: str
    properties: Mapping[str, Any]
    named: bool
    format: str | None = None
    memory: str | None = None


@dataclass(frozen=True)
class Stream:
    """One stream. ``location`` is a URI, a file, ``camera`` or ``test``; ``options`` is what the callback gets of them."""

    name: str
    location: str
    input: Mapping[str, Any]
    stages: tuple[Stage, ...]
    aimeta: Mapping[str, Any]
    options: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Configuration:
    """A whole file. ``callback`` is file and function, None where there is none; ``many``: streams have to be told apart.

    ``document`` is the file in its plain form, ``sources`` and ``settings`` are what was said besides.
    """

    file: Path
    streams: tuple[Stream, ...]
    many: bool
    callback: tuple[Path, str] | None
    event_items: tuple[EventItem, ...]
    document: Mapping[str, Any]
    sources: tuple[str, ...]
    settings: tuple[str, ...]

    def changed(self, setting: str) -> Configuration:
        """The same with one more of the ``settings``. Raises ConfigurationError."""
        kept = (text for text in self.settings if text.partition("=")[0] != setting.partition("=")[0])
        return _configuration(self.file, self.document, self.sources, (*kept, setting))


def read(file: Path, *, sources: Sequence[str] = (), settings: Sequence[str] = ()) -> Configuration:
    """Read a configuration file. ``sources`` and ``settings`` are what ``--source`` and ``--set`` say.

    Raises ConfigurationError, whose sentences begin with JSON paths; OSError if the file cannot be read.
    """
    return _configuration(file, schema.read(load(file)), tuple(sources), tuple(settings))


def _configuration(file: Path, document: Mapping[str, Any], sources: tuple[str, ...], settings: tuple[str, ...]) -> Configuration:
    folder = file.absolute().parent
    options = read_options(document)
    given = _streams(document, folder, sources)
    many = bool(document.get("streams")) or len(given) > 1
    said = typed_settings(options, [stream["stream_id"] for _, stream in given], settings)
    streams = tuple(
        _stream(document, folder, stream, settings_of(options, stream, path, said[stream["stream_id"]])) for path, stream in given
    )
    _check_locations(streams)
    callback, items = _callback(document, folder), tuple(read_items(document))
    return Configuration(file, streams, many, callback, items, document, sources, settings)


def _check_locations(streams: Sequence[Stream]) -> None:
    """Refuse a file that several streams would write."""
    if len(streams) > 1 and any("location" in stream.aimeta for stream in streams):
        path = f"{_ROOT}.aimeta.location"
        raise ConfigurationError(f"{path}: several streams cannot write one file; leave it out, and use --out", path=path)


def _callback(document: Mapping[str, Any], folder: Path) -> tuple[Path, str] | None:
    name = document.get("signal_callback_function_name")
    file = folder / CALLBACK_FILE
    if name and not file.is_file():
        path = "$.signal_callback_function_name"
        raise ConfigurationError(f"{path}: {name} is looked for in {CALLBACK_FILE}, which is not in {folder}", path=path)
    return (file, name) if name else None


def _streams(document: Mapping[str, Any], folder: Path, sources: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """The streams with their JSON paths; each has a ``location`` and a ``stream_id``."""
    listed: list[dict[str, Any]] = document.get("streams") or [{}] * max(1, len(sources))
    if sources and len(sources) != len(listed):
        raise ConfigurationError(
            f"--source is given {len(sources)} times, and there are {len(listed)} streams in the file", path="$.streams"
        )
    found = []
    for index, stream in enumerate(listed):
        path = below("$.streams", index) if document.get("streams") else "$"
        location = sources[index] if sources else _location(folder, stream.get("location", ""))
        if not location:
            raise ConfigurationError(f"{path}: there is no source; {_ADVICE}", path=path)
        usual = document.get("application_name") or "stream"
        name = stream.get("stream_id") or (f"{usual}-{index + 1}" if len(listed) > 1 else usual)
        found.append((path, {**stream, "stream_id": name, "location": location}))
    _check_names([stream["stream_id"] for _, stream in found])
    return found


_ADVICE = 'give --source URI, or write "streams": [{"stream_id": "entrance", "location": "rtsp://…"}]'


def _check_names(names: list[str]) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            path = f"$.streams[{index}].stream_id"
            raise ConfigurationError(f"{path}: {name} is the name of another stream, too", path=path)


def _location(folder: Path, location: str) -> str:
    """A file beside the configuration as an absolute path; everything else as it is."""
    if not location or "://" in location or re.fullmatch(r"test|camera(:\d+)?", location):
        return location
    return str(folder / _expanded(location))


def _stream(document: Mapping[str, Any], folder: Path, stream: Mapping[str, Any], settings: Sequence[Setting]) -> Stream:
    pipeline = copy.deepcopy(document["pipeline_configuration"])
    for setting in settings:
        if setting.option.element is not None:
            _put(pipeline, setting)
    pipeline = schema.PIPELINE.read(pipeline)
    stages = [stage for group in schema.GROUPS if group in pipeline for stage in _stages(group, pipeline[group], folder)]
    told = tuple({"key": setting.option.key, "value": setting.value} for setting in settings if setting.option.element is None)
    return Stream(
        stream["stream_id"], stream["location"], pipeline.get("input", {}), tuple(stages), pipeline.get("aimeta", {}), told
    )


def _put(pipeline: dict[str, Any], setting: Setting) -> None:
    """Set a property of every element that an option means, and check it as if it had been there."""
    option = setting.option
    places = _places(pipeline, option)
    if not places:
        raise ConfigurationError(f"{option.path}.key: there is no {option.element} in the pipeline", path=f"{option.path}.key")
    for properties in places:
        properties[option.key] = setting.value
    problems = [f"{setting.path}: {problem.text}" for problem in schema.PIPELINE.problems(pipeline, _ROOT)]
    if problems:
        raise ConfigurationError(problems[0], path=setting.path)


def _places(pipeline: dict[str, Any], option: Option) -> list[dict[str, Any]]:
    if option.element == "aimeta":
        return [pipeline.setdefault("aimeta", {})]
    return [
        properties
        for group in schema.GROUPS
        if group in pipeline
        for element, properties, _ in elements_of(group, pipeline[group], below(_ROOT, group))
        if option.element in (group, element)
    ]


def elements_of(group: str, value: Any, path: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield the elements that stand under a key of pipeline_configuration: name, properties (the same dict), JSON path."""
    if isinstance(value, list):
        for index, entry in enumerate(value):
            yield from elements_of(group, entry, below(path, index))
    elif group in _CUSTOM:
        yield group, value, path
    elif is_named(value):
        for element, properties in value.items():
            yield element, properties, below(path, element)
    else:
        yield _USUAL[group], value, path


def _stages(group: str, value: Any, folder: Path) -> Iterator[Stage]:
    root = below(_ROOT, group)
    for element, properties, path in elements_of(group, value, root):
        named = group in _CUSTOM or path != root
        if element in _CUSTOM:
            yield _custom(group, element, path, properties, folder)
        else:
            yield Stage(group, element, path, {key: _path(folder, key, item) for key, item in properties.items()}, named)


def _custom(group: str, element: str, path: str, given: Mapping[str, Any], folder: Path) -> Stage:
    for index, library in enumerate(given.get("libraries", [])):
        _existing(folder, library, f"{path}.libraries[{index}]")
    own = {key: value for key, value in given.items() if key not in ("format", "memory", "libraries")}
    if "events" in own:
        own["events"] = json.dumps(own["events"], ensure_ascii=False)
    own["custom-lib"] = _library(folder, own["custom-lib"], f"{path}.custom-lib")
    return Stage(group, element, path, own, True, given.get("format", "RGBA"), given.get("memory", "CPU"))


def _library(folder: Path, name: str, path: str) -> str:
    is_file = os.sep in name or name.endswith((".py", ".so")) or name.startswith("~") or _found(folder, name) is not None
    return _existing(folder, name, path) if is_file else name


def _existing(folder: Path, name: str, path: str) -> str:
    found = _found(folder, name)
    if found is None:
        where = "" if _expanded(name).is_absolute() else f" in {folder}, nor in the folder resource there"
        raise ConfigurationError(f"{path}: {name} does not exist{where}", path=path)
    return str(found)


def _expanded(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:  # ~ of somebody who is not known
        return Path(name)


def _found(folder: Path, name: str) -> Path | None:
    """The file ``name``: beside the configuration, or in ``resource`` there, where applications keep theirs."""
    path = _expanded(name)
    return next((place / path for place in (folder, folder / "resource") if (place / path).exists()), None)


def _path(folder: Path, key: str, value: Any) -> Any:
    found = _found(folder, value) if key in _FILES and isinstance(value, str) and value else None
    return value if found is None else str(found)
