"""Objects of the library that raise when they are looked at: the library is named, with line and traceback, and on-error applies."""

from __future__ import annotations

import re

import pytest

SOURCE = "videotestsrc num-buffers=3 ! video/x-raw,format=RGBA,width=16,height=16"
HEAD = """
import numpy as np
from gi.repository import Gst
def no(*given, **more):
    raise LookupError("do not look")  # line 5
def leave(*given, **more):
    raise SystemExit(3)
def made(base, *given, **space):
    return type("Made", (base,), space)(*given)
class Kind(type):
    __array_interface__ = __name__ = __module__ = property(no)
class OfKind(metaclass=Kind): pass
looped = []
looped.append(looped)
def """
BOX = "{{'frame': [{{'new_object': [{{'rect_params': {}}}]}}]}}"
META = {
    "an attribute": "made(object, __getattr__=no)",
    "every attribute": "made(object, __getattribute__=no)",
    "its class": "[made(object, __class__=property(no))]",
    "its type": "[made(object, dtype=property(no), tolist=1)]",
    "as a list": "made(object, dtype=1, tolist=no)",
    "SystemExit": "[made(object, dtype=1, tolist=leave)]",
    "items": "[made(dict, {1: 2}, items=leave)]",
    "items of all": "made(dict, items=no)",
    "entries": "made(list, __iter__=no)",
    "a number": "[made(object, dtype=np.dtype('longdouble'), tolist=lambda self: self, __float__=no)]",
    "text": "made(str, '[]', strip=no)",
    "a key": "[{made(object, dtype=1, tolist=no): 1}]",
    "a box": BOX.format("made(dict, items=no)"),
    "the name of its class": "[OfKind()]",
}
FRAMES = {
    "a pair": "made(list, [1, 2], __len__=no)",
    "a pair's entries": "made(list, [1, 2], __iter__=leave)",
    "the class of a frame": "OfKind(), None",
    "the shape": "made(np.ndarray, (16, 16, 4), shape=property(no)), None",
    "the type of samples": "made(np.ndarray, (16, 16, 4), dtype=property(leave)), None",
    "planes": "made(list, [1], __iter__=no), None",
    "meta": "b, [made(object, __getattr__=no)]",
}
CAPS = {
    "any": "made(object, __class__=property(no))",
}


def cases(table, head):
    return [pytest.param(f"{HEAD}{head}:\n    return {value}\n", id=name) for name, value in table.items()]


def named(text, callback, line=15):
    frame = "" if callback == "output_caps" else " at frame 0 (0:00:00.000)"
    assert f"lib.py:{line}: what {callback} returned{frame} cannot be used: " in text
    return text


@pytest.mark.parametrize("source", cases(META, "process_ip(b, m, o)"))
def test_meta(play, library, source):
    lib = library(source)
    played = play(f"{SOURCE} ! empycustom in-place=true custom-lib={lib} ! fakesink name=sink")
    text, details = played.errors[0]
    named(text, "process_ip")
    if "LookupError" in text:
        assert f'{lib}", line 5, in no' in details
    for way, frames in (("pass", 3), ("drop", 0)):
        played = play(f"{SOURCE} ! empycustom in-place=true on-error={way} custom-lib={lib} ! appsink name=out")
        assert (len(played.samples), played.errors, len(played.warnings)) == (frames, [], 1)


@pytest.mark.parametrize("source", cases(FRAMES, "process(b, m, o)"))
def test_new_frames(play, library, source):
    lib = library(source)
    named(play(f"{SOURCE} ! empycustom custom-lib={lib} ! fakesink").error, "process")
    played = play(f"{SOURCE} ! empycustom on-error=pass custom-lib={lib} ! appsink name=out")
    assert (len(played.samples), played.errors, len(played.warnings)) == (3, [], 1)


@pytest.mark.parametrize("source", cases(CAPS, "output_caps(caps, o)"))
def test_output_caps(play, library, source):
    played = play(f"{SOURCE} ! empycustom custom-lib={library(source + 'def process(b, m, o): return b, None')} ! fakesink")
    named(played.error, "output_caps")


def test_a_buffer_whose_address_is_another_one(play, library):
    """hash(buffer) is where C finds it, unless a subclass of Gst.Buffer redefines it."""
    lib = library(
        f"{HEAD}process(b, m, o):\n    new = b.copy_deep()\n"
        "    new.__class__ = type('Odd', (Gst.Buffer,), {'__hash__': lambda self: 8, 'get_size': no})\n    return new, None\n"
    )
    played = play(f"{SOURCE} ! empycustom custom-lib={lib} ! appsink name=out")
    assert (len(played.samples), played.errors) == (3, [])


RAISED = {
    "text": ("made(Exception, __str__=no, __repr__=no)", "Made: (its text is not available: LookupError)"),
    "text that leaves": ("made(Exception, __str__=leave)", "Made: (its text is not available: SystemExit)"),
    "class": ("made(Exception, 'this', __class__=property(no))", "Made: this"),
    "cause": ("made(Exception, 'this', __cause__=property(no))", "Made: this"),
    "traceback": ("made(Exception, 'this', __traceback__=property(leave))", "Made: this"),
    "notes": ("made(Exception, 'this', __notes__=property(leave))", "Made: this"),
    "syntax": ("made(SyntaxError, 'this', filename=property(no))", "Made (which cannot be read: that raises LookupError)"),
    "no text": ("SyntaxError(3)", "SyntaxError: 3"),
    "class of classes": ("Kind('Odd', (Exception,), {})('this')", "Odd: this"),
    "not comparable": ("type('K', (type,), {'__hash__': no, '__eq__': no})('Odd', (Exception,), {})('this')", "Odd: this"),
}


@pytest.mark.parametrize(("raised", "what"), RAISED.values(), ids=RAISED)
def test_exceptions(play, library, raised, what):
    source = f"{HEAD}fail(o):\n    raise {raised}\n"
    for callback in ("def process_ip(b, m, o): fail(o)\n", "def process_ip(b, m, o): pass\ndef start(o): fail(o)\n"):
        text, details = play(f"{SOURCE} ! empycustom in-place=true custom-lib={library(source + callback)} ! fakesink").errors[0]
        assert "lib.py" in text
        assert f"raised {what}" in text
        assert "defect" not in text
        assert "which cannot" in what or 'lib.py", line 16, in fail' in details
    text, _ = play(f"{SOURCE} ! empycustom in-place=true custom-lib={library(source + 'fail(1)')} ! fakesink").errors[0]
    assert re.search(r"lib\.py(:16)? (cannot be loaded|has a syntax error): ", text)
    assert what in text
    lib = library(f"{source}def process_ip(b, m, o): fail(o)\n")
    played = play(f"{SOURCE} ! empycustom in-place=true on-error=pass custom-lib={lib} ! appsink name=out")
    assert (len(played.samples), played.errors, len(played.warnings)) == (3, [], 1)


LIBRARIES = {
    "an attribute of the module": "__getattr__(name):\n    no()\n",
    "the signature": "x(): pass\nprocess_ip = made(object, __call__=no, __signature__=property(no))\n",
    "what is wrapped": "x(): pass\nprocess_ip = made(object, __call__=no, __wrapped__=property(no))\n",
    "whether it is a hook": "process_ip(b, m, o): pass\nstart = made(object, __call__=no, __class__=property(leave))\n",
}


@pytest.mark.parametrize("source", LIBRARIES.values(), ids=LIBRARIES)
def test_callbacks(play, library, source):
    played = play(f"{SOURCE} ! empycustom in-place=true custom-lib={library(HEAD + source)} ! fakesink")
    text, _ = played.errors[0]
    assert "lib.py" in text
    assert "defect" not in text


def test_a_library_may_call_itself_something_else(play, library):
    lib = library("__name__ = []\n__file__ = 3\ndef process_ip(b, m, o):\n    return [1]\n")
    assert play(f"{SOURCE} ! empycustom in-place=true custom-lib={lib} ! fakesink").errors == []


def test_a_frame_that_passes_can_be_written_on(gst_launch, library):
    """The traceback of what was raised holds the buffer, until the error is reported."""
    lib = library("def process_ip(b, m, o):\n    1 / (m['frame'][0]['frame_num'] % 2)\n")
    launched = gst_launch(f"{SOURCE} ! empycustom in-place=true on-error=pass custom-lib={lib} ! aimeta silent=false ! fakesink")
    assert launched.code == 0
    assert [document["frame"][0]["frame_num"] for document in launched.documents] == [0, 1, 2]
    assert "CRITICAL" not in launched.text
