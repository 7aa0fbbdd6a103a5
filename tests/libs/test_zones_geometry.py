"""The geometry of zones: who is in a polygon, and exactly when a point crosses a line."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import supervision as sv
from hypothesis import assume, given
from hypothesis import strategies as st
from scenes import Called, box, frame

from empycustom.libs import zones

whole = st.integers(-20, 20)
points = st.tuples(whole, whole)
walks = st.lists(points, min_size=2, max_size=12)
lines = st.tuples(points, points).filter(lambda line: line[0] != line[1])


def turn(a, b, p):
    return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])


def in_polygon(polygon, point):
    return bool(zones.inside(np.array([point], float), np.array(polygon, float))[0])


@given(points, points, points, points)
def test_a_point_is_in_a_triangle_exactly_when_it_is_on_the_same_side_of_all_edges(a, b, c, point):
    assume(turn(a, b, c))
    turns = [turn(a, b, point), turn(b, c, point), turn(c, a, point)]
    assert in_polygon([a, b, c], point) == (min(turns) >= 0 or max(turns) <= 0)


@given(st.lists(points, min_size=4, max_size=8), points)
def test_a_polygon_is_the_exclusive_sum_of_its_triangles(polygon, point):
    triangles = [(polygon[0], polygon[i], polygon[i + 1]) for i in range(1, len(polygon) - 1)]
    edges = [(t[i], t[(i + 1) % 3]) for t in triangles for i in range(3)]
    assume(point not in polygon and all(turn(a, b, point) for a, b in edges if a != b))  # on no edge, drawn or not
    assert in_polygon(polygon, point) == (sum(in_polygon(t, point) for t in triangles if turn(*t)) % 2 == 1)


@given(st.lists(points, min_size=3, max_size=8), st.integers(0, 7), st.integers(0, 4))
def test_corners_and_points_on_an_edge_belong_to_the_polygon(polygon, corner, quarter):
    a, b = np.array(polygon[corner % len(polygon)]), np.array(polygon[(corner + 1) % len(polygon)])
    assert in_polygon(polygon, a + (b - a) * quarter / 4)  # exact: quarters of small whole numbers


def crossings(line, walk):
    """The reference, by fractions: +1 and -1 where a walk leaves the line on the other side, between the ends of the line."""
    a, b = line
    length = (b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2
    found, side, last = [], 0, None
    for point in walk:
        now = turn(a, b, point)
        if now and side and (now > 0) != (side > 0):
            before = turn(a, b, last)
            part = Fraction(before, before - now)
            meets = [last[i] + part * (point[i] - last[i]) for i in (0, 1)]
            along = sum((meets[i] - a[i]) * (b[i] - a[i]) for i in (0, 1)) / length
            if 0 <= along <= 1:
                found.append(-1 if now > 0 else 1)
        side, last = now or side, point
    return found


def counted(zone, walk, **options):
    """What zones counts: the directions of the events, and its totals."""
    library = Called("zones", zones=[zone], **options)
    directions, results = [], []
    for number, point in enumerate(walk):
        results += library(frame(number, box(*point, object_id=7), source_frame_width=100, source_frame_height=100))
        directions += [1 if event["direction"] == "in" else -1 for event in results[-1]["meta"].get("events", [])]
    return directions, results


def shifted(place):
    return (place[0] + 50, place[1] + 50)  # so that a zone with small numbers is one in pixels


@given(lines, walks)
def test_a_point_crosses_exactly_when_it_leaves_the_line_on_the_other_side(line, walk):
    line, walk = [shifted(each) for each in line], [shifted(each) for each in walk]
    directions, results = counted({"name": "a", "line": line}, walk)
    assert directions == crossings(line, walk)
    total = results[-1]["meta"]["zones"][0]
    assert (total["in"], total["out"]) == (directions.count(1), directions.count(-1))


@given(lines, walks)
def test_a_line_with_its_ends_exchanged_counts_the_other_way(line, walk):
    line, walk = [shifted(each) for each in line], [shifted(each) for each in walk]
    there, _ = counted({"name": "a", "line": line}, walk)
    back, _ = counted({"name": "a", "line": line[::-1]}, walk)
    assert back == [-direction for direction in there]


@given(st.lists(points, min_size=3, max_size=6), walks)
def test_who_went_in_and_did_not_come_out_is_inside(polygon, walk):
    polygon, walk = [shifted(each) for each in polygon], [shifted(each) for each in walk]
    assume(np.linalg.matrix_rank(np.array(polygon) - polygon[0]) == 2)
    _, results = counted({"name": "a", "polygon": polygon}, walk)
    first, last = (result["meta"]["zones"][0] for result in (results[0], results[-1]))
    assert first["inside"] + last["in"] - last["out"] == last["inside"]
    assert [bool(result["object"][0].get("zones")) for result in results] == [in_polygon(polygon, point) for point in walk]


@given(walks, st.integers(1, 4))
def test_who_touches_a_line_for_fewer_frames_than_asked_for_has_not_crossed(walk, min_frames):
    line, walk = [(0, 50), (100, 50)], [shifted(each) for each in walk]
    directions, _ = counted({"name": "a", "line": line}, walk, min_frames=min_frames)
    sides = [int(np.sign(50 - y)) for _, y in walk]
    settled, expected, run = 0, [], 0
    for side in sides:
        run = run + 1 if side and settled and side != settled else 0
        settled = settled or side
        if run == min_frames:
            settled, run = side, 0
            expected.append(side)
    assert directions == expected


@given(lines, walks)
def test_parts_of_the_frame_and_pixels_count_the_same(line, walk):
    line, walk = [shifted(each) for each in line], [shifted(each) for each in walk]
    parts = [[x / 100, y / 100] for x, y in line]
    assert counted({"name": "a", "line": parts}, walk)[0] == counted({"name": "a", "line": line}, walk)[0]


@pytest.mark.parametrize("end", [(0, 50), (100, 50)])
def test_the_ends_of_a_line_belong_to_it(end):
    (x, y), line = end, {"name": "a", "line": [[0, 50], [100, 50]]}
    assert counted(line, [(x, y + 5), (x, y - 5)])[0] == [1]
    beyond = -1 if x == 0 else 1
    assert counted(line, [(x + beyond, y + 5), (x + beyond, y - 5)])[0] == []


def test_left_of_the_line_is_in():
    """As seen from its first point to its second, on the screen, where y grows downwards."""
    assert counted({"name": "a", "line": [[0, 50], [100, 50]]}, [(50, 60), (50, 40)])[0] == [1]
    assert counted({"name": "a", "line": [[50, 0], [50, 100]]}, [(40, 50), (60, 50)])[0] == [1]


beside_the_line = st.tuples(st.integers(30, 70).filter(lambda x: x != 50), st.integers(31, 69))


@given(st.lists(beside_the_line, min_size=2, max_size=12), st.booleans())
def test_supervision_counts_the_same(walk, down):
    """Where no point lies on the line or beyond its ends, for which its rules are others."""
    line = [(50, 30), (50, 70)] if down else [(50, 70), (50, 30)]
    theirs = sv.LineZone(sv.Point(*line[0]), sv.Point(*line[1]), [sv.Position.BOTTOM_CENTER])
    for x, y in walk:
        theirs.trigger(sv.Detections(np.array([[x - 3, y - 8, x + 3, y]]), tracker_id=np.array([7])))
    directions, _ = counted({"name": "a", "line": line}, walk)
    assert (theirs.in_count, theirs.out_count) == (directions.count(1), directions.count(-1))


def test_a_turned_box_counts_with_the_upright_box_around_it():
    found = {"rect_params": {"left": 10, "top": 20, "width": 40, "height": 10}, "rotation": np.pi / 2}
    assert zones.points_of([found], "bottom").tolist() == [[30, 45]]
    assert zones.points_of([found], "left").round(9).tolist() == [[25, 25]]
