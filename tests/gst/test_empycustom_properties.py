"""The properties of empycustom: intervals, options, libraries, errors."""

from __future__ import annotations

import pytest
from recording import documents_of, record, seen, source

from empycustom.errors import PropertyError
from empycustom.gstreamer import Gst


def test_process_interval_calls_for_every_nth_buffer(play, library, tmp_path):
    lib = library(record(tmp_path / "seen"))
    pipeline = Gst.parse_launch(
        f"{source(n=10)} ! empycustom name=e in-place=true process-interval=4 custom-lib={lib} ! appsink name=out"
    )
    played = play(pipeline)
    assert [call["in_meta"]["frame"][0]["frame_num"] for call in seen(tmp_path / "seen")] == [0, 4, 8]
    assert len(played.samples) == 10
    assert stats(pipeline.get_by_name("e")) == {"buffers": 10, "processed": 3, "passed": 7, "errors": 0, "dropped": 0}


def stats(element):
    structure = element.get_property("stats")
    return {name: structure.get_value(name) for name in ("buffers", "processed", "passed", "errors", "dropped")}


def test_process_interval_can_be_lowered_while_playing(play, library, tmp_path):
    lib = library(record(tmp_path / "seen"))
    pipeline = Gst.parse_launch(
        f"{source(n=10)} ! identity name=i signal-handoffs=true ! "
        f"empycustom name=e in-place=true process-interval=1000 custom-lib={lib} ! fakesink"
    )
    element = pipeline.get_by_name("e")
    pipeline.get_by_name("i").connect(
        "handoff", lambda _, buffer: element.set_property("process-interval", 2) if buffer.offset == 5 else None
    )
    assert play(pipeline).ended
    assert [call["in_meta"]["frame"][0]["frame_num"] for call in seen(tmp_path / "seen")] == [0, 6, 8]


@pytest.mark.parametrize(
    ("written", "given"),
    [(None, {}), ("", {}), ('{"a": [1, null]}', {"a": [1, None]}), ("@options.json", {"from": "file ü"})],
)
def test_options_are_a_dict(play, library, tmp_path, monkeypatch, written, given):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "options.json").write_text('{"from": "file ü"}', encoding="utf-8")
    lib = library(record(tmp_path / "seen"))
    pipeline = Gst.parse_launch(f"{source(n=1)} ! empycustom name=e in-place=true custom-lib={lib} ! fakesink")
    pipeline.get_by_name("e").set_property("options", written)
    assert play(pipeline).ended
    assert seen(tmp_path / "seen")[0]["options"] == given
    assert pipeline.get_by_name("e").get_property("options") == written


def test_options_can_change_while_playing(play, library, tmp_path):
    lib = library(record(tmp_path / "seen"))
    pipeline = Gst.parse_launch(
        f"{source(n=6)} ! identity name=i signal-handoffs=true ! empycustom name=e in-place=true custom-lib={lib} ! fakesink"
    )
    element = pipeline.get_by_name("e")
    pipeline.get_by_name("i").connect(
        "handoff", lambda _, buffer: element.set_property("options", f'{{"n": {buffer.offset // 2}}}')
    )
    assert play(pipeline).ended
    assert [call["options"] for call in seen(tmp_path / "seen")] == [{"n": n} for n in (0, 0, 1, 1, 2, 2)]


def test_bad_options_while_playing_are_an_error_on_the_bus(play, library):
    lib = library("def process_ip(b, m, o):\n    pass\n")
    pipeline = Gst.parse_launch(
        f"{source(n=-1)} ! identity name=i signal-handoffs=true ! empycustom name=e in-place=true custom-lib={lib} ! fakesink"
    )
    element = pipeline.get_by_name("e")
    pipeline.get_by_name("i").connect(
        "handoff", lambda _, buffer: element.set_property("options", "[1]") if buffer.offset == 2 else None
    )
    assert "options is not a JSON object" in play(pipeline).error


def test_on_error_pass_lets_frames_go_on_without_meta(play, library):
    lib = library("def process_ip(b, m, o):\n    n = m['frame'][0]['frame_num']\n    return [{'n': 1 // (n % 2)}]\n")
    pipeline = Gst.parse_launch(
        f"{source(n=6)} ! empycustom name=e on-error=pass in-place=true custom-lib={lib} ! aimeta name=meta ! appsink name=out"
    )
    documents = documents_of(pipeline)
    played = play(pipeline)
    assert played.ended
    assert len(played.samples) == 6
    assert ["emcustom" in document["frame"][0] for document in documents] == [False, True] * 3
    assert stats(pipeline.get_by_name("e"))["errors"] == 3
    assert len(played.warnings) == 1, "one message for one place; the log has all"
    text, details = played.warnings[0]
    assert f"{lib}:3" in text
    assert "ZeroDivisionError" in details


def test_on_error_drop_drops_the_frame_and_numbers_stay_in_step(play, library):
    lib = library("def process_ip(b, m, o):\n    return [{'n': 1 // (m['frame'][0]['frame_num'] % 2)}]\n")
    pipeline = Gst.parse_launch(
        f"{source(n=6)} ! empycustom name=e on-error=drop in-place=true custom-lib={lib} ! aimeta name=meta ! appsink name=out"
    )
    documents = documents_of(pipeline)
    played = play(pipeline)
    assert played.ended
    assert len(played.samples) == 3
    assert [document["frame"][0]["frame_num"] for document in documents] == [1, 3, 5]
    assert stats(pipeline.get_by_name("e")) == {"buffers": 6, "processed": 6, "passed": 0, "errors": 3, "dropped": 3}


def test_on_error_is_read_at_each_error(play, library):
    lib = library("def process_ip(b, m, o):\n    raise ValueError('no')\n")
    played = play(f"{source(n=3)} ! empycustom on-error=fail in-place=true custom-lib={lib} ! fakesink")
    assert "ValueError: no" in played.error
    assert len([text for text, _ in played.errors if "lib.py" in text]) == 1


def test_custom_lib_cannot_change_while_playing(play, library):
    lib = library("def process_ip(b, m, o):\n    pass\n")
    pipeline = Gst.parse_launch(
        f"{source(n=-1)} ! identity name=i signal-handoffs=true ! empycustom name=e in-place=true custom-lib={lib} ! fakesink"
    )
    element = pipeline.get_by_name("e")
    pipeline.get_by_name("i").connect(
        "handoff", lambda _, buffer: element.set_property("custom-lib", "other.py") if buffer.offset == 2 else None
    )
    assert "custom-lib cannot change while the element runs" in play(pipeline).error
    assert element.get_property("custom-lib") == str(lib)


@pytest.mark.inline("it does not go to workers")
def test_the_object_of_a_program_cannot_change_while_playing(play):
    def kept(_buffer, _in_meta, _options):
        return {"frame": {"n": 1}}

    pipeline = Gst.parse_launch(
        f"{source(n=4)} ! identity name=i signal-handoffs=true ! empycustom name=e in-place=true ! fakesink"
    )
    element, refusals = pipeline.get_by_name("e"), []
    element.library = kept

    def change(_identity, _buffer):
        try:
            element.library = None
        except PropertyError as error:
            refusals.append(str(error))

    pipeline.get_by_name("i").connect("handoff", change)
    assert not play(pipeline).errors
    assert refusals == ["library cannot change while the element runs; set it in state NULL or READY"] * 4
    assert element.library is kept
    element.library = None
    assert element.library is None


def test_libraries_are_named_by_module_too(play, library, tmp_path, monkeypatch):
    library("", "pack/__init__.py")
    library("WORD = 'relative'\n", "pack/words.py")
    library("from .words import WORD\ndef process_ip(b, m, o):\n    return [{'word': WORD}]\n", "pack/lib.py")
    monkeypatch.chdir(tmp_path)
    pipeline = Gst.parse_launch(f"{source(n=1)} ! empycustom name=e in-place=true custom-lib=pack.lib ! fakesink")
    assert play(pipeline).ended
    assert pipeline.get_by_name("e").get_property("last-meta") == '[{"word":"relative"}]'
