"""Views over plain memory raise after their block, without ever reading freed memory; their results stay."""

import copy
import gc
import operator
import pickle

import cv2
import numpy as np
import pytest
from memory_frames import Block, rect
from PIL import Image

from empycustom.errors import FrameClosedError, FrameError
from empycustom.frames.views import ClosedFrameView, FrameView


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
