"""``options=@file`` and ``events=@file``: any content of the file, at the start and while it plays; and files with equal content."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from empycustom import text as paths
from empycustom.config.file import load
from empycustom.elements.properties import read_json
from empycustom.errors import ConfigurationError, PropertyError
from empycustom.gstreamer import Gst
from empycustom.model.results import read_result

SOURCE = "videotestsrc num-buffers=-1 ! video/x-raw,format=RGBA,width=16,height=16"
BROKEN = {
    b'{"a": 1,\n': "Expecting property name enclosed in double quotes at line 2, column 1: ",
    b"[1,\n\n": "Expecting value at line 3, column 1: ",
    b'{"a"\n:\n1 2}': "Expecting ',' delimiter at line 3, column 3: 1 2}",
    '["\u2028", 1 2]'.encode(): 'line 1, column 9: ["\u2028", 1 2]',
    b'{"a": 1,\r\n "b" 2}\r\n': 'line 2, column 6: "b" 2}',
    b"\xff": "cannot be read",
    b"[" * 100_000: "is not JSON",
    b"1" * 10_000: "is not JSON",
    b'"\xed\xa0\x80"': "cannot be read",
}


@pytest.mark.parametrize("name", ["options", "events"])
@pytest.mark.parametrize(("content", "what"), BROKEN.items(), ids=range(len(BROKEN)))
def test_a_broken_file_is_a_sentence(play, library, tmp_path, monkeypatch, name, content, what):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.json").write_bytes(content)
    lib = library("def process_ip(b, m, o, e):\n    pass\n")
    text = f"{SOURCE} ! identity name=i signal-handoffs=true ! empycustom name=e in-place=true custom-lib={lib} ! fakesink"
    at_start = play(text.replace("name=e", f"name=e {name}=@broken.json")).error

    pipeline = Gst.parse_launch(text)
    element = pipeline.get_by_name("e")
    pipeline.get_by_name("i").connect(
        "handoff", lambda _, buffer: element.set_property(name, "@broken.json") if buffer.offset == 2 else None
    )
    for said in (at_start, play(pipeline).error):
        assert said.startswith(f"{name}=@broken.json")
        assert what.replace("\u2028", "\\u2028") in said
        assert "\n" not in said
    assert element.get_property(name) is None


def test_a_file_that_begins_with_a_byte_order_mark(play, library, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bom.json").write_text('{"a": 1}', encoding="utf-8-sig")
    lib = library("def process_ip(b, m, o, e):\n    assert o == e == {'a': 1}\n")
    played = play(
        f"{SOURCE.replace('-1', '3')} ! empycustom in-place=true custom-lib={lib} options=@bom.json events=@bom.json ! fakesink"
    )
    assert played.ended


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le"])
def test_files_of_other_systems(tmp_path, encoding):
    """Whoever reads JSON reads it: options, events, configurations."""
    (tmp_path / "a.json").write_bytes('{"application_name": "ä"}'.encode(encoding))
    assert read_json("events", f"@{tmp_path}/a.json") == load(tmp_path / "a.json") == {"application_name": "ä"}


def test_a_text_that_begins_with_a_byte_order_mark():
    assert read_json("options", '\ufeff{"a": 1}') == {"a": 1}
    assert read_result('\ufeff[{"a": 1}]', []).returned == [b'{"a":1}']


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("/dev/zero", "it is a device or a socket, not a file"),
        ("/dev/null", "it is a device or a socket, not a file"),
        ("huge.json", "it has more than 64 MiB"),
        ("pipe", "it is a pipe that nobody wrote to its end within 0 s"),
        ("folder", "Is a directory"),
        ("none.json", "No such file or directory"),
    ],
)
def test_what_is_not_a_file_is_refused_at_once(tmp_path, monkeypatch, file, what):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "_PATIENCE_S", 0.2)
    os.mkfifo("pipe")
    os.mkdir("folder")
    with open("huge.json", "wb") as huge:
        huge.truncate(1 << 40)
    with pytest.raises(PropertyError) as caught:
        read_json("options", f"@{file}")
    assert str(caught.value).startswith(f"options=@{file}: ")
    assert f" cannot be read ({what}" in str(caught.value)
    with pytest.raises((ConfigurationError, OSError)) as caught:
        load(Path(file))
    assert what in str(caught.value)


def test_a_pipe_is_read_to_its_end(tmp_path):
    os.mkfifo(tmp_path / "pipe")

    def write():
        with open(tmp_path / "pipe", "w") as pipe:
            for part in ('{"a"', ": ", "1}"):
                pipe.write(part)
                pipe.flush()
                time.sleep(0.05)

    writer = threading.Thread(target=write)
    writer.start()
    assert read_json("options", f"@{tmp_path}/pipe") == {"a": 1}
    writer.join()


NEAR_JSON = st.recursive(st.sampled_from(["1", "null", '"a"', "nul", "-", "1e999", "NaN", "", "\x0b", "\u2028", "\r", "\n"]), lambda inner: st.builds(
    lambda items, ends: ends[0] + ",".join(items) + ends[1], st.lists(inner, max_size=3), st.sampled_from(["[]", "{}", "[ ", "{ ", '""'])), max_leaves=6)  # fmt: skip
CONTENTS = (
    st.binary(max_size=30) | NEAR_JSON.map(str.encode) | st.text(max_size=30).map(lambda text: text.encode("utf-8", "replace"))
)


def attempt(read, refusal, file):
    try:
        return json.dumps(read())
    except refusal as error:
        return None if str(file) in str(error) else error


@settings(max_examples=500, deadline=None)
@given(CONTENTS)
@example(b'{"a": 1,\n')
@example(b"\x0b")
@example(b"")
def test_whatever_a_file_holds(tmp_path_factory, content):
    """Both readers of files of JSON take the same texts, and refuse the others with an exception of ours."""
    file = tmp_path_factory.getbasetemp() / "whatever.json"
    file.write_bytes(content)
    results = [
        attempt(lambda: read_json("options", f"@{file}"), PropertyError, file),
        attempt(lambda: load(file), ConfigurationError, file),
    ]
    strict = (
        results[1] is None and results[0] is not None
    )  # a configuration is strict: NaN, keys that are there twice, surrogates
    assert results[0] == results[1] or strict
