"""empycustom.libs.privacy: what cannot be seen afterwards, in every format, and what stays."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from drawn import found, play

import empycustom
from empycustom.frames.formats import FORMATS
from empycustom.libs import privacy

SNOW = np.repeat(np.random.default_rng(0).integers(0, 256, (180, 320, 1), np.uint8), 3, axis=2)
PERSON, CAR = found(41, 61, 51, 79), found(200, 60, 60, 80, obj_label="car", class_id=2)


def hidden(objects, options=None, pixel_format="RGB", picture=SNOW):
    """Return the planes before and after, and what is returned for the objects."""
    (before, _), (after, returned) = play(privacy, [[], objects], options, pixel_format=pixel_format, picture=picture)
    return before, after, returned


@pytest.mark.parametrize("mode", ["blur", "pixelate", "fill"])
@pytest.mark.parametrize("pixel_format", FORMATS)
def test_a_person_is_hidden_in_every_plane_and_nothing_else(pixel_format, mode):
    before, after, returned = hidden([PERSON, CAR], {"mode": mode, "grow": 0}, pixel_format)
    assert returned == [{"hidden": True}, {}]
    for plane, was, now in zip(FORMATS[pixel_format].planes, before, after, strict=True):
        inside = np.zeros(was.shape[:2], bool)
        (top, bottom), (left, right) = plane.rows(61, 140), plane.columns(41, 92)
        inside[top:bottom, left:right] = True
        around = np.zeros_like(inside)
        (top, bottom), (left, right) = plane.rows(60, 141), plane.columns(40, 93)
        around[top - 1 : bottom + 1, left - 1 : right + 1] = True
        assert np.array_equal(was[~around], now[~around])
        if "Y" in plane.components or "R" in plane.components:  # the snow has no colours, so that chroma is flat
            varies = was[inside].astype(float).std(axis=0), now[inside].astype(float).std(axis=0)
            known = slice(None) if was.ndim == 2 else [place for place, spread in enumerate(varies[0]) if spread > 0]
            assert (np.atleast_1d(varies[1])[known] < 0.25 * np.atleast_1d(varies[0])[known]).all()


def test_a_colour_fills_with_the_same_colour_in_every_format():
    for pixel_format in ("RGBA", "BGR", "I420", "YUY2", "GRAY8"):
        _, after, _ = hidden([PERSON], {"mode": "fill", "color": "#d55e00"}, pixel_format)
        gray = round(0.299 * 0xD5 + 0.587 * 0x5E)
        luma = round(16 + 219 * (0.299 * 0xD5 + 0.587 * 0x5E) / 255)
        expected = {"RGBA": [0xD5, 0x5E, 0, 255], "BGR": [0, 0x5E, 0xD5], "YUY2": [luma], "GRAY8": gray}.get(pixel_format, luma)
        pixel = after[0][100, 60]
        assert np.array_equal(pixel[:1] if pixel_format == "YUY2" else pixel, expected)


def test_a_mask_hides_what_it_covers_and_what_is_near_it():
    mask = np.zeros((4, 4), np.float32)
    mask[:, :2] = 0.9
    was, now, _ = hidden([found(40, 60, 80, 80, mask=mask)], {"grow": 0.05, "mode": "fill"})
    assert (now[0][60:140, 40:82] == 0).all()
    assert np.array_equal(now[0][60:140, 88:120], was[0][60:140, 88:120])


def test_an_empty_mask_hides_the_box():
    _, now, _ = hidden([found(40, 60, 80, 80, mask=np.zeros((4, 4)))], {"mode": "fill"})
    assert (now[0][60:140, 40:120] == 0).all()


@pytest.mark.parametrize(("box", "told"), [((41, 61, 0, 80), 1), ((40, 60, 80, 0), 1), ((5000, 60, 80, 80), 0)])
def test_an_object_of_which_nothing_can_be_seen_is_not_said_to_be_hidden(box, told, caplog):
    _, _, returned = hidden([found(*box), PERSON, found(*box)], {"grow": 0})
    assert returned == [{}, {"hidden": True}, {}]
    assert caplog.text.count("its box has no area") == told


def test_a_turned_box_is_hidden_as_it_is_turned():
    was, now, _ = hidden([found(100, 70, 120, 40, rotation=np.pi / 2)], {"mode": "fill", "grow": 0})
    assert (now[0][32:148, 142:178] == 0).all()
    assert np.array_equal(now[0][70:110, 100:136], was[0][70:110, 100:136])
    assert np.array_equal(now[0][:28], was[0][:28])


def test_more_is_hidden_around_a_box_that_grows():
    _, now, _ = hidden([found(100, 60, 50, 50)], {"mode": "fill", "grow": 0.2})
    assert (now[0][50:120, 90:160] == 0).all()


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["PERSON"], [True, False]),
        (["*"], [True, True]),
        (["2"], [False, True]),
        ([2], [False, True]),
        (["cat", "car"], [False, True]),
    ],
)
def test_labels_are_names_in_any_case_numbers_of_classes_or_all(labels, expected):
    _, _, returned = hidden([PERSON, CAR], {"objects": labels})
    assert [bool(each) for each in returned] == expected


@pytest.mark.parametrize(
    "obj", [found(float("nan"), 0, 10, 10), found(5, 5, 10, 10, mask=np.zeros(7)), found(5, 5, 9, 9, rotation=1e999)]
)
@pytest.mark.parametrize("pixel_format", ["RGB", "I420", "UYVY", "P010_10LE"])
def test_what_cannot_be_hidden_is_an_error(obj, pixel_format):
    with pytest.raises(empycustom.EmPyCustomError, match="ValueError"):
        hidden([PERSON, obj], pixel_format=pixel_format)


@pytest.mark.parametrize(
    "wanted", ["on-error=pass", "process-interval=2", "workers=1 pace=skip", "workers=1 pace=latest", "workers=1 on-error=pass"]
)
def test_settings_by_which_somebody_may_be_seen_are_refused(gst_launch, wanted):
    ended = gst_launch(
        "videotestsrc num-buffers=3 ! video/x-raw,format=RGBA ! "
        f"empycustom custom-lib=empycustom.libs.privacy in-place=true {wanted} ! filesink location=seen.raw"
    )
    assert ended.code != 0
    assert f"{wanted.split()[-1]} lets frames go on that {privacy.__file__} has not worked on" in ended.err


def test_with_on_error_drop_a_frame_that_cannot_be_hidden_does_not_go_on():
    def process_ip(io_buffer, in_meta, options):
        in_meta["frame"][0]["object"] = [found(float("nan") if in_meta["frame"][0]["frame_num"] == 1 else 1, 0, 10, 10)]
        return privacy.process_ip(io_buffer, in_meta, options)

    class Library:
        OPTIONS, MANDATORY, start, stop = privacy.OPTIONS, privacy.MANDATORY, privacy.start, privacy.stop

    Library.process_ip = staticmethod(process_ip)
    with empycustom.process([SNOW] * 3, Library, on_error="drop") as results:
        assert [result.frame_num for result in results] == [0, 2]


@pytest.mark.parametrize("options", [{"objects": []}, {"color": "red"}, {"mode": "hide"}, {"strength": 0}, {"obejcts": ["x"]}])
def test_options_that_would_hide_nothing_are_errors_at_the_start(options):
    with pytest.raises(empycustom.EmPyCustomError, match=next(iter(options))):
        hidden([PERSON], options)


def test_labels_that_no_object_had_are_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        hidden([PERSON, CAR], {"objects": ["persn"]})
    assert "nothing was hidden: the option objects has persn, but the objects were car, person" in caplog.text


@pytest.mark.parametrize("mode", ["blur", "pixelate", "fill"])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4)])
def test_boxes_at_the_edge_beside_the_frame_and_of_any_size_are_hidden(size, mode):
    picture = np.full((size[1], size[0], 3), 200, np.uint8)
    objects = [
        found(-1e9, -1e9, 2e9, 2e9),
        found(500, 500, 10, 10),
        found(0, 0, 0, 0),
        found(-0.5, -0.5, 1, 1),
        found(0, 0, 1, 1, rotation=2),
    ]
    for pixel_format in ("RGB", "NV12", "YUY2"):
        hidden(objects, {"mode": mode}, pixel_format, picture)


def test_options_that_change_while_it_plays_take_effect():
    def process_ip(io_buffer, in_meta, options):
        number = in_meta["frame"][0]["frame_num"]
        in_meta["frame"][0]["object"] = [PERSON]
        return privacy.process_ip(io_buffer, in_meta, {**options, "mode": ["blur", "fill"][number]})

    class Library:
        OPTIONS, start, stop = privacy.OPTIONS, privacy.start, privacy.stop

    Library.process_ip = staticmethod(process_ip)
    with empycustom.process([SNOW] * 2, Library) as results:
        blurred, filled = (result.pixels[90, 60].tolist() for result in results)
    assert blurred != [0, 0, 0] == filled


def test_objects_of_an_earlier_frame_are_a_warning(gst_launch, library):
    found = library(
        "def process_ip(b, m, o):\n"
        "    box = {'left': 1, 'top': 1, 'width': 9, 'height': 9}\n"
        "    return {'frame': [{'new_object': [{'obj_label': 'person', 'rect_params': box}]}]}\n",
        "found.py",
    )
    for pace, told in (("every", 0), ("latest", 1)):
        done = gst_launch(
            "-q videotestsrc is-live=true num-buffers=30 ! video/x-raw,format=RGBA,width=64,height=64,framerate=30/1 ! "
            f"empycustom custom-lib={found} in-place=true workers=1 pace={pace} ! "
            "empycustom custom-lib=empycustom.libs.privacy in-place=true ! fakesink"
        )
        assert done.err.count("a library upstream runs with pace=latest") == told, done.err
