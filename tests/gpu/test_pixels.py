"""Views of decoded video on the GPU: the same pixels as the CPU decodes, and what is written is there downstream."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import textwrap
from pathlib import Path

import numpy as np
import pytest
from machine import FRAMES, HEIGHT, WIDTH, printed

DECODE = "filesrc location={video} ! h264parse ! nvv4l2decoder ! nvvideoconvert {properties} ! video/x-raw(memory:NVMM),format={format}"
NVMM = str(Path(__file__).parents[1] / "nvmm")
CHROMA = (-(-HEIGHT // 2), -(-WIDTH // 2), 2)

# Appends every frame to a file, plane by plane, without gaps.
SAVE = """
    import empycustom
    file = open("frames.raw", "wb")
    def process_ip(io_buffer, in_meta, options):
        with empycustom.map_frame(io_buffer, in_meta) as frame:
            for plane in frame.planes:
                file.write(plane.download())
            file.flush()
    """


@pytest.fixture
def gpu(gst_launch, library, video, tmp_path):
    """Decode the video on the GPU, hand it to a library, and save what comes out behind it; return the lines that it printed."""

    def run(source, format_, *, properties="", after="fakesink"):
        lib = library(textwrap.dedent(source))
        line = DECODE.format(video=video, properties=properties, format=format_)
        launched = gst_launch(f"-q {line} ! empycustom in-place=true custom-lib={lib} ! {after}")
        assert launched.code == 0, launched.text
        return printed(launched.out)

    return run


def out_as(format_, name):
    """What saves frames, converted to system memory by NVIDIA's own converter, but for the format."""
    return f"nvvideoconvert ! video/x-raw,format={format_} ! filesink location={name}"


def decoded_by_cpu(video, path, format_):
    line = f"filesrc location={video} ! h264parse ! avdec_h264 ! videoconvert ! video/x-raw,format={format_} ! filesink location={path}"
    subprocess.run(["gst-launch-1.0", "-q", *line.split()], check=True, timeout=120)
    return path


def planes_of(data, strides):
    """Return luma and chroma of the NV12 frames of a file; ``strides`` are the bytes of a row of each."""
    sizes = [HEIGHT * strides[0], CHROMA[0] * strides[1]]
    frames = np.fromfile(data, np.uint8).reshape(-1, sum(sizes))
    luma = frames[:, : sizes[0]].reshape(-1, HEIGHT, strides[0])[..., :WIDTH]
    chroma = frames[:, sizes[0] :].reshape(-1, CHROMA[0], strides[1])[..., : 2 * CHROMA[1]]
    return luma, chroma.reshape(-1, *CHROMA)


def test_nv12_is_what_the_cpu_decodes_pixel_by_pixel(gpu, video, tmp_path):
    """H.264 defines every pixel exactly."""
    gpu(SAVE, "NV12")
    ours = planes_of(tmp_path / "frames.raw", (WIDTH, 2 * CHROMA[1]))
    padded = -(-WIDTH // 4) * 4  # GStreamer's own rows
    theirs = planes_of(decoded_by_cpu(video, tmp_path / "cpu.raw", "NV12"), (padded, padded))
    assert len(ours[0]) == len(theirs[0]) == FRAMES
    for mine, same in zip(ours, theirs, strict=True):
        assert (mine == same).all()
        assert mine.std() > 10


def rgba_of(path):
    return np.fromfile(path, np.uint8).reshape(-1, HEIGHT, WIDTH, 4)


def test_rgba_is_what_nvidias_converter_brings_down_pixel_by_pixel(gpu, tmp_path):
    gpu(SAVE, "RGBA", after=out_as("RGBA", tmp_path / "down.raw"))
    ours, theirs = rgba_of(tmp_path / "frames.raw"), rgba_of(tmp_path / "down.raw")
    assert len(ours) == len(theirs) == FRAMES
    assert (ours == theirs).all()


def test_rgba_is_about_what_the_cpu_calculates(gpu, video, tmp_path):
    """Both round, and interpolate chroma, in different ways: few pixels, at edges, differ by more than a little."""
    gpu(SAVE, "RGBA")
    ours = rgba_of(tmp_path / "frames.raw").astype(int)
    theirs = rgba_of(decoded_by_cpu(video, tmp_path / "cpu.raw", "RGBA"))
    away = np.abs(ours - theirs)[..., :3]
    print(f"RGBA beside the CPU's: {away.mean():.2f} away on average, {np.mean(away > 8):.2%} more than 8")
    assert away.mean() < 4
    assert np.mean(away > 24) < 0.02


# Reads frames on a stream that waits for no other one, as soon as they are there.
READ_AT_ONCE = """
    import ctypes
    import numpy as np
    import empycustom
    cuda = ctypes.CDLL("libcuda.so.1")
    context, stream, before = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    assert not cuda.cuInit(0) and not cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0)
    assert not cuda.cuCtxPushCurrent_v2(context)
    assert not cuda.cuStreamCreate(ctypes.byref(stream), 1)  # CU_STREAM_NON_BLOCKING
    cuda.cuCtxPopCurrent_v2(ctypes.byref(before))
    file = open({name!r}, "wb")
    def process_ip(io_buffer, in_meta, options):
        with empycustom.map_frame(io_buffer, in_meta) as frame:
            view = frame.rgba
            rows, columns, channels = view.shape
            copied = np.empty((rows, view.strides[0]), np.uint8)
            assert not cuda.cuCtxPushCurrent_v2(context)
            assert not cuda.cuMemcpyDtoHAsync_v2(ctypes.c_void_p(copied.ctypes.data), ctypes.c_uint64(view.address),
                                                 ctypes.c_size_t(copied.size), stream)
            assert not cuda.cuStreamSynchronize(stream)
            cuda.cuCtxPopCurrent_v2(ctypes.byref(before))
        file.write(np.ascontiguousarray(copied[:, : columns * channels]))
        file.flush()
    """


def test_frames_are_ready_when_they_arrive(gpu, gst_launch, library, video, tmp_path):
    """While others decode and convert on the same GPU: nothing of a frame is still to be written when a library sees it."""
    gpu(SAVE, "RGBA")
    expected = read(tmp_path)
    names = [f"frames-{number}.raw" for number in range(6)]
    libraries = [library(textwrap.dedent(READ_AT_ONCE.format(name=name)), f"{name}.py") for name in names]
    branches = [
        f"{DECODE.format(video=video, properties='', format='RGBA')} ! empycustom in-place=true custom-lib={lib} ! fakesink async=false"
        for lib in libraries
    ]
    launched = gst_launch(f"-q {' '.join(branches)}")
    assert launched.code == 0, launched.text
    assert [(tmp_path / name).read_bytes() == expected for name in names] == [True] * 6


# Writes a rectangle by the CUDA array interface, with two calls of the driver.
FILL = """
    import ctypes
    import empycustom
    cuda = ctypes.CDLL("libcuda.so.1")
    context = ctypes.c_void_p()
    assert not cuda.cuInit(0) and not cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0)
    def fill(view, value):
        about = view.__cuda_array_interface__
        (address, readonly), (rows, columns, channels) = about["data"], about["shape"]
        assert not readonly and about["strides"][1:] == (channels, 1)
        assert not cuda.cuCtxPushCurrent_v2(context)
        assert not cuda.cuMemsetD2D8_v2(ctypes.c_uint64(address), ctypes.c_size_t(about["strides"][0]), ctypes.c_ubyte(value),
                                        ctypes.c_size_t(columns * channels), ctypes.c_size_t(rows))
        cuda.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
    def process_ip(io_buffer, in_meta, options):
        with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
            fill(frame.planes[-1][10:30, 20:40], 99)
    """
TORCH = """
    import torch
    import empycustom
    def process_ip(io_buffer, in_meta, options):
        with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
            with torch.cuda.stream(torch.cuda.Stream()):
                tensor = torch.from_dlpack(frame.planes[-1])
                assert tensor.data_ptr() == frame.planes[-1].address and tensor.is_cuda
                tensor[10:30, 20:40] = 99
    """
CUPY = """
    import cupy
    import empycustom
    def process_ip(io_buffer, in_meta, options):
        with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
            array = cupy.asarray(frame.planes[-1])
            assert array.data.ptr == frame.planes[-1].address
            array[10:30, 20:40] = 99
            cupy.from_dlpack(frame.planes[-1])[10:30, 20:40] = 99
    """


def needs(name):
    return pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed")


WRITERS = [
    pytest.param(FILL, id="driver"),
    pytest.param(TORCH, id="torch", marks=needs("torch")),
    pytest.param(CUPY, id="cupy", marks=needs("cupy")),
]


@pytest.mark.parametrize("format_", ["RGBA", "NV12"])
@pytest.mark.parametrize("writer", WRITERS)
def test_what_is_written_in_place_is_there_downstream(gpu, tmp_path, writer, format_):
    """Behind the library a second one looks at the same buffers."""
    (tmp_path / "save.py").write_text(textwrap.dedent(SAVE))
    gpu(SAVE, format_)
    before = (tmp_path / "frames.raw").read_bytes()
    gpu(writer, format_, after=f"empycustom in-place=true custom-lib={tmp_path / 'save.py'} ! fakesink")
    if format_ == "RGBA":
        (before, after) = (np.frombuffer(data, np.uint8).reshape(-1, HEIGHT, WIDTH, 4) for data in (before, read(tmp_path)))
    else:
        (tmp_path / "before.raw").write_bytes(before)
        before, after = (planes_of(tmp_path / name, (WIDTH, 2 * CHROMA[1])) for name in ("before.raw", "frames.raw"))
        assert (before[0] == after[0]).all()
        before, after = before[1], after[1]
    assert len(before) == len(after) == FRAMES
    expected = before.copy()
    expected[:, 10:30, 20:40] = 99
    assert (after == expected).all()
    assert (before != expected).any()


def read(folder):
    return (folder / "frames.raw").read_bytes()


@pytest.mark.parametrize(("memory_type", "kind"), [(1, (1, 0)), (2, (2, 0)), (3, (2, 0))])
def test_memory_of_every_type(gpu, memory_type, kind):
    """NumPy takes pinned and unified memory itself."""
    said = gpu(
        f"""
        import numpy as np
        import empycustom
        def process_ip(io_buffer, in_meta, options):
            with empycustom.map_frame(io_buffer, in_meta) as frame:
                view, same = frame.rgba, True
                if {memory_type} != 2:
                    array = np.from_dlpack(view, device="cpu")
                    same = array.ctypes.data == view.address and (array == view.download()).all()
                print(view.__dlpack_device__(), same, bool(view.download().any()), flush=True)
        """,
        "RGBA",
        properties=f"nvbuf-memory-type={memory_type}",
    )
    assert said == [f"{kind} True True"] * FRAMES


def test_tensors_outlive_their_buffers_and_the_pipeline(gpu):
    """Taken by hand, and given back when Python has ended: the process ends well."""
    said = gpu(
        f"""
        import ctypes, sys
        sys.path.insert(0, {NVMM!r})
        import empycustom
        from consumer import take
        libc = ctypes.CDLL(None)
        def process_ip(io_buffer, in_meta, options):
            with empycustom.map_frame(io_buffer, in_meta) as frame:
                taken = take(frame.rgba.__dlpack__())
                frame.rgba.__dlpack__(max_version=(1, 0))
            libc.__cxa_atexit(ctypes.c_void_p(taken.managed.deleter), ctypes.c_void_p(taken.address), None)
            print("taken", flush=True)
        """,
        "RGBA",
    )
    assert said == ["taken"] * FRAMES


# Each turn hands a view over on a stream that is gone when the block ends.
DROPPED = """
    import ctypes, sys
    sys.path.insert(0, {folder!r})
    import empycustom
    from consumer import take
    cuda = ctypes.CDLL("libcuda.so.1")
    context, stream = ctypes.c_void_p(), ctypes.c_void_p()
    assert not cuda.cuInit(0) and not cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0)
    def process_ip(io_buffer, in_meta, options):
        assert not cuda.cuCtxPushCurrent_v2(context)
        with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
            view = frame.planes[-1][10:30, 20:40]
            assert not cuda.cuStreamCreate(ctypes.byref(stream), 1)  # CU_STREAM_NON_BLOCKING
            taken = take(view.__dlpack__(stream=stream.value))
            rows, columns, channels = view.shape
            assert not cuda.cuMemsetD2D8Async(ctypes.c_uint64(view.address), ctypes.c_size_t(view.strides[0]), ctypes.c_ubyte(99),
                                              ctypes.c_size_t(columns * channels), ctypes.c_size_t(rows), stream)
            assert not cuda.cuStreamDestroy_v2(stream)
            taken.give_back()
        cuda.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
        with empycustom.map_frame(io_buffer, in_meta) as frame:
            print(bool((view_of(frame).download() == 99).all()), flush=True)
    def view_of(frame):
        return frame.planes[-1][10:30, 20:40]
    """
DROPPED_BY_CUPY = """
    import cupy
    import empycustom
    def process_ip(io_buffer, in_meta, options):
        with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
            with cupy.cuda.Stream(non_blocking=True):
                cupy.from_dlpack(frame.planes[-1])[10:30, 20:40] = 99
        with empycustom.map_frame(io_buffer, in_meta) as frame:
            print(bool((frame.planes[-1][10:30, 20:40].download() == 99).all()), flush=True)
    """


@pytest.mark.parametrize(
    "source", [pytest.param(DROPPED, id="driver"), pytest.param(DROPPED_BY_CUPY, id="cupy", marks=needs("cupy"))]
)
def test_a_stream_may_be_destroyed_before_the_block_ends(gpu, source):
    said = gpu(source.format(folder=NVMM) if source is DROPPED else source, "RGBA")
    assert said == ["True"] * FRAMES


READ_ONLY = """
    import torch
    import empycustom
    def process_ip(io_buffer, in_meta, options):
        for writable in (False, True):
            with empycustom.map_frame(io_buffer, in_meta, writable=writable) as frame:
                view, said = frame.rgba, []
                for take in (torch.from_dlpack, torch.as_tensor):
                    try:
                        said.append(take(view).data_ptr() == view.address)
                    except (TypeError, BufferError, RuntimeError):
                        said.append("refused")
                print(*said, flush=True)
    """


@needs("torch")
def test_how_pytorch_takes_frames_that_are_mapped_read_only(gpu):
    """As in docs/pixels.md."""
    assert gpu(READ_ONLY, "RGBA") == ["True refused", "True True"] * FRAMES


# Microseconds, the least of each: a block alone, one with a view that goes out and comes back, one with a copy.
CLOCK = """
    import json, sys, time
    sys.path.insert(0, {folder!r})
    import empycustom
    from consumer import take
    costs = {{}}
    def cost(name, buffer, in_meta, use):
        begin = time.perf_counter()
        with empycustom.map_frame(buffer, in_meta) as frame:
            use(frame.rgba)
        costs[name] = min(costs.get(name, 1e9), (time.perf_counter() - begin) * 1e6)
    def process_ip(io_buffer, in_meta, options):
        for _ in range(5):
            cost("view", io_buffer, in_meta, lambda view: view.shape)
            cost("view by DLPack", io_buffer, in_meta, lambda view: take(view.__dlpack__(stream=1)).give_back())
            cost("view by the CUDA array interface", io_buffer, in_meta, lambda view: view.__cuda_array_interface__)
            cost("download", io_buffer, in_meta, lambda view: view.download())
    def stop(options):
        print(json.dumps(costs), flush=True)
    """


@pytest.mark.parametrize("size", ["640x480", "1920x1080", "3840x2160"])
def test_what_it_costs(gpu, size, capsys):
    """Printed, and not compared: another GPU has other numbers."""
    width, height = size.split("x")
    said = gpu(CLOCK.format(folder=NVMM), f"RGBA,width={width},height={height}")
    costs = json.loads(said[-1])
    assert set(costs) == {"view", "view by DLPack", "view by the CUDA array interface", "download"}
    with capsys.disabled():
        print(f"\n{size} RGBA: " + ", ".join(f"{name} {value:.0f} µs" for name, value in costs.items()))
