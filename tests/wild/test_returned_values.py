"""Whatever a library returns or raises, and whatever its objects do when they are looked at: the library is named, and on-error applies."""

from __future__ import annotations

import json
import sys
import types
from typing import Any

import numpy as np
import pytest
from hostile import SCALARS, bounded
from hypothesis import given
from hypothesis import strategies as st

from empycustom.errors import LibraryError
from empycustom.gstreamer import Gst
from empycustom.model.arrays import SPECIAL
from empycustom.text import for_people

# What is returned (or raised) waits here, so that libraries of every pipeline find it.
WAITING = types.ModuleType("wild_returned_values")
sys.modules[WAITING.__name__] = WAITING
TAKES = """
import wild_returned_values as waiting

def process_ip(io_buffer, in_meta, options):
    return waiting.give()

def process(in_buffer, in_meta, options):
    value = waiting.give()  # no frame is dropped, so that something becomes of each
    return (in_buffer, *value[1:]) if type(value) in (tuple, list) and value and value[0] is None else value

def update(signal):
    return waiting.give()
"""


class BadTextError(Exception):
    def __str__(self):
        raise ValueError("no text")

    __repr__ = __str__


class BadCauseError(Exception):
    @property
    def __cause__(self):
        raise ValueError("no cause")


class BadTraceError(Exception):
    @property
    def __traceback__(self):
        raise SystemExit(3)


class BadNotesError(Exception):
    @property
    def __notes__(self):
        raise KeyboardInterrupt


class BadClassError(Exception):
    @property
    def __class__(self):
        raise ValueError("no class")


class NameOfClass(type):
    @property
    def __name__(cls):
        raise ValueError("no name")

    def __hash__(cls):
        raise ValueError("no hash")

    def __eq__(cls, other):
        raise ValueError("no comparison")


class BadKindError(Exception, metaclass=NameOfClass):
    pass


class BadSyntaxError(SyntaxError):
    filename = property(lambda self: 1 / 0)
    msg = 3


RAISED = [
    lambda: ValueError("no"), lambda: ValueError("two\nlines \x1b[31m \ud800 \0"), lambda: ValueError("x" * 100_000), AttributeError, TypeError,
    lambda: StopIteration(5), RecursionError, MemoryError, lambda: OSError(2, "no", "file"), lambda: SystemExit(3), KeyboardInterrupt,
    GeneratorExit, lambda: SyntaxError(3), lambda: SyntaxError("no", ("f", "x", [], 3)), lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"),
    lambda: ImportError(name=BadTextError()), Warning, BadTextError, BadCauseError, BadTraceError, BadNotesError, BadClassError, BadKindError, BadSyntaxError,
    lambda: BaseException(BadTextError()),
]  # fmt: skip
LOOKS = [
    "__getattribute__", "__getattr__", "__iter__", "__next__", "__len__", "__bool__", "__eq__", "__hash__", "__float__", "__int__", "__index__",
    "__str__", "__repr__", "__format__", "__getitem__", "__contains__", "__lt__", "__array__", "__call__", "items", "keys", "get", "tolist",
    "strip", "startswith", "encode", "isascii", "bit_length", "get_size", "to_string", "is_any", "copy", "__length_hint__", "__reversed__",
]  # fmt: skip
PROPERTIES = [
    "__class__",
    "__dict__",
    "dtype",
    "shape",
    "tolist",
    "flags",
    "strides",
    "nbytes",
    "__array_interface__",
    "__wrapped__",
    "msg",
]
BASES = [object, dict, list, tuple, str, int, float, bytes, Gst.Buffer, Gst.Caps, np.ndarray, Exception]
MADE = {
    dict: ({"a": 1, "frame": [], "left": 1},),
    list: ([1, 2],),
    tuple: ((1, 2),),
    str: ('[{"a": 1}]',),
    int: (7,),
    float: (0.5,),
    np.ndarray: ((2, 2), np.uint8),
}


def doing(draw: Any) -> Any:
    """What a hostile method does: raise, or return something odd."""
    if draw(st.booleans()):
        make = RAISED[draw(st.integers(0, len(RAISED) - 1))]

        def method(*_given: Any, **_more: Any) -> Any:
            raise make()
    else:
        value = draw(SCALARS | st.sampled_from([(), [], {}, object(), iter([]), NotImplemented, type, dict, "dict"]))

        def method(*_given: Any, **_more: Any) -> Any:
            return value

    return method


@st.composite
def hostile_objects(draw: Any) -> Any:
    """An object that does something odd when it is looked at."""
    base = draw(st.sampled_from(BASES))
    space: dict[str, Any] = {name: doing(draw) for name in draw(st.lists(st.sampled_from(LOOKS), max_size=4))}
    space |= {name: property(doing(draw)) for name in draw(st.lists(st.sampled_from(PROPERTIES), max_size=3))}
    names = draw(
        st.lists(st.sampled_from(["__name__", "__qualname__", "__module__", "__array_interface__", "__mro__"]), max_size=2)
    )
    of_class = {name: property(doing(draw)) for name in names} | {"__instancecheck__": doing(draw), "__hash__": doing(draw)}
    try:
        kind = type("Kind", (type,), of_class) if base in (object, dict, list, str) and draw(st.booleans()) else type
        made = kind("Made", (base,), space)
        value = base.__new__(made) if base in (dict, list) else base.__new__(made, *MADE.get(base, ()))
        if base in (dict, list):
            base.__init__(value, *MADE[base])
    except Exception:  # noqa: BLE001 - not every class can be made
        return object()
    return value


OBJECTS = hostile_objects()
KEYS = st.sampled_from(
    [
        "a",
        "meta",
        "frame",
        "object",
        "new_object",
        "changed_object",
        "removed_object",
        "rect_params",
        "left",
        "class_id",
        "obj_label",
        "confidence",
        "classifier",
        *sorted(SPECIAL),
    ]
)


def looped(value: Any) -> Any:
    value = [value]
    value.append({"again": value})
    return value


def deep(value: Any) -> Any:
    for _ in range(2000):
        value = [value]
    return value


def around(inner: Any) -> Any:
    return (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.builds(lambda value: {"frame": [{"meta": value, "object": [value], "new_object": [{"rect_params": value}]}]}, inner)
        | st.builds(lambda value, key: {"frame": [{key: value}]}, inner, st.sampled_from(["changed_object", "removed_object"]))
        | st.builds(lambda value: {"frame": [{"new_object": [value | {"rect_params": dict.fromkeys(("left", "top", "width", "height"), 1)}]}]},
                    st.dictionaries(KEYS, inner, max_size=3))
        | st.builds(lambda array, value: (array, value), st.sampled_from([None, np.zeros((16, 16, 4), np.uint8)]), inner)
        | inner.map(looped)
        | inner.map(deep)
    )  # fmt: skip


RETURNED = st.recursive(OBJECTS | SCALARS, around, max_leaves=6)
CALLS = RETURNED.map(lambda value: lambda: value) | st.integers(0, len(RAISED) - 1).map(lambda at: lambda: raised(RAISED[at]))


def raised(make: Any) -> Any:
    raise make()


def strictly(text: str) -> None:
    """Read JSON as other languages do: as UTF-8, without NaN."""
    json.loads(text.encode(), parse_constant=lambda name: pytest.fail(f"{name} in {text}"))


@pytest.mark.parametrize("way", ["fail", "pass"])
@pytest.mark.parametrize("in_place", [True, False])
def test_the_library_is_named_and_on_error_applies(stream, judged, library, way, in_place):
    lib = library(TAKES)
    one = stream(f"empycustom name=lib in-place={str(in_place).lower()} on-error={way} custom-lib={lib} ! aimeta name=meta")
    said = []
    one.pipeline.get_by_name("lib").connect("new-meta", lambda _element, text: said.append(text))

    @bounded(80)
    @given(CALLS)
    def attempt(call):
        WAITING.give = call
        said.clear()
        outcome = one.send(Gst.Buffer.new_wrapped(bytes(16 * 16 * 4)))
        if way != "fail":
            assert outcome.errors == []
        judged(outcome, "lib.py")
        for text in said:
            strictly(text)

    attempt()


@bounded(80)
@given(CALLS)
def test_a_signal_callback(tmp_path_factory, call):
    from empycustom.session.documents import SignalCallback

    file = tmp_path_factory.mktemp("signal") / "emi_signal_callback.py"
    file.write_text(TAKES)
    WAITING.give = call
    callback = SignalCallback(file, "update", [], [])
    error = said = None
    try:
        said = callback('{"frame":[]}')
    except LibraryError as caught:
        error = caught
    finally:
        callback.close()
    if said:
        strictly(json.dumps(said.events))
        assert type(said.debug) is str
        return
    assert str(file) in str(error)
    for_people(f"{error}{error.details}").encode()
