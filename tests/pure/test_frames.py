"""Frames over plain memory: planes, colours, luma and crops of every format, and the mean."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_frames import Block, rect

from empycustom.errors import FrameError
from empycustom.frames.formats import FORMATS
from empycustom.frames.frame import MappedFrame
from empycustom.frames.views import FrameView


@pytest.mark.parametrize("video_format", ["I420", "NV12", "NV16", "Y42B", "Y444", "P016_LE", "A420"])
def test_planar_formats_have_planes_and_gray_and_refuse_the_rest_with_advice(video_format):
    with Block(video_format) as frame:
        assert frame.gray is frame.planes[0]
        with pytest.raises(FrameError, match=r"use frame\.planes, frame\.gray .*videoconvert"):
            _ = frame.pixels
        for name in ("rgb", "bgr", "rgba"):
            with pytest.raises(FrameError, match=rf"viewed as {name.upper()} .*videoconvert"):
                getattr(frame, name)


@pytest.mark.parametrize("video_format", [name for name in FORMATS if set(name) in (set("RGBA"), set("RGBx"), set("RGB"))])
def test_colours_come_in_the_order_of_their_name_and_share_the_memory(video_format):
    block = Block(video_format)
    with block as frame:
        for name, channels in {"rgb": "RGB", "bgr": "BGR", "rgba": "RGBA"}.items():
            if name == "rgba" and video_format not in ("RGBA", "ABGR"):
                with pytest.raises(FrameError, match="viewed as RGBA"):
                    _ = frame.rgba
                continue
            view = getattr(frame, name)
            places = [video_format.index(channel) for channel in channels]
            assert (view == np.asarray(frame.pixels)[..., places]).all()
            assert np.shares_memory(view, frame.pixels)
        with pytest.raises(FrameError, match="format=GRAY8"):
            _ = frame.gray


@pytest.mark.parametrize("video_format", ["RGBP", "BGRP"])
def test_colours_in_planes_of_their_own_are_not_one_array(video_format):
    with Block(video_format) as frame:
        assert [plane.shape for plane in frame.planes] == [(4, 5)] * 3
        for name in ("pixels", "rgb", "bgr", "rgba", "gray"):
            with pytest.raises(FrameError, match=r"frame\.planes") as refused:
                getattr(frame, name)
            assert "frame.gray" not in str(refused.value)


@pytest.mark.parametrize(("video_format", "place"), [("YUY2", 0), ("UYVY", 1)])
@pytest.mark.parametrize("width", [1, 4, 5])
def test_packed_422_has_pairs_of_pixels_and_its_luma_is_a_view(video_format, place, width):
    with Block(video_format, width, 3) as frame:
        assert frame.pixels.shape == (3, width + width % 2, 2)
        assert frame.gray.shape == (3, width)
        assert (frame.gray == np.asarray(frame.pixels)[:, :width, place]).all()
        assert np.shares_memory(frame.gray, frame.pixels)
        with pytest.raises(FrameError, match="viewed as RGB"):
            _ = frame.rgb


def test_big_endian_samples_are_what_their_bytes_say():
    block = Block("GRAY16_BE", 2, 1, padding=0)
    with block as frame:
        assert frame.gray.dtype == ">u2"
        frame.gray[0] = [1, 256]
        assert frame.gray.mean() == 128.5
    assert bytes(block.memory) == bytes([0, 1, 1, 0])


@pytest.mark.parametrize("video_format", FORMATS)
def test_arrays_go_by_dlpack_where_their_bytes_are_in_the_machines_order(video_format):
    with Block(video_format, padding=4) as frame:
        for plane in frame.planes:
            if video_format == "GRAY16_BE":
                with pytest.raises(BufferError, match="native byte order"):
                    np.from_dlpack(plane)
            else:
                array = np.from_dlpack(plane)
                assert (array == plane).all()
                assert np.shares_memory(array, plane)


@pytest.mark.parametrize("video_format", ["GRAY8", "GRAY16_LE", "GRAY16_BE"])
def test_gray_has_pixels_and_gray_and_no_colours(video_format):
    with Block(video_format) as frame:
        assert frame.gray is frame.pixels
        assert frame.pixels.shape == (4, 5)
        with pytest.raises(FrameError, match="viewed as RGB"):
            _ = frame.rgb


numbers = st.integers(-20, 20) | st.floats(-20, 20)
lengths = st.integers(0, 30) | st.floats(0, 30)


def samples_about(columns, video_format, about):
    if video_format in ("YUY2", "UYVY"):  # chroma lies beside luma, for two pixels together
        return sorted({column ^ other for column in columns for other in (0, 1)})
    return sorted({column // about.sub_x for column in columns})


@given(st.sampled_from(sorted(FORMATS)), numbers, numbers, lengths, lengths, st.integers(1, 9), st.integers(1, 9))
def test_a_crop_is_what_lies_under_the_rectangle(video_format, left, top, width, height, frame_width, frame_height):
    x, y = np.floor(left), np.floor(top)
    columns = [column for column in range(frame_width) if x <= column < x + np.floor(width)]
    rows = [row for row in range(frame_height) if y <= row < y + np.floor(height)]
    with Block(video_format, frame_width, frame_height) as frame:
        for index, (plane, about) in enumerate(zip(frame.planes, FORMATS[video_format].planes, strict=True)):
            view = frame.crop(rect(left, top, width, height), plane=index)
            touched = np.ix_(sorted({row // about.sub_y for row in rows}), samples_about(columns, video_format, about))
            expected = np.asarray(plane)[touched]
            assert view.shape[:2] == expected.shape[:2] if rows and columns else view.size == 0
            assert rows == [] or columns == [] or (view == expected).all()
            assert view.size == 0 or np.shares_memory(view, plane)


@pytest.mark.parametrize(
    "obj",
    [
        rect(float("nan"), 0, 1, 1),
        rect(0, float("inf"), 1, 1),
        rect(0, 0, float("inf"), 1),
        rect(0, 0, -1, 1),
        rect(0, 0, 1, -0.5),
        rect("0", 0, 1, 1),
        rect(None, 0, 1, 1),
        {"rect_params": {"left": 1}},
        {"rect_params": None},
        {},
        None,
    ],
    ids=repr,
)
def test_a_rectangle_that_is_none_is_refused(obj):
    with Block() as frame, pytest.raises(FrameError, match=r"crop\(\) needs .*it got "):
        frame.crop(obj)


@pytest.mark.parametrize("video_format", ["I420", "Y42B", "YUY2"])
@pytest.mark.parametrize("place", [(5, 1), (1, 3), (5, 3), (99, 99)])
def test_a_rectangle_beside_a_frame_of_odd_size_is_empty_in_every_plane(video_format, place):
    with Block(video_format, 5, 3) as frame:
        assert [frame.crop(rect(*place, 1, 1), plane).size for plane in range(len(frame.planes))] == [0] * len(frame.planes)


def test_huge_numbers_are_clipped():
    with Block() as frame:
        assert frame.crop(rect(-1e300, -(10**40), 2e300, 10**41)).shape == (4, 5, 3)


@pytest.mark.parametrize("plane", [-1, 1])
def test_a_plane_that_is_not_there_is_refused(plane):
    with Block() as frame, pytest.raises(FrameError, match=f"there is no plane {plane}"):
        frame.crop(rect(0, 0, 1, 1), plane=plane)


def test_the_help_of_planes_has_every_format():
    explained = MappedFrame.planes.__doc__
    assert [name for name in FORMATS if name not in explained and set("RGB") - set(name)] == []


# The mean, which has a way of its own for all pixels of a view.


def view_of(array):
    return np.asarray(array).view(FrameView)


DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int64", "uint64", "float16", "float32", "float64", "bool", "complex64"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1), (0, 2), (0, 1, 2), ()])
@pytest.mark.parametrize("keepdims", [{}, {"keepdims": True}])
def test_the_mean_is_numpys(dtype, axis, keepdims):
    array = (np.arange(3 * 4 * 5).reshape(3, 4, 5) * 7 % 256).astype(dtype)
    expected, mean = array.mean(axis, **keepdims), view_of(array).mean(axis, **keepdims)
    assert np.array_equal(mean, expected)
    assert mean.dtype == expected.dtype
    assert np.shape(mean) == np.shape(expected)


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 4),
    st.integers(0, 255),
    st.integers(1, 3),
    st.integers(1, 3),
    st.booleans(),
)
def test_the_mean_of_pixels_is_numpys_to_the_last_bit(height, width, channels, seed, down, across, flipped):
    pixels = np.random.default_rng(seed).integers(0, 256, (height * down, width * across, channels), dtype=np.uint8)
    part = pixels[::down, ::across, :: -1 if flipped else 1]
    mean = view_of(part).mean()
    assert type(mean) is np.float64
    assert mean == part.mean()


def test_the_sum_of_a_large_frame_of_white_does_not_run_over():
    white = view_of(np.full((2160, 3840, 4), 255, np.uint8))
    assert white.mean() == 255.0
    assert white[::2, ::2].mean() == 255.0


@pytest.mark.parametrize("shape", [(0,), (0, 5, 3), (4, 0, 3)])
def test_the_mean_of_nothing_is_numpys_too(shape):
    pixels = np.empty(shape, np.uint8)
    with warnings.catch_warnings(record=True) as of_numpy:
        warnings.simplefilter("always")
        expected = pixels.mean()
    with warnings.catch_warnings(record=True) as of_ours:
        warnings.simplefilter("always")
        mean = view_of(pixels).mean()
    assert np.isnan(expected)
    assert np.isnan(mean)
    assert type(mean) is type(expected)
    assert [str(warning.message) for warning in of_ours] == [str(warning.message) for warning in of_numpy] != []


def test_the_mean_takes_what_numpys_takes():
    array = np.arange(24, dtype=np.uint8).reshape(4, 6)
    view, where = view_of(array), array % 2 == 0
    assert view.mean(dtype=np.float32).dtype == np.float32
    assert view.mean(where=where) == array.mean(where=where)
    assert view.mean(0, np.float32).dtype == np.float32
    out = np.zeros(6)
    assert view.mean(0, None, out) is out
    assert (out == array.mean(0)).all()
    into = np.zeros(())
    assert view.mean(out=into) is into
    assert into == array.mean()
    assert np.mean(view) == array.mean()
    assert np.mean(view, axis=1).shape == (4,)


@pytest.mark.parametrize("value", [7, 0, 255])
def test_the_mean_of_a_single_value(value):
    mean = view_of(np.array(value, np.uint8)).mean()
    assert type(mean) is np.float64
    assert mean == value
