"""Pictures of several threads, streams and frames of a batch in one call of a network; and nobody waits for who does not come."""

from __future__ import annotations

import threading
import time

import networks
import numpy as np
import nvds
import pytest
from onnx import TensorProto, helper
from surfaces import PINNED, Surfaces

import empycustom
from empycustom.gstreamer import Gst
from empycustom.libs import detect
from empycustom.libs.batching import Batcher
from empycustom.libs.detect.model import Model

PATIENCE_S = 60


def started(count, work):
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads


def join(threads):
    for thread in threads:
        thread.join(PATIENCE_S)
    assert not any(thread.is_alive() for thread in threads), "it hangs"


class Gate:
    """A call that waits until it may go on; ``calls`` are the items of each."""

    def __init__(self, fails=()):
        self.calls, self.fails = [], fails
        self.begun, self.may_end = threading.Event(), threading.Event()

    def __call__(self, items):
        self.calls.append(list(items))
        self.begun.set()
        assert self.may_end.wait(PATIENCE_S)
        if len(self.calls) in self.fails:
            raise ValueError(f"call {len(self.calls)} failed")
        return [f"<{item}>" for item in items]


def play_at_gate(gate, most, wanted):
    """Let one thread begin, others come meanwhile, then all go on; return the outcome of each."""
    batcher, outcomes = Batcher(gate, most), {}

    def work(number):
        try:
            outcomes[number] = batcher(wanted[number])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
            outcomes[number] = error

    first = started(1, work)
    assert gate.begun.wait(PATIENCE_S)
    others, until = [], time.monotonic() + PATIENCE_S
    for number in range(1, len(wanted)):
        others.append(threading.Thread(target=work, args=(number,)))
        others[-1].start()
        while batcher.waiting < number and time.monotonic() < until:
            time.sleep(0.001)
    gate.may_end.set()
    join([*first, *others])
    assert batcher(["after"]) == ["<after>"]
    return outcomes


def test_who_comes_during_a_call_shares_the_next_one():
    gate = Gate()
    outcomes = play_at_gate(gate, 8, [["a"], ["b", "c"], ["d"], ["e"]])
    assert gate.calls == [["a"], ["b", "c", "d", "e"], ["after"]]
    assert outcomes == {0: ["<a>"], 1: ["<b>", "<c>"], 2: ["<d>"], 3: ["<e>"]}


def test_a_call_has_no_more_than_it_may_and_the_rest_is_in_the_next():
    gate = Gate()
    play_at_gate(gate, 3, [["a"], ["b", "c"], ["d", "e"], ["f"], ["g"]])
    assert gate.calls == [["a"], ["b", "c"], ["d", "e", "f"], ["g"], ["after"]]


@pytest.mark.parametrize("failing", [1, 2])
def test_an_error_reaches_all_whose_call_it_was_and_no_others(failing):
    gate = Gate(fails=[failing])
    outcomes = play_at_gate(gate, 8, [["a"], ["b"], ["c"], ["d"]])
    assert len(gate.calls) == 3
    failed = {number for number, outcome in outcomes.items() if isinstance(outcome, Exception)}
    assert failed == ({0} if failing == 1 else {1, 2, 3})
    assert all(f"call {failing} failed" in str(outcomes[number]) for number in failed)


def test_calls_are_as_many_at_once_as_wanted_and_nobody_waits_before():
    together, calls = threading.Barrier(3, timeout=PATIENCE_S), []

    def call(items):
        calls.append(list(items))
        together.wait()  # passes when three calls are under way
        return items

    batcher = Batcher(call, 8, 3)
    join(started(3, lambda number: batcher([number])))
    assert sorted(calls) == [[0], [1], [2]]


def test_threads_that_begin_at_once_get_each_what_is_theirs():
    together, sizes, under_way = threading.Barrier(8), [], []

    def call(items):
        under_way.append(1)
        sizes.append(len(items))
        assert len(under_way) <= 2
        time.sleep(0.0005)
        under_way.pop()
        return [item * 2 for item in items]

    batcher, wrong = Batcher(call, 5, 2), []

    def work(number):
        together.wait(PATIENCE_S)
        for turn in range(200):
            wanted = [(number, turn, each) for each in range(turn % 3 + 1)]
            if batcher(wanted) != [each * 2 for each in wanted]:
                wrong.append(wanted)

    join(started(8, work))
    assert wrong == []
    assert max(sizes) > 3  # more than one thread wants
    assert max(sizes) <= 5
    assert batcher.waiting == 0


# Networks.


def options_of(path, **more):
    return {**{name: option.default for name, option in detect.OPTIONS.items()}, "model": path, **more}


def spots(count, width=64, height=64):
    """Pictures with a bright pixel each, and the left edges of the boxes around them."""
    pictures = np.zeros((count, height, width, 3), np.uint8)
    places = [8 + 3 * number for number in range(count)]
    for number, place in enumerate(places):
        pictures[number, 30, place] = 255
    return list(pictures), [place + 0.5 - 4 for place in places]


@pytest.mark.parametrize(
    ("taken", "batch", "sizes"),
    [
        ("n", 0, [1] * 7),
        ("n", 3, [3, 3, 1]),
        ("n", 8, [7]),
        (1, 8, [1] * 7),
        (4, 0, [4, 4]),  # the last is filled up
        (8, 1, [8]),
    ],
)
def test_pictures_go_into_as_few_calls_as_the_model_and_the_option_allow(tmp_path, calls, taken, batch, sizes):
    path = networks.brightest(tmp_path / "m.onnx", batch=taken)
    model = Model(options_of(path, batch=batch))
    calls.clear()
    pictures, edges = spots(7)
    found = model.find_all(pictures, options_of(path))
    assert calls == sizes
    assert [[each["rect_params"]["left"] for each in objects] for objects in found] == [[edge] for edge in edges]
    assert model.find_all([], options_of(path)) == []


def test_a_model_that_fails_with_two_pictures_gets_one_at_a_time(tmp_path, calls, caplog):
    nodes = [("Reshape", ["images", "shape"], "flat", {}), ("Gather", ["rows", "zero"], "found", {"axis": 0})]
    nodes[1:1] = [
        ("Shape", ["flat"], "sizes", {}),
        ("Gather", ["sizes", "zero"], "zeros", {"axis": 0}),
        ("Sub", ["zeros", "one"], "none", {}),
    ]
    nodes[-1] = ("Gather", ["rows", "none"], "found", {"axis": 0})
    rows = np.array([[[[10, 20, 30, 40, 0.9, 0]]]], np.float32)
    constants = {"shape": np.array([1, 3 * 64 * 64]), "rows": rows, "zero": np.int64(0), "one": np.int64(1)}
    path = networks.write(tmp_path / "m.onnx", nodes, constants, ["found"], metadata={"end2end": True, "task": "detect"})
    model = Model(options_of(path, batch=8))
    assert "pictures go to the model one by one, because it fails with two" in caplog.text
    calls.clear()
    assert [len(objects) for objects in model.find_all(spots(3)[0], options_of(path))] == [1, 1, 1]
    assert calls == [1, 1, 1]


def test_streams_of_one_process_share_a_model_and_find_each_what_is_theirs(tmp_path):
    path, together, found = networks.brightest(tmp_path / "m.onnx"), threading.Barrier(4), {}
    pictures, edges = spots(4)

    def work(number):
        together.wait(PATIENCE_S)
        with empycustom.process(
            [pictures[number]] * 30, "empycustom.libs.detect", options={"model": path, "batch": 8}
        ) as results:
            found[number] = [[each["rect_params"]["left"] for each in result.objects] for result in results]

    join(started(4, work))
    assert found == {number: [[edges[number]]] * 30 for number in range(4)}


def test_a_stream_that_fails_or_stops_leaves_the_others_playing(tmp_path):
    """One stream has a picture that the model cannot read, one is stopped early, and two play to their ends."""
    path, together, outcomes = networks.brightest(tmp_path / "m.onnx"), threading.Barrier(4), {}
    pictures, _ = spots(4)
    bad = np.zeros((64, 64, 3), np.uint8)
    bad[-1, -1] = 255

    def work(number):
        video = [pictures[number]] * 10 + ([bad] if number == 0 else []) + [pictures[number]] * 30
        together.wait(PATIENCE_S)
        count = 0
        try:
            with empycustom.process(video, "empycustom.libs.detect", options={"model": path, "batch": 2}) as results:
                for _ in results:
                    count += 1
                    if number == 1 and count == 5:
                        break
        except empycustom.EmPyCustomError as error:
            outcomes[number] = str(error)
        else:
            outcomes[number] = count

    join(started(4, work))
    assert "indices element out of data bounds" in outcomes[0]
    for number, count in ((1, 5), (2, 40), (3, 40)):  # unless a frame of theirs was in the call that failed
        assert outcomes[number] == count or "the call for several streams failed" in outcomes[number]


def test_frames_of_a_batch_of_deepstream_go_into_one_call(tmp_path, calls, play, driver):
    if nvds.WHY_NOT:
        pytest.skip(nvds.WHY_NOT)
    path = networks.brightest(tmp_path / "m.onnx")
    made = Surfaces("RGBA", 64, 64, batch=3, memory_type=PINNED, pitch=256)
    pictures, edges = spots(3)
    for number, picture in enumerate(pictures):
        made.pixels(0, number)[..., :3] = picture
    nvds.attach(hash(made.buffer), nvds.traffic(0, batch_size=3, objects=0))
    pipeline = Gst.parse_launch(
        "appsrc name=in caps=video/x-raw(memory:NVMM),format=RGBA,width=64,height=64,framerate=30/1 format=time ! "
        "empycustom custom-lib=empycustom.libs.detect in-place=true name=e ! aimeta name=m ! appsink name=out"
    )
    pipeline.get_by_name("e").set_property("options", f'{{"model": "{path}", "batch": 8}}')
    pipeline.get_by_name("in").emit("push-buffer", made.buffer)
    made.let_go()
    pipeline.get_by_name("in").emit("end-of-stream")
    played = play(pipeline)
    assert played.ended, played.errors
    assert calls[-1] == 3
    (sample,) = played.samples
    batch = nvds.batch_of(sample.get_buffer())
    lefts = [nvds.get(nvds.FLOAT, found + 104) for frame in nvds.frames_of(batch) for found in nvds.objects_of(frame)]
    assert lefts == edges


def test_a_model_that_is_told_the_size_of_each_picture_is_told_it_for_all(tmp_path, calls):
    """RT-DETR in its own export: labels, boxes in pixels of the size that it is told, scores."""
    nodes = [
        ("ReduceMax", ["images"], "scores", {"axes": [1, 2, 3], "keepdims": 0}),
        ("Unsqueeze", ["scores", "one"], "score", {}),
        ("Mul", ["score", "zero"], "label", {}),
        ("Cast", ["orig_target_sizes"], "sizes", {"to": TensorProto.FLOAT}),
        ("Concat", ["sizes", "sizes"], "corners", {"axis": 1}),
        ("Mul", ["corners", "parts"], "box", {}),
        ("Unsqueeze", ["box", "one"], "boxes", {}),
    ]
    constants = {"one": np.array([1]), "zero": np.float32(0), "parts": np.array([0.25, 0.5, 0.75, 1], np.float32)}
    more = [helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, ["n", 2])]
    outputs = ["label", "boxes", "score"]
    path = networks.write(tmp_path / "m.onnx", nodes, constants, outputs, taken=("n", 3, 40, 80), more=more)
    model = Model(options_of(path, batch=4))
    assert model.layout == "rtdetr"
    pictures = [np.full((100, 100, 3), shade, np.uint8) for shade in (255, 204, 0)]
    calls.clear()
    found = model.find_all(pictures, options_of(path))
    assert calls == [3]
    assert [[round(each["confidence"], 2) for each in objects] for objects in found] == [[1], [0.8], []]
    assert list(found[1][0]["rect_params"].values()) == pytest.approx([25, 50, 50, 50])
