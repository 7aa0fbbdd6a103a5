"""Masks of objects: COCO's run-length encoding against another implementation, polygons against OpenCV and geometry."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
import supervision as sv
from hypothesis import given
from hypothesis import strategies as st

from empycustom.model.masks import decode_rle, encode_rle, polygon_mask
from empycustom.model.values import Box


@st.composite
def masks(draw):
    """Make masks of long and short runs, of which some are full or empty."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    coarse = random.random((-(-height // 5), -(-width // 5))) < draw(st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]))
    mask = np.repeat(np.repeat(coarse, 5, axis=0), 5, axis=1)[:height, :width]
    return mask ^ (random.random((height, width)) < draw(st.sampled_from([0.0, 0.05, 0.5])))


@given(masks())
def test_rle_is_that_of_coco(mask):
    ours = encode_rle(mask)
    assert ours["size"] == [*mask.shape]
    assert ours["counts"] == sv.mask_to_rle(mask, compressed=True)
    assert np.array_equal(decode_rle(ours), mask)
    listed = {"size": ours["size"], "counts": sv.mask_to_rle(mask)}
    assert np.array_equal(decode_rle(listed), mask)


def test_rle_as_pycocotools_writes_it():
    mask = np.zeros((480, 640), bool)  # long runs, of which the differences are negative, too
    mask[100:300, 200:203] = True
    mask[150:160, 201:204] = False
    mask[0, 0] = mask[479, 639] = True
    rle = {"size": [480, 640], "counts": r"01Skm2W6e]RMZKbGj2^8VMbGj2YP]6eK"}  # by pycocotools 2.0.11
    assert encode_rle(mask) == rle
    assert np.array_equal(decode_rle(rle), mask)
    assert np.array_equal(decode_rle({**rle, "counts": rle["counts"].encode()}), mask)


def test_a_mask_of_confidences_is_cut_at_a_half():
    mask = np.array([[0.0, 0.49, 0.5], [1.0, np.nan, -1.0]], np.float32)
    assert decode_rle(encode_rle(mask)).tolist() == [[0, 0, 1], [1, 1, 0]]


@pytest.mark.parametrize("mask", [[], [[]], [1, 0], np.zeros((2, 2, 1)), [["a"]], np.array([[None]])])
def test_what_is_no_mask_is_refused(mask):
    with pytest.raises(ValueError, match=r"a mask has to be an array \(height, width\) of numbers"):
        encode_rle(mask)


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ({"counts": "4"}, r"size of RLE has to be \[height, width\], two whole numbers of 1 or more, not None"),
        ({"size": [0, 4], "counts": "0"}, "whole numbers of 1 or more"),
        ({"size": [2.0, 2], "counts": "4"}, "whole numbers of 1 or more"),
        ({"size": [True, 2], "counts": "2"}, "whole numbers of 1 or more"),
        ({"size": [2], "counts": "2"}, "whole numbers of 1 or more"),
        ({"size": [10**9, 10**9], "counts": [10**18]}, "at most 67108864 pixels are read"),
        ({"size": [2, 2]}, "have to be a text, or a list of whole numbers"),
        ({"size": [2, 2], "counts": [1.0, 3.0]}, "a list of whole numbers"),
        ({"size": [2, 2], "counts": [[1], [3]]}, "a list of whole numbers"),
        ({"size": [2, 2], "counts": [10**30]}, "a list of whole numbers"),
        ({"size": [2, 2], "counts": {"a": 4}}, "a list of whole numbers"),
        ({"size": [2, 2], "counts": [1, 2]}, "4 together, which is size 2 x 2"),
        ({"size": [2, 2], "counts": [5, -1]}, "0 or more, and 4 together"),
        ({"size": [2, 2], "counts": np.array([2**63, 2**63, 4], np.uint64)}, "4 together"),
        ({"size": [2, 2], "counts": "3"}, "4 together"),
        ({"size": [2, 2], "counts": ""}, "are empty, have letters that do not belong there, or are cut off"),
        ({"size": [2, 2], "counts": "4P"}, "are cut off"),
        ({"size": [2, 2], "counts": "4 "}, "letters that do not belong there"),
        ({"size": [2, 2], "counts": "é"}, "letters that do not belong there"),
        ({"size": [2, 2], "counts": "P" * 20 + "0"}, "a number is too long"),
    ],
)
def test_rle_that_is_wrong_is_refused(rle, message):
    with pytest.raises(ValueError, match=message):
        decode_rle(rle)


@given(st.text(st.characters(min_codepoint=47, max_codepoint=112)), st.integers(1, 50), st.integers(1, 50))
def test_any_text_is_a_mask_or_refused(counts, height, width):
    try:
        mask = decode_rle({"size": [height, width], "counts": counts})
    except ValueError:
        return
    assert mask.shape == (height, width)
    assert np.array_equal(decode_rle(encode_rle(mask)), mask)


def points(least):
    """Make corners of polygons: simple ones and such that cross themselves."""
    number = st.floats(-60, 60, allow_nan=False)
    return st.lists(st.tuples(number, number), min_size=least, max_size=12)


@given(points(3))
def test_a_polygon_covers_what_opencv_covers_but_for_its_edge(corners):
    box = Box(-20, -10, 50, 40)
    ours = polygon_mask(corners, box)
    # OpenCV moves what is cut off at the edge of an image: this one is so large that nothing is
    fixed = np.rint((np.array(corners) + 99.5) * 64).astype(np.int32)
    theirs, edge = np.zeros((2, 200, 200), np.uint8)
    cv2.fillPoly(theirs, [fixed], 1, shift=6)
    cv2.polylines(edge, [fixed], True, 1, thickness=3, shift=6)
    theirs, edge = theirs[90:130, 80:130], edge[90:130, 80:130]
    assert ours.shape == theirs.shape
    assert np.array_equal(ours[edge == 0], theirs[edge == 0])


@given(points(4), st.integers(0, 8))
def test_polygons_that_share_an_edge_share_no_pixel_and_leave_none_out(corners, cut):
    cut = 1 + cut % (len(corners) - 3)  # a diagonal, from the first corner to one that is not beside it
    box = Box(-60, -60, 120, 120)
    whole = polygon_mask(corners, box)
    first = polygon_mask(corners[: cut + 2], box)
    second = polygon_mask([corners[0], *corners[cut + 1 :]], box)
    assert np.array_equal(whole, first ^ second)


@pytest.mark.parametrize(
    ("box", "shape"), [(Box(10, 20, 4, 2), (2, 4)), (Box(10, 20, 3.2, 0), (1, 4)), (Box(0, 0, 1e7, 10), (10, 4096))]
)
def test_a_polygon_around_its_box_covers_all_of_it(box, shape):
    left, top, right, bottom = box.left - 1, box.top - 1, box.left + box.width + 1, box.top + box.height + 1
    mask = polygon_mask([(left, top), (right, top), (right, bottom), (left, bottom)], box)
    assert mask.shape == shape
    assert mask.dtype == np.uint8
    assert mask.all()


def test_a_polygon_beside_its_box_covers_nothing_and_half_of_it_half():
    box = Box(0, 0, 8, 8)
    assert not polygon_mask([(20, 0), (30, 0), (25, 9)], box).any()
    assert polygon_mask([(-1e300, -1), (4, -1), (4, 9), (-1e300, 9)], box).sum(axis=0).tolist() == [8] * 4 + [0] * 4


@pytest.mark.parametrize("corners", [[], [(0, 0), (1, 1)], [0, 1, 2], [(0, 0, 0)] * 3, [("a", "b")] * 3])
def test_what_is_no_polygon_is_refused(corners):
    with pytest.raises(ValueError, match=r"a list of three or more \[x, y\]"):
        polygon_mask(corners, Box(0, 0, 4, 4))


@pytest.mark.parametrize(
    ("corner", "box"), [(float("nan"), Box(0, 0, 4, 4)), (float("inf"), Box(0, 0, 4, 4)), (0.0, Box(0, 0, float("nan"), 4))]
)
def test_a_polygon_that_is_not_finite_is_refused(corner, box):
    with pytest.raises(ValueError, match="have to be finite numbers"):
        polygon_mask([(0, 0), (1, 1), (corner, 0)], box)


def test_numpy_is_imported_when_it_is_used():
    code = "import sys, empycustom.model.masks; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
