"""Views of GPU memory: where they are, what they give, and what they refuse."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from surfaces import FORMATS, NEW, OLD, PINNED, UNIFIED, Surfaces, host

import empycustom
from empycustom.errors import FrameClosedError, FrameError
from empycustom.gstreamer import Gst
from empycustom.native.memory import is_memory_writable

BOX = {"rect_params": {"left": 1, "top": 1, "width": 3, "height": 2}}


@pytest.mark.parametrize("size", [OLD, NEW])
@pytest.mark.parametrize("video_format", FORMATS)
def test_planes_are_where_they_are_in_the_surface(video_format, size):
    made = Surfaces(video_format, 7, 5, size=size, gpu=2)
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        assert (frame.format, frame.width, frame.height) == (video_format, 7, 5)
        assert len(frame.planes) == len(FORMATS[video_format].planes)
        for number, plane in enumerate(frame.planes):
            expected = made.pixels(number)
            assert (plane.address, plane.shape, plane.strides) == (made.address_of(number), expected.shape, expected.strides)
            assert (plane.dtype, plane.ndim, plane.size, plane.nbytes) == (np.uint8, expected.ndim, expected.size, expected.size)
            assert (plane.gpu, plane.readonly, len(plane)) == (2, True, len(expected))
            assert (host(plane) == expected).all()
        assert frame.planes is frame.planes


def test_the_attributes_of_a_frame():
    made = Surfaces("RGBA")
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        assert frame.pixels is frame.planes[0]
        assert (frame.rgba.shape, frame.rgba.address) == ((4, 6, 4), made.address_of())
        assert (frame.rgb.shape, frame.rgb.strides, frame.rgb.address) == ((4, 6, 3), (64, 4, 1), made.address_of())
        crop = frame.crop(BOX)
        assert (host(crop) == made.pixels()[1:3, 1:4]).all()
        assert frame.crop({"rect_params": {"left": 4, "top": 3, "width": 99, "height": 99}}).shape == (1, 2, 4)
        assert frame.crop({"rect_params": {"left": 40, "top": 30, "width": 9, "height": 9}}).shape == (0, 0, 4)
        with pytest.raises(FrameError, match=r"cannot run backwards.*frame.rgb\).flip"):
            _ = frame.bgr
        with pytest.raises(FrameError, match=r"has no gray values.*nvvideoconvert.*memory:NVMM.*format=NV12"):
            _ = frame.gray
    made = Surfaces("BGRx")
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        assert frame.bgr.address == made.address_of()
    for video_format, place in (("YUY2", 0), ("UYVY", 1)):
        made = Surfaces(video_format, 5, 4)
        with empycustom.map_frame(made.buffer, made.in_meta) as frame:
            assert (frame.gray.shape, frame.gray.strides, frame.gray.address) == ((4, 5), (64, 2), made.address_of() + place)
    made = Surfaces("NV12")
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        assert frame.gray.address == made.address_of()
        assert (host(frame.crop(BOX, plane=1)) == made.pixels(1)[0:2, 0:2]).all()
        for word in ("rgb", "bgr", "rgba", "pixels"):
            with pytest.raises(FrameError, match=r"nvvideoconvert ! 'video/x-raw\(memory:NVMM\),format=RGBA'"):
                getattr(frame, word)


@pytest.mark.parametrize(
    "key",
    [0, -1, (1, 2), (1, 2, 3), slice(1, 3), (slice(None, None, 2), slice(1, None, 3)), (..., 0), (slice(1, 2), ..., slice(2, 4)),
     (slice(3, 1), slice(None)), slice(9, 99), (0, slice(None), 1), (slice(-2, None), np.int64(3)), ...],
)  # fmt: skip
def test_slices_are_those_of_numpy(driver, key):
    made = Surfaces("RGBA")
    expected = made.pixels()[key]
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        part = frame.pixels[key]
        assert part.shape == expected.shape
        assert (np.asarray(host(part)) == expected).all()
        copied = part.download()
        assert copied.shape == expected.shape
        assert (copied == expected).all()
        assert copied.flags.c_contiguous
        assert copied.flags.writeable
        assert type(copied) is np.ndarray


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        (slice(None, None, -1), FrameError, "cannot run backwards"),
        ("a", FrameError, "take numbers and slices"),
        (None, FrameError, "take numbers and slices"),
        ([0, 1], FrameError, "take numbers and slices"),
        (1.0, FrameError, "take numbers and slices"),
        ((0, 0, 0, 0), FrameError, "take numbers and slices"),
        ((..., ...), FrameError, "take numbers and slices"),
        (4, IndexError, "out of range"),
        ((0, -7), IndexError, "out of range"),
    ],
)
def test_other_indices_are_refused(key, error, message):
    made = Surfaces("RGBA")
    with empycustom.map_frame(made.buffer, made.in_meta) as frame, pytest.raises(error, match=message):
        frame.pixels[key]


def test_rows_can_be_gone_through():
    made = Surfaces("RGBA")
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        assert [row.address - frame.pixels.address for row in frame.pixels] == [0, 64, 128, 192]


@pytest.mark.parametrize("memory_type", [2, 0, PINNED, UNIFIED])
@pytest.mark.parametrize("video_format", FORMATS)
def test_download_gives_copies(driver, video_format, memory_type):
    made = Surfaces(video_format, 7, 5, memory_type=memory_type)
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        copies = frame.download()
        part = frame.crop(BOX).download()
    copies = copies if isinstance(copies, tuple) else (copies,)
    assert len(copies) == len(FORMATS[video_format].planes)
    for number, copied in enumerate(copies):
        assert (copied == made.pixels(number)).all()
        made.pixels(number)[...] = 0
        assert copied.any()
    assert part.shape[:2] == (2, 4 if FORMATS[video_format].pair == 2 else 3)  # pairs of pixels stay together
    where = "host" if memory_type == PINNED else "device"
    assert all(where in call for call in driver.calls if call.startswith("copy"))


def test_a_download_is_one_call_for_a_plane_in_the_context_of_its_gpu(driver):
    made = Surfaces("NV12", gpu=3)
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        frame.download()
        frame.planes[1].copy()
    copies = ["push 3", "copy 6 x 4 from device", "pop", *["push 3", "copy 6 x 2 from device", "pop"] * 2]
    assert driver.calls == ["init", "device 3", "retain 3", *copies]


def test_numpy_gets_no_view():
    made = Surfaces("RGBA")
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        for use in (np.asarray, np.array, lambda view: np.add(view, 1), np.mean):
            with pytest.raises(FrameError, match=r"NumPy cannot view GPU memory: call view.download\(\)"):
                use(frame.pixels)


def test_a_missing_attribute_names_the_alternative():
    made = Surfaces("RGBA")
    with empycustom.map_frame(made.buffer, made.in_meta, writable=True) as frame:
        with pytest.raises(AttributeError, match=r"has no 'mean'; torch.from_dlpack\(view\).*view.download\(\)"):
            frame.pixels.mean()
        with pytest.raises(FrameError, match=r"cannot be assigned to.*torch.from_dlpack\(view\)\[...\] = value"):
            frame.pixels[0] = 0
        assert not hasattr(frame.pixels, "__array_interface__")
        assert repr(frame.rgb) == "<DeviceView of (4, 6, 3) uint8, strides (64, 4, 1), in device memory of GPU 0>"


USES = {
    "pixels": lambda frame, view: frame.pixels,
    "planes": lambda frame, view: frame.planes,
    "rgb": lambda frame, view: frame.rgb,
    "rgba": lambda frame, view: frame.rgba,
    "crop": lambda frame, view: frame.crop(BOX),
    "frame.download": lambda frame, view: frame.download(),
    "view.download": lambda frame, view: view.download(),
    "copy": lambda frame, view: view.copy(),
    "slice": lambda frame, view: view[0],
    "assign": lambda frame, view: view.__setitem__(0, 0),
    "len": lambda frame, view: len(view),
    **{name: lambda frame, view, name=name: getattr(view, name) for name in
       ("address", "shape", "strides", "dtype", "gpu", "readonly", "ndim", "size", "nbytes", "__cuda_array_interface__")},
    "dlpack": lambda frame, view: view.__dlpack__(),
    "dlpack_device": lambda frame, view: view.__dlpack_device__(),
    "numpy": lambda frame, view: np.asarray(view),
    "from_dlpack": lambda frame, view: np.from_dlpack(view),
}  # fmt: skip


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_every_use_after_the_block_raises(use):
    made = Surfaces("RGBA")
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        view = frame.crop(BOX)
    with pytest.raises(FrameClosedError, match="after its with block"):
        use(frame, view)
    assert "after its with block" in repr(view)


def test_a_frame_is_for_one_block():
    made = Surfaces("RGBA")
    mapping = empycustom.map_frame(made.buffer, made.in_meta)
    with pytest.raises(FrameError, match="not open yet: write `with"):
        _ = mapping.pixels
    with mapping, pytest.raises(FrameError, match="mapped already"), mapping:
        pass
    with pytest.raises(FrameClosedError, match=r"call .*map_frame again"), mapping:
        pass
    with pytest.raises(FrameError, match="with statement"):
        mapping.__exit__(None, None, None)


def test_nothing_is_left_of_a_frame():
    """No reference, no lock, no call of CUDA; the memory goes with its buffer, while a view of it lives on, closed."""
    made = Surfaces("RGBA")
    memory = made.buffer.peek_memory(0).mini_object
    before = memory.refcount, memory.lockstate
    with empycustom.map_frame(made.buffer, made.in_meta, writable=True) as frame:
        view = frame.pixels[1:3]
        assert (memory.refcount, memory.lockstate) != before
    assert (memory.refcount, memory.lockstate) == before
    assert is_memory_writable(hash(made.buffer))
    del memory
    gc.collect()
    made.let_go()
    assert made.freed == [True]
    assert "after its with block" in repr(view)


def test_writable():
    made = Surfaces("RGBA")
    with empycustom.map_frame(made.buffer, made.in_meta, writable=True) as frame:
        assert not frame.pixels.readonly
        host(frame.crop(BOX))[...] = 9
    assert (made.pixels()[1:3, 1:4] == 9).all()
    assert not (made.pixels()[0] == 9).all()


def test_a_buffer_or_memory_that_others_hold_cannot_be_written():
    made = Surfaces("RGBA")
    others = made.buffer.copy()  # PyGObject's copy is one more reference
    with (
        pytest.raises(FrameError, match="others refer to it too"),
        empycustom.map_frame(made.buffer, made.in_meta, writable=True),
    ):
        pass
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        assert frame.pixels.readonly
    del others
    others = Gst.Buffer.new()
    others.append_memory(made.buffer.get_memory(0))
    assert "another one has the same GPU memory" in refused(made.buffer, made.in_meta)


def refused(buffer, in_meta):
    memory = buffer.peek_memory(0).mini_object
    before = memory.refcount, memory.lockstate
    with pytest.raises(FrameError) as raised, empycustom.map_frame(buffer, in_meta, writable=True):
        pass
    assert (memory.refcount, memory.lockstate) == before
    return str(raised.value)


def test_a_copy_of_a_buffer_has_the_frames_of_the_original(driver):
    """As behind a tee: GStreamer copies the NvBufSurface, and not what it stands for."""
    made = Surfaces("RGBA")
    for copied in (made.buffer.copy_deep(), copy_of(made.buffer)):
        assert hash(copied.peek_memory(0)) != made.memory
        with empycustom.map_frame(copied, made.in_meta) as frame:
            assert frame.pixels.address == made.address_of()
            assert (frame.download() == made.pixels()).all()
        message = refused(copied, made.in_meta)
        assert "another one has the same GPU memory, behind a tee" in message
        assert "nvvideoconvert disable-passthrough=true behind it" in message
    with empycustom.map_frame(made.buffer, made.in_meta, writable=True) as frame:
        assert not frame.pixels.readonly


def copy_of(buffer):
    """What an element gets that works in place, of a buffer that others hold: gst_buffer_copy, which PyGObject hides."""
    copied = Gst.Buffer.new()
    assert copied.copy_into(buffer, Gst.BufferCopyFlags.MEMORY, 0, buffer.get_size())
    return copied
