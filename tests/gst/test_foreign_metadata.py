"""Metadata that others put on buffers, and that is not as it should be: one sentence under on-error, or cleaned."""

from __future__ import annotations

import json

import pytest

from empycustom.gstreamer import Gst

SOURCE = "videotestsrc num-buffers=3 ! video/x-raw,format=RGBA,width=64,height=48"
WORDS = "def process_ip(b, m, o):\n    return [{'seen': True} for _ in m['frame'][0]['object']] + [{'heard': 1}]\n"
# Another element, like one in C for GStreamer: it attaches to each buffer what the functions of a test make.
OTHERS = """
import ctypes
import json
import random

lib = ctypes.CDLL("libgstreamer-1.0.so.0")
video = ctypes.CDLL("libgstvideo-1.0.so.0")
for function in (lib.gst_buffer_add_custom_meta, lib.gst_custom_meta_get_structure, lib.gst_structure_new_empty,
                 video.gst_buffer_add_video_region_of_interest_meta):
    function.restype = ctypes.c_void_p
P, LONG, DOUBLE, INT, TEXT = ctypes.c_void_p, 11 << 2, 15 << 2, 6 << 2, 16 << 2


class Region(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint), ("info", P), ("roi_type", ctypes.c_uint), ("id", ctypes.c_int), ("parent", ctypes.c_int)]


def note(buffer, text, number=None):
    meta = lib.gst_buffer_add_custom_meta(P(hash(buffer)), b"EmPyCustomMeta")
    structure = P(lib.gst_custom_meta_get_structure(P(meta)))
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    lib.gst_structure_set(structure, b"json", P(TEXT), data, None)
    if number is not None:
        lib.gst_structure_set(structure, b"frame-num", P(LONG), ctypes.c_uint64(number), None)


def region(buffer, label=b"person", box=(1, 2, 3, 4), number=0, **params):
    meta = video.gst_buffer_add_video_region_of_interest_meta(P(hash(buffer)), label, *map(ctypes.c_uint, box))
    ctypes.cast(meta, ctypes.POINTER(Region)).contents.id = number
    for name, fields in params.items():
        structure = P(lib.gst_structure_new_empty(name.encode()))
        for field, value in fields.items():
            kind, value = {float: (DOUBLE, ctypes.c_double), int: (INT, ctypes.c_int), str: (TEXT, str.encode)}[type(value)][0], \\
                {float: ctypes.c_double, int: ctypes.c_int, str: str.encode}[type(value)](value)
            lib.gst_structure_set(structure, field.encode(), P(kind), value, None)
        video.gst_video_region_of_interest_meta_add_param(P(meta), structure)


def process_ip(buffer, in_meta, options):
    MAKE
"""
NAN = float("nan")


@pytest.fixture
def others(library):
    """Write a library that puts metadata onto its buffers, by a line of Python, and return the element with it."""

    def write(make):
        return f"empycustom in-place=true custom-lib={library(OTHERS.replace('MAKE', make), 'others.py')}"

    return write


@pytest.fixture
def words(library):
    return f"empycustom name=words in-place=true custom-lib={library(WORDS, 'words.py')}"


def frames_of(pipeline, play):
    """Play it, and return the frames of the documents of its aimeta, and how it went."""
    frames = []
    pipeline = Gst.parse_launch(pipeline)
    pipeline.get_by_name("meta").connect("new-meta", lambda _, text: frames.append(json.loads(text)["frame"][0]))
    played = play(pipeline)
    stats = pipeline.get_by_name("words").get_property("stats") if pipeline.get_by_name("words") else None
    return frames, played, stats


UNREADABLE = {
    "not JSON": "{",
    "a number as text": '{"frame_num": "7", "timestamp": "x"}',
    "a negative number": '{"frame_num": -1, "timestamp": "x"}',
    "a number beyond 64 bits": f'{{"frame_num": {2**64}, "timestamp": "x"}}',
    "no number": '{"timestamp": "x"}',
    "too deep": '{"frame_num": 1, "timestamp": "x", "emcustom": ' + "[" * 1000 + "]" * 1000 + "}",
    "much too deep": '{"frame_num": 1, "timestamp": "x", "emcustom": ' + "[" * 90_000 + "]" * 90_000 + "}",
    "objects of another kind": '{"frame_num": 1, "timestamp": "x", "object": [7]}',
    "a confidence as text": '{"frame_num": 1, "timestamp": "x", "object": [{"key": "region/1", "confidence": "high"}]}',
}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_json_that_cannot_be_read_ends_with_a_sentence_that_names_it(play, others, words, text):
    """By default, and at aimeta."""
    for reader in (words, "aimeta"):
        played = play(f"{SOURCE} ! {others(f'note(buffer, {text!r})')} ! {reader} ! fakesink")
        ours = [text for text, _ in played.errors if text != "Internal data stream error."]  # which is the source's
        assert len(ours) == 1
        assert played.error.startswith(
            "the JSON in the buffer's EmPyCustomMeta at frame 0 (0:00:00.000) is not as empycustom writes it: "
        )
        assert "find the element that wrote it: '" in played.error
        assert "defect" not in played.error
        assert len(played.error) < 700


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("in_place", [True, False])
def test_with_on_error_pass_the_frame_goes_on_without_it(play, library, others, text, in_place):
    """Said once on the bus, counted for each frame, and the elements downstream can read what is left."""
    lib = library("def process_ip(b, m, o):\n    return [{}]\ndef process(b, m, o):\n    return b.copy_deep(), [{}]\n", "both.py")
    element = f"empycustom name=words on-error=pass in-place={in_place} custom-lib={lib}"
    frames, played, stats = frames_of(
        f"{SOURCE} ! {others(f'note(buffer, {text!r}); region(buffer)')} ! {element} ! aimeta name=meta ! fakesink", play
    )
    assert played.ended, played.errors
    assert [frame["frame_num"] for frame in frames] == [0, 1, 2]
    assert [[found["obj_label"] for found in frame["object"]] for frame in frames] == [["person"]] * 3
    assert not any("emcustom" in frame for frame in frames)
    assert len(played.warnings) == 1
    assert "EmPyCustomMeta at frame 0 (0:00:00.000) is not as empycustom writes it" in played.warnings[0][0]
    assert [stats.get_uint64(name)[1] for name in ("buffers", "errors", "dropped")] == [3, 3, 0]


def test_with_on_error_drop_the_frame_is_dropped(play, others, words):
    """Only that one: the next ones are read."""
    once = "in_meta['frame'][0]['frame_num'] == 1 and note(buffer, '{')"
    frames, played, stats = frames_of(f"{SOURCE} ! {others(once)} ! {words} on-error=drop ! aimeta name=meta ! fakesink", play)
    assert played.ended, played.errors
    assert [frame["emcustom"] for frame in frames] == [{"heard": 1}] * 2
    assert [stats.get_uint64(name)[1] for name in ("buffers", "errors", "dropped")] == [3, 1, 1]


@pytest.mark.parametrize("number", [NAN, float("inf"), float("-inf"), 1e300])
def test_a_confidence_that_cannot_be_is_read_as_0_and_logged_once(gst_launch, others, number):
    params = f"detection={{'confidence': float('{number}'), 'label_id': 2}}, classification={{'label': 'red', 'confidence': float('{number}')}}"
    launched = gst_launch(
        f"{SOURCE} ! {others(f'region(buffer, {params})')} ! aimeta silent=false ! fakesink", GST_DEBUG="python-aimeta:2"
    )
    assert launched.code == 0, launched.text
    for document in launched.documents:
        (found,) = document["frame"][0]["object"]
        assert (found["confidence"], found["class_id"], found["classifier"][0]["label_info"][0]["result_prob"]) == (0, 2, 0)
    assert len(launched.documents) == 3
    assert launched.err.count("a confidence that is not possible was read as 0") == 1


def test_a_library_can_calculate_with_what_it_gets_and_hand_it_back(play, library, others):
    lib = library("""
def process_ip(b, m, o):
    found = [f for f in m["frame"][0]["object"] if f["confidence"] > 0.5 or not f["rect_params"]["left"] < 0]
    return {"frame": [{"new_object": found}]}
""")
    wild = (
        "region(buffer, b'x', (2**32 - 5, 2, 2**32 - 1, 2**31), 5, detection={'confidence': float('nan')}, object_id={'id': -7})"
    )
    frames, played, _ = frames_of(
        f"{SOURCE} ! {others(wild)} ! empycustom in-place=true custom-lib={lib} ! aimeta name=meta ! fakesink", play
    )
    assert played.ended, played.errors
    assert [found["rect_params"] for found in frames[0]["object"]] == [{"left": 0, "top": 2, "width": 0, "height": 0}] * 2
    assert [found["object_id"] for found in frames[0]["object"]] == [-1, -1]


@pytest.mark.parametrize("number", ["2**31 - 1", "-2**31"])
def test_regions_whose_ids_are_at_the_end_of_an_int(play, library, others, number):
    """Two with the same id: each gets its own, and a new object, too."""
    lib = library("""
def process_ip(b, m, o):
    new = {"obj_label": "new", "rect_params": {"left": 0, "top": 0, "width": 1, "height": 1}, "emcustom": 2}
    return {"frame": [{"object": [{"n": n} for n, _ in enumerate(m["frame"][0]["object"])], "new_object": [new]}]}
""")
    make = f"[region(buffer, number={number}) for _ in range(2)]"
    frames, played, _ = frames_of(
        f"{SOURCE} ! {others(make)} ! empycustom in-place=true custom-lib={lib} ! videoconvert ! video/x-raw,format=I420 ! "
        "aimeta name=meta ! fakesink",
        play,
    )
    assert played.ended, played.errors
    for frame in frames:
        said = [found["emcustom"] for found in frame["object"]]
        assert [item for item in said if item != 2] == [{"n": 0}, {"n": 1}]
        assert said.count(2) == 1


def test_what_python_alone_takes_for_json_is_cleaned(play, others, words):
    """NaN, infinities and lone surrogates, as json.dumps of Python writes them."""
    text = json.dumps({"frame_num": 1, "timestamp": "x", "emcustom": {"a": [NAN, -float("inf"), "\ud800"], "b": 1}})
    text = text.replace('"b": 1', '"b": 1e999')
    frames, played, _ = frames_of(f"{SOURCE} ! {others(f'note(buffer, {text!r})')} ! {words} ! aimeta name=meta ! fakesink", play)
    assert played.ended, played.errors
    assert [frame["emcustom"] for frame in frames] == [{"a": [None, None, "?"], "b": None, "heard": 1}] * 3


@pytest.mark.parametrize("number", ["2**64 - 1", "2**63", "None"])
def test_a_frame_that_is_not_read_goes_on_whatever_its_number(play, library, others, number):
    """process-interval: only the field beside the JSON is looked at."""
    lib = library("def process_ip(b, m, o):\n    return [{'n': m['frame'][0]['frame_num']}]\n")
    make = f'note(buffer, \'{{"frame_num": 5, "timestamp": "x"}}\', {number})'
    frames, played, _ = frames_of(
        f"{SOURCE} ! {others(make)} ! empycustom in-place=true process-interval=2 custom-lib={lib} ! aimeta name=meta ! fakesink",
        play,
    )
    assert played.ended, played.errors
    assert [frame.get("emcustom") for frame in frames] == [{"n": 5}, None, {"n": 5}]


WILD = """
    rng = random.Random(SEED * 1000 + in_meta["frame"][0]["frame_num"])
    atoms = [0, 1, -1, 2**31 - 1, 2**31, -2**31, 2**63, 2**64 - 1, 2**64, 10**400, 0.5, float("nan"), float("inf"), 1e308, True, None,
             "", "x", "\\ud800", "\\0", "7", [], {}, [[]], {"a": 1}, "region/1", "region/2147483647", "analytics/0", "region/x", "region/"]

    def value(depth=0):
        kind = rng.random()
        if depth > 3 or kind < 0.6:
            return rng.choice(atoms)
        if kind < 0.8:
            return [value(depth + 1) for _ in range(rng.randrange(4))]
        return {rng.choice(["frame_num", "key", "a", "", "emcustom"]): value(depth + 1) for _ in range(rng.randrange(4))}

    def some(good):
        return value() if rng.random() < 0.06 else good

    def record(n):
        box = {side: some(rng.choice([0, 1.5, 20])) for side in ("left", "top", "width", "height")}
        info = {"num_classes": some(1), "result_label": some("red"), "result_class_id": some(0), "label_id": some(0), "result_prob": some(0.5)}
        return some({"key": some(f"region/{n}"), "class_id": some(1), "object_id": some(-1), "confidence": some(0.5), "obj_label": some("person"),
                "rect_params": some(box), "text_params": some({"display_text": some("")}),
                "classifier": some([some({"num_labels": 1, "unique_component_id": some(0), "label_info": some([some(info)])})]),
                "emcustom": value()})

    told = {"frame_num": some(5), "timestamp": some("x"), "emcustom": value(), "meta": value(), "object": some([record(n) for n in range(3)])}
    text = json.dumps(some(told))
    if rng.random() < 0.1:
        cut = rng.randrange(len(text))
        text = text[:cut] + rng.choice(["", "}", "\\\\", "1e999", "[" * 300, "\\x01"]) + text[cut + rng.randrange(5):]
    if rng.random() < 0.9:
        note(buffer, text.replace("\\0", ""), rng.choice([None, 5, 2**64 - 1]))
    numbers = [0, 1, 2, 2**31 - 1, -2**31, -1]
    for n in range(rng.randrange(4)):
        floats = [0.5, float("nan"), float("inf"), -float("inf"), 1e300, 5e-324]
        region(buffer, rng.choice([b"person", b"", b"\\xff\\xfe"]), [rng.choice([0, 1, 20, 2**31, 2**32 - 1]) for _ in range(4)], rng.choice(numbers),
               detection={"confidence": rng.choice(floats), "label_id": rng.choice(numbers)}, object_id={"id": rng.choice(numbers)},
               classification={"label": rng.choice(["red", ""]), "confidence": rng.choice(floats), "label_id": rng.choice(numbers)})
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_wild_metadata_never_ends_a_pipeline_that_goes_on_after_errors(play, library, others, seed):
    """700 buffers with made-up regions and JSON: read, cleaned or refused; what comes out is valid JSON."""
    echo = library("""
def process_ip(b, m, o):
    frame = m["frame"][0]
    for found in frame["object"]:
        assert 0 <= found["rect_params"]["width"] * abs(found["confidence"]) < 1e30
    return {"meta": m.get("emcustom"), "frame": [{"meta": {"number": frame["frame_num"]}, "object": [{"n": 1} for _ in frame["object"]],
            "new_object": frame["object"][:1]}]}
""")
    element = f"empycustom name=words on-error=pass in-place=true custom-lib={echo}"
    frames, played, stats = frames_of(
        f"videotestsrc num-buffers=700 ! video/x-raw,format=RGBA,width=16,height=16 ! {others(WILD.replace('SEED', str(seed)))} ! "
        f"{element} ! aimeta name=meta ! fakesink",
        play,
    )
    assert played.ended, played.errors
    assert len(frames) == 700
    assert 50 < stats.get_uint64("errors")[1] < 650, "some are refused, some are read"
    told = [text for text, _ in played.warnings]
    assert all("EmPyCustomMeta at frame " in text and " is not as empycustom writes it" in text for text in told), told


@pytest.mark.parametrize("returned", ["[{'a': 1}]", "{'frame': [{'new_object': [{'rect_params': box}]}]}", "str([{'a': 1}])"])
@pytest.mark.parametrize(("policy", "frames"), [("fail", 0), ("pass", 3), ("drop", 0)])
def test_a_library_that_keeps_its_frames_is_an_error_under_on_error(play, library, words, returned, policy, frames):
    """If it is the first with a result for the frame, or the second; without a warning of GStreamer."""
    lib = library(
        f"kept = []\nbox = dict(left=0, top=0, width=1, height=1)\ndef process_ip(b, m, o):\n    kept.append(b.copy())\n    return {returned}\n"
    )
    keeper = f"empycustom name=keeper on-error={policy} in-place=true custom-lib={lib}"
    for before in ("", f"{words} ! "):
        played = play(f"{SOURCE} ! {before}{keeper} ! appsink name=out")
        told = [text for text, _ in played.errors + played.warnings if text != "Internal data stream error."]
        assert len(told) == 1, (played.errors, played.warnings)
        assert f"{lib}:3: what process_ip returned at frame 0 (0:00:00.000) cannot be attached to the buffer" in told[0]
        assert "the library keeps a reference to it" in told[0]
        assert len(played.samples) == frames
