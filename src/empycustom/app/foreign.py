"""What ``empycustom check`` finds about libraries of other projects without running them, and how they are called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from empycustom.library.callbacks import Library
from empycustom.library.dialects import DIALECTS, OWN, surface_of
from empycustom.library.surface import Reading
from empycustom.session.console import print_error
from empycustom.text import shown

_WITHOUT_OPTIONS = {"gvapython", "hailopython"}  # dialects whose functions get none
_WITHOUT_RESULT = {  # what None does
    "gvapython": "which drops all frames; end it with return True",
    "hailopython": "which is an error; end it with return Gst.FlowReturn.OK",
}


def about_dialect(library: Library, facts: dict[str, Any]) -> list[str]:
    """Return the lines about how a library is called, and add that to the facts; none where it is of our own dialect."""
    facts["dialect"] = {"name": library.dialect, "why": library.why}
    facts["call"] = {**library.settings}
    if library.dialect == OWN:
        return []
    made = library.settings.get("class")
    called = f"the method {library.name} of an object of {made}" if made else f"its function {library.name}"
    return ["", f"It is called as {library.dialect} does it, because {library.why}: {called}, for each frame."]


def given_to(library: Library, options: Any) -> list[str]:
    """Return the lines about what the callbacks get besides frames."""
    if library.dialect not in _WITHOUT_OPTIONS:
        return [f"  with options = {options}"]
    return [f"  with {name} = {shown(library.settings[name])}" for name in ("arg", "kwarg") if name in library.settings]


def missing_in(path: str, dialect: str | None, call: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a library uses of another project's package and is not there, by line.

    ``dialect`` is its dialect; None: it cannot be loaded, and what it imports says which.
    """
    for name in [dialect] if dialect else DIALECTS:
        surface = surface_of(name)
        reading = surface and _read(path, call.get("function", surface.function), call)
        if surface and reading and (dialect or reading.imports(surface.package)):
            return [each._asdict() for each in reading.missing(surface)]
    return []


def without_result(library: Library, call: Mapping[str, Any]) -> Iterator[str]:
    """Yield a warning about a function that returns nothing, where it has to."""
    if library.dialect not in _WITHOUT_RESULT:
        return
    reading = _read(library.path, library.name, call)
    if reading and (line := reading.line_without_result()):
        yield f"{library.path}:{line}: {library.name} always returns None, {_WITHOUT_RESULT[library.dialect]}"


def _read(path: str, function: str, call: Mapping[str, Any]) -> Reading | None:
    try:
        return Reading(path, function, call.get("class"))
    except (OSError, SyntaxError, ValueError):  # loading it says what is wrong
        return None


def print_missing(path: str, missing: Iterable[Mapping[str, Any]]) -> None:
    """Print what a library uses and is not there."""
    for each in missing:
        print_error(f"{path}:{each['line']}: {each['text']}", kind="warning")
