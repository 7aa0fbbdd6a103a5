"""A library changes and removes objects of a batch: NVIDIA's elements see it in NvDsObjectMeta."""

from __future__ import annotations

import ctypes
import json

import nvds
import pytest

from empycustom.gstreamer import Gst
from empycustom.model.masks import encode_rle

SOURCE = "videotestsrc num-buffers=2 ! video/x-raw,format=RGBA,width=640,height=480,framerate=30/1"
COPY = "tee name=t t. ! queue ! fakesink t. ! queue ! fakeedit ! queue"


@pytest.fixture
def changing(library):
    """Return the text of an element whose library returns the same entry for each frame; ``objects`` are those of the frame."""
    number = iter(range(99))

    def element(returned):
        text = (
            f"def process_ip(b, m, o):\n    return {{'frame': [{returned} for objects in (f['object'] for f in m['frame'])]}}\n"
        )
        return f"empycustom in-place=true custom-lib={library(text, f'lib{next(number)}.py')}"

    return element


@pytest.fixture
def last(play):
    """Play a pipeline; return the frames of the last document, those of the last batch, and what keeps these alive."""

    def run(description):
        pipeline = Gst.parse_launch(f"{description} ! aimeta name=meta ! appsink name=out")
        played = play(pipeline)
        assert played.ended, played.errors
        assert played.warnings == []
        frames = json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"]
        return frames, nvds.frames_of(nvds.batch_of(played.samples[-1].get_buffer())), played

    return run


def in_any_order(value):
    """Lists sorted at every depth: each copy of a batch reverses them."""
    if isinstance(value, dict):
        return {key: in_any_order(item) for key, item in value.items()}
    return sorted(map(in_any_order, value), key=json.dumps) if isinstance(value, list) else value


CHANGES = {
    "object_id": 2**63,
    "class_id": -5,
    "obj_label": "größe 人",
    "confidence": 0.125,
    "tracker_confidence": 0.875,
    "unique_component_id": 9,
    "rect_params": {"left": 100.5, "top": 200.25, "width": 3.5, "height": 4.25},
    "text_params": {"display_text": "here"},
    "classifier": [
        {
            "num_labels": 2,
            "unique_component_id": 4,
            "label_info": [
                {"num_classes": 2, "result_label": label, "result_class_id": 1, "label_id": 2, "result_prob": 0.5}
                for label in ("tall", "y" * 200)
            ],
        },
    ],
}


@pytest.mark.parametrize("between", ["identity", COPY])
@pytest.mark.parametrize("key", CHANGES)
@pytest.mark.parametrize("index", [0, 2])
def test_one_key_is_changed_and_all_else_stays(last, changing, key, index, between):
    before, *_ = last(f"{SOURCE} ! fakemux objects=3 batch-size=2")
    change = {key: CHANGES[key]}
    element = changing(f"dict(changed_object=[dict()] * {index} + [{change!r}])")
    after, _, _played = last(f"{SOURCE} ! fakemux objects=3 batch-size=2 ! {element} ! {between}")
    for old, new in zip(before, after, strict=True):
        expected = [each | (change if number == index else {}) for number, each in enumerate(old["object"])]
        if between == "identity":
            assert new["object"] == expected
        assert in_any_order(new["object"]) == in_any_order(expected)


def test_an_object_as_nvidia_has_it(last, changing):
    change = {**CHANGES, "classifier": []}
    _, frames, _played = last(f"{SOURCE} ! fakemux objects=3 batch-size=2 ! {changing(f'dict(changed_object=[{change!r}])')}")
    for frame in frames:
        found = nvds.objects_of(frame)[0]
        assert [nvds.get(nvds.INT, found + place) for place in (48, 52)] == [9, -5]
        assert nvds.get(nvds.LONG, found + 56) == 2**63
        assert list((nvds.FLOAT * 2).from_address(found + 96)) == [0.125, 0.875]
        assert list((nvds.FLOAT * 4).from_address(found + 104)) == [100.5, 200.25, 3.5, 4.25]
        assert nvds.label_of(found) == "größe 人".encode()
        assert ctypes.string_at(nvds.get(nvds.LONG, found + nvds.TEXT)) == b"here"
        assert nvds.get(nvds.LONG, found + nvds.CLASSIFIERS) == 0


def test_a_text_goes_with_its_box_and_a_new_one_is_drawn_as_those_of_new_objects(last, changing):
    box = {"left": 50, "top": 60, "width": 5, "height": 5}
    adds = changing(f"dict(new_object=[dict(rect_params={box}, obj_label='x', object_id=5)])")
    moves = changing("dict(changed_object=[dict(rect_params=dict(left=70, top=90, width=5, height=5)) for o in objects])")
    empties = changing("dict(changed_object=[dict(text_params=dict(display_text='')) for o in objects])")
    speaks = changing("dict(changed_object=[dict(text_params=dict(display_text='again')) for o in objects])")
    for line, text, place in (
        (f"{adds} ! {moves}", b"x", [70, 80]),
        (f"{adds} ! {empties}", None, [50, 50]),
        (f"{adds} ! {empties} ! {moves} ! {speaks}", b"again", [70, 80]),
    ):
        _, (frame,), _played = last(f"{SOURCE} ! fakemux objects=0 ! {line}")
        (found,) = nvds.objects_of(frame)
        pointer = nvds.get(nvds.LONG, found + nvds.TEXT)
        assert (ctypes.string_at(pointer) if pointer else None) == text
        assert [nvds.get(nvds.UINT, found + nvds.TEXT + place) for place in (8, 12)] == place
        assert ctypes.string_at(nvds.get(nvds.LONG, found + nvds.TEXT + 16)) == b"Serif"


@pytest.mark.parametrize("between", ["identity", COPY])
@pytest.mark.parametrize("removed", [[0], [1], [2, 0], [0, 1, 2]])
def test_objects_are_removed_with_their_attributes(last, changing, removed, between):
    names = changing("dict(object=[dict(name=o['obj_label'], x=o['rect_params']['left']) for o in objects])")
    before, *_ = last(f"{SOURCE} ! fakemux objects=3 batch-size=2 ! {names}")
    element = changing(f"dict(removed_object={removed}, object=[dict(kept=True)] * 3)")
    after, frames, _played = last(f"{SOURCE} ! fakemux objects=3 batch-size=2 ! {names} ! {element} ! {between}")
    for old, new, frame in zip(before, after, frames, strict=True):
        kept = [each for number, each in enumerate(old["object"]) if number not in removed]
        expected = [{**each, "emcustom": {**each["emcustom"], "kept": True}} for each in kept]
        assert in_any_order(new["object"]) == in_any_order(expected)
        assert nvds.get(nvds.UINT, frame + 96) == len(kept) == len(nvds.objects_of(frame))
        ((_, text),) = nvds.events_of(frame)
        assert len(json.loads(text).get("object", [])) == len(kept)


def test_the_attributes_of_a_changed_object_say_what_it_is_now(last, changing):
    """Who reads the JSON in the event finds the object by its box and its track."""
    names = changing("dict(object=[dict(n=n) for n, _ in enumerate(objects)])")
    changes = changing(
        "dict(changed_object=[dict(object_id=77, obj_label='other', rect_params=dict(left=1, top=2, width=3, height=4))])"
    )
    for line in (f"{names} ! {changes}", f"{changes} ! {names}"):
        _, (frame,), _played = last(f"{SOURCE} ! fakemux objects=2 ! {line}")
        ((_, text),) = nvds.events_of(frame)
        entry = next(each for each in json.loads(text)["object"] if each["emcustom"] == {"n": 0})
        assert (entry["object_id"], entry["obj_label"], entry["rect_params"]["width"]) == (77, "other", 3)


def test_what_is_new_takes_the_place_of_what_is_removed(last, changing):
    box = {"left": 5, "top": 6, "width": 5, "height": 5}
    names = changing("dict(object=[dict(n=n) for n, _ in enumerate(objects)])")
    element = changing(
        f"dict(removed_object=[*range(len(objects))], new_object=[dict(rect_params={box}, obj_label='x', emcustom=1)])"
    )
    frames, _, _played = last(f"{SOURCE} ! fakemux objects=3 batch-size=2 ! {names} ! {element} ! {COPY}")
    assert [[(each["obj_label"], each["emcustom"]) for each in frame["object"]] for frame in frames] == [[("x", 1)]] * 2


def test_another_branch_of_a_tee_keeps_what_was_there(play, changing):
    element = changing("dict(changed_object=[dict(object_id=5)], removed_object=[1, 2])")
    pipeline = Gst.parse_launch(
        f"{SOURCE} ! fakemux objects=3 ! tee name=t t. ! queue ! {element} ! aimeta name=changed ! fakesink "
        "t. ! queue ! aimeta name=other ! fakesink"
    )
    assert play(pipeline).ended
    said = [json.loads(pipeline.get_by_name(name).get_property("last-meta"))["frame"][0] for name in ("changed", "other")]
    changed, other = ([each["object_id"] for each in frame["object"]] for frame in said)
    assert changed == [5]
    assert len(other) == 3
    assert 5 not in other


def test_children_of_a_removed_object_have_no_parent(library):
    """Their pointer would be to memory that is used again."""
    from empycustom.native.deepstream import layout_of
    from empycustom.native.deepstream_changes import remove_object
    from empycustom.native.deepstream_read import BatchReader

    buffer = Gst.Buffer.new()
    batch = nvds.attach(hash(buffer), nvds.traffic(0, batch_size=1, objects=3))
    (frame,) = nvds.frames_of(batch)
    parent, child, other = nvds.objects_of(frame)
    nvds.put(nvds.LONG, child + 40, parent)
    nvds.put(nvds.LONG, other + 40, child)
    remove_object(frame, batch, parent)
    assert nvds.objects_of(frame) == [child, other]
    assert [nvds.get(nvds.LONG, each + 40) for each in (child, other)] == [0, child]
    remove_object(frame, batch, parent)  # it is gone
    assert nvds.objects_of(frame) == [child, other]
    assert len(BatchReader(layout_of(batch)).read(batch).frames[0].objects) == 2


def test_nothing_is_left_of_what_was_replaced(library):
    """Texts, labels and classifications change a thousand times on one batch; memory stays what it is."""
    import resource

    from empycustom.native.deepstream import layout_of
    from empycustom.native.deepstream_changes import change_object
    from empycustom.native.deepstream_read import BatchReader, ClassifierMeta, LabelMeta

    buffer = Gst.Buffer.new()
    batch = nvds.attach(hash(buffer), nvds.traffic(0, batch_size=1, objects=1))
    reader, layout = BatchReader(layout_of(batch)), layout_of(batch)

    def change(count):
        for number in range(count):
            (frame,) = reader.read(batch).frames
            (found,) = frame.objects
            labels = [LabelMeta(1, f"{number % 2}" * 100_000, 0, 0, 1.0)]
            after = found._replace(display_text=f"{number % 3}" * 100_000, classifiers=[ClassifierMeta(1, labels)])
            assert change_object(frame.address, batch, layout, found, after)

    change(200)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    change(2000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB; what is not freed is 400,000


FINDS = """dict(new_object=[
    dict(rect_params=dict(left=100, top=200, width=50, height=40), obj_label="car", rotation=0.5, unique_id=3,
         keypoints=[[110, 210, 0.5], [140, 230, 1]], keypoint_names=["a", "b"], skeleton=[[0, 1]],
         mask=[[1, 0, 1], [0, 1, 0]], embedding=[0.5, -1]),
    dict(rect_params=dict(left=110, top=210, width=5, height=4), obj_label="plate", parent_id=3, emcustom=dict(text="B")),
    dict(rect_params=dict(left=1, top=2, width=5, height=4), obj_label="bird")])"""
CAR = {
    "rotation": 0.5,
    "unique_id": 3,
    "keypoints": [110, 210, 0.5, 140, 230, 1],
    "keypoint_names": ["a", "b"],
    "skeleton": [[0, 1]],
    "mask": encode_rle([[1, 0, 1], [0, 1, 0]]),
    "embedding": [0.5, -1],
}
SPECIAL = {*CAR, "parent_id", "emcustom"}


def special_by_label(frame):
    return {found["obj_label"]: {key: found[key] for key in SPECIAL & found.keys()} for found in frame["object"]}


@pytest.mark.parametrize("between", ["identity", COPY])
def test_arrays_of_objects_go_with_them(last, changing, between):
    frames, _, _played = last(f"{SOURCE} ! fakemux objects=0 batch-size=2 ! {changing(FINDS)} ! {between}")
    for frame in frames:
        assert special_by_label(frame) == {"car": CAR, "plate": {"parent_id": 3, "emcustom": {"text": "B"}}, "bird": {}}


def test_arrays_of_objects_are_changed_and_attributes_stay(last, changing):
    of_label = "[{each} if o['obj_label'] == '{label}' else {{}} for o in objects]"
    moves = of_label.format(label="car", each="dict(rect_params=dict(left=0, top=0, width=10, height=10), mask=[], rotation=1)")
    adds = of_label.format(label="plate", each="dict(embedding=[1])")
    elements = [changing(f"dict(changed_object={change})") for change in (moves, adds)]
    remarks = changing("dict(object=[dict(seen=True) for o in objects])")
    line = f"{changing(FINDS)} ! {elements[0]} ! {COPY} ! {remarks} ! {elements[1]}"
    frames, _, _played = last(f"{SOURCE} ! fakemux objects=0 ! {line}")
    car = {key: value for key, value in CAR.items() if key != "mask"} | {"rotation": 1, "emcustom": {"seen": True}}
    seen = special_by_label(frames[0])
    assert seen["car"] | {"keypoints": [round(number, 2) for number in seen["car"]["keypoints"]]} == car
    assert seen["plate"] == {"parent_id": 3, "emcustom": {"text": "B", "seen": True}, "embedding": [1]}
    assert seen["bird"] == {"emcustom": {"seen": True}}


def test_parts_of_an_object_that_is_removed_have_no_parent(last, changing):
    removes = changing("dict(removed_object=[n for n, o in enumerate(objects) if o['obj_label'] == 'car'])")
    frames, _, _played = last(f"{SOURCE} ! fakemux objects=0 batch-size=2 ! {changing(FINDS)} ! {COPY} ! {removes}")
    assert special_by_label(frames[0]) == {"plate": {"emcustom": {"text": "B"}}, "bird": {}}
