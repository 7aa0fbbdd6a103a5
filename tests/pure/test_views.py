"""Views over plain memory: what they show, and that they raise after their block without ever reading freed memory."""

import copy
import gc
import operator
import pickle
import warnings
import weakref

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from empycustom.errors import FrameClosedError, FrameError
from empycustom.frames.formats import FORMATS, layout_of
from empycustom.frames.frame import ArrayFrame, ClosedFrameView, FrameView


class Held:
    """What keeps the memory."""

    def __init__(self, memory):
        self.memory = memory


class Block:
    """A frame over a bytearray, opened and closed as a room with real buffers does it; ``holds``: what it was asked to hold."""

    def __init__(self, video_format="RGB", width=5, height=4, padding=3, *, readonly=False):
        planes = FORMATS[video_format].planes
        strides = tuple(plane.columns(0, width)[1] * plane.channels * plane.sample_bytes + padding for plane in planes)
        ends = np.cumsum([0, *(stride * plane.rows(0, height)[1] for stride, plane in zip(strides, planes, strict=True))])
        self.memory = bytearray(value % 251 for value in range(int(ends[-1])))
        self.layout = layout_of(video_format, width, height, tuple(int(end) for end in ends[:-1]), strides)
        data = memoryview(self.memory)
        self.data = data.toreadonly() if readonly else data
        self.frame = ArrayFrame(video_format, width, height)
        self.holds = []

    def hold(self):
        held = Held(self.memory)
        self.holds.append(weakref.ref(held))
        return held

    def __enter__(self):
        self.frame._open(self.layout, self.data)
        return self.frame

    def __exit__(self, *_):
        self.frame._close(self.hold)


def rect(left, top, width, height):
    return {"rect_params": {"left": left, "top": top, "width": width, "height": height}}


def closed(make=lambda frame: frame.pixels):
    with Block() as frame:
        return make(frame)


USES = {
    "shape": lambda view: view.shape,
    "an attribute that no array has": lambda view: view.nothing,
    "setting an attribute": lambda view: setattr(view, "shape", (1,)),
    "indexing": lambda view: view[0],
    "assigning": lambda view: operator.setitem(view, 0, 0),
    "len": len,
    "iter": iter,
    "list": list,
    "bool": bool,
    "in": lambda view: 1 in view,
    "int": int,
    "float": float,
    "==": lambda view: view == 1,
    "<": lambda view: view < 1,
    "+": lambda view: view + 1,
    "+ from the right": lambda view: 1 + view,
    "+ from an array": lambda view: np.ones(3) + view,
    "+=": lambda view: operator.iadd(view, 1),
    "@": lambda view: view @ view,
    "-": operator.neg,
    "mean": lambda view: view.mean(),
    "copy": lambda view: view.copy(),
    "tobytes": lambda view: view.tobytes(),
    "np.add": lambda view: np.add(view, 1),
    "np.add to": lambda view: np.add(1, 1, out=view),
    "np.mean": np.mean,
    "np.concatenate": lambda view: np.concatenate([view, view]),
    "np.copyto": lambda view: np.copyto(view, 1),
    "np.shares_memory": lambda view: np.shares_memory(view, view),
    "copy.copy": copy.copy,
    "pickle": pickle.dumps,
    "PIL": Image.fromarray,
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_every_use_of_a_view_after_the_block_raises_with_the_fix(use):
    with pytest.raises(FrameClosedError, match=r"after its with block.*\.copy\(\)"):
        use(closed())


MAKERS = {
    "planes": lambda frame: frame.planes[0],
    "slice": lambda frame: frame.pixels[1:3, 1:],
    "slice of a slice": lambda frame: frame.pixels[1:][:, 2:],
    "transposed": lambda frame: frame.pixels.T,
    "reversed": lambda frame: frame.bgr,
    "retyped": lambda frame: frame.pixels.view(np.int8),
    "newaxis": lambda frame: frame.pixels[None],
    "reshaped": lambda frame: frame.pixels[0].reshape(-1),
    "crop": lambda frame: frame.crop(rect(1, 1, 2, 2)),
    "empty crop": lambda frame: frame.crop(rect(9, 9, 2, 2)),
    "asanyarray": lambda frame: np.asanyarray(frame.pixels),
    "a row while iterating": lambda frame: next(iter(frame.pixels)),
    "np.moveaxis": lambda frame: np.moveaxis(frame.pixels, 2, 0),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_every_kind_of_view_raises_after_the_block(make):
    view = closed(make)
    assert type(view) is ClosedFrameView
    with pytest.raises(FrameClosedError):
        view.sum()


@pytest.mark.parametrize(
    "use", [lambda view: cv2.rectangle(view, (0, 0), (1, 1), (1, 2, 3)), lambda view: cv2.cvtColor(view, cv2.COLOR_RGB2GRAY)]
)
def test_c_code_gets_no_pixels_of_a_closed_view_either(use):
    with pytest.raises(cv2.error, match="data type"):
        use(closed())


def test_an_array_made_of_a_closed_view_has_neither_pixels_nor_a_meaning():
    array = np.asarray(closed())
    assert array.shape == (0,)
    with pytest.raises(TypeError, match=r"keep view\.copy\(\) instead"):
        array + 1


def test_a_closed_view_can_be_printed_and_asked_for_its_type():
    view = closed()
    for text in (repr(view), str(view), f"{view:>9}"):
        assert "view.copy()" in text
    assert isinstance(view, np.ndarray)
    assert not isinstance(view, str)


def test_what_owns_its_data_stays_valid():
    with Block() as frame:
        view, expected = frame.pixels, np.array(frame.pixels)
        doubled, kept, mean, several, total = view * 2, view.copy(), view.mean(), view[view > 50], view.sum(axis=0)
        typed, smallest = view.astype(float), view.min()
        part = typed[1:]
    assert type(kept) is np.ndarray
    assert (type(mean), type(smallest)) == (np.float64, np.uint8)
    assert mean == expected.mean()
    assert (total == expected.sum(axis=0)).all()
    assert (kept == expected).all()
    assert (doubled == expected * 2).all()
    assert (several == expected[expected > 50]).all()
    assert (typed == expected).all()
    assert (part == expected[1:]).all()


def test_writing_in_place_returns_the_view_itself_and_changes_the_memory():
    block = Block(padding=0)
    with block as frame:
        view = pixels = frame.pixels
        view += 1
        assert view is pixels
        assert np.add(view, 1, out=view) is view
    assert block.memory[:3] == bytes([2, 3, 4])


def test_views_of_a_read_only_frame_cannot_be_made_writable():
    with Block(readonly=True) as frame:
        for view in (frame.pixels, frame.pixels[1:], frame.bgr, frame.crop(rect(0, 0, 2, 2))):
            assert not view.flags.writeable
            with pytest.raises(ValueError, match="WRITEABLE"):
                view.flags.writeable = True
            with pytest.raises(ValueError, match="read-only"):
                view[0] = 1


STRIPPED = {
    "asarray": np.asarray,
    "asarray of a slice": lambda view: np.asarray(view[0:3]),
    "slice of asarray": lambda view: np.asarray(view)[:3],
    "memoryview": memoryview,
    "nditer": lambda view: np.nditer(view),
}


@pytest.mark.parametrize("strip", STRIPPED.values(), ids=STRIPPED)
def test_what_is_stripped_of_its_class_keeps_the_memory_until_it_dies(strip):
    block = Block()
    with block as frame:
        stripped = strip(frame.pixels)
    assert len(block.holds) == 1
    assert block.holds[0]() is not None
    del stripped
    gc.collect()
    assert block.holds[0]() is None


def test_a_stripped_array_shows_the_pixels_after_the_block():
    with Block() as frame:
        stripped, expected = np.asarray(frame.pixels), frame.pixels.copy()
    assert (stripped == expected).all()


def test_the_memory_is_kept_for_live_views_only():
    block = Block()
    with block as frame:
        frame.pixels[0].mean()
    assert block.holds == []
    block = Block()
    with block as frame:
        view = frame.pixels[0]
    assert block.holds[0]() is not None
    del view
    assert block.holds[0]() is None


def test_views_are_closed_when_the_block_ends_by_an_exception():
    views = []
    with pytest.raises(ZeroDivisionError), Block() as frame:
        views.append(frame.pixels) or 1 / 0
    assert type(views[0]) is ClosedFrameView


def test_a_frame_before_and_after_its_block_raises():
    block = Block()
    with pytest.raises(FrameError, match="not open yet") as caught:
        _ = block.frame.pixels
    assert not isinstance(caught.value, FrameClosedError)
    with block as frame:
        pass
    for use in (lambda: frame.planes, lambda: frame.pixels, lambda: frame.rgb, lambda: frame.crop(rect(0, 0, 1, 1))):
        with pytest.raises(FrameClosedError, match="after its with block"):
            use()
    assert (frame.format, frame.width, frame.height) == ("RGB", 5, 4)


def test_arrays_are_made_once():
    with Block() as frame:
        assert frame.pixels is frame.pixels is frame.planes[0]
        assert type(frame.pixels) is FrameView


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
            with pytest.raises(FrameError, match=r"frame\.planes"):
                getattr(frame, name)


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


def test_huge_numbers_are_clipped():
    with Block() as frame:
        assert frame.crop(rect(-1e300, -(10**40), 2e300, 10**41)).shape == (4, 5, 3)


@pytest.mark.parametrize("plane", [-1, 1])
def test_a_plane_that_is_not_there_is_refused(plane):
    with Block() as frame, pytest.raises(FrameError, match=f"there is no plane {plane}"):
        frame.crop(rect(0, 0, 1, 1), plane=plane)


def test_opencv_draws_into_the_views_in_place():
    block = Block("RGB", 40, 30, padding=4)
    with block as frame:
        drawn = cv2.rectangle(frame.pixels, (0, 0), (9, 9), (200, 100, 50), -1)
        assert np.shares_memory(drawn, frame.pixels)
        before = frame.pixels.copy()
        cv2.putText(frame.pixels, "A", (12, 25), cv2.FONT_HERSHEY_PLAIN, 1.0, (255, 255, 255))
        assert (frame.pixels != before).any()
        cv2.circle(frame.crop(rect(20, 10, 10, 10)), (5, 5), 3, (1, 2, 3), -1)
        assert tuple(frame.pixels[15, 25]) == (1, 2, 3)
    assert block.memory[:3] == bytes([200, 100, 50])


def test_pillow_reads_the_views():
    with Block("RGB", 5, 4) as frame:
        image = Image.fromarray(frame.pixels)
        part = Image.fromarray(frame.crop(rect(1, 1, 2, 2)))
        assert image.getpixel((2, 1)) == tuple(int(value) for value in frame.pixels[1, 2])
        assert part.size == (2, 2)
    assert image.size == (5, 4)
    assert image.getpixel((0, 0)) == (0, 1, 2)


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
