"""Whether this machine has what the stages of a stream configuration need: elements, and their properties."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from empycustom.app.packages import how_to_get_any
from empycustom.app.parts import exists
from empycustom.errors import ConfigurationError
from empycustom.gstreamer import GLib, GObject, Gst
from empycustom.stream.config import Configuration, Stage, Stream
from empycustom.stream.kinds import shown, suggestion
from empycustom.stream.launch import assignments, changes, elements, properties_of


def check_stages(configuration: Configuration) -> None:
    """Raise ConfigurationError, a line for each element that is not installed and each property that its element has not."""
    problems: dict[str, str] = {}
    for stream in configuration.streams:
        for stage, element in elements(stream, exists):
            problems |= {path: text for path, text in _problems(stage, element).items() if path not in problems}
    if problems:
        raise ConfigurationError("\n".join(f"{path}: {text}" for path, text in problems.items()), path=next(iter(problems)))


def check_changes(before: Stream, after: Stream) -> None:
    """Raise ConfigurationError where a playing pipeline of ``before`` cannot become one of ``after``."""
    found = changes(before, after, exists)
    for old, new in zip(before.stages, after.stages, strict=True):
        if (old.format, old.memory) != (new.format, new.memory):
            raise ConfigurationError(f"{new.path}: format and memory cannot change while it plays; give them when you start")
    if not found and before.stages != after.stages:
        raise ConfigurationError("there is no element here that would use this")
    for change in found:
        spec = Gst.ElementFactory.make(change.element).find_property(change.key)
        if spec.flags & int(Gst.PARAM_MUTABLE_READY):
            raise ConfigurationError(
                f"{change.key} of {change.element} cannot change while it plays; give it when you start: --set KEY=VALUE"
            )


def set_text(element: Any, key: str, text: str) -> None:
    """Set a property of an element by the text of its value, exactly as it is where it holds text."""
    if element.find_property(key).value_type == GObject.TYPE_STRING:
        element.set_property(key, text)
    else:
        Gst.util_set_object_arg(element, key, text)


def _problems(stage: Stage, element: str) -> dict[str, str]:
    if not exists(element):
        return {stage.path: f"there is no element {element} here; {how_to_get_any(element)}{_instead(stage)}"}
    given = properties_of(stage, element)
    made = Gst.ElementFactory.make(element)
    found = _wrong_properties(made, element, given) if made else {}
    if element == "empycustom" and given["custom-lib"].endswith(".so"):
        found["custom-lib"] = f"{given['custom-lib']} is a compiled library, for emcustom alone; name a Python file"
    return {f"{stage.path}.{name}": text for name, text in found.items()}


def _instead(stage: Stage) -> str:
    if stage.group in ("primary", "tracker", "secondary") and not stage.named:
        advice = f'"{stage.group}": {{"empycustom": {{"custom-lib": "detect.py", "in-place": true}}}}'
        return f". Or name another element, or a library of yours: {advice}"
    return ""


def _wrong_properties(made: Any, element: str, given: Mapping[str, Any]) -> dict[str, str]:
    wrong = {}
    for name, value in given.items():
        spec = made.find_property(name)
        if spec is None:
            known = [other.name for other in made.list_properties() if other.flags & GObject.ParamFlags.WRITABLE]
            wrong[name] = f"{element} has no such property; {suggestion(name, sorted(known))}"
        elif not spec.flags & GObject.ParamFlags.WRITABLE:
            wrong[name] = f"this property of {element} can only be read"
        elif not _takes(element, name, value):
            wrong[name] = f"{element} cannot take {shown(value)} here; `gst-inspect-1.0 {element}` says what it may be"
    return wrong


def _takes(element: str, name: str, value: Any) -> bool:
    """Whether GStreamer's parser can give a property this value."""
    try:
        Gst.parse_launch(" ".join([element, *assignments({name: value})]))
    except GLib.Error:
        return False
    return True
