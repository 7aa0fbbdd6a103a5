"""Masks, angles and embeddings of objects: in NVIDIA's own metadata, as nvinfer writes them and nvdsosd draws them, and in in_meta."""

from __future__ import annotations

import ctypes
import math

import numpy as np
import nvds
import nvinfer
import pytest
from fakes import says

import empycustom
from empycustom.model.masks import decode_rle

COPY = "tee name=t t. ! queue ! fakesink async=false t. ! queue ! fakeedit ! queue"
COPIES = {
    "the same batch": "identity",
    "a copy": COPY,
    "a copy of a copy": f"{COPY} ! {COPY.replace('=t t.', '=u u.').replace(' t.', ' u.')}",
}
ANGLE, MASK = 208, 216  # in NvDsObjectMeta of DeepStream 9
glib = ctypes.CDLL("libglib-2.0.so.0")
glib.g_malloc.restype = ctypes.c_void_p
BITS = np.array([[0, 1, 1], [1, 0, 1]], np.uint8)
SURE = np.array([[0.25, 0.5, 1], [0.75, 0, 0.125]], np.float32)


def set_mask(found, numbers, threshold=0.5, size=None):
    """Set a mask as nvinfer does."""
    numbers = np.ascontiguousarray(numbers, np.float32)
    memory = glib.g_malloc(ctypes.c_size_t(numbers.nbytes))
    ctypes.memmove(memory, numbers.ctypes.data, numbers.nbytes)
    nvds.put(nvds.LONG, found + MASK, memory)
    nvds.put(nvds.UINT, found + MASK + 8, numbers.nbytes)
    nvds.put(nvds.FLOAT, found + MASK + 12, threshold)
    nvds.put(nvds.UINT, found + MASK + 16, *(size or numbers.shape[::-1]))


def mask_in(found):
    """Return the numbers and the threshold of a mask; None: there is none."""
    memory, size = nvds.get(nvds.LONG, found + MASK), nvds.get(nvds.UINT, found + MASK + 8)
    width, height = (nvds.get(nvds.UINT, found + MASK + place) for place in (16, 20))
    if not memory:
        assert (size, width, height) == (0, 0, 0)
        return None
    assert size == width * height * 4
    return np.frombuffer(ctypes.string_at(memory, size), np.float32).reshape(height, width), nvds.get(
        nvds.FLOAT, found + MASK + 12
    )


def objects_on(batch):
    return [found for frame in nvds.frames_of(batch) for found in nvds.objects_of(frame)]


def label_of(found):
    return found["text_params"]["display_text"] or found["obj_label"]


# Masks.

READ = {
    "0 and 1": (BITS, 0.5, BITS),
    "confidences": (SURE, 0.5, SURE),
    "another threshold": (SURE, 0.2, (np.float32(0.2) < SURE).astype(np.uint8)),
    "logits": (np.array([[-3, 0, 0.25, 4]]), 0, np.array([[0, 0, 1, 1]], np.uint8)),
    "no numbers": (np.array([[np.nan, np.inf, -np.inf]]), 0.5, np.array([[0, 1, 0]], np.uint8)),
    "one pixel": (np.array([[1.0]]), 0.5, np.array([[1]], np.uint8)),
}


@pytest.mark.parametrize("between", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize(("numbers", "threshold", "wanted"), READ.values(), ids=READ)
def test_masks_of_nvinfer_are_read(flow, between, numbers, threshold, wanted):
    seen = []

    def detect(batch):
        for frame in nvds.frames_of(batch):
            set_mask(nvds.objects_of(frame)[1], numbers, threshold)

    @says
    def look(in_meta):
        for frame in in_meta["frame"]:
            (found,) = [each for each in frame["object"] if "mask" in each]
            assert label_of(found) == "person 1"
            assert (found["mask"].dtype, found["mask"].shape) == (wanted.dtype, wanted.shape)
            np.testing.assert_array_equal(found["mask"], wanted)
            found["mask"][...] = 0  # it is the library's own
            seen.append(found)

    flow(detect, between, look)
    assert len(seen) == 4


def test_a_mask_whose_size_is_not_that_of_its_numbers_is_left_out_and_said(flow, said):
    @says
    def look(in_meta):
        assert all("mask" not in each for frame in in_meta["frame"] for each in frame["object"])

    flow(lambda batch: set_mask(objects_on(batch)[0], BITS, size=(1000, 1000)), look)
    assert said().count("a mask of 1000x1000 was left out: its size in bytes is another one") == 1


WRITTEN = {"0 and 1": (BITS, BITS), "confidences": (SURE, SURE), "bools": (BITS == 1, BITS)}


@pytest.mark.parametrize("between", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("how", ["new_object", "changed_object"])
@pytest.mark.parametrize(("returned", "wanted"), WRITTEN.values(), ids=WRITTEN)
def test_masks_of_libraries_are_what_nvidia_s_elements_read(flow, between, how, returned, wanted):
    seen = []

    @says
    def write(in_meta):
        entry = {
            "rect_params": {"left": 1, "top": 2, "width": 30, "height": 20},
            "text_params": {"display_text": "m"},
            "mask": returned,
        }
        return {"frame": [{how: [entry]} for _ in in_meta["frame"]]}

    def check(batch):
        for frame in nvds.frames_of(batch):
            (mask,) = filter(None, map(mask_in, nvds.objects_of(frame)))
            np.testing.assert_array_equal(mask[0], wanted.astype(np.float32))
            assert mask[1] == 0.5
            assert all('"object"' not in text for _, text in nvds.events_of(frame))  # it stands nowhere else

    @says
    def look(in_meta):
        for frame in in_meta["frame"]:
            (found,) = [each for each in frame["object"] if "mask" in each]
            np.testing.assert_array_equal(found["mask"], wanted)
            assert (found["mask"].dtype, label_of(found)) == (wanted.dtype, "m")
            seen.append(found)

    played = flow(write, between, check, look)
    assert len(seen) == 4
    assert played.warnings == []


def test_documents_have_masks_as_rle_and_angles(flow):
    played = flow(lambda batch: [set_mask(found, BITS) or nvds.put(nvds.FLOAT, found + ANGLE, 90) for found in objects_on(batch)])
    for sample in played.samples:
        document = empycustom.document(sample)
        objects = [each for frame in document["frame"] for each in frame["object"]]
        assert len(objects) == 6
        for found in objects:
            np.testing.assert_array_equal(decode_rle(found["mask"]), BITS)
            assert found["rotation"] == pytest.approx(math.pi / 2)


def test_a_mask_is_replaced_and_taken_away_and_others_may_do_so_too(flow):
    seen = []

    def detect(batch):
        for found in objects_on(batch):
            set_mask(found, SURE)

    @says
    def change(in_meta):
        return {"frame": [{"changed_object": [{"mask": BITS}, {"mask": [], "confidence": 0.5}]} for _ in in_meta["frame"]]}

    def others(batch):  # another element has the last word
        for frame in nvds.frames_of(batch):
            assert [None if mask is None else mask[0].tolist() for mask in map(mask_in, nvds.objects_of(frame))] == [
                BITS.tolist(),
                None,
                SURE.tolist(),
            ]
            first, second, _ = nvds.objects_of(frame)
            glib.g_free(ctypes.c_void_p(nvds.get(nvds.LONG, first + MASK)))
            set_mask(first, 1 - BITS)
            set_mask(second, BITS[:1])

    @says
    def look(in_meta):
        seen.extend([each["mask"].tolist() for each in frame["object"]] for frame in in_meta["frame"])

    flow(detect, change, others, look)
    assert seen == [[(1 - BITS).tolist(), BITS[:1].tolist(), SURE.tolist()]] * 4


# Angles.


@pytest.mark.parametrize("between", COPIES.values(), ids=COPIES)
def test_angles_are_degrees_in_nvidia_s_metadata_and_radians_in_in_meta(flow, between):
    seen = []

    def detect(batch):
        for frame in nvds.frames_of(batch):
            for found, angle in zip(nvds.objects_of(frame), (30, -45.5, 0), strict=True):
                nvds.put(nvds.FLOAT, found + ANGLE, angle)

    @says
    def look(in_meta):
        seen.extend(
            sorted(round(math.degrees(each.get("rotation", 0)), 4) for each in frame["object"]) for frame in in_meta["frame"]
        )

    @says
    def write(in_meta):
        changes = [{"rotation": 0.5} if "rotation" in each else {"rotation": -1} for each in in_meta["frame"][0]["object"]]
        changes[0] |= {"rotation": 0}
        new = {"rect_params": {"left": 1, "top": 2, "width": 30, "height": 20}, "rotation": 2}
        return {"frame": [{"changed_object": changes, "new_object": [new]}]}

    def check(batch):
        first, second = nvds.frames_of(batch)
        angles = sorted(round(math.radians(nvds.get(nvds.FLOAT, found + ANGLE)), 5) for found in nvds.objects_of(first))
        assert sum(angle == 2 for angle in angles) == sum(angle == 0 for angle in angles) == 1
        assert set(angles) <= {-1, 0, 0.5, 2}
        assert all('"object"' not in text for frame in (first, second) for _, text in nvds.events_of(frame))

    flow(
        detect,
        between,
        look,
        write,
        between.replace("=t ", "=v ").replace("t.", "v.").replace("=u ", "=w ").replace("u.", "w."),
        check,
    )
    assert seen == [[-45.5, 0, 30]] * 4


def test_angles_of_others_beyond_a_full_turn_are_the_same_way_and_may_be_returned(flow):
    seen = []

    def detect(batch):
        for frame in nvds.frames_of(batch):
            for found, angle in zip(nvds.objects_of(frame), (450, -765, 3600), strict=True):
                nvds.put(nvds.FLOAT, found + ANGLE, angle)

    @says
    def look(in_meta):
        objects = in_meta["frame"][0]["object"]
        seen.append(sorted(round(math.degrees(each["rotation"]), 3) for each in objects))
        return {"frame": [{"changed_object": objects}]}

    flow(detect, look, lambda _: None)
    assert seen[0] == [-45, 0, 90]


def test_rotations_come_back_as_they_were_returned(flow):
    turns, seen = [0.5, -0.1, 1.25, 3.0, 0.001], []

    @says
    def write(_):
        box = {"left": 1, "top": 2, "width": 30, "height": 20}
        return {"frame": [{"new_object": [{"rect_params": box, "rotation": turn} for turn in turns]}]}

    @says
    def look(in_meta):
        seen.append(sorted(each["rotation"] for each in in_meta["frame"][0]["object"] if "rotation" in each))

    flow(write, look)
    assert seen == [sorted(turns)] * 2


SCALES = """
import numpy as np
def output_caps(caps, options):
    return 'video/x-raw,width=128,height=48'
def process(b, m, o):
    return np.zeros((48, 128, 4), np.uint8), {}
"""


def test_turned_boxes_are_scaled_as_the_picture_is(flow, library):
    """Corners of the box before, scaled, are those of the box behind, where it is turned by a quarter."""
    seen = []

    points = [[10, 20, 0.5], [14, 22, 1], [30, 40, 0]]

    def detect(batch):
        for frame in nvds.frames_of(batch):
            first, second, _ = nvds.objects_of(frame)
            for found in (first, second):
                nvds.put(nvds.FLOAT, found + 104, 10, 20, 8, 4)
                set_mask(found, BITS)
            nvds.put(nvds.FLOAT, first + ANGLE, 90)

    @says
    def write(in_meta):
        changed = [
            {"keypoints": points, "emcustom": {"n": 1}} if "mask" in each else {} for each in in_meta["frame"][0]["object"]
        ]
        return {"frame": [{"changed_object": changed}] * 2}

    @says
    def look(in_meta):
        for each in in_meta["frame"][0]["object"]:
            if "mask" in each:
                np.testing.assert_allclose(each["keypoints"], np.array(points) * (2, 1, 1), atol=1e-4)
                assert each["emcustom"] == {"n": 1}
                np.testing.assert_array_equal(each["mask"], BITS)
                box = each["rect_params"]
                seen.append((round(each.get("rotation", 0), 4), *(round(side, 3) for side in box.values())))

    scale = f"empycustom in-place=false custom-lib={library(SCALES, 'scales.py')}"
    flow(detect, write, scale, look, look)
    # Turned, it was 4 wide and 8 high around (14, 22); it is 8 wide and 8 high around (28, 22) then.
    assert sorted(set(seen)) == [(0, 20, 20, 16, 4), (1.5708, 24, 18, 8, 8)]


# Embeddings.

VECTOR = np.arange(8, dtype=np.float32) / 8
EMBEDDINGS = {
    "a vector": ([{"fc": VECTOR}], VECTOR),
    "of half precision": ([{"fc": VECTOR.astype(np.float16)}], VECTOR.astype(np.float16)),
    "1x8x1": ([{"fc": VECTOR.reshape(1, 8, 1)}], VECTOR),
    "2x4": ([{"fc": VECTOR.reshape(2, 4)}], None),
    "whole numbers": ([{"fc": VECTOR.astype(np.int32)}], None),
    "two layers": ([{"fc": VECTOR, "other": VECTOR}], None),
    "two networks": ([{"fc": VECTOR}, {"fc": VECTOR}], None),
}


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    if nvinfer.WHY_NOT:
        pytest.skip(nvinfer.WHY_NOT)
    return nvinfer.Infer(nvinfer.build(tmp_path_factory.mktemp("nvinfer")), 4)


@pytest.mark.parametrize("between", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize(("metas", "wanted"), EMBEDDINGS.values(), ids=EMBEDDINGS)
def test_a_tensor_at_an_object_is_its_embedding_where_it_is_one_vector(flow, network, between, metas, wanted):
    seen, before = [], network.in_use

    def infer(batch):
        for number, frame in enumerate(nvds.frames_of(batch)):
            for arrays in metas:
                scaled = {name: (array * (number + 1)).astype(array.dtype) for name, array in arrays.items()}
                network.tensors(batch, nvds.objects_of(frame)[1], scaled, is_object=True)

    @says
    def look(in_meta):
        for number, frame in enumerate(in_meta["frame"]):
            found = {label_of(each): each.get("embedding") for each in frame["object"]}
            assert (found.pop("car 0"), found.pop("bike 2")) == (None, None)
            if wanted is not None:
                assert found["person 1"].dtype == wanted.dtype
                np.testing.assert_array_equal(found["person 1"], wanted * (number + 1))
            seen.append(found["person 1"] is None)

    flow(infer, between, look).samples.clear()
    assert seen == [wanted is None] * 4
    assert network.in_use == before  # it is a copy


def test_an_embedding_of_a_library_goes_before_that_of_a_network(flow, network):
    seen = []

    def infer(batch):
        for frame in nvds.frames_of(batch):
            for found in nvds.objects_of(frame):
                network.tensors(batch, found, {"fc": VECTOR}, is_object=True)

    @says
    def write(in_meta):
        return {"frame": [{"changed_object": [{"embedding": VECTOR[:3]}, {"class_id": 5}]} for _ in in_meta["frame"]]}

    @says
    def look(in_meta):
        seen.extend([len(each["embedding"]) for each in frame["object"]] for frame in in_meta["frame"])

    def check(batch):
        assert all('"class_id":5' not in text for frame in nvds.frames_of(batch) for _, text in nvds.events_of(frame))

    flow(infer, write, look, check)
    assert seen == [[3, 8, 8]] * 4


def test_an_embedding_that_means_no_number_is_left_out_and_said(flow, network, said):
    seen = []

    def infer(batch):
        network.tensors(batch, objects_on(batch)[0], {"fc": np.full(8, np.nan, np.float32)}, is_object=True)

    @says
    def look(in_meta):
        seen.extend("embedding" in each for frame in in_meta["frame"] for each in frame["object"])

    flow(infer, look)
    assert not any(seen)
    assert said().count("the tensor of an object is not its embedding: it must have finite numbers") == 1
