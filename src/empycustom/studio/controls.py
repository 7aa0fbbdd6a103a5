"""What the page changes while a session plays: options of libraries, and of the configuration file."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from empycustom.config.options import Option
from empycustom.config.streams import Configuration, Stage, Stream
from empycustom.errors import LaunchError, LibraryError
from empycustom.library.compiled import is_compiled
from empycustom.library.load import names_in
from empycustom.session.play import Session

_NOTHING = "nothing is played now; the option is not changed"
_KINDS = {"string": "text", "number": "number", "list": "list", "object": "object"}


def name_of(stream: Stream) -> str:
    """Return the name of a stream on the page."""
    return stream.name or "stream"


class Controls:
    """Changes options of ``session``, None: nothing plays. Any thread may call it. What was changed stays in the next session.

    ``settings`` are the options of the file that were set on the page, as texts of ``--set``.
    """

    def __init__(self) -> None:
        self.session: Session | None = None
        self.settings: tuple[str, ...] = ()
        self._options: dict[tuple[str, int, str], str] = {}  # of libraries, by stream, place of the stage, and file
        self._configuration: Configuration | None = None  # the last one
        self._changing = threading.Lock()
        self._has_changed = False

    def has_changed(self) -> bool:
        """Return whether something was changed while nothing played, once."""
        changed, self._has_changed = self._has_changed, False
        return changed

    def adapted(self, configuration: Configuration) -> Configuration:
        """Return what is played of a configuration: errors of libraries do not end it, they are loaded anew when they are saved.

        It has the options of libraries that were set on the page.
        """
        streams = []
        for stream in configuration.streams:
            stages = [
                _adapted(stage, self._options.get((name_of(stream), index, _file_of(stage))))
                for index, stage in enumerate(stream.stages)
            ]
            streams.append(replace(stream, stages=tuple(stages)))
        self._configuration = replace(configuration, streams=tuple(streams))
        return self._configuration

    def set_options(self, stream: str, library: int, options: Mapping[str, Any]) -> None:
        """Set all options of a library, which are right; where nothing plays, of the next session. Raises ConfigurationError."""
        session = self.session
        with self._changing:
            before = self._options
            self._options = {**before, self._key(stream, library): json.dumps(options)}
            if not session:
                self._has_changed = True
                return
            try:
                session.change(self.adapted(session.configuration))
            except BaseException:
                self._options = before
                raise

    def _key(self, stream: str, library: int) -> tuple[str, int, str]:
        streams = self._configuration.streams if self._configuration else ()
        stages = next((each.stages for each in streams if name_of(each) == stream), ())
        if not 0 <= library < len(stages):
            raise LaunchError("there is no such library")
        return stream, library, _file_of(stages[library])

    def set(self, stream: str, name: str, value: Any) -> None:
        """Set an option of the configuration file. Raises ConfigurationError, LaunchError, OSError."""
        session = self.session
        if not session:
            raise LaunchError(_NOTHING)
        if not session.configuration.file:
            raise LaunchError("these are options of a stream configuration, and none is played")
        target = f"{stream}:{name}" if session.configuration.many else name
        with self._changing:
            session.set(f"{target}={value if isinstance(value, str) else json.dumps(value)}")
            self.settings = session.configuration.settings

    def values(self, stream: str) -> list[dict[str, Any]]:
        """Return the options of the configuration file, with their values for a stream, as values of JSON."""
        configuration = self.session.configuration if self.session else None
        found = [each for each in configuration.streams if name_of(each) == stream] if configuration else []
        return [_setting(option, found[0]) for option in configuration.options] if configuration and found else []


def _setting(option: Option, stream: Stream) -> dict[str, Any]:
    declared = option.declared
    limits = [declared.get("min-value"), declared.get("max-value")]
    return {
        "name": option.name,
        "kind": _KINDS.get(declared.get("value_type", ""), "any"),
        "default": declared.get("value"),
        "value": _value(option, stream),
        "description": "",
        "limits": limits if limits != [None, None] else None,
        "choices": list(declared.get("value_list", ())),
        "unit": "",
    }


def _value(option: Option, stream: Stream) -> Any:
    if option.element is None:
        return next((each["value"] for each in stream.options if each["key"] == option.key), None)
    if option.element == "aimeta":
        return stream.aimeta.get(option.key)
    stages = (stage for stage in stream.stages if option.element in (stage.group, stage.element))
    return next((stage.properties.get(option.key) for stage in stages), None)


def _file_of(stage: Stage) -> str:
    return str(stage.properties.get("custom-lib", ""))


def _adapted(stage: Stage, options: str | None) -> Stage:
    library = stage.properties.get("custom-lib")
    if not library:
        return stage
    try:
        is_mandatory = "MANDATORY" in names_in(str(library))  # no frame may pass it
    except LibraryError:  # which is reported when it is loaded
        is_mandatory = False
    usual = {"reload": not is_compiled(library), "on-error": "drop" if is_mandatory else "pass"}
    given = {"options": options} if options is not None else {}
    return replace(stage, properties={**usual, **stage.properties, **given})
