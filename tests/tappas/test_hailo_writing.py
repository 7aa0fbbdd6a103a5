"""What libraries find, change and remove is in the HailoROI, where Hailo's elements see it."""

from __future__ import annotations

import json
import sys
import types

import pytest
from tappas_stages import SOURCE, STAGE

from empycustom.gstreamer import Gst


def plain(hailo, roi):
    """Return what is in a ROI as lists, boxes in parts of it."""
    bbox = roi.get_bbox()
    made = {"box": [round(side, 4) for side in (bbox.xmin(), bbox.ymin(), bbox.width(), bbox.height())]}
    if isinstance(roi, hailo.HailoDetection):
        made |= {"label": roi.get_label(), "class_id": roi.get_class_id(), "confidence": round(roi.get_confidence(), 4)}
    for part in roi.get_objects():
        if isinstance(part, hailo.HailoDetection):
            made.setdefault("parts", []).append(plain(hailo, part))
        elif isinstance(part, hailo.HailoClassification):
            named = (part.get_classification_type(), part.get_label(), part.get_class_id(), round(part.get_confidence(), 4))
            made.setdefault("classes", []).append(named)
        elif isinstance(part, hailo.HailoLandmarks):
            points = [tuple(round(number, 4) for number in (p.x(), p.y(), p.confidence())) for p in part.get_points()]
            made["landmarks"] = (part.get_landmarks_type(), points, part.get_pairs(), part.get_threshold())
        elif isinstance(part, hailo.HailoUniqueID):
            made.setdefault("ids", []).append((part.get_id(), int(part.get_mode())))
    return made


@pytest.fixture
def seen(hailo, flow):
    """Play stages; return what is in the ROI behind them, and the document's objects."""

    def run(*stages, **more):
        rois = []
        frame = flow(*stages, lambda b, m: rois.append(plain(hailo, hailo.get_roi_from_buffer(b))), **more)
        return rois[0], frame["object"]

    return run


def attach(hailo):
    """Return a stage that puts an empty ROI on buffers."""
    return lambda b, m: hailo.get_roi_from_buffer(b) and None


def changing(*changes, removed=()):
    return lambda b, m: {"frame": [{"changed_object": [*changes], "removed_object": [*removed]}]}


PERSON = {
    "box": [0.125, 0.25, 0.5, 0.5],
    "label": "person",
    "class_id": 1,
    "confidence": 0.75,
    "ids": [(7, 0), (99, 1)],
    "classes": [("color", "red", 3, 0.25)],
    "landmarks": ("pose", [(0.0, 0.5, 1.0), (0.25, 1.0, 0.5)], [(0, 1)], 0.125),
    "parts": [{"box": [0.5, 0.0, 0.25, 0.5], "label": "face", "class_id": 2, "confidence": 1.0}],
}
CAR = {"box": [0.0, 0.0, 0.25, 0.125], "label": "car", "class_id": -1, "confidence": 0.5}


def test_a_new_object_is_a_detection_with_all_that_it_has(seen, hailo):
    new = {
        "obj_label": "person",
        "class_id": 1,
        "confidence": 0.75,
        "object_id": 7,
        "rect_params": {"left": 8, "top": 12, "width": 32, "height": 24},
        "classifier": [
            {"classifier_type": "color", "label_info": [{"result_label": "red", "result_class_id": 3, "result_prob": 0.25}]}
        ],
        "keypoints": [[8, 24, 1], [16, 36, 0.5]],
        "skeleton": [[0, 1]],
        "emcustom": {"seen": 1},
    }
    roi, (found,) = seen(attach(hailo), lambda b, m: {"frame": [{"new_object": [new]}]})
    (part,) = roi["parts"]
    assert part == {
        **{key: PERSON[key] for key in ("box", "label", "class_id", "confidence", "classes")},
        "ids": [(7, 0)],
        "landmarks": ("empycustom", PERSON["landmarks"][1], [(0, 1)], 0.0),
    }
    assert found["emcustom"] == {"seen": 1}
    assert found["keypoints"] == [8, 24, 1, 16, 36, 0.5]
    assert (found["class_id"], found["object_id"], found["confidence"]) == (1, 7, 0.75)


def test_where_no_buffer_has_hailos_meta_new_objects_do_not_become_hailos(seen, hailo):
    new = {"obj_label": "cat", "rect_params": {"left": 8, "top": 12, "width": 32, "height": 24}}
    roi, objects = seen(lambda b, m: {"frame": [{"new_object": [new]}]})
    assert "parts" not in roi
    assert [each["obj_label"] for each in objects] == ["cat"]


@pytest.mark.parametrize(
    ("change", "there"),
    [
        ({"obj_label": "woman"}, {"label": "woman"}),
        ({"class_id": 5}, {"class_id": 5}),
        ({"confidence": 0.5}, {"confidence": 0.5}),
        ({"object_id": 8}, {"ids": [(99, 1), (8, 0)]}),
        ({"object_id": -1}, {"ids": [(99, 1)]}),
        ({"classifier": []}, {"classes": None}),
        (
            {"classifier": [{"label_info": [{"result_label": "a"}, {"result_label": "b", "result_prob": 0.5}]}]},
            {"classes": [("empycustom", "a", 0, 1.0), ("empycustom", "b", 0, 0.5)]},
        ),
        ({"keypoints": [[24, 24, 1]], "skeleton": None}, {"landmarks": ("pose", [(0.5, 0.5, 1.0)], [], 0.125)}),
        ({"keypoints": []}, {"landmarks": None}),
        ({"emcustom": {"a": 1}}, {}),
    ],
    ids=lambda value: "-".join(value),
)
def test_each_key_is_changed_alone(seen, found, change, there):
    roi, objects = seen(found, changing({}, change))
    (after,) = [part for part in roi["parts"] if part["label"] in ("person", "woman")]
    expected = {key: value for key, value in {**PERSON, **there}.items() if value is not None}
    assert after == expected
    assert CAR in roi["parts"]
    assert len(objects) == 3


def test_what_is_in_a_box_that_moves_stays_where_it_is(seen, found):
    box = {"left": 0, "top": 0, "width": 64, "height": 48}
    for change in ({"rect_params": box}, {"rect_params": box, "obj_label": "person"}, {"rect_params": box, "class_id": 4}):
        roi, objects = seen(found, changing({}, change))
        (person,) = [part for part in roi["parts"] if part["label"] == "person"]
        assert person["box"] == [0, 0, 1, 1]
        assert person["landmarks"][1] == [(0.125, 0.5, 1.0), (0.25, 0.75, 0.5)]
        assert person["parts"][0]["box"] == [0.375, 0.25, 0.125, 0.25]
        by_label = {each["obj_label"]: each for each in objects}
        assert by_label["face"]["rect_params"] == {"left": 24, "top": 12, "width": 8, "height": 12}
        assert by_label["person"]["keypoints"] == [8, 24, 1, 16, 36, 0.5]
        assert by_label["face"]["parent_id"] == by_label["person"]["unique_id"]


def test_a_removed_object_leaves_its_parts(seen, found):
    roi, objects = seen(found, changing(removed=[1]))
    assert [part["label"] for part in roi["parts"]] == ["car", "face"]
    assert roi["parts"][1]["box"] == [0.375, 0.25, 0.125, 0.25]
    assert "parent_id" not in objects[1]
    roi, objects = seen(found, changing(removed=[0, 1, 2]))
    assert objects == []
    assert "parts" not in roi


def test_parts_of_objects(seen, found):
    """A new object becomes a part of another; one that is no longer a part is beside it; two are not parts of each other."""

    def add(b, m):
        number = m["frame"][0]["object"][1]["unique_id"]
        new = {"obj_label": "bag", "rect_params": {"left": 8, "top": 12, "width": 16, "height": 12}, "parent_id": number}
        return {"frame": [{"new_object": [new]}]}

    roi, objects = seen(found, add)
    (person,) = [part for part in roi["parts"] if part["label"] == "person"]
    assert [(part["label"], part["box"]) for part in person["parts"]] == [
        ("face", [0.5, 0, 0.25, 0.5]),
        ("bag", [0, 0, 0.5, 0.5]),
    ]
    bag = next(each for each in objects if each["obj_label"] == "bag")
    assert bag["rect_params"] == {"left": 8, "top": 12, "width": 16, "height": 12}
    roi, objects = seen(found, changing({}, {}, {"parent_id": -1}))
    assert {part["label"]: part["box"] for part in roi["parts"]}["face"] == [0.375, 0.25, 0.125, 0.25]
    assert all("parent_id" not in each for each in objects)

    def around(_b, _m):

        change = [{}, {"parent_id": 5}, {"unique_id": 5}]
        return {"frame": [{"changed_object": change}]}

    roi, objects = seen(found, around)
    assert sorted(each["obj_label"] for each in objects) == ["car", "face", "person"]


def test_attributes_stay_with_their_objects(seen, found, hailo):
    """Also where one of Hailo's elements removes others, or gives them other parts, and where frames are converted."""

    def name(b, m):
        return [{"was": each["obj_label"]} for each in m["frame"][0]["object"]]

    def remove_the_car(b, m):
        roi = hailo.get_roi_from_buffer(b)
        roi.remove_object(roi.get_objects_typed(hailo.HAILO_DETECTION)[0])
        for person in roi.get_objects_typed(hailo.HAILO_DETECTION):
            person.set_bbox(hailo.HailoBBox(0.25, 0.25, 0.5, 0.5))
            roi.remove_object(person)
            roi.add_object(person)

    _, objects = seen(found, name, "videoconvert ! video/x-raw,format=I420", remove_the_car, "videoscale ! video/x-raw,width=32")
    assert [(each["obj_label"], each["emcustom"]) for each in objects] == [
        ("person", {"was": "person"}),
        ("face", {"was": "face"}),
    ]
    assert objects[0]["rect_params"] == {"left": 8, "top": 12, "width": 16, "height": 24}


def test_what_a_tracker_says_later_counts(seen, found, hailo):
    def track(b, m):
        person = hailo.get_roi_from_buffer(b).get_objects_typed(hailo.HAILO_DETECTION)[1]
        for part in person.get_objects_typed(hailo.HAILO_UNIQUE_ID):
            person.remove_object(part)
        person.add_object(hailo.HailoUniqueID(12))
        for part in person.get_objects_typed(hailo.HAILO_CLASSIFICATION):
            person.remove_object(part)
        person.add_object(hailo.HailoClassification("color", "blue", 0.5))

    _, objects = seen(found, changing({"emcustom": {"a": 1}}, {"object_id": 8, "emcustom": {"b": 2}}), track)
    assert objects[1]["object_id"] == 12
    assert objects[1]["emcustom"] == {"b": 2}
    assert [each["label_info"][0]["result_label"] for each in objects[1]["classifier"]] == ["blue"]


def test_what_hailo_cannot_hold_is_said_and_kept_by_us(seen, hailo, capfd):
    Gst.debug_set_threshold_from_string("*empycustom*:3", True)
    new = {
        "obj_label": "a\0\udc80b",
        "confidence": -0.5,
        "object_id": 2**40,
        "rect_params": {"left": 0, "top": 0, "width": 0, "height": 0},
        "keypoints": [[1, 2, 1]],
    }
    try:
        roi, (found,) = seen(attach(hailo), lambda b, m: {"frame": [{"new_object": [new]}]})
    finally:
        Gst.debug_set_threshold_from_string("0", True)
    assert roi["parts"][0]["confidence"] == 0
    assert "ids" not in roi["parts"][0]
    assert found["object_id"] == 2**40
    assert found["keypoints"] == [1, 2, 1]
    said = capfd.readouterr().err
    assert "Hailo takes confidences from 0 to 1; -0.5 was cut to that" in said
    assert f"Hailo's detections have no object_id {2**40}: the largest one is {2**31 - 1}; ours has it" in said


def test_a_document_that_is_read_late_is_that_of_its_time(play, library, found, hailo, monkeypatch):
    """Others may change the ROI after aimeta."""

    def remove_all(b, m):
        roi = hailo.get_roi_from_buffer(b)
        roi.remove_object(0)
        roi.remove_object(0)

    monkeypatch.setitem(sys.modules, "stages", types.SimpleNamespace(do=[found, remove_all]))
    first, second = (
        f"empycustom in-place=true custom-lib={library(STAGE.format(index), f'upstream/stage{index}.py')}" for index in range(2)
    )
    pipeline = Gst.parse_launch(f"{SOURCE} ! {first} ! aimeta name=before ! {second} ! aimeta name=behind ! fakesink")
    assert play(pipeline).ended
    counts = [
        len(json.loads(pipeline.get_by_name(name).get_property("last-meta"))["frame"][0]["object"])
        for name in ("before", "behind")
    ]
    assert counts == [3, 0]


def test_branches_of_a_tee_share_the_roi(play, library, found, hailo, monkeypatch):
    """As with Hailo's own elements; nothing is written twice, and a branch in which an object is gone goes on."""

    def name(b, m):
        return [{"n": index} for index, _ in enumerate(m["frame"][0]["object"])]

    stages = [found, changing({}, {"obj_label": "woman"}), name]
    monkeypatch.setitem(sys.modules, "stages", types.SimpleNamespace(do=stages))
    first, second, third = (
        f"empycustom in-place=true custom-lib={library(STAGE.format(index), f'upstream/stage{index}.py')}" for index in range(3)
    )
    pipeline = Gst.parse_launch(
        f"{SOURCE.replace('num-buffers=1', 'num-buffers=50')} ! {first} ! tee name=t ! queue ! {second} ! aimeta name=a ! fakesink "
        f"t. ! queue ! {third} ! aimeta name=b ! fakesink"
    )
    assert play(pipeline).ended
    objects = {name: json.loads(pipeline.get_by_name(name).get_property("last-meta"))["frame"][0]["object"] for name in "ab"}
    assert sorted(each["obj_label"] for each in objects["a"]) == ["car", "face", "woman"]
    assert {each["obj_label"] for each in objects["b"]} >= {"car", "face"}
    assert len(objects["b"]) == 3


def test_workers(library, found, flow):
    """A library in a worker gets the objects, and what it says is written in the process of the pipeline."""
    adds = library(
        "def process_ip(b, m, o):\n"
        "    found = m['frame'][0]['object']\n"
        "    return {'frame': [{'changed_object': [{'obj_label': 'bus'}], 'object': [{}, {'n': len(found)}]}]}\n",
        "adds.py",
    )
    frame = flow(found, f"empycustom in-place=true workers=1 custom-lib={adds}")
    assert sorted(each["obj_label"] for each in frame["object"]) == ["bus", "face", "person"]
    assert next(each for each in frame["object"] if each["obj_label"] == "person")["emcustom"] == {"n": 3}
