"""NVIDIA's own surfaces and pool of buffers, without a GPU: they are in plain memory, which its library can also allocate.

The library wants a driver and a runtime of CUDA to be loaded; the fakes are, and are hardly called. All runs in processes of its
own. Memory of malloc() cannot be viewed, so buffers are made to say that it is pinned, which is memory of the process as well.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "deepstream"))

import nvds  # noqa: E402 - found by the line above

pytestmark = pytest.mark.skipif(bool(nvds.WHY_NOT), reason=nvds.WHY_NOT)

PRELUDE = f"""
import ctypes, struct, sys
sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent / "deepstream")!r}]
import numpy as np
import empycustom, nvds
from empycustom.gstreamer import Gst
from empycustom.native.memory import BufferMap, is_copied, is_memory_writable
from empycustom.native import cuda as surfaces

NAMES = {{"RGBA": 19, "NV12": 6, "I420": 2, "GRAY8": 1, "BGRx": 24}}
SYSTEM, PINNED, WIDTH, HEIGHT, BATCH = 6, 1, 322, 242, 3
library = ctypes.CDLL(str(nvds.FOLDER / "libnvbufsurface.so"), mode=ctypes.RTLD_GLOBAL | 1)  # lazily: the fakes have little
gst = ctypes.CDLL("libgstreamer-1.0.so.0")
for name in ("gst_memory_new_wrapped", "gst_buffer_pool_get_config"):
    getattr(gst, name).restype = ctypes.c_void_p
gst.gst_memory_new_wrapped.argtypes = [ctypes.c_int, *[ctypes.c_void_p] * 6]

def number(address, value=None):
    place = ctypes.c_uint32.from_address(address)
    if value is not None:
        place.value = value
    return place.value

def about(video_format):
    return {{"buffer": {{"format": video_format, "width": WIDTH, "height": HEIGHT, "memory": "NVMM"}}}}
"""


@pytest.fixture(scope="module")
def run(fakes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cuda")
    (folder / "versions").write_text("libcudart.so.13 { *; };\n")
    command = ["gcc", "-shared", "-fPIC", "-w", f"-Wl,--version-script={folder / 'versions'}", "-o"]
    subprocess.run([*command, str(folder / "libcudart.so.13"), str(HERE / "fake_cudart.c")], check=True)
    env = {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join([str(folder), str(fakes)]), "G_DEBUG": "fatal-criticals"}

    def run(code):
        command = [sys.executable, "-c", PRELUDE + textwrap.dedent(code)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout.splitlines()

    return run


def test_surfaces_lie_as_they_are_read(run):
    """Each plane of each frame of a batch is written by NVIDIA's own map, and read by ours."""
    said = run("""
        for name, color in NAMES.items():
            made = ctypes.c_void_p()
            wanted = struct.pack("=IIIIB3xIII4x", 0, WIDTH, HEIGHT, 0, 0, color, 0, SYSTEM) + bytes(32)
            assert library.NvBufSurfaceCreate(ctypes.byref(made), BATCH, wanted) == 0
            number(made.value + 8, BATCH)
            number(made.value + 16, PINNED)
            buffer = Gst.Buffer.new()
            memory = gst.gst_memory_new_wrapped(0, made.value, 72, 0, 72, None, None)
            gst.gst_buffer_append_memory(ctypes.c_void_p(hash(buffer)), ctypes.c_void_p(memory))
            spans = []
            for batch_id in range(BATCH):
                one = surfaces.surface_of(surfaces.found_at(made.value, 72, batch_id))
                with empycustom.map_frame(buffer, about(name), batch_id=batch_id, writable=True) as frame:
                    for index, plane in enumerate(frame.planes):
                        ends = plane.address, plane.address + plane.strides[0] * plane.shape[0]
                        assert one.data <= ends[0] < ends[1] <= one.data + one.size
                        spans.append(ends)
                        np.from_dlpack(plane, device="cpu")[...] = 10 * batch_id + index
                    shapes = [plane.shape for plane in frame.planes]
            assert all(end <= begin for (_, end), (begin, _) in zip(sorted(spans), sorted(spans)[1:]))
            for batch_id in range(BATCH):
                with empycustom.map_frame(buffer, about(name), batch_id=batch_id) as frame:
                    assert all((np.from_dlpack(plane, device="cpu") == 10 * batch_id + index).all() for index, plane in enumerate(frame.planes))
            print(name, shapes, surfaces._stride(surfaces._head(made.value)[4]))
        """)
    luma, half = (242, 322), (121, 161)
    shapes = {"RGBA": [(*luma, 4)], "NV12": [luma, (*half, 2)], "I420": [luma, half, half], "GRAY8": [luma], "BGRx": [(*luma, 4)]}
    assert said == [f"{name} {expected} 416" for name, expected in shapes.items()]


POOL = """
        pools = ctypes.CDLL(str(nvds.FOLDER / "libnvdsbufferpool.so"))
        pools.gst_nvds_buffer_pool_new.restype = ctypes.c_void_p
        pool = ctypes.c_void_p(pools.gst_nvds_buffer_pool_new())
        config = ctypes.c_void_p(gst.gst_buffer_pool_get_config(pool))
        caps = Gst.Caps.from_string(f"video/x-raw(memory:NVMM),format=RGBA,width={WIDTH},height={HEIGHT},framerate=30/1")
        gst.gst_buffer_pool_config_set_params(config, ctypes.c_void_p(hash(caps)), 72, 1, 1)
        UINT = ctypes.c_size_t(7 << 2)
        for name, value in ((b"memtype", SYSTEM), (b"gpu-id", 0), (b"batch-size", BATCH)):
            gst.gst_structure_set(config, name, UINT, ctypes.c_uint(value), None)
        assert gst.gst_buffer_pool_set_config(pool, config) and gst.gst_buffer_pool_set_active(pool, 1)

        class Holder:
            "A Gst.Buffer by its address: PyGObject's own would hold a reference more."
            def __init__(self, address): self.address = address
            def __hash__(self): return self.address

        from empycustom.buffers.nvmm import NvmmFrame
        def frame_of(address, **more):
            return NvmmFrame(Holder(address), "RGBA", WIDTH, HEIGHT, more.pop("batch_id", 0), writable=False, **more)
        def writable(address, batch_id=0):
            return NvmmFrame(Holder(address), "RGBA", WIDTH, HEIGHT, batch_id, writable=True)
        def acquire():
            got = ctypes.c_void_p()
            assert gst.gst_buffer_pool_acquire_buffer(pool, ctypes.byref(got), None) == 0
            mapped = BufferMap(got.value, writable=False)
            memory, surface, _ = mapped.place
            number(surface + 8, BATCH), number(surface + 16, PINNED)
            print("bytes", len(mapped.data), "copied", is_copied(memory, surface), "alone", is_memory_writable(got.value))
            mapped.unmap()
            return got.value, memory
        def surface_of(buffer):
            mapped = BufferMap(buffer, writable=False)
            _, surface, _ = mapped.place  # before the unmap, with which GStreamer 1.28 forgets it
            mapped.unmap()
            return surface
        def drop(buffer):
            gst.gst_mini_object_unref(ctypes.c_void_p(buffer))
"""


def test_a_buffer_of_nvidias_pool_is_written_and_goes_back_while_a_tensor_is_kept(run):
    """The pool takes it again, because its memory is not locked, and the tensor has the next frame."""
    said = run(
        POOL
        + """
        first, memory = acquire()
        with writable(first, 2) as frame:
            array = np.from_dlpack(frame.rgba, device="cpu")
            array[...] = 7
        drop(first)
        second, again = acquire()
        print("same", (first, memory) == (second, again), array.max())
        with writable(second, 2) as frame:
            np.from_dlpack(frame.rgba, device="cpu")[...] = 9
        print(array.min(), array.max())
        number(surface_of(second) + 16, SYSTEM)  # as it was, for NVIDIA's library to free it
        gone = []
        tell = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(lambda *_: gone.append(True))
        gst.gst_mini_object_weak_ref(ctypes.c_void_p(memory), tell, None)
        del frame
        drop(second)
        gst.gst_buffer_pool_set_active(pool, 0)
        gst.gst_object_unref(pool)
        print(array.min(), array.max(), gone)
        del array
        print(gone)
        """
    )
    acquired = "bytes 72 copied False alone True"
    assert said == [acquired, acquired, "same True 7", "9 9", "9 9 []", "[True]"]


def test_a_copy_of_such_a_buffer_is_seen_to_be_one(run):
    said = run(
        POOL
        + """
        first, memory = acquire()
        gst.gst_buffer_copy.restype = ctypes.c_void_p
        copied = gst.gst_buffer_copy(ctypes.c_void_p(first))
        with frame_of(first) as frame, frame_of(copied) as same:
            print(frame.rgba.address == same.rgba.address, (np.from_dlpack(same.rgba, device="cpu") == np.from_dlpack(frame.rgba, device="cpu")).all())
        try:
            with writable(copied):
                print("written")
        except empycustom.FrameError as error:
            print(error)
        with writable(first):
            print("written")
        """
    )
    assert said[0].startswith("bytes 72")
    assert said[1] == "True True"
    assert "another one has the same GPU memory, behind a tee" in said[2]
    assert said[3:] == ["written"]


def test_memory_of_malloc_is_refused(run):
    (said,) = run(
        POOL
        + """
        got = ctypes.c_void_p()
        gst.gst_buffer_pool_acquire_buffer(pool, ctypes.byref(got), None)
        try:
            with frame_of(got.value):
                print("mapped")
        except empycustom.FrameError as error:
            print(error)
        """
    )
    assert "is in memory of malloc(), which cannot be viewed" in said
