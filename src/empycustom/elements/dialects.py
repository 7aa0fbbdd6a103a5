"""The properties by which libraries of other projects are called.

Their command lines run as they are: ``gvapython module=my.py class=Counter kwarg='{"line": 3}'``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from empycustom.elements.properties import Property, read_json, read_object
from empycustom.errors import LibraryNotFoundError, PropertyError
from empycustom.gstreamer import GObject, Gst
from empycustom.library.callbacks import LibraryFacts
from empycustom.library.compiled import is_compiled
from empycustom.library.dialects import AUTO, DIALECTS
from empycustom.library.explain import kind_of
from empycustom.text import meant


def _added(earlier: str | None, given: str | None) -> str | None:
    """Return a JSON list with what is added to it, each a value or a list of them."""
    values = read_json("arg", given) if given and given.strip() else []
    before = json.loads(earlier) if earlier else []
    return json.dumps([*before, *(values if isinstance(values, list) else [values])])


def _merged(earlier: str | None, given: str | None) -> str | None:
    """Return a JSON object with the keys of another one on top."""
    return json.dumps({**(json.loads(earlier) if earlier else {}), **read_object("kwarg", given)})


OF_DIALECTS = (
    Property(
        name="dialect",
        kind="enum",
        default=AUTO,
        choices=(
            (AUTO, "As the library looks"),
            ("empycustom", "process_ip, process, start, stop"),
            *((name, f"As libraries for {name} are called") for name in DIALECTS if name != "empycustom"),
        ),
        blurb="How the library is called",
    ),
    Property(name="module", kind=str, blurb="The same as custom-lib, as other elements call it"),
    Property(name="class", kind=str, blurb="gvapython: the class whose object is called; left out, the function of the module"),
    Property(name="function", kind=str, blurb="Other dialects: the function, or the method, that is called for each frame"),
    Property(
        name="arg", kind=str, joined=_added, blurb="gvapython: JSON, arguments of the class; each time it is set adds to them"
    ),
    Property(
        name="kwarg",
        kind=str,
        joined=_merged,
        blurb="gvapython: a JSON object, arguments of the class by name; each time it is set adds to them",
    ),
    Property(name="finalize-function", kind=str, blurb="hailopython: the function that is called at the stop; none: no function"),
    Property(
        name="interface",
        kind=GObject.TYPE_UINT,
        default=3,
        limits=(1, 3),
        blurb="emcustom: the version of its interface that a compiled library was built for",
    ),
)
CALL = {item.name: item for item in OF_DIALECTS if item.name != "module"}
"""How a library is called: what programs set in a dict, and the command line by options of the same names."""
_SETTINGS = ("class", "function", "arg", "kwarg", "finalize-function", "interface")
_JSON = ("arg", "kwarg")


def settings_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is set of the properties of dialects, by their names: JSON, or, in configurations, the values."""
    given = {name: values[name] for name in _SETTINGS if values.get(name) not in (None, "")}
    return {name: json.loads(value) if name in _JSON and isinstance(value, str) else value for name, value in given.items()}


_OF_COMPILED = "video/x-raw,format={RGBA,I420}"


def taken(possible: Any, limit: Any, library: LibraryFacts | None) -> Any:
    """Return which of the ``possible`` caps an element takes, of those in ``limit`` if that is set.

    For a compiled library those that it can get, so that a converter upstream makes them. Where there are none the others stay:
    the error of the first frame says more than that nothing was negotiated.
    """
    found = limit.intersect_full(possible, Gst.CapsIntersectMode.FIRST) if limit else possible
    if library is None or not is_compiled(library.path):
        return found
    fitting = found.intersect_full(Gst.Caps.from_string(_OF_COMPILED), Gst.CapsIntersectMode.FIRST)
    return found if fitting.is_empty() else fitting


def library_in(values: Mapping[str, Any], usual: str, default: str = "") -> Any:
    """Return the library that properties name, usually the one called ``usual``; ``default``: where none does.

    Raises PropertyError where it is not one.
    """
    custom_lib, module = values["custom-lib"], values["module"]
    if custom_lib and module and custom_lib != module:
        raise PropertyError(f"module={module} is the same property as custom-lib={custom_lib}; set one of them", name="module")
    if not (custom_lib or module or default):
        raise PropertyError(f"{usual} is not set; give the path of a Python file: {usual}=my_lib.py", name=usual)
    return custom_lib or module or default


def call_texts(call: Any) -> dict[str, str]:
    """Return ``call`` of a program, a dict of how a library is called, as texts of properties. Raises PropertyError."""
    if not isinstance(call, (Mapping, type(None))):
        raise PropertyError(f"call has to be a dict, not a {kind_of(call)}", name="call")
    return {name: _call_text(name, value) for name, value in (call or {}).items()}


def _call_text(name: Any, value: Any) -> str:
    if name not in CALL:
        raise PropertyError(f"call has no {name!r}{meant(str(name), CALL)}; it may have {', '.join(CALL)}", name="call")
    argument, item = f"call[{name!r}]", CALL[name]
    if name in _JSON:
        try:
            return json.dumps(value)
        except (TypeError, ValueError) as error:
            raise PropertyError(f"{argument} holds what JSON does not: {error}", name="call") from None
    if item.kind is not str:
        return item.text_of(argument, value)
    if not isinstance(value, str):
        raise PropertyError(f"{argument} has to be a str, not a {kind_of(value)}", name="call")
    return value


def call_of(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return how a library is called, from texts of properties: arguments of :meth:`Library.open`. Raises PropertyError."""
    values: dict[str, Any] = {}
    for name, text in texts.items():
        item = CALL[name]
        values[name] = item.joined(None, text) if item.joined else int(text) if item.limits else text
    return {"dialect": values.pop("dialect", AUTO), "settings": settings_of(values)}


@contextmanager
def as_written(values: Mapping[str, Any]) -> Iterator[None]:
    """Let errors about the file of a library name the property that it was set by."""
    try:
        yield
    except LibraryNotFoundError as error:
        if values.get("custom-lib"):
            raise
        raise error.set_by("module=") from error
