"""Check a stream configuration on this machine: its elements and their properties, its sources, and where it writes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from empycustom.config.file import raise_problems
from empycustom.config.launch import AIMETA, FIRST, STREAMMUX, UPRIGHT, assignments, changes, describe, elements, properties_of
from empycustom.config.options import Option
from empycustom.config.schema import GROUPS
from empycustom.config.streams import PLACE, Configuration, Stage, Stream
from empycustom.elements.limits import check_memory, check_properties
from empycustom.elements.reloading import check_reload
from empycustom.errors import ConfigurationError, LaunchError, LibraryError, PropertyError, PublishError, UnknownOutputError
from empycustom.gstreamer import GLib, GObject, Gst
from empycustom.library.compiled import is_compiled, read_compiled
from empycustom.model.schema import Integer, Number, Problem, is_number
from empycustom.outputs.table import output_class, path_of
from empycustom.packages import how_to_get_any
from empycustom.publish.destinations import check_uri
from empycustom.session import Part
from empycustom.session.excerpt import check_part
from empycustom.session.parts import encoding_problem, exists
from empycustom.session.playlist import sources_of
from empycustom.session.sinks import ENCODER, MUXER
from empycustom.session.sources import INPUT, SOURCE, is_file
from empycustom.session.upright import FITTED, SCALER
from empycustom.text import shown, suggestion, working_folder

_VIDEO = Gst.Caps.from_string("video/x-raw(ANY)")
_NUMBERED = (SCALER, FITTED, ENCODER, MUXER, "last")  # names of elements of files, followed by a number
_WAYS = {"take": Gst.PadDirection.SINK, "hand on": Gst.PadDirection.SRC}


def check_stages(configuration: Configuration) -> None:
    """Raise ConfigurationError, with a line for each element or property that is missing or unsuitable on this machine."""
    assert configuration.file
    raise_problems(configuration.file, configuration.content, problems(configuration))


def check_changes(before: Stream, after: Stream) -> None:
    """Raise ConfigurationError if a playing pipeline of ``before`` cannot become one of ``after``."""
    found = changes(before, after, exists)
    for old, new in zip(before.stages, after.stages, strict=True):
        if (old.format, old.memory) != (new.format, new.memory):
            raise ConfigurationError(f"{new.path}: format and memory cannot change while it plays; give them when you start")
    if not found and before.stages != after.stages:
        raise ConfigurationError("there is no element here that would use this")
    for change in found:
        spec = _properties(change.element)[_canonical(change.key)]
        if spec.flags & int(Gst.PARAM_MUTABLE_READY) or change.key == "name":
            raise ConfigurationError(
                f"{change.key} of {change.element} cannot change while it plays; give it when you start: --set KEY=VALUE"
            )


def problems(configuration: Configuration) -> Iterator[Problem]:
    """Yield the problems of all elements on this machine."""
    stages = {repr(stage): (stage, element) for stream in configuration.streams for stage, element in elements(stream, exists)}
    for stage, element in stages.values():
        yield from _problems_of(stage, element, configuration.options)
    for stream in configuration.streams:
        yield from _taken_names(stream)
        try:
            describe(stream, [], exists)
        except ConfigurationError as error:
            yield Problem(error.path, str(error).removeprefix(f"{error.path}: "))


def _problems_of(stage: Stage, element: str, options: Sequence[Option]) -> Iterator[Problem]:
    if not exists(element):
        yield Problem(stage.path, f"there is no element {element} here; {how_to_get_any(element)}{_instead(stage)}")
        return
    lacking = [does for does, direction in _WAYS.items() if not _has_video(element, direction)]
    if lacking:
        yield Problem(stage.path, f"{element} does not {' or '.join(lacking)} raw video; an element here has to do both")
    yield from _wrong_properties(stage, element, options)
    if element == "empycustom":
        yield from _wrong_together(stage)
        yield from _wrong_compiled(stage)


def _instead(stage: Stage) -> str:
    if stage.group in ("primary", "tracker", "secondary") and not stage.named:
        advice = f'"{stage.group}": {{"empycustom": {{"custom-lib": "detect.py", "in-place": true}}}}'
        return f". Or name another element, or a library of yours: {advice}"
    return ""


def _has_video(element: str, direction: Any) -> bool:
    """Return True if an element has a pad for raw video of any memory, before it plays."""
    pads = Gst.ElementFactory.find(element).get_static_pad_templates()
    return any(
        pad.direction == direction and pad.presence != Gst.PadPresence.SOMETIMES and pad.get_caps().can_intersect(_VIDEO)
        for pad in pads
    )


def _taken_names(stream: Stream) -> Iterator[Problem]:
    """Yield names in the configuration that another element of the pipeline has, or that GStreamer may give it."""
    taken = {AIMETA, FIRST, UPRIGHT, SOURCE, INPUT, STREAMMUX, "tee"}
    for stage, element in elements(stream, exists):
        if "name" not in properties_of(stage, element):
            continue
        name = str(stage.properties["name"])
        numbered = re.fullmatch(r"(.*\D)\d+", name)
        if name in taken or (
            numbered and (numbered[1] in (*GROUPS, SCALER, FITTED, ENCODER, MUXER, "last") or exists(numbered[1]))
        ):
            yield Problem(stage.path_of("name"), f"{shown(name)} is a name that another element may have; choose another")
        taken.add(name)


def _wrong_properties(stage: Stage, element: str, options: Sequence[Option]) -> Iterator[Problem]:
    known = _properties(element)
    if not known:
        return  # its plugin cannot be loaded, which is reported when the element is made
    given = properties_of(stage, element)
    paths = {name: stage.path_of(name) for name in given}
    if element == stage.element and stage.format is None:  # of libraries, the schema knows all keys
        meant = (option for option in options if option.element in (stage.group, element))
        paths |= {option.key: f"{option.path}.key.property" for option in meant}
    for name, path in paths.items():
        spec = known.get(_canonical(name))
        if spec is None:
            others = [other for other, of_other in known.items() if of_other.flags & GObject.ParamFlags.WRITABLE]
            yield Problem(path, f"{element} has no such property; {suggestion(name, sorted(others))}")
        elif not spec.flags & GObject.ParamFlags.WRITABLE:
            yield Problem(path, f"this property of {element} can only be read")
        elif name in given and (problem := _value_problem(element, spec, given[name])):
            yield Problem(stage.path_of(name), problem)


def _wrong_together(stage: Stage) -> Iterator[Problem]:
    """Yield what the element would refuse at its start: properties that do not go together, or what is not installed."""
    given = stage.properties
    values = {"workers": 0, "pace": "every", "call-timeout": 0, "in-place": is_compiled(given.get("custom-lib")), **given}
    yield from _refused(stage, check_properties, values)
    if values["workers"]:
        yield from _refused(stage, check_memory, stage.memory or "CPU")
    if given.get("reload"):
        yield from _refused(stage, check_reload, given["custom-lib"])


def _wrong_compiled(stage: Stage) -> Iterator[Problem]:
    """Yield what is wrong with the file of a compiled library, as far as it can be seen without loading it."""
    library = stage.properties["custom-lib"]
    if is_compiled(library) and os.path.isfile(library):  # else it is reported as missing
        try:
            read_compiled(library)
        except LibraryError as error:
            yield Problem(stage.path_of("custom-lib"), str(error))


def _refused(stage: Stage, check: Callable[[Any], None], given: Any) -> Iterator[Problem]:
    try:
        check(given)
    except PropertyError as error:
        yield Problem(stage.path_of(error.name), str(error))


def _properties(element: str) -> dict[str, Any]:
    """Return the properties of an element by their names, without making an element, which might never be freed."""
    loaded = Gst.ElementFactory.find(element).load()
    return {spec.name: spec for spec in GObject.list_properties(loaded.get_element_type())} if loaded else {}


def _canonical(name: str) -> str:
    return name.replace("_", "-")  # as GObject takes both


def _value_problem(element: str, spec: Any, value: Any) -> str:
    """Return why a property cannot have this value, or ``""``."""
    minimum = getattr(spec, "minimum", None)
    if minimum is not None and (number := _number(value)) is not None:
        # GLib would set another number, with a warning.
        limits = (Integer if isinstance(minimum, int) else Number)(minimum, spec.maximum)
        if limits.problem(number):
            return f"{shown(value)} must be {limits.expected}"
    text = " ".join(["(", element, *assignments({spec.name: value}), ")"])  # the bin takes the element, and is freed with it
    if problem := encoding_problem(text):
        return f"{problem}; give the file or folder another name"
    try:
        Gst.parse_launch_full(text, None, Gst.ParseFlags.FATAL_ERRORS)
    except GLib.Error:
        return f"{element} cannot take {shown(value)} here; `gst-inspect-1.0 {element}` shows its possible values"
    return ""


def _number(value: Any) -> float | None:
    """Return the number that a value is, also as text; None if it is not a number."""
    if not isinstance(value, str):
        return value if is_number(value) else None
    for convert in (lambda text: int(text, 0), float):
        with suppress(ValueError):
            return convert(value)
    return None


# Sources and files.


_LOCATION = "$.pipeline_configuration.aimeta.location"


def missing_sources(configuration: Configuration, *, cameras: bool = False) -> Iterator[Problem]:
    """Yield the sources that are missing files, or never end; with ``cameras`` also other sources, which may come later."""
    for stream in configuration.streams:
        if stream.location and (cameras or is_file(stream.location)):
            try:
                sources_of(stream)
            except LaunchError as error:
                yield Problem(stream.location_path, str(error).rstrip("."))


def without_times(configuration: Configuration, part: Part | None) -> Iterator[Problem]:
    """Yield the sources of which ``part`` cannot be played."""
    for stream in configuration.streams if part else ():
        with suppress(LaunchError):  # which missing_sources yields
            sources = sources_of(stream)
            try:
                check_part(part, sources)
            except LaunchError as error:
                yield Problem(stream.location_path, str(error).rstrip("."))


def places_outside(configuration: Configuration, *, allowed: bool) -> Iterator[Problem]:
    """Yield the locations of aimeta in the file that are outside of its folder and of the working directory, or have no output.

    So it is with files to publish to, and with other destinations that cannot be used.

    The file may be from somebody else, while ``--allow-outside`` (``allowed``) and ``--set`` are from the user who runs it.
    """
    assert configuration.file
    for stream in configuration.streams:
        location, set_at = stream.aimeta.get("location"), stream.set_at.get("location", _LOCATION)
        if not location:
            continue
        found = path_of(location)
        try:
            output_class(location)
        except UnknownOutputError as error:
            yield Problem(set_at, str(error))
            continue
        if allowed or set_at.startswith("--set"):
            continue
        if not _is_inside(found or Path("/"), configuration.file):  # a location that is not a file is outside
            text = "write the documents with --out, or give --allow-outside if that file is to be written"
            yield Problem(set_at, f"{location} {_OUTSIDE}, {text}")
    yield from _wrong_destinations(configuration, allowed=allowed)


_OUTSIDE = "lies outside of the configuration's folder and of the working directory; name a file inside"


def _is_inside(path: Path, file: Path) -> bool:
    """Return whether a path, with links resolved, lies in the folder of a configuration or in the working directory."""
    inside = [os.path.realpath(folder) for folder in (file.absolute().parent, working_folder()) if folder]
    return any(os.path.commonpath([os.path.realpath(path), folder]) == folder for folder in inside)


_PUBLISH = "$.pipeline_configuration.publish"


def _wrong_destinations(configuration: Configuration, *, allowed: bool) -> Iterator[Problem]:
    """Yield the destinations of documents that cannot be used, as far as that can be seen without a connection.

    Files outside of the folders of :func:`places_outside` are among them, unless they are ``allowed``.
    """
    assert configuration.file
    writers: dict[str, str] = {}  # of files for one writer: the streams
    found: dict[Problem, None] = {}  # each once: what is wrong for one stream mostly is for all
    for stream in configuration.streams:
        for index, properties in enumerate(stream.publish):
            found |= dict.fromkeys(_wrong_destination(configuration.file, stream, index, properties, writers, allowed=allowed))
    yield from found


def _wrong_destination(
    file: Path, stream: Stream, index: int, properties: Mapping[str, Any], writers: dict[str, str], *, allowed: bool
) -> Iterator[Problem]:
    """Yield why a stream cannot publish there; its file is added to ``writers``."""
    given, at = dict(properties), f"{_PUBLISH}[{index}]"
    uri = given.pop("uri")
    try:
        destination = check_uri(uri, given)
    except PublishError as error:
        yield Problem(at, str(error))
        return
    path = destination.path
    if path and not allowed and not _is_inside(path, file):
        yield Problem(at, f"{uri} {_OUTSIDE}, or give --allow-outside if it is to be written")
    if path and destination.is_exclusive:
        other = writers.setdefault(os.path.realpath(path), stream.name)
        if other != stream.name:
            better = f"{path.stem}-{PLACE}{path.suffix}"
            yield Problem(at, f"{uri}: {other} and {stream.name} cannot write one file; write {PLACE} into its name: {better}")
