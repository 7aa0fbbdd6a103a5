"""A library that raises EndOfStream ends its stream well, wherever it stands in a pipeline."""

from __future__ import annotations

import json
import re

import pytest
from programs import WORKERS

COUNTS = "def process_ip(io_buffer, in_meta, options):\n    return {'frame': {'seen': True}}\n"
SOURCE = "videotestsrc ! video/x-raw,format=RGBA,width=64,height=48,framerate=30/1"
LIVE = SOURCE.replace("videotestsrc", "videotestsrc is-live=true")
OURS = "empycustom in-place=true custom-lib=lib.py"
DOCUMENTS = "aimeta location=meta.jsonl"
# Where the library stands, which gets frames without an end; each is to write three documents, and nothing may hang.
PIPELINES = {
    "alone": f"{SOURCE} ! {OURS} ! {DOCUMENTS} ! fakesink",
    "not in place": f"{SOURCE} ! empycustom custom-lib=lib.py ! {DOCUMENTS} ! fakesink",
    "behind a queue": f"{SOURCE} ! queue ! {OURS} ! {DOCUMENTS} ! fakesink",
    "before a queue": f"{SOURCE} ! {OURS} ! queue ! {DOCUMENTS} ! queue ! fakesink",
    "between queues that are full": f"{SOURCE} ! queue max-size-buffers=1 ! {OURS} ! queue max-size-buffers=1 ! {DOCUMENTS} ! fakesink",
    "live": f"{LIVE} ! {OURS} ! {DOCUMENTS} ! fakesink sync=true",
    "live behind a queue": f"{LIVE} ! queue ! {OURS} ! queue ! {DOCUMENTS} ! fakesink sync=true",
    "at a tee": f"{SOURCE} ! tee name=tee tee. ! queue ! {OURS} ! {DOCUMENTS} ! fakesink tee. ! queue ! fakesink",
    "at a tee, without queues": f"{SOURCE} ! tee name=tee tee. ! {OURS} ! {DOCUMENTS} ! fakesink async=false tee. ! fakesink async=false",
    "before another": f"{SOURCE} ! {OURS} ! empycustom in-place=true custom-lib=counts.py ! {DOCUMENTS} ! fakesink",
    "behind another": f"{SOURCE} ! empycustom in-place=true custom-lib=counts.py ! queue ! {OURS} ! {DOCUMENTS} ! fakesink",
    "with on-error=pass": f"{SOURCE} ! {OURS} on-error=pass ! {DOCUMENTS} ! fakesink",
    "with on-error=drop": f"{SOURCE} ! {OURS} on-error=drop ! {DOCUMENTS} ! fakesink",
}


@pytest.fixture
def lines(tmp_path, library, ends):
    ends()
    library(COUNTS, "counts.py")

    def read():
        return [json.loads(line) for line in (tmp_path / "meta.jsonl").read_text().splitlines()]

    return read


@pytest.mark.parametrize("path", ["on", "off"])
@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
def test_the_stream_ends_well(pipeline, path, lines, gst_launch):
    launched = gst_launch(pipeline, EMPYCUSTOM_FAST_PATH=path)

    assert launched.code == 0, launched.text
    (calls,) = re.findall(r"stopped after (\d+) calls\n", launched.out)
    assert int(calls) in (range(4, 7) if WORKERS else [4]), "no frame comes behind the end, but what a worker had already"
    assert [document["frame"][0]["emcustom"]["calls"] for document in lines()] == [1, 2, 3]
    assert launched.complaints() == []


def test_the_first_frame_may_be_the_end(lines, gst_launch):
    launched = gst_launch(f"{SOURCE} ! {OURS} options='{{\"frames\": 0}}' ! {DOCUMENTS} ! fakesink")
    assert launched.code == 0, launched.text
    (calls,) = re.findall(r"stopped after (\d+) calls\n", launched.out)
    assert int(calls) in (range(1, 4) if WORKERS else [1])
    assert not lines()


def test_files_are_finished(lines, gst_launch, play, tmp_path):
    launched = gst_launch(f"{SOURCE} ! queue ! {OURS} ! videoconvert ! jpegenc ! avimux ! filesink location=video.avi")
    assert launched.code == 0, launched.text
    played = play(f"filesrc location={tmp_path}/video.avi ! avidemux ! jpegdec ! appsink name=out")
    assert len(played.samples) == 3


def test_it_is_reported_on_the_bus(lines, gst_launch, tmp_path):
    (tmp_path / "options.json").write_text('{"why": "three are enough"}')
    launched = gst_launch(f"{SOURCE} ! {OURS} options=@options.json ! fakesink")
    said = f"{tmp_path}/lib.py:10: process_ip ended the stream at frame 3 (0:00:00.100), and this frame is not passed on"
    assert f"{said}: three are enough\n" in launched.out


@pytest.mark.parametrize("callback", ["start(options)", "output_caps(caps, options)", "stop(options)"])
def test_where_there_are_no_frames_it_is_an_error_with_advice(callback, library, gst_launch):
    name = callback.partition("(")[0]
    library(
        f"import empycustom\n\ndef {callback}:\n    raise empycustom.EndOfStream\n\ndef process(b, m, o):\n    return b, None\n"
    )
    launched = gst_launch("videotestsrc is-live=true num-buffers=3 ! empycustom custom-lib=lib.py ! fakesink")
    assert launched.code != 0
    assert (
        f"lib.py:4: {name} raised EndOfStream, but only process_ip and process can end a stream; raise it there" in launched.err
    )


def test_a_seek_with_a_flush_goes_on_after_the_end(ends):
    import empycustom
    from empycustom.gstreamer import Gst

    empycustom.register()
    path = ends()
    pipeline = Gst.parse_launch(f"{SOURCE} ! empycustom name=lib in-place=true custom-lib={path} ! fakesink")

    def to_the_end():
        found = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
        assert found is not None, "the pipeline hangs"
        assert found.type == Gst.MessageType.EOS
        return json.loads(pipeline.get_by_name("lib").get_property("last-meta"))["frame"]["calls"]

    pipeline.set_state(Gst.State.PLAYING)
    assert to_the_end() == 3
    pipeline.get_by_name("lib").set_property("options", '{"frames": 8}')
    assert pipeline.seek_simple(Gst.Format.TIME, Gst.SeekFlags.FLUSH, 0)
    assert to_the_end() == 8
    pipeline.set_state(Gst.State.NULL)


@pytest.mark.inline("a worker may have had more frames than are passed on")
def test_a_pipeline_that_is_started_again_begins_anew(ends):
    import empycustom
    from empycustom.gstreamer import Gst

    empycustom.register()
    pipeline = Gst.parse_launch(f"{SOURCE} ! empycustom name=lib in-place=true custom-lib={ends()} ! fakesink")
    for _ in range(2):
        pipeline.set_state(Gst.State.PLAYING)
        found = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
        assert found is not None, "the pipeline hangs"
        assert found.type == Gst.MessageType.EOS
        stats = pipeline.get_by_name("lib").get_property("stats")
        assert [stats.get_value(name) for name in ("buffers", "processed", "errors", "dropped")] == [4, 4, 0, 1]
        pipeline.set_state(Gst.State.NULL)
