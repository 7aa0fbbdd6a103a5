"""A library as the detector: what it found is NvDsObjectMeta, as trackers, classifiers and overlays of NVIDIA's expect it."""

from __future__ import annotations

import ctypes
import json

import nvds
import pytest

from empycustom.gstreamer import Gst

SOURCE = "videotestsrc num-buffers=2 ! video/x-raw,format=RGBA,width=640,height=480,framerate=30/1"
PERSON = {
    "class_id": 2,
    "obj_label": "person",
    "confidence": 0.75,
    "object_id": 2**40 + 1,
    "rect_params": {"left": 8.5, "top": 40, "width": 16.25, "height": 20},
    "unique_component_id": 7,
    "tracker_confidence": 0.5,
    "classifier": [
        {"unique_component_id": 3, "label_info": [{"result_label": "red", "result_prob": 0.25, "result_class_id": 4}]}
    ],
    "emcustom": {"mood": "calm"},
}
CAR = {
    "rect_params": {"left": -5, "top": 2, "width": 10, "height": 6},
    "obj_label": "car",
    "text_params": {"display_text": "Car!"},
}


@pytest.fixture
def detector(library):
    """Return the text of an element whose library finds an object in each frame of the batch."""

    def of(*found):
        frames = f"[{{'new_object': {[*found]!r}}} for _ in m['frame']]"
        return f"empycustom in-place=true custom-lib={library(f'def process_ip(b, m, o): return {{{chr(39)}frame{chr(39)}: {frames}}}')}"

    return of


def last_frames(play, description):
    """Play to the end and return the frames of the last batch, and what keeps them alive."""
    played = play(f"{description} ! appsink name=out")
    assert played.ended, played.errors
    return nvds.frames_of(nvds.batch_of(played.samples[-1].get_buffer())), played


def colour(address):
    return list((ctypes.c_double * 4).from_address(address))


def test_an_object_as_nvidia_has_it(play, detector):
    """Everything that nvdsosd draws: box, border, text and where it is."""
    frames, _played = last_frames(play, f"{SOURCE} ! fakemux objects=0 batch-size=2 ! {detector(PERSON)}")
    for frame in frames:
        (found,) = nvds.objects_of(frame)
        assert nvds.get(nvds.UINT, frame + 96) == 1  # num_obj_meta
        assert [nvds.get(nvds.INT, found + place) for place in (48, 52)] == [7, 2]
        assert nvds.get(nvds.LONG, found + 56) == 2**40 + 1
        assert list((nvds.FLOAT * 4).from_address(found + 64)) == [8.5, 40, 16.25, 20]  # detector_bbox_info
        assert list((nvds.FLOAT * 2).from_address(found + 96)) == [0.75, 0.5]
        assert list((nvds.FLOAT * 4).from_address(found + 104)) == [8.5, 40, 16.25, 20]
        assert nvds.get(nvds.UINT, found + 120) == 3  # border_width
        assert colour(found + 128) == [1, 0, 0, 1]
        assert nvds.get(nvds.INT, found + 160) == 0  # has_bg_color
        assert nvds.label_of(found) == b"person"
        assert ctypes.string_at(nvds.get(nvds.LONG, found + nvds.TEXT)) == b"person"
        assert [nvds.get(nvds.UINT, found + nvds.TEXT + place) for place in (8, 12)] == [8, 30]
        assert ctypes.string_at(nvds.get(nvds.LONG, found + nvds.TEXT + 16)) == b"Serif"
        assert nvds.get(nvds.UINT, found + nvds.TEXT + 24) == 11
        assert colour(found + nvds.TEXT + 32) == [1, 1, 1, 1]
        assert nvds.get(nvds.INT, found + nvds.TEXT + 64) == 1
        assert colour(found + nvds.TEXT + 72) == [0, 0, 0, 1]
        (classifier,) = nvds.items(nvds.get(nvds.LONG, found + nvds.CLASSIFIERS))
        assert [nvds.get(nvds.INT, classifier + place) for place in (40, 44)] == [1, 3]
        (label,) = nvds.items(nvds.get(nvds.LONG, classifier + 48))
        assert ctypes.string_at(label + 44) == b"red"
        assert nvds.get(nvds.FLOAT, label + 192) == 0.25


def test_an_object_is_untracked_and_of_no_known_class_by_default(play, detector):
    (frame,), _played = last_frames(play, f"{SOURCE} ! fakemux objects=0 ! {detector(CAR)}")
    (found,) = nvds.objects_of(frame)
    assert nvds.get(nvds.LONG, found + 56) == nvds.UNTRACKED
    assert [nvds.get(nvds.INT, found + place) for place in (48, 52)] == [0, -1]
    assert ctypes.string_at(nvds.get(nvds.LONG, found + nvds.TEXT)) == b"Car!"
    assert [nvds.get(nvds.UINT, found + nvds.TEXT + place) for place in (8, 12)] == [0, 0]  # unsigned, so not outside


@pytest.mark.parametrize("between", ["identity", "tee name=t t. ! queue ! fakesink t. ! queue ! fakeedit ! queue"])
def test_a_new_object_is_like_any_other_downstream(play, library, detector, between):
    """The next library gets it, with the attributes of the first one; its own attributes are merged into these."""
    lib = library(
        "def process_ip(b, m, o):\n"
        "    return [{'heard': [f['obj_label'], f.get('emcustom')]} for f in m['frame'][0]['object']]\n",
        "second.py",
    )
    pipeline = Gst.parse_launch(
        f"{SOURCE} ! fakemux objects=1 ! {detector(PERSON, CAR)} ! {between} ! empycustom in-place=true custom-lib={lib} ! "
        "aimeta name=meta ! fakesink"
    )
    assert play(pipeline).ended
    (frame,) = json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"]
    by_label = {found["obj_label"]: found for found in frame["object"]}
    known = [found for found in frame["object"] if found["unique_component_id"] == 7]
    assert len(frame["object"]) == 3
    assert known == [by_label["person"]]
    assert by_label["person"] == {
        **PERSON,
        "text_params": {"display_text": "person"},
        "classifier": [
            {
                "num_labels": 1,
                "unique_component_id": 3,
                "label_info": [
                    {"num_classes": 0, "result_label": "red", "result_class_id": 4, "label_id": 0, "result_prob": 0.25}
                ],
            }
        ],
        "emcustom": {"mood": "calm", "heard": ["person", {"mood": "calm"}]},
    }


def test_a_label_that_is_too_long_is_cut_between_characters_with_a_line_in_the_log(gst_launch, detector):
    long = {**CAR, "obj_label": "é" * 100}
    launched = gst_launch(
        f"{SOURCE} ! fakemux objects=0 ! {detector(long)} ! aimeta silent=false ! fakesink", GST_DEBUG="*python*:2"
    )
    assert launched.documents[-1]["frame"][0]["object"][0]["obj_label"] == "é" * 63
    assert launched.err.count("was cut to the 127 bytes") == 1


def test_labels_of_a_classifier_may_be_long_and_their_numbers_unknown(play, library, detector):
    """NVIDIA's has a second place for long ones, and copies and frees it."""
    info = {"result_label": "é" * 100, "label_id": -1, "result_class_id": -1, "num_classes": 5, "result_prob": 0.5}
    pipeline = Gst.parse_launch(
        f"{SOURCE} ! fakemux objects=0 ! {detector({**CAR, 'classifier': [{'label_info': [info]}]})} ! "
        "tee name=t t. ! queue ! fakesink t. ! queue ! fakeedit ! aimeta name=meta ! fakesink"
    )
    assert play(pipeline).ended
    (frame,) = json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"]
    assert frame["object"][0]["classifier"][0]["label_info"] == [info]


def test_more_objects_than_a_pool_holds(play, detector):
    """NVIDIA's pools begin with a few dozen."""
    frames, _played = last_frames(play, f"{SOURCE} ! fakemux objects=0 batch-size=2 ! {detector(*[PERSON] * 300)}")
    assert [len(nvds.objects_of(frame)) for frame in frames] == [300, 300]


def test_nothing_is_freed_twice_or_too_early(gst_launch, detector):
    """glibc checks every free; copies and originals are freed in both orders."""
    path = "tee name=t t. ! queue ! fakeedit remove=0 ! fakesink t. ! queue ! fakeedit remove=1 ! fakesink sync=false"
    launched = gst_launch(
        f"{SOURCE.replace('=2', '=200')} ! fakemux objects=2 ! {detector(PERSON, CAR)} ! {path}",
        MALLOC_CHECK_="3",
        MALLOC_PERTURB_="85",
        GLIBC_TUNABLES="glibc.malloc.check=3",
        LD_PRELOAD="libc_malloc_debug.so.0",
    )
    assert launched.code == 0, launched.text
