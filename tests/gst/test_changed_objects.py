"""Objects that an earlier element has found are changed and removed: in documents, and in the metadata that others read."""

from __future__ import annotations

import json
from random import Random

import pytest

from empycustom.gstreamer import GLib, Gst, GstVideo

SOURCE = "videotestsrc num-buffers=2 ! video/x-raw,format=RGBA,width=64,height=48"
DETECTION = {"confidence": 0.5, "label_id": 2, "x_min": 0.125, "x_max": 0.375, "mine": "kept"}
PERSON = ("person", 8, 4, 16, 20, 7, {"detection": DETECTION, "object_id": {"id": 3}, "other": {"value": 5}})
CAR = ("car", 40, 20, 10, 6, 8, {"red": {"label": "red", "confidence": 0.25}})
PLAIN = ("dog", 30, 10, 5, 6)


def of_frame(library, returned, name="changes.py"):
    """An element whose library returns an entry for its frame; ``objects`` are those of in_meta."""
    path = library(
        f"def process_ip(b, m, o):\n    objects = m['frame'][0]['object']\n    return {{'frame': [{returned}]}}\n", name
    )
    return f"empycustom in-place=true custom-lib={path}"


@pytest.fixture
def found(library, regions):
    """An element that puts regions on each buffer, as others do."""

    def element(*wanted):
        return f"empycustom in-place=true custom-lib={regions(*wanted)}"

    return element


def region_on(buffer, number):
    """What GStreamer's own functions read of a region: its label, its box, and its parameters."""
    region = GstVideo.buffer_get_video_region_of_interest_meta_id(buffer, number)
    if region is None:
        return None
    names = ("detection", "object_id", "other", "classification", "red")
    params = {name: region.get_param(name) for name in names}
    shown = {name: dict(sorted(fields_of(param).items())) for name, param in params.items() if param is not None}
    return GLib.quark_to_string(region.roi_type), (region.x, region.y, region.w, region.h), shown


def fields_of(structure):
    return {structure.nth_field_name(n): structure.get_value(structure.nth_field_name(n)) for n in range(structure.n_fields())}


@pytest.fixture
def seen(play):
    """Play a pipeline; return the objects of its last document, and the regions with the ids 0 to 9 on its last buffer."""

    def run(description):
        pipeline = Gst.parse_launch(f"{description} ! aimeta name=meta ! fakesink name=end")
        regions = {}

        def look(pad, info):
            there = {number: region_on(info.get_buffer(), number) for number in range(10)}
            regions.clear()
            regions.update({number: region for number, region in there.items() if region})
            return Gst.PadProbeReturn.OK

        pipeline.get_by_name("end").get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, look)
        played = play(pipeline)
        assert played.ended, played.errors
        assert played.warnings == []
        return json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"][0]["object"], regions

    return run


WHOLE = {
    "object_id": 2**40,
    "class_id": 9,
    "obj_label": "größe 人",
    "confidence": 0.75,
    "rect_params": {"left": 10.0, "top": 12.0, "width": 8.0, "height": 4.0},
    "text_params": {"display_text": "here"},
    "classifier": [
        {"unique_component_id": 4, "label_info": [{"result_label": "tall", "result_prob": 0.5, "result_class_id": 1}]}
    ],
    "emcustom": {"a": 1},
}


def test_everything_of_an_object_is_changed(seen, found, library):
    objects, regions = seen(f"{SOURCE} ! {found(PERSON, CAR)} ! {of_frame(library, f'dict(changed_object=[{WHOLE}])')}")
    info = {"num_classes": 0, "result_label": "tall", "result_class_id": 1, "label_id": 0, "result_prob": 0.5}
    classifier = [{"num_labels": 1, "unique_component_id": 4, "label_info": [info]}]
    assert objects[0] == {**WHOLE, "classifier": classifier}
    assert (objects[1]["obj_label"], objects[1]["rect_params"]["left"]) == ("car", 40)
    assert regions == {
        7: (
            "größe 人",
            (10, 12, 8, 4),
            {
                "detection": {"confidence": 0.75, "label_id": 9, "mine": "kept", "x_max": 0.28125, "x_min": 0.15625},
                "object_id": {"id": 2**40},
                "other": {"value": 5},
                "classification": {"confidence": 0.5, "label": "tall", "label_id": 1},
            },
        ),
        8: ("car", (40, 20, 10, 6), {"red": {"confidence": 0.25, "label": "red"}}),
    }


CHANGES = {
    "object_id": 12,
    "class_id": 5,
    "confidence": 0.25,
    "obj_label": "other",
    "rect_params": {"left": 1.5, "top": 2.0, "width": 3.0, "height": 4.0},
    "text_params": {"display_text": "x"},
    "classifier": [],
}


@pytest.mark.parametrize("key", CHANGES)
@pytest.mark.parametrize("index", [0, 1, 2])
def test_one_key_is_changed_and_all_else_stays(seen, found, library, key, index):
    wanted = found(PERSON, CAR, PLAIN)
    before, _ = seen(f"{SOURCE} ! {wanted}")
    change = {key: CHANGES[key]}
    after, _ = seen(f"{SOURCE} ! {wanted} ! {of_frame(library, f'dict(changed_object=[{{}}] * {index} + [{change}])')}")
    assert after == [each | (change if number == index else {}) for number, each in enumerate(before)]


@pytest.mark.parametrize("between", ["identity", "videoconvert ! video/x-raw,format=I420", "videoscale ! video/x-raw,width=128"])
def test_a_change_goes_through_conversions_and_to_the_next_library(seen, found, library, between):
    first = of_frame(library, "dict(changed_object=[dict(object_id=5, obj_label='tracked', classifier=[])], object=[{'n': 1}])")
    second = of_frame(
        library,
        "dict(object=[[o['object_id'], o['obj_label'], o.get('emcustom')] for o in objects], removed_object=[])",
        "second.py",
    )
    (dog, car), _ = seen(f"{SOURCE} ! {found(PLAIN, CAR)} ! {first} ! {between} ! {second}")
    assert (dog["object_id"], dog["obj_label"], dog["emcustom"]) == (5, "tracked", [5, "tracked", {"n": 1}])
    factor = 2 if "128" in between else 1
    assert dog["rect_params"]["left"] == 30 * factor
    assert car["obj_label"] == "car"


def test_the_objects_themselves_may_be_returned(seen, found, library):
    """What is the same stays as it is, also the place between pixels; and what the library wrote into in_meta counts."""
    path = library("""
def process_ip(b, m, o):
    objects = m["frame"][0]["object"]
    for number, each in enumerate(objects):
        each["object_id"] = 100 + number
    return {"frame": [{"changed_object": objects, "object": [{"last": True}] * len(objects)}]}
""")
    half = {"left": 1.5, "top": 2.25, "width": 3, "height": 4}
    adds = of_frame(
        library, f"dict(new_object=[dict(rect_params={half}, obj_label='x', emcustom=dict(first=1, last=0))])", "new.py"
    )
    objects, regions = seen(f"{SOURCE} ! {found(PERSON)} ! {adds} ! empycustom in-place=true custom-lib={path}")
    by_label = {each["obj_label"]: each for each in objects}
    assert sorted(each["object_id"] for each in objects) == [100, 101]
    assert by_label["x"]["rect_params"] == half
    assert by_label["x"]["emcustom"] == {"first": 1, "last": True}
    assert by_label["person"]["classifier"] == []
    assert regions[7][1] == (8, 4, 16, 20)


def test_objects_are_removed_with_their_attributes(seen, found, library):
    names = of_frame(library, "dict(object=[{'name': each['obj_label']} for each in objects])", "names.py")
    removes = of_frame(library, "dict(removed_object=[2, 0], object=[{}, {'kept': True}])")
    objects, regions = seen(f"{SOURCE} ! {found(PERSON, CAR, PLAIN)} ! {names} ! {removes}")
    assert [(each["obj_label"], each["emcustom"]) for each in objects] == [("car", {"name": "car", "kept": True})]
    assert list(regions) == [8]


def test_all_are_removed_and_new_ones_take_their_place(seen, found, library):
    names = of_frame(library, "dict(object=[{'name': each['obj_label']} for each in objects])", "names.py")
    box = "dict(left=1, top=2, width=3, height=4)"
    replaces = of_frame(
        library, f"dict(removed_object=[*range(len(objects))], new_object=[dict(rect_params={box}, obj_label='x')])"
    )
    objects, regions = seen(
        f"{SOURCE} ! {found(PERSON, CAR, PLAIN)} ! {names} ! {replaces} ! videoconvert ! video/x-raw,format=I420"
    )
    assert [(each["obj_label"], each.get("emcustom")) for each in objects] == [("x", None)]
    assert not regions.keys() & {7, 8}


def test_regions_without_ids_are_changed_and_removed_by_their_places(seen, found, library):
    """Regions that nobody has numbered all have the id 0, and some are alike."""
    same = [("x", 1, 2, 3, 4)] * 3
    element = of_frame(library, "dict(changed_object=[{}, {'object_id': 5}, {'confidence': 0.5}], removed_object=[0])")
    objects, _ = seen(f"{SOURCE} ! {found(*same)} ! {element}")
    assert [(each["object_id"], each["confidence"]) for each in objects] == [(5, 1.0), (-1, 0.5)]


def test_another_branch_of_a_tee_keeps_what_was_there(play, found, library):
    element = of_frame(library, "dict(changed_object=[{'object_id': 5}], removed_object=[1])")
    pipeline = Gst.parse_launch(
        f"{SOURCE} ! {found(PERSON, CAR)} ! tee name=t t. ! queue ! {element} ! aimeta name=changed ! fakesink "
        "t. ! queue ! aimeta name=other ! fakesink"
    )
    assert play(pipeline).ended
    said = [json.loads(pipeline.get_by_name(name).get_property("last-meta"))["frame"][0] for name in ("changed", "other")]
    assert [[each["object_id"] for each in frame["object"]] for frame in said] == [[5], [3, -1]]


MAKES = """
import numpy as np
{caps}
def process(b, m, o):
    box = {{"left": 10, "top": 20, "width": 6.5, "height": 8}}
    changed = [{{"rect_params": box, "object_id": 9}}, {{**m["frame"][0]["object"][1], "object_id": 8}}]
    about = {{"changed_object": changed, "removed_object": [2], "object": [{{"n": 1}}]}}
    return np.zeros({shape}, np.uint8), {{"frame": [about]}}
"""
HALF = "def output_caps(caps, options): return 'video/x-raw,width=32,height=24'"


@pytest.mark.parametrize(("caps", "shape", "factor"), [("", (48, 64, 4), 1), (HALF, (24, 32, 4), 0.5)])
def test_a_new_frame_carries_what_was_changed(seen, found, library, caps, shape, factor):
    """Boxes are those of in_meta, and are scaled with the frame like all others."""
    path = library(MAKES.format(caps=caps, shape=shape))
    (person, car), regions = seen(f"{SOURCE} ! {found(PERSON, CAR, PLAIN)} ! empycustom custom-lib={path}")
    assert person["rect_params"] == {"left": 10 * factor, "top": 20 * factor, "width": 6.5 * factor, "height": 8 * factor}
    assert (person["object_id"], car["object_id"], person["emcustom"]) == (9, 8, {"n": 1})
    assert car["rect_params"] == {"left": 40 * factor, "top": 20 * factor, "width": 10 * factor, "height": 6 * factor}
    assert regions[8][1] == tuple(int(side * factor) for side in (40, 20, 10, 6))


WRONG = {
    "dict(changed_object=[{}, {}, {}])": "frame[0].changed_object: has 3 entries, but the frame has 2 objects; ",
    "dict(changed_object=[{'label': 1}])": "frame[0].changed_object[0].label: is an unknown key; obj_label may be meant",
    "dict(changed_object=[{}, {'confidence': 'x'}])": 'frame[0].changed_object[1].confidence: "x" must be a number',
    "dict(changed_object=[5])": "frame[0].changed_object[0]: 5 must be a dict of what is to be different, or {}",
    "dict(removed_object=[2])": "frame[0].removed_object[0]: 2 is not an index of an object of in_meta: the frame has 2 objects, whose",
    "dict(removed_object=[0, -1])": "frame[0].removed_object[1]: -1 is not an index of an object of in_meta",
    "dict(removed_object=[0, 0])": "frame[0].removed_object[1]: 0 is there twice; name each object once",
    "dict(changed_object=[{'class_id': 1}], removed_object=[0])": (
        "frame[0].removed_object[0]: object 0 is changed as well, in frame[0].changed_object[0]; change it or remove it"
    ),
}


@pytest.mark.parametrize(("returned", "message"), WRONG.items())
@pytest.mark.parametrize("policy", ["fail", "pass"])
def test_what_is_wrong_names_its_place_and_nothing_is_changed(play, found, library, returned, message, policy):
    element = of_frame(library, f"dict({{'object': [{{'a': 1}}]}}, **{returned})")
    pipeline = Gst.parse_launch(f"{SOURCE} ! {found(PERSON, CAR)} ! {element} on-error={policy} ! aimeta name=meta ! fakesink")
    played = play(pipeline)
    (text, _) = (played.errors if policy == "fail" else played.warnings)[0]
    assert f"changes.py:1: what process_ip returned at frame 0 (0:00:00.000) cannot be used: {message}" in text
    if policy == "pass":
        assert played.ended
        objects = json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"][0]["object"]
        assert [(each["object_id"], each.get("emcustom")) for each in objects] == [(3, None), (-1, None)]


def test_a_child_of_a_removed_region_has_no_parent(play, library):
    upstream = library(
        """
import gi
gi.require_version("GstVideo", "1.0")
from gi.repository import GstVideo

def process_ip(b, m, o):
    for number, parent in ((4, 0), (5, 4), (6, 5)):
        region = GstVideo.buffer_add_video_region_of_interest_meta(b, "x", number, 2, 3, 4)
        region.id, region.parent_id = number, parent
""",
        "upstream/family.py",
    )
    parents = []

    def look(pad, info):
        regions = [GstVideo.buffer_get_video_region_of_interest_meta_id(info.get_buffer(), number) for number in (4, 5, 6)]
        parents.append([region and region.parent_id for region in regions])
        return Gst.PadProbeReturn.OK

    pipeline = Gst.parse_launch(
        f"{SOURCE} ! empycustom in-place=true custom-lib={upstream} ! {of_frame(library, 'dict(removed_object=[0])')} ! fakesink name=end"
    )
    pipeline.get_by_name("end").get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, look)
    assert play(pipeline).ended
    assert parents == [[None, 0, 5]] * 2


def entries(seed, frames, found):
    """What three libraries return for each frame, and what the objects are behind them; the first finds the objects."""
    random = Random(seed)
    made, expected = [], []
    for _ in range(frames):
        objects = [
            {"obj_label": f"o{n}", "object_id": n, "rect_params": {"left": n, "top": 2, "width": 3, "height": 4}}
            for n in range(found)
        ]
        steps = [{"new_object": [dict(each) for each in objects]}]
        for step in range(2):
            removed = [n for n in range(len(objects)) if random.random() < 0.3]
            changed = [{} if n in removed or random.random() < 0.4 else some(random) for n in range(len(objects))]
            attributes = [{f"a{step}": random.randrange(9)} for _ in objects]
            steps.append({"removed_object": removed, "changed_object": changed, "object": attributes})
            merged = [
                {**each, **change, "emcustom": each.get("emcustom", {}) | own}
                for each, change, own in zip(objects, changed, attributes, strict=True)
            ]
            objects = [each for n, each in enumerate(merged) if n not in removed]
        made.append(steps)
        expected.append(objects)
    return made, expected


def some(random):
    change = {
        "obj_label": random.choice("xyz"),
        "object_id": random.randrange(2**50),
        "class_id": random.randrange(5),
        "confidence": random.randrange(8) / 8,
        "rect_params": {"left": random.randrange(80) / 4, "top": 5, "width": random.randrange(40) / 4, "height": 7},
        "text_params": {"display_text": random.choice(["", "here"])},
    }
    return {key: value for key, value in change.items() if random.random() < 0.4}


@pytest.mark.parametrize("seed", range(4))
def test_many_changes_in_a_row(play, library, seed):
    """Whatever two libraries change, remove and say: the document is what a reader of the page expects."""
    made, expected = entries(seed, 20, 12)
    path = library(
        f"ENTRIES = {made!r}\ndef process_ip(b, m, o):\n    return {{'frame': [ENTRIES[m['frame'][0]['frame_num']][o['step']]]}}\n"
    )
    steps = [f"empycustom in-place=true custom-lib={path} options={json.dumps(json.dumps({'step': n}))}" for n in range(3)]
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers=20 ! video/x-raw,format=RGBA,width=64,height=48 ! {steps[0]} ! {steps[1]} ! videoconvert ! "
        f"video/x-raw,format=I420 ! tee ! queue ! videoconvert ! video/x-raw,format=RGBA ! {steps[2]} ! aimeta name=meta ! fakesink"
    )
    documents = []
    pipeline.get_by_name("meta").connect("new-meta", lambda _, text: documents.append(json.loads(text)["frame"][0]["object"]))
    played = play(pipeline)
    assert played.ended, played.errors
    for objects, wanted in zip(documents, expected, strict=True):
        assert [{key: each.get(key) for key in want} for each, want in zip(objects, wanted, strict=True)] == wanted
