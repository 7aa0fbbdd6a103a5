"""What is waited for at the end of a block, and what becomes of errors: by a fake driver that writes down its calls."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from consumer import take
from surfaces import PINNED, UNIFIED, Surfaces

import empycustom
from empycustom.errors import FrameClosedError, FrameError
from empycustom.native import cuda, loading
from empycustom.native import cuda as gpus

HERE = Path(__file__).parent


def calls_of(driver, use, **about):
    """The calls from the end of the block, for what was done in it."""
    made = Surfaces("RGBA", **about)
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        use(frame.pixels)
        assert driver.calls == []
    return driver.calls


def get(**ask):
    return lambda view: take(view.__dlpack__(**ask)).give_back()


@pytest.fixture(autouse=True)
def warm(driver):
    """The context of GPU 0 is there."""
    with cuda.use_gpu(0):
        pass
    assert driver.calls == ["init", "device 0", "retain 0", "push 0", "pop"]


@pytest.mark.parametrize(
    ("use", "waits"),
    [
        (lambda view: view.shape, []),
        (lambda view: view.__dlpack_device__(), []),
        (get(), ["wait for 1"]),
        (get(stream=None), ["wait for 1"]),
        (get(stream=1), ["wait for 1"]),
        (get(stream=np.int64(1)), ["wait for 1"]),
        (lambda view: (get(stream=1)(view), get()(view[1:])), ["wait for 1"]),
        (get(stream=0), ["wait for all"]),  # of this thread or of all
        (get(stream=2), ["wait for all"]),  # of the thread that asked, which may be another one than that which waits
        (get(stream=0x55D0_1234_5670), ["wait for all"]),
        (get(stream=-1), ["wait for all"]),
        (lambda view: (get(stream=1)(view), get(stream=7)(view[1:]), get(stream=1)(view)), ["wait for all"]),
        (lambda view: (get(stream=1)(view), view.__cuda_array_interface__), ["wait for all"]),
        (lambda view: view.__cuda_array_interface__, ["wait for all"]),
        (lambda view: view.__dlpack__(), ["wait for 1"]),  # it may have been taken and renamed in any way
    ],
)
def test_the_end_of_a_block_waits_for_those_who_got_a_view(driver, use, waits):
    assert calls_of(driver, use) == (["push 0", *waits, "pop"] if waits else [])


def test_only_what_works_on_the_gpu_is_waited_for(driver):
    assert calls_of(driver, np.from_dlpack, memory_type=PINNED) == []
    assert calls_of(driver, get(), memory_type=UNIFIED) == ["push 0", "wait for 1", "pop"]
    assert calls_of(driver, lambda view: np.from_dlpack(view, device="cpu"), memory_type=UNIFIED) == []
    assert calls_of(driver, get(dl_device=(1, 0)), memory_type=UNIFIED) == []


def test_a_download_comes_after_the_work_that_was_started(driver):
    made = Surfaces("RGBA")
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        get(stream=9)(frame.pixels)
        frame.pixels.download()
        assert driver.calls == ["push 0", "wait for all", "pop", "push 0", "copy 24 x 4 from device", "pop"]


def test_a_stream_may_be_destroyed_before_the_block_ends(fakes):
    """In its own process, which the driver ends when a destroyed stream is waited for."""
    code = f"""
import ctypes, sys
sys.path.insert(0, {str(HERE)!r})
import empycustom
from consumer import take
from surfaces import Surfaces
cuda = ctypes.CDLL("libcuda.so.1")
cuda.fake_calls.restype = ctypes.c_char_p
made, stream = Surfaces("RGBA"), ctypes.c_size_t()
for use in (lambda view: None, lambda view: view.download()):
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        cuda.cuStreamCreate(ctypes.byref(stream), 1)
        take(frame.rgba.__dlpack__(stream=stream.value)).give_back()
        cuda.cuStreamDestroy_v2(stream)
        use(frame.rgba)
print(cuda.fake_calls().decode().count("wait for all"))
"""
    env = {**os.environ, "LD_LIBRARY_PATH": str(fakes)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("3\n", 0), done.stderr


def test_a_fault_on_the_gpu_is_an_error_at_the_end_of_the_block(driver):
    made = Surfaces("RGBA")
    driver.fail("cuStreamSynchronize")
    memory = made.buffer.peek_memory(0).mini_object
    before = memory.refcount, memory.lockstate
    message = r"work that this block started on the GPU failed.*CUDA_ERROR_ILLEGAL_ADDRESS \(an illegal memory access"
    with pytest.raises(FrameError, match=message), empycustom.map_frame(made.buffer, made.in_meta) as frame:
        get()(frame.pixels)
    with pytest.raises(FrameClosedError):
        _ = frame.pixels
    assert (memory.refcount, memory.lockstate) == before
    assert driver.calls[-1] == "pop"


def test_it_does_not_hide_the_error_that_ended_the_block(driver):
    made = Surfaces("RGBA")
    driver.fail("cuCtxSynchronize")
    mine = KeyError("mine")
    with pytest.raises(KeyError) as raised, empycustom.map_frame(made.buffer, made.in_meta) as frame:
        raise (frame.pixels.__cuda_array_interface__ and mine)
    assert raised.value is mine
    if sys.version_info >= (3, 11):
        (note,) = raised.value.__notes__
        assert "CUDA_ERROR_ILLEGAL_ADDRESS" in note


def test_an_error_that_the_driver_cannot_name(driver):
    made = Surfaces("RGBA")
    driver.fail("cuMemcpy2D_v2", 12345)
    message = r"cannot be copied from the GPU: CUDA error 12345 \(no description\)"
    with empycustom.map_frame(made.buffer, made.in_meta) as frame, pytest.raises(FrameError, match=message):
        frame.download()
    assert driver.calls == ["push 0", "copy 24 x 4 from device", "pop"]


def test_a_gpu_that_is_not_there(driver):
    made = Surfaces("RGBA", gpu=7)
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        with pytest.raises(FrameError, match="There is no GPU 7: CUDA error 101"):
            frame.download()
        assert frame.pixels.gpu == 7


def test_a_driver_without_a_gpu(driver):
    cuda.driver.cache_clear()
    driver.fail("cuInit", 100)
    made = Surfaces("RGBA")
    message = r"driver cannot be used: CUDA_ERROR_NO_DEVICE \(no CUDA-capable device"
    with empycustom.map_frame(made.buffer, made.in_meta) as frame, pytest.raises(FrameError, match=message):
        frame.download()


def test_without_a_driver_views_work_and_copies_name_what_is_missing(monkeypatch):
    monkeypatch.setattr(cuda, "_LIBRARY", "libcuda-that-is-not-there.so.1")
    cuda.driver.cache_clear()
    made = Surfaces("RGBA")
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        assert frame.rgba.shape == (4, 6, 4)
        with pytest.raises(FrameError, match=r"libcuda-that-is-not-there.so.1 cannot be loaded.*install the driver"):
            frame.download()
    made = Surfaces("RGBA", memory_type=PINNED)
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        assert np.from_dlpack(frame.pixels).any()


def test_the_driver_is_found_by_its_name_and_only_when_it_is_needed(fakes):
    code = f"""
        import sys
        sys.path.insert(0, {str(HERE)!r})
        import empycustom
        from surfaces import Surfaces
        made = Surfaces("NV12", 7, 5)
        mapped = lambda: "libcuda" in open("/proc/self/maps").read()
        with empycustom.map_frame(made.buffer, made.in_meta) as frame:
            view = frame.gray
            before = mapped()
            same = (frame.download()[1] == made.pixels(1)).all()
        print(before, mapped(), same)
        """
    env = {**os.environ, "LD_LIBRARY_PATH": str(fakes)}
    lines = "\n".join(line.strip() if not line.startswith("            ") else line[8:] for line in code.splitlines())
    done = subprocess.run([sys.executable, "-c", lines], env=env, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("False True True\n", 0), done.stderr


def test_the_gpus_are_asked_for_without_a_context(driver):
    """Which would take memory of each."""
    cuda.driver.cache_clear()
    assert (gpus.cuda_version(), gpus.gpus()) == ("13.2", [("Fake GPU 0", 16 << 30), ("Fake GPU 1", 32 << 30)])
    asked = [call for number in (0, 1) for call in (f"device {number}", f"name {number}", f"memory {number}")]
    assert driver.calls == ["init", "version", "count", *asked]
    driver.fail("cuDeviceGetName")
    with pytest.raises(FrameError, match="GPU 0 does not report its name: CUDA_ERROR_ILLEGAL_ADDRESS"):
        gpus.gpus()


@pytest.mark.parametrize("library", ["libcuda.so.1", "libnvbufsurface.so.1.0.0"])
def test_every_function_that_is_declared_is_called_as_the_fake_has_it(fakes, library):
    """The fakes have what nvbufsurface.h and cuda.h name; a name that is misspelt in declared.h would not be found."""
    loaded = loading.ffi.dlopen(str(fakes / library))
    start = "cu" if "cuda" in library else "NvBufSurface"
    names = [name for name in dir(loaded) if name.startswith(start)]
    assert names
    assert [name for name in names if not hasattr(loaded, name)] == []


def test_the_layouts_are_those_of_the_documentation():
    """As in CUDA's reference of the driver, on 64 bits."""
    copy, frame = (loading.ffi.typeof(name) for name in ("CUDA_MEMCPY2D", "CUeglFrame"))
    assert loading.ffi.sizeof(copy) == 128
    places = {name: field.offset for name, field in copy.fields}
    assert [places[name] for name in ("srcMemoryType", "srcHost", "srcDevice", "srcPitch")] == [16, 24, 32, 48]
    assert [places[name] for name in ("dstXInBytes", "dstMemoryType", "dstHost", "dstPitch")] == [56, 72, 80, 104]
    assert [places[name] for name in ("WidthInBytes", "Height")] == [112, 120]
    places = {name: field.offset for name, field in frame.fields}
    assert [places[name] for name in ("planes", "width", "pitch", "planeCount", "frameType", "cuFormat")] == [
        0,
        24,
        36,
        40,
        48,
        56,
    ]
