"""Pixels that other libraries take: by DLPack, with NumPy as one that does and one written by hand, and by CUDA's array interface."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from consumer import Versioned, name_of, take
from surfaces import DEVICE, PINNED, UNIFIED, Surfaces

import empycustom
from empycustom.errors import FrameError, FrameExportError, NativeError
from empycustom.native import dlpack
from empycustom.native.memory import is_memory_writable

CPU, CUDA, CUDA_HOST, CUDA_MANAGED = 1, 2, 3, 13
OFFERED = {DEVICE: (CUDA, 3), 0: (CUDA, 3), PINNED: (CPU, 0), UNIFIED: (CUDA, 3)}
ASKS = {"legacy": {}, "versioned": {"max_version": (1, 0)}, "newer": {"max_version": (2, 3), "dl_device": None, "copy": False}}
HOST = [PINNED, UNIFIED]  # what NumPy takes


@pytest.fixture(autouse=True)
def gpu(driver):
    return driver


@pytest.mark.parametrize("memory_type", HOST)
@pytest.mark.parametrize("video_format", ["RGBA", "NV12"])
def test_numpy_takes_pinned_and_unified_memory_without_a_copy(video_format, memory_type):
    made = Surfaces(video_format, 7, 5, memory_type=memory_type)
    with empycustom.map_frame(made.buffer, made.in_meta, writable=True) as frame:
        for number, plane in enumerate(frame.planes):
            array = np.from_dlpack(plane, device="cpu")
            assert (array.ctypes.data, array.strides) == (made.address_of(number), made.pixels(number).strides)
            assert (array == made.pixels(number)).all()
            array[1, 2] = 77
            assert (made.pixels(number)[1, 2] == 77).all()
        part = np.from_dlpack(frame.planes[-1][::2, 1:3], device="cpu")
        assert (part == made.pixels(len(frame.planes) - 1)[::2, 1:3]).all()


@pytest.mark.parametrize("memory_type", HOST)
def test_numpy_cannot_write_read_only_memory(memory_type):
    made = Surfaces("RGBA", memory_type=memory_type)
    for writable in (False, True):
        with empycustom.map_frame(made.buffer, made.in_meta, writable=writable) as frame:
            array = np.from_dlpack(frame.pixels, device="cpu")
            if np.lib.NumpyVersion(np.__version__) >= "2.2.5":  # older ones write to nothing that they got by DLPack
                assert array.flags.writeable == writable
        del array


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
@pytest.mark.parametrize("memory_type", OFFERED)
def test_a_tensor_describes_itself(memory_type, ask):
    made = Surfaces("RGBA", memory_type=memory_type, gpu=3)
    for writable in (False, True):
        with empycustom.map_frame(made.buffer, made.in_meta, writable=writable) as frame:
            assert frame.pixels.__dlpack_device__() == OFFERED[memory_type]
            taken = take(frame.crop({"rect_params": {"left": 1, "top": 2, "width": 3, "height": 9}}).__dlpack__(**ask))
            assert (taken.device, taken.shape, taken.strides) == (OFFERED[memory_type], (2, 3, 4), (64, 4, 1))
            assert taken.managed.tensor.data == made.address_of() + 2 * 64 + 4
            assert (taken.pixels == made.pixels()[2:, 1:4]).all()
            assert isinstance(taken.managed, Versioned) == bool(ask)
            if ask:
                assert tuple(taken.managed.version) == (1, 0)
                assert taken.managed.flags == (0 if writable else 1)
            taken.give_back()


def test_an_own_consumer_writes_to_device_memory():
    made = Surfaces("NV12")
    with empycustom.map_frame(made.buffer, made.in_meta, writable=True) as frame:
        taken = take(frame.planes[1].__dlpack__(stream=1))
        taken.pixels[1] = 5
        taken.give_back()
    assert (made.pixels(1)[1] == 5).all()


@pytest.mark.parametrize(
    ("memory_type", "wanted", "got"),
    [
        (PINNED, (CPU, 0), (CPU, 0)),
        (PINNED, (CUDA_HOST, 3), (CUDA_HOST, 3)),
        (UNIFIED, (CPU, 0), (CPU, 0)),
        (UNIFIED, (CUDA, 3), (CUDA, 3)),
        (UNIFIED, (CUDA_MANAGED, 3), (CUDA_MANAGED, 3)),
        (DEVICE, (CUDA, 3), (CUDA, 3)),
        (DEVICE, (CPU, 0), None),
        (DEVICE, (CUDA, 0), None),
        (DEVICE, (CUDA_MANAGED, 3), None),
        (PINNED, (CUDA, 3), None),
    ],
)
def test_a_consumer_may_ask_for_a_device(memory_type, wanted, got):
    made = Surfaces("RGBA", memory_type=memory_type, gpu=3)
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        if got:
            taken = take(frame.pixels.__dlpack__(dl_device=wanted, max_version=(1, 0)))
            assert taken.device == got
            taken.give_back()
        else:
            with pytest.raises(FrameExportError, match=r"of GPU 3 and cannot be exported.*view.download\(\)"):
                frame.pixels.__dlpack__(dl_device=wanted)


def test_what_would_take_a_copy_is_a_buffer_error():
    """As in the array API standard, and as consumers expect."""
    made = Surfaces("RGBA")
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        with pytest.raises(BufferError, match="exported as it is"):
            frame.pixels.__dlpack__(copy=True)
        with pytest.raises(BufferError, match="memory of another device"):
            np.from_dlpack(frame.pixels, device="cpu")
        with pytest.raises((RuntimeError, BufferError), match=r"[Dd]evice"):
            np.from_dlpack(frame.pixels)


# How long it lives


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_what_was_taken_keeps_the_memory_and_neither_buffer_nor_lock(ask):
    made = Surfaces("RGBA")
    memory = made.buffer.peek_memory(0).mini_object
    before = memory.refcount, memory.lockstate
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        taken = take(frame.pixels.__dlpack__(**ask))
    assert (memory.refcount, memory.lockstate) == (before[0] + 1, before[1])
    assert is_memory_writable(hash(made.buffer))
    del memory
    expected = made.pixels().copy()
    made.let_go()
    assert made.freed == []
    assert (taken.pixels == expected).all()
    taken.give_back()
    assert made.freed == [True]


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_it_may_be_given_back_on_any_thread_and_in_any_order(ask):
    made = Surfaces("RGBA")
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        many = [take(frame.pixels.__dlpack__(**ask)) for _ in range(800)]
        for taken in many[::3]:
            taken.give_back()
    del many[::3]
    made.let_go()
    begin = threading.Barrier(8)

    def give_back(some):
        begin.wait()
        for taken in some:
            taken.give_back()

    threads = [threading.Thread(target=give_back, args=[many[number::8]]) for number in range(8)]
    for thread in threads:
        assert made.freed == []
        thread.start()
    for thread in threads:
        thread.join()
    assert made.freed == [True]


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_a_capsule_that_nobody_took_is_taken_back_at_the_end_of_the_block(ask):
    made = Surfaces("RGBA", memory_type=PINNED)
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        dropped, kept = (frame.pixels.__dlpack__(**ask) for _ in range(2))
        name = name_of(kept)
        del dropped
    assert name_of(kept) == b"used_" + name
    with pytest.raises(ValueError, match=r"[Cc]apsule"):
        np.from_dlpack(Producer(kept))
    made.let_go()
    assert made.freed == [True]
    del kept


class Producer:
    """An object with a capsule."""

    def __init__(self, capsule):
        self.capsule = capsule

    def __dlpack__(self, **_):
        return self.capsule

    def __dlpack_device__(self):
        return 1, 0


def test_a_capsule_is_taken_once():
    made = Surfaces("RGBA", memory_type=PINNED)
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        producer = Producer(frame.pixels.__dlpack__(max_version=(1, 0)))
        array = np.from_dlpack(producer)
        with pytest.raises(ValueError, match=r"[Cc]apsule"):
            np.from_dlpack(producer)
    made.let_go()
    assert array.any()
    assert made.freed == []
    del array
    assert made.freed == [True]


def test_the_capsules_of_a_long_block_are_not_collected():
    made = Surfaces("RGBA", memory_type=PINNED)
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        for _ in range(1000):
            np.from_dlpack(frame.pixels, device="cpu")
        assert len(frame._span.memory._capsules) < 50


def test_capsules_that_nobody_takes_do_not_make_the_next_ones_slow(monkeypatch):
    """Counted: how often it is asked whether one was taken. All of them are taken back in the end."""
    made, asked = Surfaces("RGBA", memory_type=PINNED), []
    is_capsule = dlpack._is_capsule
    monkeypatch.setattr(dlpack, "_is_capsule", lambda *capsule: asked.append(1) or is_capsule(*capsule))
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        kept = [frame.pixels.__dlpack__() for _ in range(1000)]
        taken = [take(frame.pixels.__dlpack__()) for _ in range(1000)]
        assert len(asked) < 2 * 2000
    assert {name_of(capsule) for capsule in kept} == {b"used_dltensor"}
    made.let_go()
    assert made.freed == []
    for tensor in taken:
        tensor.give_back()
    assert made.freed == [True]


@pytest.mark.parametrize("memory_type", HOST)
def test_an_array_outlives_the_block_the_frame_and_the_buffer(memory_type):
    made = Surfaces("RGBA", memory_type=memory_type)
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        array = np.from_dlpack(frame.pixels, device="cpu")
        part = array[1:3, ::2]
    expected = made.pixels().copy()
    del frame, array
    made.let_go()
    assert (part == expected[1:3, ::2]).all()
    assert made.freed == []
    del part
    assert made.freed == [True]


def test_where_machine_code_cannot_be_the_other_ways_work(monkeypatch):
    def make_trampolines(_):
        raise NativeError("there is no machine code for riscv64, only for x86_64, aarch64")

    monkeypatch.setattr(dlpack, "make_trampolines", make_trampolines)
    dlpack._deleters.cache_clear()
    made = Surfaces("RGBA")
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        with pytest.raises(
            FrameError, match=r"by DLPack: there is no machine code for riscv64.*cupy.asarray\(view\).*work without"
        ):
            frame.pixels.__dlpack__()
        assert frame.pixels.download().any()
        assert frame.pixels.__cuda_array_interface__
    dlpack._deleters.cache_clear()


# The CUDA array interface


@pytest.mark.parametrize("writable", [False, True])
def test_the_cuda_array_interface(writable):
    made = Surfaces("NV12")
    with empycustom.map_frame(made.buffer, made.in_meta, writable=writable) as frame:
        assert frame.planes[1].__cuda_array_interface__ == {
            "shape": (2, 3, 2),
            "typestr": "|u1",
            "data": (made.address_of(1), not writable),
            "strides": (64, 2, 1),
            "stream": None,
            "version": 3,
        }
        assert frame.gray[5:].__cuda_array_interface__["data"][0] == 0


def test_who_holds_a_view_holds_the_memory_once_it_was_handed_out_so():
    """CuPy and PyTorch hold the object that they asked, and nothing else."""
    made = Surfaces("RGBA")
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        view = frame.pixels
        assert view.__cuda_array_interface__
    del frame
    made.let_go()
    assert made.freed == []
    del view
    assert made.freed == [True]
