"""The element ``aimeta``: documents, signals, the file, the console."""

from __future__ import annotations

import json
import subprocess

from empycustom.gstreamer import Gst

SOURCE = "videotestsrc num-buffers=6 ! video/x-raw,format=RGBA,width=64,height=48"


def heard_from(pipeline, *signals):
    heard = []
    for signal in signals:
        pipeline.get_by_name("meta").connect(signal, lambda element, *text, signal=signal: heard.append((signal, *text)))
    return heard


def test_a_document_a_frame_even_without_any_library(play):
    pipeline = Gst.parse_launch(f"{SOURCE} ! aimeta name=meta ! fakesink")
    heard = heard_from(pipeline, "aimeta", "new-meta")
    assert play(pipeline).ended
    assert [signal for signal, *_ in heard] == ["aimeta", "new-meta"] * 6
    documents = [json.loads(text) for signal, *rest in heard for text in rest]
    assert [document["frame"][0]["frame_num"] for document in documents] == list(range(6))
    assert all(list(document) == ["schema_version", "frame"] for document in documents), "no buffer layout in it"


def test_last_meta_can_be_read_in_the_signal(play):
    pipeline = Gst.parse_launch(f"{SOURCE} ! aimeta name=meta ! fakesink")
    numbers = []
    pipeline.get_by_name("meta").connect(
        "aimeta", lambda element: numbers.append(json.loads(element.get_property("last-meta"))["frame"][0]["frame_num"])
    )
    assert pipeline.get_by_name("meta").get_property("last-meta") is None
    assert play(pipeline).ended
    assert numbers == list(range(6))


def test_signals_at_an_interval(play, tmp_path):
    file = tmp_path / "meta.jsonl"
    pipeline = Gst.parse_launch(f"{SOURCE} ! aimeta name=meta signal-interval=4 location={file} ! fakesink")
    heard = heard_from(pipeline, "new-meta")
    assert play(pipeline).ended
    assert [json.loads(text)["frame"][0]["frame_num"] for _, text in heard] == [0, 4]
    assert len(file.read_text().splitlines()) == 6, "the file gets every document"


def test_no_signals_if_they_are_turned_off(play):
    pipeline = Gst.parse_launch(f"{SOURCE} ! aimeta name=meta signal-aimetas=false ! fakesink")
    heard = heard_from(pipeline, "aimeta", "new-meta")
    assert play(pipeline).ended
    assert heard == []
    assert json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"][0]["frame_num"] == 5


def test_the_file_holds_a_json_text_a_line_and_is_complete_at_the_end(gst_launch, library, tmp_path):
    lib = library("def process_ip(b, m, o):\n    return [{'text': 'line\\nbreak ü'}]\n")
    (tmp_path / "meta.jsonl").write_text("old\n")
    launched = gst_launch(f"{SOURCE} ! empycustom in-place=true custom-lib={lib} ! aimeta location=meta.jsonl ! fakesink")
    assert launched.code == 0, launched.text
    documents = [json.loads(line) for line in (tmp_path / "meta.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [document["frame"][0]["emcustom"] for document in documents] == [{"text": "line\nbreak ü"}] * 6


def test_documents_are_printed_and_logged_if_asked_for(gst_launch):
    launched = gst_launch(f"{SOURCE} ! aimeta silent=false ! fakesink", GST_DEBUG="*python*:6")
    assert len(launched.documents) == 6
    logged = [line for line in launched.err.splitlines() if '{"schema_version":' in line]
    assert len(logged) == 6
    assert "python-aimeta aimeta.py" in logged[0]


def test_nothing_is_printed_by_default(gst_launch):
    launched = gst_launch(f"{SOURCE} ! aimeta ! fakesink")
    assert launched.code == 0
    assert launched.documents == []


def test_buffers_are_not_copied(play):
    pipeline = Gst.parse_launch(
        f"{SOURCE} ! tee name=t ! queue ! identity name=before signal-handoffs=true ! aimeta ! "
        "identity name=after signal-handoffs=true ! fakesink t. ! queue ! fakesink"
    )
    seen = {"before": [], "after": []}
    for name, list_ in seen.items():
        pipeline.get_by_name(name).connect("handoff", lambda _, buffer, list_=list_: list_.append(hash(buffer)))
    assert play(pipeline).ended
    assert seen["before"] == seen["after"]


def test_the_file_cannot_change_while_playing(play, tmp_path):
    pipeline = Gst.parse_launch(
        "videotestsrc ! video/x-raw,format=RGBA ! identity name=i signal-handoffs=true ! aimeta name=meta ! fakesink"
    )
    meta = pipeline.get_by_name("meta")
    pipeline.get_by_name("i").connect(
        "handoff", lambda _, buffer: meta.set_property("location", str(tmp_path / "x")) if buffer.offset == 2 else None
    )
    assert "location cannot change while the element runs" in play(pipeline).error


def test_a_reader_that_goes_away_ends_the_pipeline(gst_env, tmp_path):
    """gst-launch … | head: an error with the reason, and no hang."""
    line = "gst-launch-1.0 -q videotestsrc ! video/x-raw,format=RGBA ! aimeta silent=false ! fakesink 2> errors | head -1"
    done = subprocess.run(["bash", "-c", line], env=gst_env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout)["frame"][0]["frame_num"] == 0
    assert "silent=false: the console cannot be written (Broken pipe)" in (tmp_path / "errors").read_text()


def test_buffers_without_caps_are_named(play):
    error = play("fakesrc num-buffers=2 ! aimeta ! fakesink async=false").error
    assert error.startswith("buffers come without caps, so nothing is known of their frames; put caps behind the source")
