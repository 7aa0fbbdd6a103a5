"""Batches of DeepStream are refused by an element with workers, whatever its pace: their metadata lie in this process."""

from __future__ import annotations

import pytest

SOURCE = "videotestsrc num-buffers=30 ! video/x-raw,format=RGBA,width=64,height=48,framerate=30/1 ! fakemux"
LIBRARY = """
def process_ip(b, m, o):
    return {"frame": [{"meta": {"objects": len(frame["object"])}} for frame in m["frame"]]}

def process(b, m, o):
    return b, process_ip(b, m, o)
"""
REFUSAL = "batches of DeepStream cannot go to workers; set workers=0"
ELEMENTS = {
    **{pace: f"in-place=true workers=2 pace={pace}" for pace in ("every", "skip", "latest")},
    "not in place": "in-place=false workers=1",
    "on-error": "in-place=true workers=1 on-error=pass",
    "a later frame": "in-place=true workers=1 process-interval=3",
}


@pytest.mark.parametrize("properties", ELEMENTS.values(), ids=ELEMENTS)
def test_a_batch_is_refused(play, library, properties):
    played = play(f"{SOURCE} ! empycustom {properties} custom-lib={library(LIBRARY)} ! fakesink")
    assert played.error == REFUSAL
    assert [text for text, _ in played.errors if "Internal data stream error" not in text] == [REFUSAL], "it is said once"


def test_the_command_line_says_it_and_without_workers_the_batch_is_taken(gst_launch, library):
    line = f"-q {SOURCE} ! empycustom in-place=true custom-lib={library(LIBRARY)} workers={{}} ! aimeta silent=false ! fakesink"
    refused, taken = gst_launch(line.format(1)), gst_launch(line.format(0))
    assert refused.code != 0
    assert REFUSAL in refused.err
    assert "Traceback" not in refused.err
    assert refused.documents == []
    assert taken.code == 0, taken.text
    assert [[frame["emcustom"] for frame in document["frame"]] for document in taken.documents] == [[{"objects": 3}]] * 30
