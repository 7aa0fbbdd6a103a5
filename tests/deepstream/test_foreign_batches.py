"""What others put on a batch, and that is not as it should be: one sentence under on-error, or cleaned."""

from __future__ import annotations

import json

import nvds
import pytest

from empycustom.gstreamer import Gst

SOURCE = "videotestsrc num-buffers=3 ! video/x-raw,format=RGBA,width=64,height=48,framerate=30/1 ! fakemux"
NAMER = """
def process_ip(b, m, o):
    return {"frame": [{"meta": 1, "object": [{"was": found["obj_label"]} for found in f["object"]]} for f in m["frame"]]}
"""
# Writes numbers into the first frame of the batch and its first object, as another element does.
SPOIL = f"""
import sys
sys.path.insert(0, {str(nvds.__file__).rpartition("/")[0]!r})
import nvds
def process_ip(b, m, o):
    frame = nvds.frames_of(nvds.batch_of(b))[0]
    found = nvds.objects_of(frame)[0]
    SPOIL
"""
HOSTILE = [
    "{broken",
    "[]",
    '{"object": {}}',
    '{"object": [{"key": "1", "emcustom": 1}]}',
    '{"object": [{"key": 99999999999, "emcustom": 1}]}',
    '{"emcustom": ' + "[" * 2000 + "]" * 2000 + "}",
]


@pytest.fixture
def played(play, library):
    """Play a pipeline whose element ``words`` has the library above; return the documents at its end, and how it went."""

    def run(others, policy="fail", source=NAMER):
        lib = library(source, "words.py")
        documents = []
        pipeline = Gst.parse_launch(
            f"{SOURCE} ! {others} ! empycustom name=words on-error={policy} in-place=true custom-lib={lib} ! aimeta name=meta ! fakesink"
        )
        pipeline.get_by_name("meta").connect("new-meta", lambda _, text: documents.append(json.loads(text)))
        return documents, play(pipeline), pipeline.get_by_name("words").get_property("stats")

    return run


@pytest.fixture
def spoiled(library):
    return lambda line: f"empycustom in-place=true custom-lib={library(SPOIL.replace('SPOIL', line), 'spoil.py')}"


@pytest.mark.parametrize("text", HOSTILE)
def test_an_event_of_our_mark_that_cannot_be_read_is_named_and_under_on_error(played, text):
    event = f"fakeevent object-id=empycustom text={json.dumps(text)}"
    _, ended, _ = played(event)
    assert (
        "NvDsEventMsgMeta of objectId empycustom at frame 0 (0:00:00.000, source 10) is not as empycustom writes it: "
        in ended.error
    )
    assert "find the element that wrote it" in ended.error
    documents, ended, stats = played(event, "pass")
    assert ended.ended, ended.errors
    assert [("emcustom" in frame, len(frame["object"])) for document in documents for frame in document["frame"]] == [
        (False, 3)
    ] * 3
    assert len([text for text, _ in ended.warnings if "NvDsEventMsgMeta" in text]) == 1
    assert stats.get_uint64("errors") == (True, 3)
    documents, ended, stats = played(event, "drop")
    assert (documents, ended.ended, stats.get_uint64("dropped")) == ([], True, (True, 3))


def test_what_python_alone_takes_for_json_is_cleaned(played):
    text = '{"emcustom": {"a": [NaN, -Infinity, 1e999, "\\\\ud800"]}}'
    documents, ended, _ = played(
        f'fakeevent object-id=empycustom text="{text.replace(chr(34), chr(92) + chr(34))}"',
        source="def process_ip(b, m, o): pass\n",
    )
    assert ended.ended, ended.errors
    assert [document["frame"][0]["emcustom"] for document in documents] == [{"a": [None, None, None, "?"]}] * 3


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "3e38"])
def test_numbers_of_objects_that_cannot_be_are_read_as_0(played, spoiled, number):
    """A library can calculate with them, and hand the object back."""
    line = f"nvds.put(nvds.FLOAT, found + 96, *[float('{number}')] * 6)"
    documents, ended, _ = played(
        spoiled(line), source="def process_ip(b, m, o): return [{'n': f['confidence'] > 0} for f in m['frame'][0]['object']]"
    )
    assert ended.ended, ended.errors
    for document in documents:
        found = document["frame"][0]["object"][0]
        assert (found["confidence"], found["tracker_confidence"]) == (0, 0)
        assert list(found["rect_params"].values()) == [0, 0, 0, 0]
        assert found["emcustom"] == {"n": False}


@pytest.mark.parametrize(
    "line",
    [
        "nvds.put(nvds.INT, frame + 48, -(2**31))",
        "nvds.put(nvds.LONG, frame + 64, 2**64 - 1)",
        "nvds.put(nvds.LONG, frame + 64, 2**63)",
        "nvds.put(nvds.LONG, frame + 56, 2**64 - 2)",
        "nvds.put(nvds.INT, frame + 48, -1); nvds.put(nvds.LONG, frame + 64, 0)",
        "nvds.put(nvds.INT, found + 48, -(2**31), -(2**31))",
        "nvds.put(nvds.LONG, found + 56, 2**64 - 2)",
        "nvds.put(nvds.FLOAT, found + 112, -5, -5)",
    ],
)
def test_numbers_at_the_ends_of_their_types_end_nothing(played, spoiled, line):
    documents, ended, _ = played(
        spoiled(line), source="def process_ip(b, m, o): return {'frame': [{'meta': 1, 'new_object': m['frame'][0]['object']}]}"
    )
    assert ended.ended, ended.errors
    assert [(frame["emcustom"], len(frame["object"])) for document in documents for frame in document["frame"]] == [(1, 6)] * 3


@pytest.mark.parametrize("number", ["float('nan')", "3e38", "-3e38"])
def test_boxes_that_cannot_be_are_scaled_with_their_frame(play, library, spoiled, number):
    """And text that is placed at the end of what its type holds."""
    lib = library(
        """
import numpy as np
def output_caps(caps, options):
    return "video/x-raw,width=128,height=96"
def process(b, m, o):
    return np.zeros((96, 128, 4), np.uint8), []
""",
        "large.py",
    )
    line = f"nvds.put(nvds.FLOAT, found + 104, *[{number}] * 4); nvds.put(nvds.UINT, found + nvds.TEXT + 8, *[2**32 - 1] * 2)"
    played = play(f"{SOURCE} ! {spoiled(line)} ! empycustom custom-lib={lib} ! aimeta ! appsink name=out")
    assert played.ended, played.errors
    assert len(played.samples) == 3


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        (1, "frame 1 (0:00:00.033, source 10)"),
        (2, "frames 1 (0:00:00.033, source 10), 1 (0:00:00.033, source 11)"),
        (6, "frames 1 (0:00:00.033, source 10), 1 (0:00:00.033, source 11), 1 (…, source 12), 1 (…, source 13) and 2 more"),
    ],
)
def test_an_exception_names_the_frames_of_its_batch(play, library, batch, said):
    lib = library("def process_ip(b, m, o):\n    m.clear() if m['frame'][0]['frame_num'] < 1 else m['missing']\n")
    played = play(f"{SOURCE} batch-size={batch} ! empycustom in-place=true custom-lib={lib} ! fakesink")
    wanted = said.replace("…", "0:00:00.033")
    assert played.error == f"{lib}:2: process_ip raised KeyError: 'missing' at {wanted}; fix the library (the traceback is below)"
