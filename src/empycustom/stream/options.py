"""Options: what whoever runs an application may change, in ``streams`` or by ``--set``; for an element, or for the callback."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from empycustom.errors import ConfigurationError
from empycustom.stream.kinds import below, is_number, shown, suggestion

_TYPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "string": (lambda value: isinstance(value, str), "text"),
    "number": (is_number, "a number"),
    "list": (lambda value: isinstance(value, list), "a list"),
    "object": (lambda value: isinstance(value, dict), "an object"),
}


@dataclass(frozen=True)
class Option:
    """One option of the application; ``element`` is None where the callback gets it. ``path`` is where it is declared."""

    key: str
    element: str | None
    path: str
    declared: Mapping[str, Any]

    @property
    def name(self) -> str:
        """How ``--set`` and messages call it: ``new_var``, or ``aimeta.signal-interval``."""
        return f"{self.element}.{self.key}" if self.element else self.key

    def check(self, value: Any, path: str) -> None:
        """Raise ConfigurationError unless ``value``, which stands at ``path``, is one that the declaration allows."""
        kind = self.declared.get("value_type")
        if kind and not _TYPES[kind][0](value):
            self._refuse(value, path, f"must be {_TYPES[kind][1]}")
        choices = self.declared.get("value_list")
        if choices is not None and value not in choices:
            self._refuse(value, path, f"must be one of {', '.join(choices)}")
        low, high = self.declared.get("min-value"), self.declared.get("max-value")
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            limits = [f"at least {low}"] * (low is not None) + [f"at most {high}"] * (high is not None)
            self._refuse(value, path, f"must be {' and '.join(limits)}")

    def _refuse(self, value: Any, path: str, why: str) -> None:
        raise ConfigurationError(f"{path}: {shown(value)} for the option {self.name} {why} (declared at {self.path})", path=path)


@dataclass(frozen=True)
class Setting:
    """A value for an option, and where it was said: a JSON path, or ``--set``."""

    option: Option
    value: Any
    path: str


def read_options(document: Mapping[str, Any]) -> list[Option]:
    """Return the options of an application. Raises ConfigurationError where a declaration contradicts itself."""
    found = [_option(declared, below("$.options", index)) for index, declared in enumerate(document.get("options", []))]
    names = [option.name for option in found]
    for option in found:
        if names.count(option.name) > 1:
            raise ConfigurationError(f"{option.path}: the option {option.name} is declared twice", path=option.path)
    return found


def _option(declared: Mapping[str, Any], path: str) -> Option:
    key, kind = declared["key"], declared["option_type"]
    if isinstance(key, str) != (kind == "callback"):
        advice = 'a key as {"element": "aimeta", "property": "signal-interval"}' if kind == "gstreamer" else "a name as its key"
        raise ConfigurationError(f"{path}.key: an option of type {kind} needs {advice}", path=f"{path}.key")
    limits = {"min-value", "max-value"} & set(declared)
    if limits and declared.get("value_type") != "number":
        raise ConfigurationError(f'{path}: {min(limits)} needs "value_type": "number"', path=path)
    return Option(key, None, path, declared) if isinstance(key, str) else Option(key["property"], key["element"], path, declared)


Said = Mapping[str, tuple[Any, str]]  # by the names of options: the value, and where it was said


def typed_settings(options: Sequence[Option], streams: Sequence[str], typed: Sequence[str]) -> dict[str, Said]:
    """Return what the texts of ``--set``, ``KEY=VALUE`` or ``STREAM:KEY=VALUE``, say about each of ``streams``.

    Of two texts, the later wins. Raises ConfigurationError.
    """
    said: dict[str, dict[str, tuple[Any, str]]] = {stream: {} for stream in streams}
    for text in typed:
        head, sign, value = text.partition("=")
        if not sign:
            raise ConfigurationError(f"--set {text}: write it as KEY=VALUE, or as STREAM:KEY=VALUE")
        stream, name = _addressed(options, streams, head)
        option = next(option for option in options if option.name == _known(options, name, f"--set {head}"))
        for each in streams if stream is None else [stream]:
            said[each][name] = (_value(option, value), f"--set {head}")
    return dict(said)


def _addressed(options: Sequence[Option], streams: Sequence[str], head: str) -> tuple[str | None, str]:
    """The stream (None: all) and the name of the option that stand before the ``=``."""
    if any(option.name == head for option in options) or ":" not in head:
        return None, head
    for stream in streams:
        if head.startswith(f"{stream}:"):
            return stream, head.removeprefix(f"{stream}:")
    name = head.partition(":")[0]
    raise ConfigurationError(f"--set {head}: there is no stream {name}; {suggestion(name, streams)}")


def _value(option: Option, text: str) -> Any:
    """A value as it was typed: JSON, or else text."""
    if option.declared.get("value_type") == "string":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def settings_of(options: Sequence[Option], stream: Mapping[str, Any], path: str, typed: Said) -> list[Setting]:
    """Return what each option holds in a stream, in the order of the declarations; one without a value is left out.

    ``typed`` wins over the stream's ``options``, which win over the declared ``value``. Raises ConfigurationError.
    """
    said = {option.name: (option.declared["value"], f"{option.path}.value") for option in options if "value" in option.declared}
    for index, entry in enumerate(stream.get("options", [])):
        at = f"{path}.options[{index}]"
        key = entry["key"]
        said[_known(options, key if isinstance(key, str) else f"{key['element']}.{key['property']}", f"{at}.key")] = (
            entry["value"],
            f"{at}.value",
        )
    said |= typed
    found = [Setting(option, *said[option.name]) for option in options if option.name in said]
    for setting in found:
        setting.option.check(setting.value, setting.path)
    return found


def _known(options: Sequence[Option], name: str, path: str) -> str:
    names = [option.name for option in options]
    if name not in names:
        raise ConfigurationError(f"{path}: {name} is no option of this application; {suggestion(name, names)}", path=path)
    return name
