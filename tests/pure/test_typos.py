"""Misspelt names: callbacks, attributes of frames, keys of in_meta. Similar names are reported, and nothing false."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from empycustom import types
from empycustom.errors import CallbackError, CallbackMissingError, FrameError
from empycustom.frames.frame import MappedFrame
from empycustom.library.callbacks import Library
from empycustom.model.keys import IN_META_KEYS as KEYS

GOOD = "def process_ip(b, m, o):\n    return []\n"
ROOT = Path(__file__).parents[2]


def missing(path, *, in_place=True):
    with pytest.raises(CallbackMissingError) as caught:
        Library.open(str(path), in_place=in_place)
    return str(caught.value)


@pytest.fixture
def hints(library):
    """Return the messages about the functions of a library."""

    def of(source):
        opened = Library.open(str(library(source)), in_place=True)
        try:
            return [str(error) for error in opened.hints()]
        finally:
            opened.close()

    return of


@pytest.mark.parametrize(
    "name", ["proces_ip", "proccess_ip", "process_in_place", "processIp", "process_frame", "on_process", "Process_IP"]
)
def test_a_library_without_its_callback_names_a_similar_function(library, name):
    lib = library(f"import os\n\ndef helper(x):\n    pass\n\ndef {name}(b, m, o):\n    pass\n")
    needed = "process_ip(io_buffer, in_meta, options)"
    assert missing(lib) == (
        f"{lib} has neither process_ip nor process; define {needed}. {name} in line 6 is never called; process_ip may be meant"
    )


def test_a_function_with_the_arguments_of_a_callback_may_be_meant_whatever_its_name(library):
    lib = library("def detect(buffer, in_meta, options):\n    pass\n")
    assert missing(lib).endswith("detect in line 1 is never called; process_ip may be meant")


def test_in_the_other_mode_the_misspelt_callback_is_named_too(library):
    lib = library("def process(b, m, o):\n    pass\n\ndef proces_ip(b, m, o):\n    pass\n")
    assert missing(lib).endswith(
        "or define process_ip(io_buffer, in_meta, options). proces_ip in line 4 is never called; process_ip may be meant"
    )


@pytest.mark.parametrize(
    "source", ["x = 1\n", "def helper(b, m, o):\n    pass\n", "from os.path import join as process_it\n", "_process_ip = 1\n"]
)
def test_without_a_similar_name_there_is_no_hint(library, source):
    assert missing(library(source)).endswith("; define process_ip(io_buffer, in_meta, options)")


@pytest.mark.parametrize(
    ("name", "callback"),
    [
        *(
            ("on_start", "start"),
            ("strat", "start"),
            ("start_", "start"),
            ("Start", "start"),
            ("init", "start"),
            ("setup", "start"),
        ),
        *(("on_stop", "stop"), ("stop_", "stop"), ("sotp", "stop"), ("stopp", "stop"), ("teardown", "stop"), ("close", "stop")),
    ],
)
def test_a_function_that_may_be_meant_to_be_start_or_stop_is_named(hints, library, name, callback):
    (said,) = hints(f"{GOOD}\ndef {name}(options):\n    pass\n")
    lib = library("", "lib.py")
    assert (
        said
        == f"{lib}:4: {name} is never called; {callback} may be meant: rename it (to _{name}, if it is a function of your own)"
    )


HELPERS = {
    "it is called": "def setup(o):\n    pass\nsetup({})\n",
    "it is called in a function": "def stop_(o):\n    pass\ndef stop(o):\n    stop_(o)\n",
    "it is handed on": "import atexit\ndef close(o):\n    pass\natexit.register(close, 1)\n",
    "it is named in a text": "def close(o):\n    pass\nNAMES = ['close']\n",
    "it has a decorator": "import functools\n@functools.cache\ndef init(o):\n    pass\n",
    "the callback is there": "def start(o):\n    pass\ndef on_start(o):\n    pass\n",
    "it takes other arguments": "def setup(a, b):\n    pass\ndef close():\n    pass\n",
    "it is a method": "class Tracker:\n    def on_start(self):\n        pass\n",
    "it is private": "def _on_stop(o):\n    pass\n",
    "it comes from elsewhere": "from os import close\n",
    "it is not a function": "stop_ = 3\n",
    "another name": "def started(o):\n    pass\ndef restore(o):\n    pass\ndef stock(o):\n    pass\ndef store(o):\n    pass\n",
}


@pytest.mark.parametrize("source", HELPERS.values(), ids=HELPERS)
def test_a_function_of_the_authors_own_is_no_mistake(hints, source):
    assert hints(f"{GOOD}{source}") == []


def test_a_file_that_changed_since_it_was_loaded_is_no_error(library):
    lib = library(f"{GOOD}def on_stop(o):\n    pass\n")
    opened = Library.open(str(lib), in_place=True)
    lib.write_text("def (\n")
    assert opened.hints() == []
    lib.unlink()
    assert opened.hints() == []
    opened.close()


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_the_examples_are_without_mistakes(path):
    pytest.importorskip("numpy")
    try:
        opened = Library.open(str(path), in_place="def process_ip" in path.read_text())
    except (ImportError, CallbackMissingError):
        pytest.skip("it is a program, or needs another package")
    assert opened.hints() == []
    opened.close()


class Pixels(MappedFrame):
    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def _views(self):
        return ()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *(("pixel", "pixels"), ("numpy", "pixels"), ("image", "pixels"), ("shape", "pixels.shape"), ("plane", "planes")),
        *(("to_rgb", "rgb"), ("RGB", "rgb"), ("grey", "gray"), ("to_gray", "gray"), ("luma", "gray"), ("copy", "download()")),
        *(("croped", "crop()"), ("size", "width and frame.height"), ("hight", "height"), ("widht", "width"), ("fmt", "format")),
    ],
)
def test_a_frame_names_a_similar_attribute(name, meant):
    with pytest.raises(
        AttributeError,
        match=rf"^A frame has no {name}: frame\.{meant.replace('(', '.')[:-1]}.? may be meant; it has pixels, planes",
    ) as caught:
        getattr(Pixels("RGBA", 2, 2), name)
    assert isinstance(caught.value, FrameError)


def test_a_frame_can_be_asked_what_it_has():
    frame = Pixels("RGBA", 2, 2)
    assert not hasattr(frame, "foo")
    assert not hasattr(frame, "__array__")
    with pytest.raises(AttributeError, match=r"^A frame has no foo: it has pixels, planes, "):
        _ = frame.foo


def missing_key(library, key, source="m[{!r}]"):
    opened = Library.open(str(library(f"def process_ip(b, m, o):\n    {source.format(key)}\n")), in_place=True)
    with pytest.raises(CallbackError) as caught:
        opened.call(None, {}, {}, {})
    opened.close()
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "meant"), [("frames", "frame"), ("objects", "object"), ("rect_param", "rect_params"), ("buf_ptss", "buf_pts")]
)
def test_a_key_that_is_like_one_of_in_meta_is_named(library, key, meant):
    assert f"KeyError: '{key}'; fix the library: if that is a key of in_meta, {meant} may be meant" in missing_key(library, key)


@pytest.mark.parametrize("key", ["frame", "person", "missing", 3, None, "", "frame" * 10**6], ids=lambda key: str(key)[:8])
def test_other_keys_are_left_alone(library, key):
    began = time.monotonic()
    assert "may be meant" not in missing_key(
        library, key, "raise KeyError({!r})" if len(str(key)) < 99 else "raise KeyError('frame' * 10**6)"
    )
    assert time.monotonic() - began < 10


def test_the_keys_are_those_of_in_meta():
    shapes = (
        types.InMeta,
        types.BufferInfo,
        types.Plane,
        types.FrameMeta,
        types.ObjectMeta,
        types.RectParams,
        types.TextParams,
        types.Classifier,
        types.LabelInfo,
        types.Tensor,
        types.Segmentation,
    )
    assert set(KEYS) == {key for shape in shapes for key in shape.__annotations__}
