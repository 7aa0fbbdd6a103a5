"""A batch of DeepStream is one message for each of its frames."""

from __future__ import annotations

import json

import pytest

SOURCE = "videotestsrc num-buffers=2 ! video/x-raw,format=RGBA,width=64,height=48,framerate=30/1 ! fakemux batch-size=2 objects=3"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("select=frames", [(n, source) for n in range(2) for source in (10, 11)]),
        ("select=objects", [(n, source) for n in range(2) for source in (10, 11) for _ in range(3)]),
        ("select=changes", [(0, 10), (0, 11)]),
        ("envelope=cloudevents", [(n, source) for n in range(2) for source in (10, 11)]),
    ],
)
def test_each_frame_of_a_batch_is_sent_by_itself(play, tmp_path, monkeypatch, given, wanted):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = tmp_path / "results.jsonl"
    played = play(f"{SOURCE} ! metapublish uri=file://{path} {given} ! fakesink")
    assert played.errors == played.warnings == []
    messages = [json.loads(line) for line in path.read_text().splitlines()]
    about = [message.get("data", message) for message in messages]
    frames = [each["frame"][0] if "frame" in each else each for each in about]
    assert [len(each.get("frame", [1])) for each in about] == [1] * len(wanted)
    assert [(frame["frame_num"], frame["source_id"]) for frame in frames] == wanted
    assert len({message["id"] for message in messages}) == len(messages)
