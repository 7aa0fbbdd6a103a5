"""Objects that are parts of others: NVIDIA's pointer to the parent, which copies lose, and our own numbers beside it."""

from __future__ import annotations

import nvds
import pytest
from fakes import says

COPY = "tee name=t t. ! queue ! fakesink async=false t. ! queue ! fakeedit ! queue"
COPIES = {
    "the same batch": "identity",
    "a copy": COPY,
    "a copy of a copy": f"{COPY} ! {COPY.replace('=t t.', '=u u.').replace(' t.', ' u.')}",
}
PARENT = 40  # in NvDsObjectMeta
BOX = {"left": 1, "top": 2, "width": 3, "height": 4}


def names(batch):
    """Return for each frame the labels of the objects that have a parent there, and of their parents."""
    found = [
        [(nvds.label_of(each), nvds.get(nvds.LONG, each + PARENT), each) for each in nvds.objects_of(frame)]
        for frame in nvds.frames_of(batch)
    ]
    return [
        {label: {place: name for name, _, place in frame}.get(parent) for label, parent, _ in frame if parent} for frame in found
    ]


def parts(in_meta):
    """Return the objects of in_meta by their numbers."""
    found = []
    for frame in in_meta["frame"]:
        numbered = {each["unique_id"]: each["obj_label"] for each in frame["object"] if "unique_id" in each}
        assert len(numbered) == sum("unique_id" in each for each in frame["object"])
        found.append({each["obj_label"]: numbered.get(each["parent_id"]) for each in frame["object"] if "parent_id" in each})
    return found


def adopt(batch, child=b"person", parent=b"car"):
    """Let the objects of a label have one of another label as their parents, as nvinfer does."""
    for frame in nvds.frames_of(batch):
        found = {nvds.label_of(each): each for each in nvds.objects_of(frame)}
        nvds.put(nvds.LONG, found[child] + PARENT, found[parent])


def test_a_parent_of_nvinfer_is_a_number(flow):
    seen = []

    @says
    def look(in_meta):
        seen.extend([[each.get("unique_id"), each.get("parent_id")] for each in frame["object"]] for frame in in_meta["frame"])
        assert parts(in_meta) == [{"person": "car", "bike": "car"}] * 2

    played = flow(lambda batch: [adopt(batch), adopt(batch, b"bike")], look)
    # Objects are in the order of NVIDIA's list: bike, person, car.
    assert seen == [[[None, 1], [None, 1], [1, None]]] * 4
    assert played.ended


@pytest.mark.parametrize("between", COPIES.values(), ids=COPIES)
def test_a_new_part_of_a_new_object_is_one_for_all_downstream(flow, between):
    seen = []

    @says
    def write(in_meta):
        car, plate = (
            {"obj_label": "van", "unique_id": 7, "rect_params": BOX},
            {"obj_label": "plate", "parent_id": 7, "rect_params": BOX},
        )
        return {"frame": [{"new_object": [plate, car]} for _ in in_meta["frame"]]}

    def check(batch):
        assert names(batch) == [{b"plate": b"van"}] * 2

    @says
    def look(in_meta):
        seen.append(parts(in_meta))

    flow(write, check, between, look)
    assert seen == [[{"plate": "van"}] * 2] * 2


@pytest.mark.parametrize("between", COPIES.values(), ids=COPIES)
def test_a_part_of_what_nvinfer_has_found_is_one_for_all_downstream(flow, between):
    """Here the number of the parent is one that in_meta gave, which stays from then on."""
    seen = []

    @says
    def write(in_meta):
        made = []
        for frame in in_meta["frame"]:
            (number,) = {each["unique_id"] for each in frame["object"] if "unique_id" in each}
            made.append({"new_object": [{"obj_label": "plate", "parent_id": number, "rect_params": BOX}]})
        return {"frame": made}

    def check(batch):
        assert names(batch) == [{b"plate": b"car", b"person": b"car"}] * 2

    @says
    def look(in_meta):
        seen.extend({label: parent for label, parent in frame.items() if label == "plate"} for frame in parts(in_meta))

    flow(adopt, write, check, between, look)
    assert seen == [{"plate": "car"}] * 4


def test_parents_are_changed_and_taken_away(flow):
    seen = []

    @says
    def number(in_meta):
        for frame in in_meta["frame"]:
            assert [each["obj_label"] for each in frame["object"]] == ["bike", "person", "car"]
        return {"frame": [{"changed_object": [{"parent_id": 5}, {"unique_id": 5, "parent_id": 6}, {"unique_id": 6}]}] * 2}

    @says
    def change(in_meta):
        assert parts(in_meta) == [{"bike": "person", "person": "car"}] * 2
        return {"frame": [{"changed_object": [{"parent_id": 6}, {"parent_id": -1}]}] * 2}

    @says
    def look(in_meta):
        seen.append(parts(in_meta))

    flow(
        number,
        lambda batch: seen.append(names(batch)),
        change,
        lambda batch: seen.append(names(batch)),
        look,
    )
    assert seen == [[{b"bike": b"person", b"person": b"car"}] * 2, [{b"bike": b"car"}] * 2, [{"bike": "car"}] * 2] * 2


def test_an_object_is_no_part_of_what_is_not_there(flow):
    seen = []

    @says
    def write(_):
        return {"frame": [{"changed_object": [{"unique_id": 3}, {"parent_id": 99}]}] * 2}

    flow(adopt, write, lambda batch: seen.append(names(batch)))
    assert seen == [[{}] * 2] * 2


def test_a_parent_that_a_library_removes_leaves_no_pointer_and_no_number(flow):
    seen = []

    @says
    def remove(in_meta):
        (index,) = [index for index, each in enumerate(in_meta["frame"][0]["object"]) if each["obj_label"] == "car"]
        return {"frame": [{"removed_object": [index]}] * 2}

    @says
    def look(in_meta):
        seen.append(parts(in_meta))

    def number(in_meta):
        return {"frame": [{"changed_object": [{}, {"parent_id": 6}, {"unique_id": 6}]}] * 2}

    flow(says(number), adopt, remove, lambda batch: seen.append(names(batch)), look)
    assert seen == [[{}] * 2, [{}] * 2] * 2


def test_a_parent_that_others_remove_is_not_looked_at_and_its_memory_is_no_parent(flow):
    """NVIDIA's function leaves the pointer, and gives the same memory to the next new object."""
    seen = []

    @says
    def number(in_meta):
        return {"frame": [{"changed_object": [{}, {"parent_id": 6}, {"unique_id": 6}]}] * 2}

    def remove(batch):
        frame = nvds.frames_of(batch)[0]
        (car,) = [each for each in nvds.objects_of(frame) if nvds.label_of(each) == b"car"]
        nvds.call("nvds_remove_obj_meta_from_frame", frame, car)

    def reuse(batch):
        frame = nvds.frames_of(batch)[0]
        (pointer,) = filter(None, (nvds.get(nvds.LONG, each + PARENT) for each in nvds.objects_of(frame)))
        added = (nvds.add_object(batch, frame, {"label": b"tree"}) for _ in range(1000))
        assert pointer in added, "the memory is not used again"

    @says
    def look(in_meta):
        seen.append(parts(in_meta))

    flow(number, remove, look, reuse, look)
    assert seen == [[{"person": None}, {"person": "car"}]] * 4


def test_a_parent_that_others_have_set_goes_before_our_number(flow):
    seen = []

    @says
    def number(in_meta):
        return {"frame": [{"changed_object": [{"unique_id": 4}, {"parent_id": 6}, {"unique_id": 6}]}] * 2}

    @says
    def look(in_meta):
        seen.append(parts(in_meta))

    flow(number, lambda batch: adopt(batch, b"person", b"bike"), look)
    assert seen == [[{"person": "bike"}] * 2] * 2


SAME_SIZE = (
    "import numpy as np\ndef process(b, m, o):\n    return np.zeros((48, 64, 4), np.uint8), {'frame': [{'meta': 1}] * 2}\n"
)


def test_new_frames_keep_the_parents_that_nvinfer_has_set(flow, library):
    seen = []

    @says
    def look(in_meta):
        seen.append(parts(in_meta))

    flow(
        adopt,
        f"empycustom in-place=false custom-lib={library(SAME_SIZE, 'new.py')}",
        lambda batch: seen.append(names(batch)),
        look,
    )
    assert seen == [[{b"person": b"car"}] * 2, [{"person": "car"}] * 2] * 2
