"""Objects as supervision's Detections and KeyPoints, and back, in real pipelines."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
import supervision as sv
from hypothesis import given
from hypothesis import strategies as st
from scenes import SIZE, box, ids, play

import empycustom

PLACES = ("left", "top", "width", "height")


def in_meta(*objects):
    """What a callback gets, of a frame of SIZE with these objects."""
    known = [{"object_id": -1, **each} for each in objects]
    return {"frame": [{"source_frame_width": SIZE[0], "source_frame_height": SIZE[1], "object": known}]}


def rect(left, top, width, height, **more):
    return {**box(0, 0), "rect_params": dict(zip(PLACES, (left, top, width, height), strict=True)), **more}


def anew(rows):
    """Rows that are about no object that is there."""
    del rows.data["object_index"]
    return rows


def new_objects(result, frame=0):
    return result["frame"][frame]["new_object"]


def places(objects):
    return [[each["rect_params"][side] for side in PLACES] for each in objects]


def test_objects_are_rows():
    detections = empycustom.to_detections(
        in_meta(rect(10, 20, 30, 40, object_id=5), rect(1, 2, 3, 4, class_id=7, obj_label="car"))
    )
    assert isinstance(detections, sv.Detections)
    assert detections.xyxy.tolist() == [[10, 20, 40, 60], [1, 2, 4, 6]]
    assert detections.class_id.tolist() == [2, 7]
    assert detections.tracker_id.tolist() == [5, -1]
    assert detections["class_name"].tolist() == ["person", "car"]
    assert np.allclose(detections.confidence, 0.6)
    assert detections.mask is None


def test_a_frame_without_objects_has_no_rows():
    detections = empycustom.to_detections(in_meta())
    assert len(detections) == 0
    assert empycustom.from_detections(detections) == {"frame": [{"new_object": []}]}
    assert empycustom.from_detections(detections, in_meta()) == {"frame": [{"changed_object": []}]}
    assert len(empycustom.to_keypoints(in_meta(box(0, 0)))) == 0


numbers = st.floats(-100, 1000, width=32)
sizes = st.floats(0.5, 500, width=32)


@given(st.lists(st.tuples(numbers, numbers, sizes, sizes, st.none() | st.floats(-3, 3)), max_size=5))
def test_boxes_come_back_as_they_were(boxes):
    found = [rect(*place, **({} if angle is None else {"rotation": angle})) for *place, angle in boxes]
    there = empycustom.to_detections(in_meta(*found))
    changes = empycustom.from_detections(there, in_meta(*found))["frame"][0]["changed_object"]
    assert changes == [{} for _ in found]
    back = new_objects(empycustom.from_detections(anew(there)))
    assert np.allclose(places(back), places(found), atol=0.01)
    for before, after in zip(found, back, strict=True):
        width, height = before["rect_params"]["width"], before["rect_params"]["height"]
        assert after.get("rotation", 0) == pytest.approx(before.get("rotation", 0), abs=0.01 / min(width, height))


def test_a_turned_box_has_corners_clockwise_and_the_upright_box_around_them():
    detections = empycustom.to_detections(in_meta(rect(10, 20, 40, 10, rotation=np.pi / 2), rect(0, 0, 2, 2)))
    assert detections.xyxy.round(3).tolist() == [[25, 5, 35, 45], [0, 0, 2, 2]]
    assert detections["xyxyxyxy"].round(3).tolist()[0] == [[35, 5], [35, 45], [25, 45], [25, 5]], "its upper left corner is right"
    assert sv.OrientedBoxAnnotator().annotate(np.zeros((60, 60, 3), np.uint8), detections).any()


def test_a_mask_covers_the_pixels_of_its_box():
    upper_half = np.array([[1], [0]], np.uint8)
    sure = np.array([[0.5, 0.4]], np.float32)
    objects = [rect(10, 20, 30, 40, mask=upper_half), rect(100, 100, 20, 10, mask=sure), rect(5, 5, 5, 5)]
    detections = empycustom.to_detections(in_meta(*objects))
    assert isinstance(detections.mask, sv.CompactMask)
    expected = np.zeros((3, SIZE[1], SIZE[0]), bool)
    expected[0, 20:40, 10:40] = True
    expected[1, 100:110, 100:110] = True
    assert np.array_equal(detections.mask.to_dense(), expected)
    anew(detections)
    for masks in (detections.mask, expected):
        detections.mask = masks
        back = new_objects(empycustom.from_detections(detections))
        assert back[0]["mask"].tolist() == [[1] * 30] * 20 + [[0] * 30] * 20
        assert back[1]["mask"].tolist() == [[1] * 10 + [0] * 10] * 10
        assert "emcustom" not in back[2]


inside = st.tuples(st.floats(0, 200), st.floats(0, 150), st.floats(12, 100), st.floats(12, 80))


@given(inside, st.integers(1, 2**16 - 1))
def test_a_mask_comes_back_within_a_pixel(place, bits):
    mask = np.array([bits >> shift & 1 for shift in range(16)], np.uint8).reshape(4, 4)  # cells of 3 pixels and more
    detections = empycustom.to_detections(in_meta(rect(*place, mask=mask)))
    back = np.array(new_objects(empycustom.from_detections(anew(detections)))[0]["mask"])
    middles = [((np.arange(4) + 0.5) / 4 * length).astype(int) for length in back.shape]
    assert np.array_equal(back[np.ix_(*middles)], mask)


def test_a_mask_beyond_the_frame_is_cut():
    detections = empycustom.to_detections(in_meta(rect(-10, -10, 20, 20, mask=np.ones((2, 2), np.uint8))))
    assert detections.mask.to_dense()[0, :10, :10].all()
    assert detections.mask.area.tolist() == [100]


def test_a_mask_that_was_found_is_added_to_an_object_without():
    found = in_meta(rect(10, 10, 4, 4), rect(50, 50, 4, 4, mask=np.ones((1, 1))))
    detections = empycustom.to_detections(found)
    dense = np.zeros((2, SIZE[1], SIZE[0]), bool)
    dense[:, 10:12, 10:14] = True
    detections.mask = dense
    first, second = empycustom.from_detections(detections, found)["frame"][0]["changed_object"]
    assert first["mask"].tolist() == [[1] * 4] * 2 + [[0] * 4] * 2
    assert second == {}, "one that has a mask keeps it"


POSE = np.array([[1, 2, 0.5], [30, 40, 0.25]], np.float32)


def test_keypoints_are_rows_and_come_back():
    found = in_meta(rect(0, 0, 50, 50, keypoints=POSE), rect(1, 1, 1, 1), rect(2, 2, 2, 2, keypoints=POSE[:1]))
    keypoints = empycustom.to_keypoints(found)
    assert keypoints.xy.tolist() == [[[1, 2], [30, 40]], [[1, 2], [0, 0]]]
    assert keypoints.keypoint_confidence.tolist() == [[0.5, 0.25], [0.5, 0]]
    keypoints.xy[0, 0] = 7, 8
    first, second, third = empycustom.from_keypoints(keypoints, found)["frame"][0]["changed_object"]
    assert first["keypoints"].tolist() == [[7, 8, 0.5], [30, 40, 0.25]]
    assert second == {}
    assert third["keypoints"].tolist() == [[1, 2, 0.5]]


def test_new_keypoints_have_a_box_around_them():
    keypoints = sv.KeyPoints(np.array([[[10, 20], [0, 0], [30, 60]]], np.float32), class_id=np.array([2]))
    (found,) = new_objects(empycustom.from_keypoints(keypoints))
    assert places([found]) == [[10, 20, 20, 40]]
    assert found["keypoints"].tolist() == [[10, 20, 1], [0, 0, 0], [30, 60, 1]]


def test_a_frame_of_a_batch_is_meant():
    batch = {"frame": [*in_meta(box(1, 1))["frame"], *in_meta(box(2, 2), box(3, 3))["frame"]]}
    detections = empycustom.to_detections(batch, frame=1)
    assert len(detections) == 2
    detections.tracker_id[:] = 4, 5
    assert empycustom.from_detections(detections, batch, 1) == {
        "frame": [{}, {"changed_object": [{"object_id": 4}, {"object_id": 5}]}]
    }
    assert len(new_objects(empycustom.from_detections(anew(detections), frame=1), 1)) == 2


def test_rows_of_elsewhere_are_refused():
    found = in_meta(box(1, 1))
    with pytest.raises(ValueError, match=r"data has no 'object_index'.*or leave in_meta out"):
        empycustom.from_detections(sv.Detections(np.array([[0, 0, 1, 1]])), found)
    with pytest.raises(ValueError, match=r"of another frame: one is about object 1, and there are 1 here"):
        empycustom.from_detections(empycustom.to_detections(in_meta(box(1, 1), box(2, 2))), found)


def test_rows_of_objects_that_are_there_do_not_become_new_ones():
    found = in_meta(rect(0, 0, 50, 50, keypoints=POSE))
    for to, back in (
        (empycustom.to_detections, empycustom.from_detections),
        (empycustom.to_keypoints, empycustom.from_keypoints),
    ):
        with pytest.raises(ValueError, match=rf"would be found twice: write {back.__name__}\(..., in_meta\)"):
            back(to(found))
        assert len(new_objects(back(anew(to(found))))) == 1


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (
            lambda: empycustom.from_detections("x"),
            "from_detections takes supervision.Detections, not str; make them of what a model",
        ),
        (lambda: empycustom.from_detections(None), "from_detections takes supervision.Detections, not NoneType"),
        (lambda: empycustom.from_detections(in_meta()), "from_detections takes supervision.Detections, not dict"),
        (lambda: empycustom.from_detections(sv.KeyPoints.empty()), "Detections, not KeyPoints; use from_keypoints"),
        (
            lambda: empycustom.from_keypoints(sv.Detections.empty()),
            "from_keypoints takes supervision.KeyPoints, not Detections; use",
        ),
        (
            lambda: empycustom.from_detections(sv.Detections.empty(), "x"),
            "the in_meta that the callback got is expected here, not a str",
        ),
        (lambda: empycustom.to_detections([box(1, 1)]), "the in_meta that the callback got is expected here, not a list"),
        (lambda: empycustom.to_keypoints(in_meta()["frame"][0]), "is expected here, not its frame, or another dict"),
    ],
)
def test_what_is_something_else_is_an_error_that_says_what_is_expected(make, what):
    with pytest.raises(TypeError, match=re.escape(what)):
        make()


def test_masks_points_and_turned_boxes_go_through_a_pipeline():
    """What one library makes of the detections is on the objects that the next one sees, and what draw draws."""
    mask = np.zeros((1, SIZE[1], SIZE[0]), bool)
    mask[0, 50:100, 40:60] = True
    rows = sv.Detections(np.array([[40, 50, 80, 100.0]]), mask=mask, class_id=np.array([1]), confidence=np.array([0.9]))
    pose = sv.KeyPoints(np.array([[[150, 150], [170, 190]]], np.float32), class_id=np.array([2]))
    seen = []

    def detect(_buffer, _in_meta, _options):
        (frame,), (more,) = empycustom.from_detections(rows)["frame"], empycustom.from_keypoints(pose)["frame"]
        return {"frame": [{"new_object": [*frame["new_object"], *more["new_object"]]}]}

    def look(_buffer, in_meta, _options):
        there = empycustom.to_detections(in_meta)
        seen.append((there.mask.to_dense()[0], empycustom.to_keypoints(in_meta).xy.tolist()))

    options = {"boxes": False, "text": "", "attributes": []}
    gray = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)
    with empycustom.process([gray], [detect, look, "empycustom.libs.draw"], options=[{}, {}, options]) as results:
        ((drawn,),) = [[result.pixels.copy() for result in results]]
    assert np.array_equal(seen[0][0], mask[0])
    assert seen[0][1] == [[[150, 150], [170, 190]]]
    touched = (drawn != 128).any(axis=2)
    assert touched[50:100, 40:60].all()
    assert not touched[50:100, 62:90].any()
    assert touched[150, 150]
    assert touched[190, 170]


@pytest.mark.parametrize("own", [{"mask": "left", "rotation": "up", "keypoints": [1, 2]}, {"mask": [[1], []], "rotation": True}])
def test_attributes_of_these_names_are_another_librarys_own(own):
    def mark(_buffer, _in_meta, _options):
        return {"frame": [{"new_object": [{**box(40, 50), "emcustom": own}]}]}

    def look(_buffer, in_meta, _options):
        there = empycustom.to_detections(in_meta)
        return {
            "frame": {
                "mask": there.mask is not None,
                "turned": "xyxyxyxy" in there.data,
                "posed": len(empycustom.to_keypoints(in_meta)),
            }
        }

    (result,) = play([[]], mark, look, "empycustom.libs.draw", "empycustom.libs.privacy")
    assert result.attributes == {"mask": False, "turned": False, "posed": 0}


SCENE = [[box(40, 100), box(80, 120, confidence=0.2), box(200, 200)]] * 2


def test_the_numbers_of_a_tracker_are_on_the_objects():
    def track(_buffer, in_meta, _options):
        detections = empycustom.to_detections(in_meta)
        detections = detections[detections.confidence > 0.5][::-1]  # a tracker drops rows, and sorts them
        detections.tracker_id = np.array([11, 12])
        return empycustom.from_detections(detections, in_meta)

    seen = []
    results = play(SCENE, track, lambda _buffer, in_meta, _options: seen.append(in_meta["frame"][0]["object"]))
    assert [ids(result) for result in results] == [[12, -1, 11]] * 2
    assert [[each["object_id"] for each in objects] for objects in seen] == [[12, -1, 11]] * 2, "the next library sees them, too"


def test_rows_that_are_left_out_can_be_removed():
    def keep_sure_ones(_buffer, in_meta, _options):
        detections = empycustom.to_detections(in_meta)
        return empycustom.from_detections(detections[detections.confidence > 0.5], in_meta, remove=True)

    assert [places(result.objects) for result in play(SCENE, keep_sure_ones)] == [places([SCENE[0][0], SCENE[0][2]])] * 2


def test_rows_that_are_merged_in_are_new_objects():
    def add(_buffer, in_meta, _options):
        known = empycustom.to_detections(in_meta)
        more = sv.Detections(np.array([[1, 2, 4, 6.0]]), confidence=np.array([0.5]), class_id=np.array([9]))
        more.data = {"class_name": np.array(["cat"]), "object_index": np.array([-1])}
        more.tracker_id = np.array([-1])
        return empycustom.from_detections(sv.Detections.merge([known, more]), in_meta)

    for result in play(SCENE, add):
        assert [each["obj_label"] for each in result.objects] == ["person"] * 3 + ["cat"]
        assert places(result.objects)[3] == [1, 2, 3, 4]


def test_a_detector_of_that_ecosystem_finds_objects():
    def detect(_buffer, _in_meta, _options):
        return empycustom.from_detections(
            sv.Detections(np.array([[1, 2, 4, 6.0]]), confidence=np.array([0.75]), class_id=np.array([3]))
        )

    (found,) = play([[]], detect)[0].objects
    assert (places([found]), found["class_id"], found["confidence"]) == ([[1, 2, 3, 4]], 3, 0.75)


def test_zones_of_that_ecosystem_work():
    zone = sv.PolygonZone(np.array([[0, 0], [100, 0], [100, 240], [0, 240]]))

    def count(_buffer, in_meta, _options):
        return [{"inside": bool(inside)} for inside in zone.trigger(empycustom.to_detections(in_meta))]

    for result in play(SCENE, count):
        assert [each["emcustom"]["inside"] for each in result.objects] == [True, True, False]


def test_without_supervision_the_message_says_what_to_install():
    program = (
        "import sys; sys.modules['supervision'] = None; import empycustom; empycustom.to_detections({'frame': [{'object': []}]})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert 'pip install "empycustom[vision]"' in done.stderr


def test_the_package_does_not_load_supervision_by_itself():
    program = "import sys, empycustom; empycustom.to_detections; assert 'supervision' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], timeout=60, check=True)
