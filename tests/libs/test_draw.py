"""empycustom.libs.draw: what it changes in the pixels, in every format, and what it leaves alone."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from drawn import FLAT, found, play

import empycustom
from empycustom.frames.formats import FORMATS
from empycustom.libs import draw
from empycustom.libs.draw.canvas import DRAWABLE
from empycustom.libs.draw.text import Template, attribute_lines

PLAIN = {"text": "", "attributes": [], "tail": 0}
BLUE, ORANGE, GREEN = draw.COLOURS[:3]
SHAPES = {"mask": np.array([[1, 0], [1, 1]], np.uint8), "keypoints": np.array([[20, 30, 0.9], [60, 80, 0.9]], np.float32)}


def one(objects, options=None, **more):
    """Return the first plane of a frame with objects."""
    return play(draw, [objects], PLAIN if options is None else options, **more)[0][0][0]


def changed(objects, options=None, **more):
    """Return which pixels were changed."""
    return (one(objects, options, **more) != FLAT).any(axis=2)


def test_a_box_is_around_its_object_and_what_is_inside_stays():
    there = changed([found(40, 60, 50, 80)])
    assert there[60:140, [40, 89]].all()
    assert there[[60, 139], 40:90].all()
    assert not there[65:135, 45:85].any()
    there[57:143, 37:93] = False
    assert not there.any()


def test_a_frame_without_objects_is_not_touched():
    _, same = play(draw, [[found(40, 60, 50, 80)], []])
    assert np.array_equal(same[0][0], FLAT)


@pytest.mark.parametrize("pixel_format", DRAWABLE)
def test_every_format_that_can_be_drawn_on_shows_the_same_picture(pixel_format):
    """Converted to RGB by GStreamer, what was drawn differs from a picture drawn on RGB by what the conversion loses."""
    objects = [found(40, 60, 48, 80, object_id=1, **SHAPES), found(140, 40, 100, 60, object_id=2, rotation=0.5)]
    planes = play(draw, [objects], PLAIN, pixel_format=pixel_format)[0][0]
    rgb, there = one(objects), changed(objects)
    letters = "".join(plane.components for plane in FORMATS[pixel_format].planes)
    if "R" in letters:
        stacked = np.dstack(planes)
        assert np.array_equal(stacked[..., [letters.index(letter) for letter in "RGB"]], rgb)
    else:
        luma = rgb @ np.array([0.299, 0.587, 0.114])
        luma = luma if pixel_format == "GRAY8" else luma * 219 / 255 + 16
        assert np.abs(planes[0].astype(float) - luma)[there].max() < 3
        for letter, (red, green, blue) in (("U", (-0.169, -0.331, 0.5)), ("V", (0.5, -0.419, -0.081))):
            if letter in letters:
                chroma = cv2.resize(rgb.astype(np.float32), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
                expected = chroma @ np.array([red, green, blue]) * 224 / 255 + 128
                plane = next(p for p, f in zip(planes, FORMATS[pixel_format].planes, strict=True) if letter in f.components)
                plane = plane if plane.ndim == 2 else plane[..., FORMATS[pixel_format].planes[1].components.index(letter)]
                plane = cv2.resize(plane.astype(np.float32), chroma.shape[1::-1], interpolation=cv2.INTER_AREA)
                assert np.corrcoef(plane.ravel(), expected.ravel())[0, 1] > 0.8


@pytest.mark.parametrize("pixel_format", sorted(set(FORMATS) - set(DRAWABLE)))
def test_a_format_that_cannot_be_drawn_on_is_an_error_that_names_the_conversion(pixel_format):
    with pytest.raises(empycustom.EmPyCustomError, match=f"format {pixel_format}: put videoconvert ! 'video/x-raw,format=RGBA'"):
        one([found(40, 60, 50, 80)], pixel_format=pixel_format)


def test_a_mask_is_half_transparent_and_stretched_over_its_box():
    drawn = one([found(40, 60, 40, 80, mask=SHAPES["mask"])], {**PLAIN, "boxes": False})
    mixed = (FLAT[0, 0] / 2 + np.array(BLUE) / 2).astype(int)
    assert np.abs(drawn[65:95, 42:58].astype(int) - mixed).max() <= 1
    assert np.abs(drawn[105:138, 42:78].astype(int) - mixed).max() <= 1
    assert np.array_equal(drawn[60:90, 66:80], FLAT[60:90, 66:80])
    drawn[60:140, 40:80] = FLAT[0, 0]
    assert np.array_equal(drawn, FLAT)


def test_a_turned_box_is_drawn_clockwise():
    there = changed([found(100, 70, 120, 40, rotation=np.pi / 6)])
    turned = np.array([[np.cos(np.pi / 6), -np.sin(np.pi / 6)], [np.sin(np.pi / 6), np.cos(np.pi / 6)]])
    for corner in ((-60, -20), (60, -20), (60, 20), (-60, 20)):
        x, y = turned @ corner + (160, 90)
        assert there[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3].any()
    assert not there[70, 110:130].any(), "nothing is at the upright box"
    assert not there[88:92, 150:170].any()


def test_keypoints_below_the_limit_and_their_lines_are_left_out():
    points = np.array([[50, 50, 0.9], [100, 50, 0.9], [150, 50, 0.1], [np.nan, 3, 1]], np.float32)
    one_object = [found(40, 40, 120, 60, keypoints=points, skeleton=[[0, 1], [1, 2], [2, 3], [0, 9]])]
    there = changed(one_object, {**PLAIN, "boxes": False})
    assert there[50, 50:101].all()
    assert not there[:, 110:].any()
    assert changed(one_object, {**PLAIN, "boxes": False, "min_confidence": 0.05})[50, 50:151].all()


def test_points_of_small_objects_are_small():
    areas = []
    for size in (40, 170):
        one_object = [found(4, 4, size, size, keypoints=[[90, 90, 1]])]
        areas.append(changed(one_object, {**PLAIN, "boxes": False, "thickness": 3}).sum())
    assert 0 < areas[0] < areas[1] / 3


def test_a_tail_follows_a_track_and_is_forgotten():
    scenes = [[found(20 + 20 * n, 40, 20, 40, object_id=5)] for n in range(5)] + [[]] * 4 + [[found(20, 40, 20, 40, object_id=5)]]
    options = {**PLAIN, "tail": 3, "boxes": False}
    frames = [(planes[0] != FLAT).any(axis=2) for planes, _ in play(draw, scenes, options)]
    assert not frames[0].any(), "one place is not a tail"
    assert frames[4][80, 70:110].all()
    assert not frames[4][:, :66].any(), "older than three frames"
    assert not frames[5].any(), "it is not there at present"
    assert not frames[9].any(), "it was gone for longer than a tail"


@pytest.mark.parametrize(
    "about",
    [{"source": ["a", "a", "b", "b"]}, {"stream_time": [0, 10**9, 0, 10**9]}, {"stream_time": [-1] * 4, "buf_pts": [-1] * 4}],
)
def test_another_source_or_a_time_that_goes_back_has_no_tail_of_before(about):
    def process_ip(io_buffer, in_meta, options):
        frame = in_meta["frame"][0]
        frame |= {key: values[frame["frame_num"]] for key, values in about.items()}
        return draw.process_ip(io_buffer, in_meta, options)

    library = SimpleNamespace(start=draw.start, process_ip=process_ip, stop=draw.stop, OPTIONS=draw.OPTIONS)
    scenes = [[found(20 + 40 * n, 40, 20, 40, object_id=5)] for n in range(4)]
    frames = [(planes[0] != FLAT).any() for planes, _ in play(library, scenes, {**PLAIN, "tail": 9, "boxes": False})]
    assert frames == [False, True, "source" not in about and about["stream_time"][0] == -1, True]


def test_colours_are_those_of_tracks_or_of_classes():
    objects = [found(20, 60, 40, 60, object_id=1), found(120, 60, 40, 60, object_id=2)]
    drawn = one(objects)
    assert [tuple(drawn[90, 20]), tuple(drawn[90, 120])] == [ORANGE, GREEN]
    drawn = one(objects, {**PLAIN, "color_by": "class"})
    assert [tuple(drawn[90, 20]), tuple(drawn[90, 120])] == [BLUE, BLUE]


def test_labels_are_inside_of_the_frame_and_on_the_colour_of_their_object():
    for left, top in ((40, 60), (0, 0), (300, 0), (300, 160), (-30, 100)):
        drawn = one([found(left, top, 50, 40, object_id=0)], {**PLAIN, "text": "some one", "boxes": False})
        ground = (drawn == BLUE).all(axis=2)
        rows, columns = np.nonzero(ground)
        assert ground[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].mean() > 0.6, "with its text in it"
        assert (drawn < 60).all(axis=2).any(), "black text"
    assert np.array_equal(one([found(400, 60, 50, 40)], {**PLAIN, "text": "beside"}), FLAT)


def test_attributes_of_objects_and_of_the_frame_are_written_below_and_at_the_top():
    objects = [found(40, 60, 50, 40, emcustom={"speed": 3.14159, "embedding": [0.1] * 512})]
    there = changed(objects, {**PLAIN, "attributes": ["*"], "boxes": False}, attributes={"people": 2})
    assert there[102:116, 42:80].mean() > 0.9
    assert there[0:12, 0:30].mean() > 0.9
    assert not changed(objects, {**PLAIN, "attributes": ["none*"], "boxes": False}).any()
    geometry = found(40, 60, 48, 80, rotation=0.5, unique_id=3, parent_id=4, embedding=np.ones(3, np.float32))
    assert not changed([geometry], {**PLAIN, "attributes": ["*"], "boxes": False}).any(), "what is no attribute is not written"


def test_zones_are_drawn_with_their_counts():
    zones = [
        {"name": "yard", "kind": "polygon", "points": [[20, 80], [120, 80], [120, 160], [20, 160]], "inside": 3},
        {"name": "gate", "kind": "line", "points": [[200, 60], [200, 160]], "in": 1, "out": 2},
    ]
    there = changed([], {**PLAIN}, attributes={"zones": zones})
    assert there[80, 20:120].all()
    assert there[80:160, 20].all(), "a polygon is closed"
    assert there[60:160, 200].all()
    assert there[66:78, 22:60].mean() > 0.9, "its name and count are above"
    assert not changed([], {**PLAIN, "zones": False}, attributes={"zones": zones}).any()
    assert not changed([], PLAIN, attributes={"zones": ["yard"]}).any(), "an attribute of this name that is another's"


ODD = [
    found(float("nan"), 0, 10, 10),
    found(float("inf"), 0, 10, 10),
    found(10, 10, -5, 10),
    {**found(10, 10, 20, 20), "rect_params": {}},
    found(10, 10, 20, 20, rotation=float("nan")),
]


@pytest.mark.parametrize("obj", ODD)
def test_an_object_without_a_place_is_named_once_and_the_others_are_drawn(obj, caplog):
    with caplog.at_level(logging.WARNING):
        (first, _), (second, _) = play(draw, [[obj, found(40, 60, 50, 80)]] * 2)
    assert np.array_equal(first[0], second[0])
    assert not np.array_equal(first[0], FLAT)
    assert caplog.text.count("an object is not drawn") == 1


@pytest.mark.parametrize("size", [(320, 180), (1, 1), (7, 5), (33, 2000)])
@pytest.mark.parametrize("pixel_format", ["RGB", "NV12"])
def test_nothing_is_too_large_too_small_too_many_or_too_strange(size, pixel_format):
    rng = np.random.default_rng(0)
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    texts = ["", "x" * 5000, "line\nline", "\ud800\x00\x1b[31m", "人 שלום Ünï", "{}%s"]
    huge = [
        found(
            *rng.normal(0, scale, 2),
            *abs(rng.normal(0, scale, 2)),
            rotation=turn,
            obj_label=text,
            mask=np.eye(3),
            object_id=number,
        )
        for number, (scale, turn, text) in enumerate((s, t, x) for s in (1, 1e3, 1e6, 1e12) for t in (0, 1.0) for x in texts)
    ]
    far = {"keypoints": np.array([[1e9, -1e9, 1], [-1e9, 5, 1]]), "skeleton": [[0, 1]]}
    many = [found(*rng.uniform(0, 300, 2), 10, 20, object_id=n, **far) for n in range(1000)]
    zones = {"zones": [{"points": [[-1e9, 0], [1e9, 1e9], [5, 5]], "inside": 1}, {"points": []}, {"points": [[0, 0], [0, 0]]}]}
    assert len(play(draw, [huge, many, huge], picture=picture, pixel_format=pixel_format, attributes=zones)) == 3


def test_a_large_frame_has_thicker_lines_and_larger_text_than_a_small_one():
    covered = []
    for height in (180, 720, 2160):
        width = height * 16 // 9
        picture = np.full((height, width, 3), 100, np.uint8)
        drawn = one([found(width / 4, height / 4, width / 2, height / 2)], {"tail": 0}, picture=picture)
        covered.append((drawn != 100).any(axis=2).mean())
    assert covered[0] > covered[1] > 0.8 * covered[2], "a small one needs a larger part for what can be read"
    assert covered[2] > 0.5 * covered[1]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("{obj_label} {object_id} {confidence:.0%}", ["person 90%"]),
        ("{obj_label} {classifier} {confidence:.0%}", ["person coat, red 90%"]),
        ("#{object_id} {obj_label}", ["person"]),
        ("{emcustom.age} {age} {nothing}", ["41 41"]),
        ("{classifier[1].label_info[0][result_label]:>4} {obj_label:.2f}\n{rect_params.left:.1f}", [" red person", "4.0"]),
        ("it's {{x}}\n\n{nix}", ["it's {x}"]),
        ("", []),
    ],
)
def test_words_of_a_template_that_have_no_value_are_left_out(text, written):
    obj = found(
        4, 5, 6, 7, emcustom={"age": 41}, classifier=[{"label_info": [{"result_label": each}]} for each in ("coat", "red")]
    )
    assert Template(text).fill(obj) == written


@pytest.mark.parametrize("text", ["{", "{}", "{obj_label", "{ } x"])
def test_a_template_that_cannot_be_read_is_an_error_at_the_start(text):
    with pytest.raises(empycustom.errors.OptionError, match=r"py: the option text cannot be read: ") as caught:
        one([], {"text": text})
    assert (caught.value.option, caught.value.details) == ("text", "")


def test_attributes_are_lines_of_those_that_match():
    attributes = {"age": 41, "pose": {"yaw": 0.25, "name": "x"}, "list": [1, 2], "long": list(range(9)), "more": [{"a": 1}]}
    assert attribute_lines(attributes, ["*"]) == ["age 41", "pose.yaw 0.25", "pose.name x", "list 1, 2"]
    assert attribute_lines(attributes, ["pose.*"]) == ["pose.yaw 0.25", "pose.name x"]
    assert attribute_lines(attributes, ["more"]) == ["more {'a': 1}"]
    assert attribute_lines("text", ["*"]) == ["text"]
    assert attribute_lines(attributes, []) == []


def test_a_field_that_no_object_had_is_named_at_the_end(caplog):
    play(draw, [[found(4, 5, 6, 7)]], {"text": "{obj_label} {object_id} {plaet}"})
    assert "no object had plaet, which the option text asks for" in caplog.text
    assert "object_id" not in caplog.text


def test_a_font_that_is_not_there_is_an_error_and_a_character_that_a_font_lacks_a_warning(caplog):
    with pytest.raises(empycustom.EmPyCustomError, match=r"the option font: no/such\.ttf cannot be read: cannot open resource"):
        one([], {"font": "no/such.ttf"})
    play(draw, [[found(40, 60, 50, 80, obj_label="\u4eba\U0010ffff\u0e01")]] * 2)
    assert caplog.text.count("set the option font to the file of one that has it") == 1


def test_a_library_with_the_name_of_the_package_is_found_by_the_elements():
    """As others name it, and twice in a pipeline: each has its own tails and options."""

    def find(_buffer, _in_meta, _options):
        return {"frame": [{"new_object": [found(40, 60, 50, 80)]}]}

    name = "empycustom.libs.draw"
    options = [{}, {**PLAIN, "boxes": False, "text": "a"}, {**PLAIN, "objects": ["car"]}]
    with empycustom.process([FLAT], [find, name, name], options=options) as results:
        there = (next(results).pixels != FLAT).any(axis=2)
    assert there[:60].any()
    assert not there[62:].any()
