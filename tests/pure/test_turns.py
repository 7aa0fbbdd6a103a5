"""What is beside the boxes of objects, where frames are scaled, mirrored and turned: mapped by its box as the picture is, point by point."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from empycustom.model.carried import pack, scaled_object, unpack
from empycustom.model.keys import changed_object
from empycustom.model.turns import UNTURNED, Turn, Unclear, turn_between, turned_box

TURNS = [Turn(*each) for each in itertools.product((False, True), repeat=3)]
turns, scales = st.sampled_from(TURNS), st.floats(0.25, 4)


def moved(point, turn, sizes):
    """Return where a point of the picture is afterwards."""
    (width, height), x, y = sizes[0], *point
    if turn.swaps:
        x, y, width, height = y, x, height, width
    x, y = width - x if turn.mirrors_x else x, height - y if turn.mirrors_y else y
    return x * sizes[1][0] / width, y * sizes[1][1] / height


def sizes_after(size, turn, across, down):
    width, height = size[::-1] if turn.swaps else size
    return size, (width * across, height * down)


@st.composite
def boxes(draw, size=(640, 480), least=1):
    left, top = draw(st.integers(0, size[0] - 1)), draw(st.integers(0, size[1] - 1))
    return left, top, draw(st.integers(least, max(size[0] - left, least))), draw(st.integers(least, max(size[1] - top, least)))


def rect(box):
    return dict(zip(("left", "top", "width", "height"), box, strict=True))


def corners_of(found):
    left, top, width, height = found["rect_params"].values()
    angle = found.get("rotation", 0)
    for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        across, down = x * width / 2, y * height / 2
        yield (
            left + width / 2 + across * math.cos(angle) - down * math.sin(angle),
            top + height / 2 + across * math.sin(angle) + down * math.cos(angle),
        )


@given(boxes(), turns, scales, scales, st.lists(st.tuples(st.floats(-50, 700), st.floats(-50, 700)), min_size=1, max_size=5))
def test_points_are_where_the_picture_is(box, turn, across, down, points):
    sizes = sizes_after((640, 480), turn, across, down)
    found = {"rect_params": rect(box), "keypoints": np.array([(*point, 0.5) for point in points], np.float32)}
    there = {"rect_params": rect(turned_box(box, turn, sizes))}
    unpack(pack(found, box), there, turn=turn)
    wanted = [moved(point, turn, sizes) for point in points]
    assert there["keypoints"][:, :2] == pytest.approx(np.array(wanted), abs=0.05)
    assert (there["keypoints"][:, 2] == 0.5).all()


@given(boxes(), turns, scales, scales, st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**25 - 1))
def test_each_pixel_of_a_mask_is_where_the_picture_is(box, turn, across, down, rows, columns, bits):
    mask = np.array([bits >> n & 1 for n in range(rows * columns)], np.uint8).reshape(rows, columns)
    sizes = sizes_after((640, 480), turn, across, down)
    there = {"rect_params": rect(turned_box(box, turn, sizes))}
    unpack(pack({"rect_params": rect(box), "mask": mask}), there, turn=turn)
    left, top, width, height = there["rect_params"].values()
    for row, column in np.ndindex(mask.shape):
        middle = box[0] + (column + 0.5) * box[2] / columns, box[1] + (row + 0.5) * box[3] / rows
        x, y = moved(middle, turn, sizes)
        place = int((y - top) / height * there["mask"].shape[0]), int((x - left) / width * there["mask"].shape[1])
        assert there["mask"][place] == mask[row, column]


@given(boxes(), turns, scales, st.floats(-7, 7))
def test_corners_of_a_turned_box_are_where_the_picture_is(box, turn, scale, angle):
    sizes = sizes_after((640, 480), turn, scale, scale)
    found = {"rect_params": rect(box), "rotation": angle}
    there = {"rect_params": rect(turned_box(box, turn, sizes))}
    unpack(pack(found), there, turn=turn)
    wanted = sorted(moved(corner, turn, sizes) for corner in corners_of(found))
    assert np.array(sorted(corners_of(there))) == pytest.approx(np.array(wanted), abs=1e-3 * max(box[2:]) + 1e-3) or all(
        min(math.dist(one, other) for other in wanted) < 0.01 * max(1, scale) for one in corners_of(there)
    )


@given(boxes(least=8), scales, scales, st.floats(-math.tau, math.tau))
def test_a_turned_box_keeps_its_middle_its_area_and_its_side_across(box, across, down, angle):
    """The picture of it is a parallelogram, where it is scaled by two factors."""
    found = {"rect_params": rect(box), "rotation": angle}
    there = {"rect_params": rect([box[0] * across, box[1] * down, box[2] * across, box[3] * down])}
    unpack(pack(found), there)
    left, top, width, height = there["rect_params"].values()
    assert left + width / 2 == pytest.approx((box[0] + box[2] / 2) * across, abs=1e-6)
    assert top + height / 2 == pytest.approx((box[1] + box[3] / 2) * down, abs=1e-6)
    assert width * height == pytest.approx(box[2] * box[3] * across * down)
    scaled = scaled_object(found, (across, down))
    first, second = list(corners_of(scaled))[:2]
    x, y = math.cos(angle) * box[2] * across, math.sin(angle) * box[2] * down
    assert (second[0] - first[0], second[1] - first[1]) == pytest.approx((x, y), abs=1e-6)
    if abs(angle) < math.tau - math.pi / 2:
        assert scaled["rotation"] == pytest.approx(angle, abs=math.pi / 2), "and is not turned once around"
    assert changed_object({"rotation": scaled["rotation"]}, ""), "and is an angle that a library may return as it is"
    assert changed_object({"rotation": there["rotation"]}, "")


@given(st.lists(boxes(), min_size=1, max_size=4), turns, scales, scales, st.lists(st.integers(-1, 0), min_size=4, max_size=4))
def test_how_a_picture_was_turned_is_found_or_in_doubt(before, turn, across, down, off):
    """Boxes are whole pixels, which GStreamer rounds down, and a pixel off where it turns them."""
    sizes = sizes_after((640, 480), turn, across, down)
    now = [tuple(math.floor(side) + more for side, more in zip(turned_box(box, turn, sizes), off, strict=True)) for box in before]
    near = 3.5 * max(1, across, down)  # what is told and what is there are at most two pixels apart, of the coarser picture
    try:
        told = turn_between(list(zip(before, now, strict=True)), sizes)
    except Unclear:
        others = [other for other in TURNS if fits(before, other, turn, sizes, 2 * near)]
        assert len(others) > 1, "several turns put the boxes to the same places"
        return
    if told is not None and told != turn:
        assert fits(before, told, turn, sizes, near), "another turn puts the boxes to the same places"
    elif told is None:
        assert any(
            math.floor(side) + more < side - 1.5
            for box in before
            for side, more in zip(turned_box(box, turn, sizes), off, strict=True)
        )


def fits(before, told, turn, sizes, near):
    return all(
        abs(one - other) <= near
        for box in before
        for one, other in zip(turned_box(box, told, sizes), turned_box(box, turn, sizes), strict=True)
    )


def test_a_crop_is_no_turn_and_a_box_in_the_middle_says_nothing():
    size = ((100, 100), (100, 100))
    assert turn_between([((10, 10, 20, 20), (3, 4, 20, 20))], ((100, 100), (90, 90))) is None
    assert turn_between([((40, 10, 20, 20), (40, 10, 20, 20))], size) == UNTURNED
    with pytest.raises(Unclear):  # upside down; mirrored as well, perhaps
        turn_between([((40, 10, 20, 20), (40, 70, 20, 20))], size)
