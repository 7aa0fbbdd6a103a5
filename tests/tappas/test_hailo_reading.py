"""Hailo's detections, and all that is in them, as objects of in_meta and of documents."""

from __future__ import annotations

import sys

import pytest


def test_a_detection_has_all_that_is_in_it(flow, found):
    car, person, face = flow(found)["object"]
    assert {key: car[key] for key in ("obj_label", "class_id", "confidence", "object_id", "classifier")} == {
        "obj_label": "car",
        "class_id": -1,
        "confidence": 0.5,
        "object_id": -1,
        "classifier": [],
    }
    assert car["rect_params"] == {"left": 0, "top": 0, "width": 16, "height": 6}
    assert person["rect_params"] == {"left": 8, "top": 12, "width": 32, "height": 24}
    assert (person["class_id"], person["confidence"], person["object_id"]) == (1, 0.75, 7)
    (classifier,) = person["classifier"]
    assert classifier["classifier_type"] == "color"
    assert [(each["result_label"], each["result_class_id"], each["result_prob"]) for each in classifier["label_info"]] == [
        ("red", 3, 0.25)
    ]
    assert person["keypoints"] == [8, 24, 1, 16, 36, 0.5]
    assert person["skeleton"] == [[0, 1]]
    assert face["rect_params"] == {"left": 24, "top": 12, "width": 8, "height": 12}
    assert face["parent_id"] == person["unique_id"]


def test_callbacks_get_arrays(flow, found):
    seen = []
    flow(found, lambda b, m: seen.append(m["frame"][0]["object"][1]["keypoints"]))
    assert seen[0].tolist() == [[8, 24, 1], [16, 36, 0.5]]
    assert seen[0].dtype.name == "float32"


def test_boxes_are_those_of_the_frame_where_it_is_scaled(flow, found):
    _, person, _ = flow(found, "videoscale ! video/x-raw,width=128,height=24")["object"]
    assert person["rect_params"] == {"left": 16, "top": 6, "width": 64, "height": 12}


def test_a_box_in_a_frame_of_8k_is_the_pixels_that_it_was(flow, hailo):
    def detect(buffer, _):
        roi = hailo.get_roi_from_buffer(buffer)
        roi.add_object(hailo.HailoDetection(hailo.HailoBBox(4001 / 7680, 7 / 4320, 3001.5 / 7680, 4001 / 4320), "person", 0.7))

    source = "videotestsrc num-buffers=1 ! video/x-raw,format=GRAY8,width=7680,height=4320"
    (person,) = flow(detect, source=source)["object"]
    assert person["rect_params"] == {"left": 4001, "top": 7, "width": 3001.5, "height": 4001}
    assert person["confidence"] == 0.7


def test_detections_in_tiles(flow, hailo):
    def detect(buffer, _):
        roi = hailo.get_roi_from_buffer(buffer)
        tile = hailo.HailoTileROI(hailo.HailoBBox(0.5, 0.5, 0.5, 0.5), 0, 0.0, 0.0, 0, hailo.SINGLE_SCALE)
        tile.add_object(hailo.HailoDetection(hailo.HailoBBox(0.5, 0.0, 0.25, 0.25), "car", 0.5))
        roi.add_object(tile)

    (car,) = flow(detect)["object"]
    assert car["rect_params"] == {"left": 48, "top": 24, "width": 8, "height": 6}
    assert "parent_id" not in car


def test_what_no_object_has_is_cleaned(flow, hailo):
    def detect(buffer, _):
        roi = hailo.get_roi_from_buffer(buffer)
        odd = hailo.HailoDetection(hailo.HailoBBox(float("nan"), 0.0, -0.5, float("inf")), "odd", 0.5)
        odd.add_object(hailo.HailoLandmarks("pose", [hailo.HailoPoint(float("nan"), 0.0, 1.0)], 0.0))
        odd.add_object(hailo.HailoUniqueID(-1))
        roi.add_object(odd)
        lines = hailo.HailoDetection(hailo.HailoBBox(0.0, 0.0, 0.5, 0.5), "lines", 0.5)
        lines.add_object(hailo.HailoLandmarks("pose", [hailo.HailoPoint(0.0, 0.0, 1.0)], 0.0, [(0, 5)]))
        roi.add_object(lines)

    odd, lines = flow(detect)["object"]
    assert odd["rect_params"] == {"left": 0, "top": 0, "width": 0, "height": 0}
    assert odd["object_id"] == -1
    assert "keypoints" not in odd
    assert lines["keypoints"] == [0, 0, 1]
    assert "skeleton" not in lines


def test_labels_that_are_not_utf_8(flow, hailo):
    def detect(buffer, _):
        hailo.get_roi_from_buffer(buffer).add_object(hailo.HailoDetection(hailo.HailoBBox(0, 0, 1, 1), b"caf\xe9", 0.5))

    assert [each["obj_label"] for each in flow(detect)["object"]] == ["caf\ufffd"]


def test_an_object_that_is_a_part_of_itself_does_not_hang(flow, hailo):
    kept = []

    def detect(buffer, _):
        person = hailo.HailoDetection(hailo.HailoBBox(0.0, 0.0, 0.5, 0.5), "person", 0.5)
        person.add_object(person)
        hailo.get_roi_from_buffer(buffer).add_object(person)
        kept.append(person)

    assert {each["obj_label"] for each in flow(detect)["object"]} == {"person"}
    kept[0].remove_object(0)


# Where the module is missing.

ATTACHES = """
import ctypes
lib = ctypes.CDLL({!r})
lib.attach.argtypes = [ctypes.c_void_p, ctypes.c_long]

def process_ip(b, m, o):
    lib.attach(hash(b), {})
"""
ADDS = """
def process_ip(b, m, o):
    return {"frame": [{"new_object": [{"obj_label": "cat", "rect_params": {"left": 1, "top": 2, "width": 3, "height": 4}}]}]}
"""


@pytest.fixture
def attaching(standin, library):
    """Return an element that puts Hailo's meta on buffers: with the number of an object, or, of 0, without one."""

    def attach(number=1):
        path = library(ATTACHES.format(str(standin / "meta.so"), number), "upstream/attaches.py")
        return f"empycustom in-place=true custom-lib={path}"

    return attach


PYTHON = f"Python {sys.version_info.major}.{sys.version_info.minor}"


def test_without_the_module_one_warning_says_so(attaching, gst_launch, library):
    """What libraries find goes to GStreamer's own metadata then."""
    adds = library(ADDS, "adds.py")
    line = f"videotestsrc num-buffers=3 ! {attaching()} ! empycustom custom-lib={adds} in-place=true ! aimeta silent=false ! fakesink"
    done = gst_launch(line)
    assert done.code == 0
    assert [document["frame"][0]["object"][0]["obj_label"] for document in done.documents] == ["cat"] * 3
    says = (
        "Hailo's objects on the buffers are not read and not written: the Python module hailo is missing; "
        f"install that of Hailo's TAPPAS for {PYTHON}"
    )
    warnings = [text for text in done.text.splitlines() if says in text]
    assert len(warnings) == 2, done.err  # one of each element that reads objects


@pytest.mark.parametrize(
    ("module", "says"),
    [
        (
            "raise ImportError('libhailort.so.4: no such file')",
            "cannot be imported (ImportError: libhailort.so.4: no such file); ",
        ),
        ("import no_such_thing", "the Python module no_such_thing is missing; "),
        ("version = 1", "hailo.py has no access_HailoMainObject_from_desc, get_roi_from_buffer, HailoROI, "),
    ],
)
def test_a_module_that_cannot_be_used(attaching, gst_launch, tmp_path, module, says):
    (tmp_path / "hailo.py").write_text(module)
    done = gst_launch(f"videotestsrc num-buffers=1 ! {attaching()} ! aimeta silent=false ! fakesink", PYTHONPATH=str(tmp_path))
    assert done.code == 0
    assert says in done.text
    assert len(done.documents) == 1


def test_the_module_is_not_imported_where_no_buffer_has_hailos_meta(gst_launch, library, tmp_path):
    (tmp_path / "hailo.py").write_text("print('imported')")
    line = f"videotestsrc num-buffers=2 ! empycustom in-place=true custom-lib={library(ADDS)} ! aimeta silent=false ! fakesink"
    done = gst_launch(line, PYTHONPATH=str(tmp_path))
    assert len(done.documents) == 2
    assert "imported" not in done.text


def test_a_meta_without_a_roi_holds_no_objects(attaching, launch, library):
    done = launch(f"videotestsrc num-buffers=1 ! {attaching(0)} ! aimeta silent=false ! fakesink")
    assert done.documents[0]["frame"][0]["object"] == []
    adds = library(ADDS, "adds.py")
    done = launch(f"videotestsrc num-buffers=1 ! {attaching(0)} ! empycustom in-place=true custom-lib={adds} ! fakesink")
    assert done.code == 1
    assert "the GstHailoMeta of the buffer has no HailoROI for new objects; find the element that attached it" in done.text
