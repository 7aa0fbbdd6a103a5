"""Whatever ``options`` and ``events`` are set to is passed to the library, or refused in a sentence that names the property."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hostile import ODD_TEXTS, TEXTS, bounded, json_texts, nested
from hypothesis import given
from hypothesis import strategies as st
from judging import NOT_A_SENTENCE

from empycustom.gstreamer import Gst

LIBRARY = """
import __main__
def process_ip(io_buffer, in_meta, options):
    __main__.got.append(options)
def on_event(*arguments):
    pass
"""
GOOD = {"threshold": 0.5, "labels": ["car", "person"], "nested": {"deep": [1, None, True]}}
PROPERTY = st.sampled_from(["options", "events"])
TYPED = json_texts(GOOD) | json_texts(GOOD) | TEXTS.map("@{}".format)
BYTES = st.sampled_from(
    [b"", b"\n", b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b"\xff", b'{"a": "\xed\xa0\x80"}', b"{}\0", b"[" * 200_000]
)
CONTENTS = BYTES | st.binary(max_size=8) | json_texts(GOOD).map(lambda text: text.encode("utf-8", "surrogatepass"))


@pytest.fixture
def attempts(play, library, capfd):
    """Return two ways to set a property: before the start, and while it plays. What is refused is returned, and judged."""
    path = library(LIBRARY)
    capfd.readouterr()

    def judge(name: str, said: str) -> str:
        if said:
            assert not NOT_A_SENTENCE.search(said), said
            assert name in said, said
        printed = capfd.readouterr()
        for mark in ("CRITICAL", "Traceback", "Exception ignored"):
            assert mark not in printed.err, printed.err
        return said

    def begin(name: str, text: str) -> str:
        pipeline = Gst.parse_launch(f"videotestsrc num-buffers=1 ! empycustom name=e in-place=true custom-lib={path} ! fakesink")
        pipeline.get_by_name("e").set_property(name, text)
        played = play(pipeline)
        return judge(name, "" if played.ended else played.error)

    return begin, judge, path


def settable(text: str) -> bool:
    """Whether a property can hold it: no NUL, no halves of surrogate pairs."""
    with contextlib.suppress(UnicodeEncodeError):
        return "\0" not in text and bool(text.encode() or True)
    return False


@pytest.fixture(autouse=True)
def got():
    import __main__

    __main__.got = []
    yield __main__.got
    del __main__.got


@bounded(40)
@given(PROPERTY, TYPED.filter(settable))
def test_at_the_start(attempts, got, name, text):
    got.clear()
    said = attempts[0](name, text)
    if not said and name == "options" and text.strip() and not text.startswith("@"):
        assert repr(got[0]) == repr(json.loads(text))


@bounded(40)
@given(PROPERTY, CONTENTS)
def test_of_a_file(attempts, tmp_path, name, content):
    path = tmp_path / "given.json"
    path.write_bytes(content)
    said = attempts[0](name, f"@{path}")
    assert not said or str(path) in said


@bounded(100)
@given(st.lists(st.tuples(PROPERTY, TYPED.filter(settable) | st.sampled_from(ODD_TEXTS)), min_size=1, max_size=5))
def test_while_it_plays(attempts, tmp_path, changes):
    """A value that cannot be is refused with a warning on the bus, and the one before stays."""
    _, judge, path = attempts
    pipeline = Gst.parse_launch(f"videotestsrc is-live=true ! empycustom name=e in-place=true custom-lib={path} ! fakesink")
    element, bus = pipeline.get_by_name("e"), pipeline.get_bus()
    pipeline.set_state(Gst.State.PAUSED)
    wanted = Gst.MessageType.ERROR | Gst.MessageType.WARNING
    for name, text in changes:
        element.set_property(name, text)
        message: Any = bus.pop_filtered(wanted)
        while message is not None:
            parsed = message.parse_error() if message.type == Gst.MessageType.ERROR else message.parse_warning()
            judge(name, parsed[0].message)
            message = bus.pop_filtered(wanted)
    judge("", "")
    pipeline.set_state(Gst.State.NULL)


@pytest.mark.parametrize(
    "text",
    [nested(100_000), '{"a":' * 100_000, "1" * 10_000, "1e999", '{"a": NaN}', '{"a": "\\ud800"}'],
    ids=lambda text: text[:12],
)
def test_what_a_parser_of_json_trips_over(attempts, text):
    attempts[0]("options", text)
