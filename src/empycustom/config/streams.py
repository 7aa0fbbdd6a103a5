"""The configuration as immutable values: streams, each with its stages in the order of the pipeline."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from empycustom.config import file as files
from empycustom.config import schema
from empycustom.config.file import load, raise_problems
from empycustom.config.options import (
    EventItem,
    Option,
    Setting,
    read_items,
    read_options,
    settings_of,
    split_setting,
    typed_settings,
)
from empycustom.config.schema import is_named
from empycustom.library.sketch import usual_format
from empycustom.model.schema import Problem
from empycustom.text import as_text, below, not_for_lines, suggestion

_USUAL = {"primary": "nvinfer", "tracker": "nvtracker", "secondary": "nvinfer", "overlay": "nvdsosd"}
_CUSTOM = ("emcustom", "empycustom")
_CLOSED = {"aimeta": schema.AIMETA, **dict.fromkeys(_CUSTOM, schema.CUSTOM)}  # elements all of whose keys are known
_ROOT = "$.pipeline_configuration"
PLACE = "{stream_id}"  # the name of the stream, in what is written for each stream


@dataclass(frozen=True)
class Stage:
    """One element. ``group`` is its key in pipeline_configuration, ``path`` its own JSON path.

    ``format`` and ``memory`` (CPU, NVMM) are those of the frames that a library gets, None for other elements. ``named``: the
    configuration names the element instead of using the default one. ``set_at`` is where options set some of its properties.
    """

    group: str
    element: str
    path: str
    properties: Mapping[str, Any]
    named: bool
    format: str | None = None
    memory: str | None = None
    set_at: Mapping[str, str] = field(default_factory=dict, compare=False)

    def path_of(self, name: str) -> str:
        """Return where the property ``name`` is set: a JSON path, or ``--set``."""
        return self.set_at.get(name) or below(self.path, name)

    def path_of_option(self, option: str) -> str:
        """Return where an option of the library is set, ``""``: one of them."""
        path = self.path_of("options")
        return path if path.startswith("--") or not option else below(path, option)


@dataclass(frozen=True)
class Stream:
    """One stream. ``location`` is a SOURCE of ``empycustom run``; ``options`` are the options that the callback gets.

    ``more`` are locations that are played after it, one after the other. ``format`` is the pixel format of the frames before the
    first stage, None: any. ``name`` is ``""`` if the stream has none. ``publish`` are the properties of each metapublish.

    ``set_at`` is where options set properties of aimeta, ``location_path`` where the location is set: a path, or ``--source``.
    """

    name: str
    location: str
    input: Mapping[str, Any]
    stages: tuple[Stage, ...]
    aimeta: Mapping[str, Any]
    options: tuple[Mapping[str, Any], ...]
    set_at: Mapping[str, str] = field(default_factory=dict, compare=False)
    location_path: str = field(default="", compare=False)
    more: tuple[str, ...] = ()
    format: str | None = None
    publish: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Configuration:
    """A configuration to be played. ``callback`` is file and function, or None; ``many``: results have the name of their stream.

    ``file`` is None if no file was read. ``options`` are the declared ones. ``content`` is the file in its plain form,
    ``sources`` and ``settings`` are those of the command line.
    """

    file: Path | None
    streams: tuple[Stream, ...]
    many: bool = False
    callback: tuple[Path, str] | None = None
    event_items: tuple[EventItem, ...] = ()
    options: tuple[Option, ...] = ()
    content: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()

    def changed(self, setting: str) -> Configuration:
        """Return the configuration with one more of the ``settings``. Raises ConfigurationError."""
        assert self.file, "there are options in files alone"

        def head_of(text: str) -> str:
            return split_setting(text, self.options, [stream.name for stream in self.streams])[0]

        kept = (text for text in self.settings if head_of(text) != head_of(setting))
        return _configuration(self.file, self.content, self.sources, (*kept, setting))


def library_stage(path: str, *, in_place: bool, **properties: Any) -> Stage:
    """Return the stage that runs a library without conversion of the frames; ``properties`` are others of its element."""
    return Stage("empycustom", "empycustom", "", {"custom-lib": path, "in-place": in_place, **properties}, named=True)


def plain_stream(
    sources: Sequence[str], stages: Sequence[Stage] = (), *, pixels: str | None = None, publish: Sequence[str] = ()
) -> Stream:
    """Return the stream that plays ``sources``, each a SOURCE of ``empycustom run``, one after the other.

    ``publish`` are the URIs that its documents are sent to.
    """
    first, *more = sources
    sent = tuple({"uri": uri} for uri in publish)
    return Stream("", first, {}, tuple(stages), {}, (), more=tuple(more), format=pixels, publish=sent)


Check = Callable[["Configuration"], Iterable[Problem]]


def read(file: Path, *, sources: Sequence[str] = (), settings: Sequence[str] = (), more: Check = lambda _: ()) -> Configuration:
    """Read a configuration file. ``sources`` and ``settings`` are those of ``--source`` and ``--set``.

    ``more`` yields what else is wrong, with the machine for instance; it gets a configuration whose keys and values are right.
    Raises ConfigurationError, which lists all that is wrong with JSON paths; OSError if the file cannot be read.
    """
    content = load(file)
    wrong = list(schema.CONFIGURATION.problems(content, "$"))
    if wrong:
        raise_problems(file, content, [*wrong, *_missing_at_all(content, file.absolute().parent)])
    return _configuration(file, schema.CONFIGURATION.read(content), tuple(sources), tuple(settings), more)


def _missing_at_all(content: Any, folder: Path) -> Iterator[Problem]:
    """Yield the missing files of a configuration that has other errors."""
    if isinstance(content, dict):
        yield from files.missing_callback(folder, content)
        pipeline = content.get("pipeline_configuration")
        yield from _missing(pipeline, folder, {}) if isinstance(pipeline, dict) else ()


def _missing(pipeline: Mapping[str, Any], folder: Path, set_at: Mapping[str, Mapping[str, str]]) -> Iterator[Problem]:
    """Yield the missing files of all elements; ``set_at``, by their paths, is where options set some properties."""
    for _, element, properties, path in _elements(pipeline):
        if isinstance(properties, dict):
            missing = files.missing_of_library if element in _CUSTOM else files.missing_of_element
            yield from missing(folder, properties, path, set_at.get(path, {}))


def _configuration(
    file: Path, content: Mapping[str, Any], sources: tuple[str, ...], settings: tuple[str, ...], more: Check = lambda _: ()
) -> Configuration:
    folder = file.absolute().parent
    problems: list[Problem] = []
    options = read_options(content, problems)
    problems += _unknown_targets(content["pipeline_configuration"], options)
    given = _streams(content, folder, sources, problems)
    many = bool(content.get("streams")) or len(given) > 1
    typed = typed_settings(options, [stream["stream_id"] for _, stream in given], settings, problems)
    set_ = [settings_of(options, stream, path, typed[stream["stream_id"]], problems) for path, stream in given]
    streams = tuple(_stream(content, folder, stream, each, problems) for (_, stream), each in zip(given, set_, strict=True))
    problems += [*_shared(streams), *_not_lines(streams)]
    callback, items = _callback(content, folder, problems), tuple(read_items(content))
    made = Configuration(file, streams, many, callback, items, tuple(options), content, sources, settings)
    raise_problems(file, content, [*problems, *more(made)])
    return made


def _not_lines(streams: Sequence[Stream]) -> Iterator[Problem]:
    """Yield files for documents whose suffix is that of another format."""
    for stream in streams:
        location = stream.aimeta.get("location")
        if location and (why := not_for_lines(location)):
            yield Problem(stream.set_at.get("location", f"{_ROOT}.aimeta.location"), f"{location}: {why}")


def _shared(streams: Sequence[Stream]) -> Iterator[Problem]:
    """Yield the location that several streams would write to."""
    if len(streams) > 1 and any("location" in stream.aimeta for stream in streams):
        yield Problem(f"{_ROOT}.aimeta.location", "is for one stream alone; leave it out here and in options, and use --out")


def _callback(content: Mapping[str, Any], folder: Path, problems: list[Problem]) -> tuple[Path, str] | None:
    name = content.get("signal_callback_function_name")
    problems += files.missing_callback(folder, content)
    return (folder / files.CALLBACK_FILE, name) if name else None


def _streams(
    content: Mapping[str, Any], folder: Path, sources: Sequence[str], problems: list[Problem]
) -> list[tuple[str, dict[str, Any]]]:
    """Return the streams with their JSON paths; each has a ``location`` and a ``stream_id``."""
    listed: list[dict[str, Any]] = content.get("streams") or [{}] * max(1, len(sources))
    if sources and len(sources) != len(listed):
        given, there = (
            f"{count} {what}{'' if count == 1 else 's'}" for count, what in ((len(sources), "time"), (len(listed), "stream"))
        )
        text = f"--source is given {given}, and the file has {there}"
        problems.append(Problem("$.streams", text))
        sources = ["test"] * len(listed)  # the locations in the file are not meant, so nothing is wrong with them
    found: list[tuple[str, dict[str, Any]]] = []
    for index, stream in enumerate(listed):
        path = below("$.streams", index) if content.get("streams") else "$"
        location = sources[index] if sources else _location(folder, stream.get("location", ""))
        if not location:
            problems.append(Problem(path, f"there is no source; {_ADVICE}"))
        usual = content.get("application_name") or "stream"
        name = stream.get("stream_id") or (f"{usual}-{index + 1}" if len(listed) > 1 else usual)
        if name in [other["stream_id"] for _, other in found]:
            problems.append(Problem(f"{path}.stream_id", f"{name} is the name of another stream, too"))
        location_path = f"--source {location}" if sources else f"{path}.location"
        found.append((path, {**stream, "stream_id": name, "location": location, "location_path": location_path}))
    return found


_ADVICE = 'give --source URI, or write "streams": [{"stream_id": "entrance", "location": "rtsp://…"}]'


def _location(folder: Path, location: str) -> str:
    """Return a file as an absolute path, everything else as it is."""
    if not location or "://" in location or re.fullmatch(r"-|test|camera(:\d+)?", location):
        return location
    return as_text(files.find_file(folder, location) or folder / files.expanded(location))


def _stream(
    content: Mapping[str, Any], folder: Path, stream: Mapping[str, Any], settings: Sequence[Setting], problems: list[Problem]
) -> Stream:
    pipeline = content["pipeline_configuration"]
    set_at: dict[str, dict[str, str]] = {}
    for setting in settings:
        pipeline = _with_property(pipeline, setting, set_at, problems)
    pipeline = schema.PIPELINE.read(pipeline)
    problems += _missing(pipeline, folder, set_at)
    stages = [
        _stage(group, element, path, properties, set_at.get(path, {}), folder)
        for group, element, properties, path in _elements(pipeline)
        if group in schema.GROUPS
    ]
    options = tuple({"key": setting.option.key, "value": setting.value} for setting in settings if setting.option.element is None)
    return Stream(
        stream["stream_id"],
        stream["location"],
        pipeline.get("input", {}),
        tuple(stages),
        pipeline.get("aimeta", {}),
        options,
        set_at.get(f"{_ROOT}.aimeta", {}),
        stream["location_path"],
        publish=_publish(pipeline.get("publish", ()), stream["stream_id"]),
    )


def _publish(given: Any, name: str) -> tuple[Mapping[str, Any], ...]:
    """Return the properties of each element that sends documents of the stream with this name."""
    listed = given if isinstance(given, (list, tuple)) else [given]
    elements = [_with_query({"uri": each} if isinstance(each, str) else each) for each in listed]
    return tuple({key: _placed(key, value, name) for key, value in each.items()} for each in elements)


def _with_query(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return properties of metapublish: settings of the destination alone go into the query of its URI."""
    own = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in given.items()
        if key not in schema.PUBLISH.fields
    }
    if not own:
        return given
    place, _, query = given["uri"].partition("?")
    more = "&".join(filter(None, [urlencode(own, quote_via=quote), query]))  # what the URI says goes first, so it comes last
    return {"uri": f"{place}?{more}", **{key: value for key, value in given.items() if key not in own and key != "uri"}}


def _placed(key: str, value: Any, name: str) -> Any:
    """Return a property with the name of the stream in its place, escaped where that is a URI."""
    return value.replace(PLACE, quote(name, safe="") if key == "uri" else name) if isinstance(value, str) else value


def _with_property(
    pipeline: Mapping[str, Any], setting: Setting, set_at: dict[str, dict[str, str]], problems: list[Problem]
) -> Mapping[str, Any]:
    """Return the pipeline with a property set in every element that is the option's target, unless that would make it wrong.

    ``set_at`` gets, by the elements' paths and the properties' names, where it is set.
    """
    if any(_unknown_targets(pipeline, [setting.option])):
        return pipeline
    changed = {"aimeta": {}, **copy.deepcopy(pipeline)}
    for _, properties, path in _targets(changed, setting.option):
        properties[setting.option.key] = setting.value
        set_at.setdefault(path, {})[setting.option.key] = setting.path
    wrong = [Problem(setting.path, problem.text) for problem in schema.PIPELINE.problems(changed, _ROOT)]
    problems += wrong
    return pipeline if wrong else changed


def _unknown_targets(pipeline: Mapping[str, Any], options: Sequence[Option]) -> Iterator[Problem]:
    """Yield options of elements that are not in the pipeline, or of properties that these never have."""
    known_elements = dict.fromkeys(name for group, element, *_ in _elements(pipeline) for name in (group, element))
    for option in options:
        targets = _targets(pipeline, option)
        if option.element is not None and not targets:
            known = suggestion(option.element, list(known_elements))
            yield Problem(f"{option.path}.key.element", f"there is no {option.element} in the pipeline; {known}")
        for element in dict.fromkeys(element for element, *_ in targets):
            keys = list(_CLOSED[element].fields) if element in _CLOSED else [option.key]
            if option.key not in keys:
                known = suggestion(option.key, keys)
                yield Problem(f"{option.path}.key.property", f"{element} has no such property; {known}")


def _targets(pipeline: Mapping[str, Any], option: Option) -> list[tuple[str, dict[str, Any], str]]:
    """Return the elements that an option is for, with their properties and JSON paths."""
    return [
        (element, properties, path)
        for group, element, properties, path in _elements(pipeline)
        if option.element in (group, element)
    ]


def _elements(pipeline: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any], str]]:
    """Yield group, name, properties (the same dict) and JSON path of all elements in a pipeline."""
    for group in schema.GROUPS:
        if group in pipeline:
            for element, properties, path in elements_of(group, pipeline[group], below(_ROOT, group)):
                yield group, element, properties, path
    yield "aimeta", "aimeta", pipeline.get("aimeta", {}), f"{_ROOT}.aimeta"


def elements_of(group: str, value: Any, path: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield the elements under a key of pipeline_configuration: name, properties (the same dict), JSON path."""
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


def _stage(group: str, element: str, path: str, given: Mapping[str, Any], set_at: Mapping[str, str], folder: Path) -> Stage:
    if element not in _CUSTOM:
        properties = {key: files.resolved(folder, key, value) for key, value in given.items()}
        return Stage(group, element, path, properties, path != below(_ROOT, group), set_at=set_at)
    own = {key: value for key, value in given.items() if key not in ("format", "memory", "libraries")}
    if "events" in own:
        own["events"] = json.dumps(own["events"], ensure_ascii=False)
    file = files.find_file(folder, own["custom-lib"])
    own["custom-lib"] = as_text(file) if file else own["custom-lib"]
    memory = given.get("memory", "CPU")
    pixels = given.get("format") or (usual_format([(own["custom-lib"], own)]) if memory == "CPU" else "RGBA")
    return Stage(group, element, path, own, True, pixels, memory, set_at)
