"""Output of networks on the frames of a batch: tensors and maps of classes, as arrays that stay valid."""

from __future__ import annotations

import gc
import sys
import threading
import types

import numpy as np
import nvds
import nvinfer
import pytest

import empycustom
from empycustom.carriers.deepstream import DeepStreamCarrier
from empycustom.gstreamer import Gst
from empycustom.native import deepstream_outputs
from empycustom.native.deepstream_outputs import HELD
from empycustom.native.own_metas import metas_on

pytestmark = pytest.mark.skipif(bool(nvinfer.WHY_NOT), reason=nvinfer.WHY_NOT)

SOURCE = "videotestsrc num-buffers={} ! video/x-raw,format=RGBA,width=64,height=48,framerate=30/1"
KEEPER = "import kept\ndef process_ip(b, m, o):\n    return kept.look(b, m)\n"
FRAME = {"frame_num": 0, "timestamp": "", "source_frame_width": 64, "source_frame_height": 48}
RNG = np.random.default_rng(17)
TENSORS = {
    "boxes": RNG.random((4, 6), np.float32),
    "scores/half": RNG.random((3, 2, 5), np.float32).astype(np.float16),
    "quantized": RNG.integers(-128, 127, (7,), np.int8),
    "classes": RNG.integers(-(2**31), 2**31 - 1, (2, 2), np.int32),
    "ids": RNG.integers(-(2**63), 2**63 - 1, (3,), np.int64),
    "größe": np.array(1.5, np.float32),
    "": np.zeros((0, 4), np.float32),
}


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nvinfer")
    return {name: nvinfer.build(folder, name) for name in (nvinfer.NAME, nvinfer.OTHER)}


@pytest.fixture(params=[nvinfer.NAME, nvinfer.OTHER])
def infer(built, request):
    """A network of nvinfer's, and one of another element's."""
    made = nvinfer.Infer(built[request.param], 5)
    before = made.in_use
    yield made
    gc.collect()
    assert made.in_use == before, "somebody still holds an output"


@pytest.fixture
def nv(built):
    """A network of nvinfer's."""
    return nvinfer.Infer(built[nvinfer.NAME], 3)


@pytest.fixture
def run(play, library, monkeypatch):
    """Play buffers with a batch past a function that attaches, and then a library, which is a function; return what was played."""

    def played(attach, look, *, count=1, between="identity", mux="fakemux batch-size=2 objects=2", behind="fakesink"):
        monkeypatch.setitem(sys.modules, "kept", types.SimpleNamespace(look=look))
        pipeline = Gst.parse_launch(
            f"{SOURCE.format(count)} ! {mux} ! identity name=infers signal-handoffs=true ! {between} ! "
            f"empycustom in-place=true custom-lib={library(KEEPER)} ! {behind}"
        )
        wrong = []

        def infers(_, buffer):
            try:
                attach(nvds.batch_of(buffer))
            except Exception as error:  # noqa: BLE001 - PyGObject would only print it
                wrong.append(error)

        pipeline.get_by_name("infers").connect("handoff", infers)
        done = play(pipeline)
        assert not wrong, wrong
        assert done.ended, done.errors
        return done

    return played


def numbers_at(array):
    return array.__array_interface__["data"][0]


def is_copy(infer):
    return nvinfer.OTHER in infer.library._name


def test_tensors_have_their_names_shapes_types_and_numbers(run, infer):
    seen, places = [], []

    def attach(batch):
        for number, frame in enumerate(nvds.frames_of(batch)):
            places.append(
                infer.tensors(batch, frame, {name: np.asarray(array + number, array.dtype) for name, array in TENSORS.items()})
            )

    def look(_, in_meta):
        for number, frame in enumerate(in_meta["frame"]):
            tensors = frame["tensors"]
            assert [(each["name"], each["unique_id"]) for each in tensors] == [(name, 5) for name in TENSORS]
            for each, (name, array) in zip(tensors, TENSORS.items(), strict=True):
                assert (each["data"].dtype, each["data"].shape) == (array.dtype, array.shape), name
                np.testing.assert_array_equal(each["data"], array + number)
                assert not each["data"].flags.writeable
                with pytest.raises(ValueError, match="read-only"):
                    each["data"][...] = 0
            there = [numbers_at(each["data"]) for each in tensors][:-1]  # not of the empty one
            assert (there == places[number][:-1]) is not is_copy(infer)
            seen.append(number)

    run(attach, look)
    assert seen == [0, 1]


MAP = np.array([[0, 1, -1], [2, 2, 1]], np.int32)
PROBABILITIES = RNG.random((4, 2, 3), np.float32)


@pytest.mark.parametrize("probabilities", [None, PROBABILITIES], ids=["the map alone", "probabilities"])
def test_a_map_of_classes_is_stretched_over_the_frame(run, infer, probabilities):
    seen, places = [], []

    def attach(batch):
        places.append(infer.segmentation(batch, nvds.frames_of(batch)[1], MAP, probabilities, classes=4))

    def look(_, in_meta):
        assert "segmentation" not in in_meta["frame"][0]
        (found,) = in_meta["frame"][1]["segmentation"]
        assert found["class_map"].dtype == np.int32
        np.testing.assert_array_equal(found["class_map"], MAP)
        assert (found["classes"], found["unique_id"]) == (4, 5)
        assert found["rect_params"] == {"left": 0, "top": 0, "width": 64, "height": 48}
        assert ("probabilities" in found) is (probabilities is not None)
        if probabilities is not None:
            np.testing.assert_array_equal(found["probabilities"], PROBABILITIES)
            assert found["probabilities"].dtype == np.float32
        assert not found["class_map"].flags.writeable
        assert (numbers_at(found["class_map"]) == places[-1][0]) is not is_copy(infer)
        seen.append(found)

    run(attach, look)
    assert len(seen) == 1
    seen.clear()


def test_frames_without_them_have_no_such_keys_and_documents_never_have_them(play, run, nv):
    def attach(batch):
        nv.tensors(batch, nvds.frames_of(batch)[0], TENSORS)
        nv.segmentation(batch, nvds.frames_of(batch)[0], MAP, classes=3)

    frames = []
    played = run(attach, lambda _, m: frames.extend(map(set, m["frame"])), behind="aimeta name=meta ! appsink name=out")
    assert frames[0] - frames[1] == {"tensors", "segmentation"}
    assert frames[1] - frames[0] == set()
    (sample,) = played.samples
    document = empycustom.document(sample.get_buffer(), sample.get_caps())
    assert [{"tensors", "segmentation"} & set(frame) for frame in document["frame"]] == [set(), set()]


COPIES = {
    "a tee whose branch is written": "tee name=t t. ! queue ! fakesink async=false t. ! queue ! fakeedit",
    "two copies": "tee name=t t. ! queue ! fakesink async=false t. ! queue ! fakeedit ! tee name=u u. ! queue ! fakesink async=false "
    "u. ! queue ! fakeedit",
}


@pytest.mark.parametrize("between", COPIES.values(), ids=COPIES)
def test_copies_of_a_batch_have_them_too(run, infer, between):
    seen = []

    def attach(batch):
        for frame in nvds.frames_of(batch):
            infer.tensors(batch, frame, {name: array for name, array in TENSORS.items() if array.size})
            infer.segmentation(batch, frame, MAP, PROBABILITIES, classes=4)

    def look(_, in_meta):
        for frame in in_meta["frame"]:
            for each in frame["tensors"]:
                np.testing.assert_array_equal(each["data"], TENSORS[each["name"]])
            np.testing.assert_array_equal(frame["segmentation"][0]["class_map"], MAP)
            np.testing.assert_array_equal(frame["segmentation"][0]["probabilities"], PROBABILITIES)
            seen.append(sorted(each["name"] for each in frame["tensors"]))

    run(attach, look, between=between, count=3)
    assert seen == [sorted(name for name, array in TENSORS.items() if array.size)] * 6


def test_arrays_that_are_kept_stay_as_they_are_and_do_not_use_up_the_outputs_of_nvinfer(run, infer):
    """nvinfer has 6, and waits forever while all are held."""
    kept, count = [], 40
    numbers = iter(range(2 * count))

    def attach(batch):
        for frame in nvds.frames_of(batch):
            number = next(numbers)
            infer.tensors(batch, frame, {"n": np.full((100, 100), number, np.float32)})
            infer.segmentation(batch, frame, np.full((20, 30), number, np.int32), classes=2)

    def look(_, in_meta):
        frames = in_meta["frame"]
        kept.extend((frame["tensors"][0]["data"][1:], frame["segmentation"][0]["class_map"].T) for frame in frames)

    before = infer.in_use
    run(attach, look, count=count)
    assert len(kept) == 2 * count
    for number, arrays in enumerate(kept):
        assert [set(array.ravel().tolist()) for array in arrays] == [{number}, {number}]
    held = infer.in_use - before
    assert held == (0 if is_copy(infer) else 4 * HELD)  # the fake has one for each meta
    del arrays
    kept.clear()
    gc.collect()
    assert infer.in_use == before


def test_what_is_given_back_is_held_again(run, nv):
    """Others are not copied forever because arrays were kept once."""
    kept, held = [], []

    def attach(batch):
        kept[:-2] = []
        nv.tensors(batch, nvds.frames_of(batch)[0], {"n": np.zeros(1000, np.float32)})

    def look(_, in_meta):
        kept.append(in_meta["frame"][0]["tensors"][0]["data"])
        held.append(nv.in_use)

    before = nv.in_use
    run(attach, look, count=20)
    assert held[-1] - before == 3
    kept.clear()


WRONG = {
    "they were left in the memory of the GPU": (
        {},
        [0, 0],
        "of nvinfer 3 were left out: they are in the memory of the GPU alone; set disable-output-host-copy=0",
    ),
    "a place behind NULL": (
        {},
        [0, 16 * 7],
        "tensors of nvinfer 3 were left out: they are in the memory of the GPU alone",
    ),
    "a type that is not known": ({"type": 9}, None, "the tensor one was left out: its type, 9, is not known"),
    "elements that are not there": (
        {"elements": 7},
        None,
        "the tensor one was left out: it has 1 dimensions (4,), and 7 elements",
    ),
    "more dimensions than there may be": ({"count": 9}, None, "the tensor one was left out: it has 9 dimensions (4, "),
}


@pytest.mark.parametrize(("wrong", "hosts", "text"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_read_is_left_out_and_said(run, nv, said, wrong, hosts, text):
    seen, arrays = [], {"one": np.arange(4, dtype=np.float32), "two": np.arange(4, dtype=np.float32)}

    def attach(batch):
        frame = nvds.frames_of(batch)[0]
        nv.tensors(batch, frame, arrays, layers=nv.layers(arrays, **wrong), hosts=hosts)
        nv.tensors(batch, frame, {"right": arrays["one"]})

    run(attach, lambda _, m: seen.extend(each["name"] for each in m["frame"][0]["tensors"]), count=3)
    assert seen == ["right"] * 3
    assert said().count(text) == 1


def test_a_map_that_is_not_possible_is_left_out_and_said(run, nv, said):
    frames = []

    def attach(batch):
        nv.segmentation(batch, nvds.frames_of(batch)[0], MAP, classes=2, size=(2**31, 3))

    run(attach, lambda _, m: frames.extend(m["frame"]))
    assert all("segmentation" not in frame for frame in frames)
    assert said().count("a map of 3x2147483648 places and 2 classes was left out: that is not possible") == 1


def test_several_threads_read_one_batch_at_the_same_time(infer):
    """As branches of a tee do. Each has what is there, or nothing where it is just gone, and nobody's output is lost."""
    threads, rounds = 6, 60
    buffers = [Gst.Buffer() for _ in range(rounds)]
    batches = [nvds.attach(hash(buffer), nvds.traffic(0, batch_size=2, objects=0)) for buffer in buffers]
    for number, batch in enumerate(batches):
        for frame in nvds.frames_of(batch):
            infer.tensors(batch, frame, {"n": np.full((50, 40), number, np.float32)})
    carriers = [DeepStreamCarrier() for _ in range(threads)]
    barrier, wrong, kept = threading.Barrier(threads), [], [[] for _ in range(threads)]

    def read(carrier, mine):
        try:
            for number, buffer in enumerate(buffers):
                barrier.wait(60)
                metas = metas_on(hash(buffer))
                frame = carrier.decode(metas, FRAME.copy(), 0)
                carrier.add_arrays(frame)
                tensors = [each["data"] for item in frame.frames for each in item["tensors"]]
                assert len(tensors) == 2
                assert all((array == number).all() for array in tensors)
                mine[number % 5 : number % 5 + 1] = [(number, tensors)]
                assert all((array == before).all() for before, arrays in mine for array in arrays)
        except BaseException as error:
            wrong.append(error)
            barrier.abort()
            raise

    running = [threading.Thread(target=read, args=pair) for pair in zip(carriers, kept, strict=True)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert not wrong, wrong
    kept.clear()
    buffers.clear()


def test_a_meta_that_is_removed_before_it_is_taken_is_left_out(nv, monkeypatch):
    """What the first look saw is not read where it is another one at the second."""
    buffer = Gst.Buffer()
    batch = nvds.attach(hash(buffer), nvds.traffic(0, batch_size=1, objects=0))
    (frame,) = nvds.frames_of(batch)
    nv.tensors(batch, frame, {"old": np.ones(3, np.float32)})
    nv.tensors(batch, frame, {"stays": np.ones(3, np.float32)})
    old = nvds.items(nvds.get(nvds.LONG, frame + 120))[1]
    look = deepstream_outputs._Tensors.look

    def replaced(meta, warnings):
        look(meta, warnings)
        if meta._wanted.user == old and old in nvds.items(nvds.get(nvds.LONG, frame + 120)):
            nvds.call("nvds_remove_user_meta_from_frame", frame, old)
            nv.tensors(batch, frame, {"new": np.zeros(3, np.float32)})  # the pool gives it the same memory

    monkeypatch.setattr(deepstream_outputs._Tensors, "look", replaced)
    carrier = DeepStreamCarrier()
    decoded = carrier.decode(metas_on(hash(buffer)), FRAME.copy(), 0)
    carrier.add_arrays(decoded)
    assert old in nvds.items(nvds.get(nvds.LONG, frame + 120)), "the pool did not give its memory again"
    assert [each["name"] for each in decoded.frames[0]["tensors"]] == ["stays"]
