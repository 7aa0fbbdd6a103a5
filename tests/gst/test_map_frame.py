"""``map_frame`` on buffers of real pipelines: the pixels, the memory that they are in, and how long it lives."""

import gc
import json
import os
from contextlib import suppress

import cv2
import gi
import numpy as np
import pytest
from PIL import Image

import empycustom
from empycustom.buffers.mapping import default_layout
from empycustom.errors import FrameClosedError, FrameError
from empycustom.frames.formats import FORMATS
from empycustom.gstreamer import Gst, GstVideo
from empycustom.native.loading import ffi
from empycustom.native.memory import BufferMap, is_writable

SIZES = [(1, 1), (2, 2), (3, 5), (30, 7), (33, 17), (64, 48)]
PACKED = [name for name in FORMATS if set(name) in (set("RGBA"), set("RGBx"), set("RGB"))]


def meta_of(video_format, width, height, memory="CPU"):
    """The in_meta of a buffer; its planes are wrong on purpose, because a buffer says itself how it lies."""
    planes = [{"offset": 7, "stride": 1, "width": 1, "height": 1}]
    about = {"format": video_format, "width": width, "height": height, "memory": memory, "planes": planes}
    return {"frame": [{"source_frame_width": width, "source_frame_height": height, "object": []}], "buffer": about}


def render(video_format, size, converted, pattern="smpte100"):
    """Render one frame; return its buffer, and one that GStreamer converted to the format ``converted``."""
    caps = f"video/x-raw,width={size[0]},height={size[1]},format="
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers=1 pattern={pattern} ! {caps}{video_format} ! tee name=t ! queue ! appsink name=original "
        f"t. ! queue ! videoconvert dither=none chroma-mode=none ! {caps}{converted} ! appsink name=converted"
    )
    pipeline.set_state(Gst.State.PLAYING)
    samples = [pipeline.get_by_name(name).emit("try-pull-sample", 10 * Gst.SECOND) for name in ("original", "converted")]
    pipeline.set_state(Gst.State.NULL)
    return [sample.get_buffer().copy_deep() for sample in samples]


def new_buffer(video_format="RGBA", width=6, height=4):
    """An own, writable buffer in GStreamer's default layout, its bytes counting up; and its in_meta."""
    info = GstVideo.VideoInfo()
    info.set_format(GstVideo.VideoFormat.from_string(video_format), width, height)
    buffer = Gst.Buffer.new_allocate(None, info.size, None)
    buffer.fill(0, bytes(value % 251 for value in range(info.size)))
    return buffer, meta_of(video_format, width, height)


def content(buffer):
    return buffer.extract_dup(0, buffer.get_size())


def memory_state(buffer):
    """(references, locks) of a buffer's memory; every mapping is a lock."""
    mini_object = buffer.peek_memory(0).mini_object
    return mini_object.refcount, mini_object.lockstate


# What the pixels are


@pytest.mark.parametrize("pattern", ["smpte100", "snow"])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("video_format", PACKED)
def test_packed_pixels_are_what_gstreamer_converts_them_to(video_format, size, pattern):
    buffer, rgba = render(video_format, size, "RGBA", pattern)
    with (
        empycustom.map_frame(buffer, meta_of(video_format, *size)) as frame,
        empycustom.map_frame(rgba, meta_of("RGBA", *size)) as expected,
    ):
        assert frame.pixels.shape == (size[1], size[0], len(video_format))
        assert (frame.rgb == expected.pixels[..., :3]).all()
        assert (frame.bgr == expected.bgr).all()
        assert (expected.rgba == expected.pixels).all()


@pytest.mark.parametrize("pattern", ["smpte100", "snow"])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("video_format", "other"), [("I420", "NV12"), ("NV12", "I420")])
def test_planes_are_what_gstreamer_rearranges_them_to(video_format, other, size, pattern):
    buffers = dict(zip((video_format, other), render(video_format, size, other, pattern), strict=True))
    with (
        empycustom.map_frame(buffers["I420"], meta_of("I420", *size)) as i420,
        empycustom.map_frame(buffers["NV12"], meta_of("NV12", *size)) as nv12,
    ):
        luma, blue, red = i420.planes
        half = (-(-size[1] // 2), -(-size[0] // 2))
        assert (luma.shape, blue.shape, red.shape) == ((size[1], size[0]), half, half)
        assert nv12.planes[1].shape == (*half, 2)
        assert (nv12.gray == luma).all()
        assert (nv12.planes[1][..., 0] == blue).all()
        assert (nv12.planes[1][..., 1] == red).all()


WITH_CHROMA = [name for name, known in FORMATS.items() if "U" in "".join(plane.components for plane in known.planes)]


def components(frame):
    """Return luma, blue and red difference of a frame, in full size and in steps of 8 bits."""
    depth = {"I420_10LE": 4, "P010_10LE": 256, "P016_LE": 256}.get(frame.format, 1)
    found = {}
    for plane, about in zip(frame.planes, FORMATS[frame.format].planes, strict=True):
        groups = np.asarray(plane).reshape(plane.shape[0], -1, len(about.components))
        for name in set(about.components):
            samples = groups[..., [place for place, other in enumerate(about.components) if other == name]]
            across = about.sub_x * about.pixels // samples.shape[-1]
            samples = np.repeat(np.repeat(samples.reshape(plane.shape[0], -1), about.sub_y, axis=0), across, axis=1)
            found[name] = samples[: frame.height, : frame.width] / depth
    return found["Y"], found["U"], found["V"]


@pytest.mark.parametrize("size", [*SIZES, (31, 23), (65, 1), (1, 49)], ids=str)
@pytest.mark.parametrize("video_format", WITH_CHROMA)
def test_planes_are_the_colours_that_gstreamer_converts_them_to(video_format, size):
    """Calculated from the planes by the formulas of BT.601, every pixel; GStreamer's quick ways are off by a few."""
    buffer, rgba = render(video_format, size, "RGBA", "snow" if min(size) == 1 else "smpte100")
    with (
        empycustom.map_frame(buffer, meta_of(video_format, *size)) as frame,
        empycustom.map_frame(rgba, meta_of("RGBA", *size)) as expected,
    ):
        luma, blue, red = components(frame)
        luma, blue, red = 255 / 219 * (luma - 16), 255 / 224 * (blue - 128), 255 / 224 * (red - 128)
        colours = np.stack([luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue], axis=-1)
        assert np.abs(np.clip(colours, 0, 255) - expected.rgb).max() < 6


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("video_format", ["I420_10LE", "P010_10LE", "P016_LE", "GRAY16_LE", "GRAY16_BE"])
def test_samples_of_more_bits_are_those_of_8_bits_and_the_bits_below(video_format, size):
    few = "GRAY8" if "GRAY" in video_format else "I420"
    many, eight = render(video_format, size, few, "snow")
    with (
        empycustom.map_frame(many, meta_of(video_format, *size)) as frame,
        empycustom.map_frame(eight, meta_of(few, *size)) as expected,
    ):
        assert {plane.dtype for plane in frame.planes} == {np.dtype(">u2" if video_format == "GRAY16_BE" else "<u2")}
        shift = 2 if video_format == "I420_10LE" else 8
        assert (np.abs((frame.gray >> shift).astype(int) - expected.gray) <= 1).all()


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("video_format", ["RGBP", "BGRP"])
def test_colours_in_planes_of_their_own_are_what_gstreamer_converts_them_to(video_format, size):
    buffer, rgba = render(video_format, size, "RGBA", "snow")
    with (
        empycustom.map_frame(buffer, meta_of(video_format, *size)) as frame,
        empycustom.map_frame(rgba, meta_of("RGBA", *size)) as expected,
    ):
        assert (np.stack(frame.planes, axis=-1) == getattr(expected, video_format[:3].lower())).all()


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("video_format", "code"), [("YUY2", cv2.COLOR_YUV2RGB_YUY2), ("UYVY", cv2.COLOR_YUV2RGB_UYVY)])
def test_opencv_makes_rgb_of_packed_422_as_on_the_page(video_format, code, size):
    buffer, rgba = render(video_format, size, "RGBA")
    with (
        empycustom.map_frame(buffer, meta_of(video_format, *size)) as frame,
        empycustom.map_frame(rgba, meta_of("RGBA", *size)) as expected,
    ):
        rgb = cv2.cvtColor(frame.pixels, code)[:, : frame.width]
        assert np.abs(rgb.astype(int) - expected.rgb).max() < 6


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_opacity_of_a420_is_its_last_plane(size):
    """``foreground-color`` of half opacity, in a pattern of one colour."""
    pipeline = Gst.parse_launch(
        "videotestsrc num-buffers=1 pattern=solid-color foreground-color=0x80ffffff ! "
        f"video/x-raw,format=A420,width={size[0]},height={size[1]} ! appsink name=out"
    )
    pipeline.set_state(Gst.State.PLAYING)
    buffer = pipeline.get_by_name("out").emit("try-pull-sample", 10 * Gst.SECOND).get_buffer()
    with empycustom.map_frame(buffer, meta_of("A420", *size)) as frame:
        assert frame.planes[3].shape == frame.gray.shape == (size[1], size[0])
        assert set(frame.planes[3].reshape(-1).tolist()) == {128}
        assert frame.gray.min() >= 234
    pipeline.set_state(Gst.State.NULL)


@pytest.mark.parametrize("video_format", FORMATS)
def test_the_table_equals_gstreamers(video_format):
    """Every column, component by component."""
    info, known = GstVideo.VideoFormat.get_info(GstVideo.VideoFormat.from_string(video_format)), FORMATS[video_format]
    assert info.n_planes == len(known.planes)
    names = "RGBA" if info.flags & GstVideo.VideoFormatFlags.RGB else "YUVA"
    for index, name in enumerate(names[: info.n_components]):
        plane = known.planes[info.plane[index]]
        count, size = plane.components.count(name), plane.sample_bytes
        place = plane.components.index(name)
        assert info.poffset[index] in (place, place * size)  # in samples or, where the table of GStreamer is right, in bytes
        assert info.pixel_stride[index] == len(plane.components) * size // count
        assert (1 << info.w_sub[index], 1 << info.h_sub[index]) == (plane.sub_x * plane.pixels // count, plane.sub_y)
        assert (info.depth[index], info.shift[index]) == (known.bits, known.shift)
        assert size == 1 or plane.dtype[0] == "<>"[not info.flags & GstVideo.VideoFormatFlags.LE]
    assert set("".join(plane.components for plane in known.planes)) - {"x"} == set(names[: info.n_components])


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_gray8_is_what_gstreamer_converts_it_to(size):
    gray, rgba = render("GRAY8", size, "RGBA", "snow")
    with empycustom.map_frame(gray, meta_of("GRAY8", *size)) as frame, empycustom.map_frame(rgba, meta_of("RGBA", *size)) as out:
        order = np.argsort(frame.gray, axis=None, kind="stable")
        assert frame.gray.shape == (size[1], size[0])
        assert (out.rgb[..., 0] == out.rgb[..., 2]).all()
        assert (np.diff(out.pixels[..., 1].reshape(-1)[order].astype(int)) >= 0).all()  # ranges may differ, the order not


def test_a_known_colour_is_found_in_every_plane():
    """``pattern=red`` in I420 is Y 81, U 90, V 240 (BT.601)."""
    buffer, _ = render("I420", (33, 17), "RGBA", "red")
    with empycustom.map_frame(buffer, meta_of("I420", 33, 17)) as frame:
        for plane, value in zip(frame.planes, (81, 90, 240), strict=True):
            assert (abs(plane.astype(int) - value) <= 1).all()


@pytest.mark.parametrize("video_format", FORMATS)
def test_the_default_layout_is_gstreamers_at_every_small_size(video_format):
    for width in range(1, 18):
        for height in range(1, 10):
            info = GstVideo.VideoInfo()
            info.set_format(GstVideo.VideoFormat.from_string(video_format), width, height)
            layout = default_layout(video_format, width, height)
            count = info.finfo.n_planes
            assert [plane.offset for plane in layout.planes] == list(info.offset)[:count]
            assert [plane.strides[0] for plane in layout.planes] == list(info.stride)[:count]
            assert layout.size <= info.size


@pytest.mark.parametrize("video_format", ["RGB", "I420", "NV12", "YUY2", "NV16", "Y42B", "Y444", "P016_LE", "BGRP", "A420"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_padded_rows_and_planes_are_read_from_the_video_meta(video_format, size):
    original, _ = render(video_format, size, "RGBA")
    in_meta = meta_of(video_format, *size)
    with empycustom.map_frame(original, in_meta) as source:
        rows = [plane.reshape(plane.shape[0], -1).view(np.uint8) for plane in source.planes]
        strides = [row.shape[1] + 5 + index for index, row in enumerate(rows)]
        starts = [64, *np.cumsum([64 + len(row) * stride + 9 for row, stride in zip(rows, strides, strict=True)])][: len(rows)]
        starts = [int(start) + 64 * index for index, start in enumerate(starts)]
        padded = Gst.Buffer.new_allocate(None, starts[-1] + len(rows[-1]) * strides[-1], None)
        _add_video_meta(padded, video_format, size, starts, strides)
        with empycustom.map_frame(padded, in_meta, writable=True) as target:
            for plane, values in zip(target.planes, source.planes, strict=True):
                plane[...] = values
        data = content(padded)
        for row, start, stride in zip(rows, starts, strides, strict=True):
            for number, line in enumerate(row):
                at = start + number * stride
                assert data[at : at + len(line)] == line.tobytes()


@pytest.mark.parametrize("mode", ["progressive", "interleaved"])
@pytest.mark.parametrize("size", [(8, 6), (33, 18), (7, 5), (16, 16)], ids=str)
@pytest.mark.parametrize("video_format", FORMATS)
def test_an_interlaced_frame_lies_as_gstreamer_has_it(play, library, video_format, size, mode):
    """Through the element: a library copies plane by plane what comes into the caps' own places, with NumPy."""
    caps = f"video/x-raw,format={video_format},width={size[0]},height={size[1]},interlace-mode={mode},framerate=30/1"
    lib = library(
        "import empycustom\n"
        "def process_ip(b, m, o):\n"
        "    with empycustom.map_frame(b, m) as frame:\n"
        "        at = frame.planes[0].ctypes.data\n"
        "        return [[[p.ctypes.data - at, p.strides[0]] for p in frame.planes]]\n"
    )
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers=1 ! {caps} ! empycustom name=e in-place=true custom-lib={lib} ! fakesink"
    )
    played = play(pipeline)
    assert played.ended, played.errors
    info = GstVideo.VideoInfo.new_from_caps(Gst.Caps.from_string(caps))
    count = info.finfo.n_planes
    places = [list(place) for place in zip(info.offset[:count], info.stride[:count], strict=True)]
    assert json.loads(pipeline.get_by_name("e").get_property("last-meta")) == [places]


def _add_video_meta(buffer, video_format, size, offsets, strides):
    filled = [list(values) + [0] * (4 - len(values)) for values in (offsets, strides)]
    GstVideo.buffer_add_video_meta_full(
        buffer, GstVideo.VideoFrameFlags.NONE, GstVideo.VideoFormat.from_string(video_format), *size, len(offsets), *filled
    )


def test_a_new_buffer_lies_by_default_and_not_as_the_input_did():
    """The in_meta is that of a padded input; the buffer that ``process`` makes has no padding and no GstVideoMeta."""
    buffer, in_meta = new_buffer("RGB", 30, 4)
    in_meta["buffer"]["planes"] = [{"offset": 64, "stride": 128, "width": 30, "height": 4}]
    with empycustom.map_frame(buffer, in_meta) as frame:
        assert frame.pixels.strides == (92, 3, 1)
        assert frame.pixels[1, 0].tobytes() == content(buffer)[92:95]


def test_a_frame_cut_by_the_meta_of_a_larger_one():
    """in_meta says how much of the memory is the frame: caps may be smaller than what the decoder's GstVideoMeta covers."""
    buffer, _ = new_buffer("GRAY8", 8, 8)
    _add_video_meta(buffer, "GRAY8", (8, 8), [0], [8])
    with empycustom.map_frame(buffer, meta_of("GRAY8", 5, 3)) as frame:
        assert frame.pixels.shape == (3, 5)
        assert frame.pixels[2].tobytes() == content(buffer)[16:21]


# Whose memory it is


def test_views_lie_at_the_address_where_gstreamer_mapped_the_buffer():
    buffer, in_meta = new_buffer()
    _, by_hand = buffer.map(Gst.MapFlags.READ)
    expected = np.frombuffer(by_hand.data, np.uint8)
    with empycustom.map_frame(buffer, in_meta) as frame:
        assert frame.pixels.ctypes.data == expected.ctypes.data
        for view in (frame.pixels, frame.rgb, frame.bgr, frame.rgba, frame.pixels[1:, 2:]):
            assert np.shares_memory(view, expected)
    del expected
    buffer.unmap(by_hand)


def test_what_is_written_is_in_the_buffer():
    buffer, in_meta = new_buffer()
    before = content(buffer)
    with empycustom.map_frame(buffer, in_meta, writable=True) as frame:
        frame.pixels[1, 2] = (9, 8, 7, 6)
        frame.crop({"rect_params": {"left": 4.0, "top": 3.0, "width": 99, "height": 99}})[...] = 200
    after = content(buffer)
    assert after[32:36] == bytes([9, 8, 7, 6])
    assert after[88:96] == bytes([200] * 8)
    assert after[:32] + after[36:88] == before[:32] + before[36:88]


def test_opencv_and_pillow_take_the_views():
    buffer, in_meta = new_buffer("RGBA", 33, 17)
    with empycustom.map_frame(buffer, in_meta, writable=True) as frame:
        cv2.rectangle(frame.pixels, (0, 0), (3, 3), (250, 1, 2, 255), -1)
        cv2.putText(frame.pixels, "x", (10, 12), cv2.FONT_HERSHEY_PLAIN, 1, (3, 4, 5, 255))
        image = Image.fromarray(frame.pixels)
        assert image.mode == "RGBA"
        assert image.getpixel((3, 3)) == (250, 1, 2, 255)
    assert content(buffer)[:4] == bytes([250, 1, 2, 255])
    assert bytes([3, 4, 5, 255]) in content(buffer)


def test_a_frame_is_read_only_unless_asked_otherwise():
    buffer, in_meta = new_buffer()
    with empycustom.map_frame(buffer, in_meta) as frame:
        for view in (frame.pixels, frame.bgr, np.asarray(frame.pixels)):
            with pytest.raises(ValueError, match="read-only"):
                view[0] = 0
            with pytest.raises(ValueError, match="WRITEABLE"):
                view.flags.writeable = True


def test_a_buffer_that_others_hold_cannot_be_written():
    buffer, in_meta = new_buffer()
    others = buffer.copy()  # PyGObject's copy is one more reference
    assert not is_writable(hash(others))
    with (
        pytest.raises(FrameError, match=r"others hold it too.*copy_deep\(\)"),
        empycustom.map_frame(buffer, in_meta, writable=True),
    ):
        pass
    with empycustom.map_frame(buffer.copy_deep(), in_meta, writable=True) as frame:
        frame.pixels[0] = 0
    with empycustom.map_frame(buffer, in_meta) as frame:
        assert frame.pixels[0].any()


@pytest.mark.parametrize("writable", [False, True])
def test_a_buffer_of_several_memories_is_one_frame(writable):
    whole, in_meta = new_buffer("I420", 33, 17)
    data = content(whole)
    buffer = Gst.Buffer.new()
    for part in (data[:100], data[100:700], data[700:]):
        buffer.append_memory(Gst.Buffer.new_wrapped(part).get_memory(0))
    assert buffer.n_memory() == 3
    with empycustom.map_frame(buffer, in_meta, writable=writable) as frame, empycustom.map_frame(whole, in_meta) as expected:
        for plane, same in zip(frame.planes, expected.planes, strict=True):
            assert (plane == same).all()
        stripped = np.asarray(frame.gray)
        if writable:
            frame.planes[2][...] = 77
    if writable:
        assert content(buffer)[-12:][:9] == b"M" * 9  # the last row of V: 17 samples in a row of 20 bytes
    del buffer
    assert stripped[0, 5] == 5


# How long it lives


def test_a_view_after_the_block_raises_and_its_results_do_not():
    buffer, in_meta = new_buffer()
    obj = {"rect_params": {"left": 1, "top": 1, "width": 2, "height": 2}}
    with empycustom.map_frame(buffer, in_meta) as frame:
        roi = frame.crop(obj)
        mean, kept, doubled = roi.mean(), roi.copy(), roi * 2
    for use in (lambda: roi.mean(), lambda: roi[0], lambda: frame.pixels, lambda: np.add(roi, 1)):
        with pytest.raises(FrameClosedError, match="after its with block"):
            use()
    assert type(mean) is np.float64
    assert mean == kept.mean()
    assert (doubled == kept * 2).all()


def test_nothing_is_left_of_a_frame_once_its_views_are_gone():
    buffer, in_meta = new_buffer()
    before = memory_state(buffer)
    with empycustom.map_frame(buffer, in_meta, writable=True) as frame:
        roi = frame.pixels[1:3]
        assert memory_state(buffer) != before
    references, locks = memory_state(buffer)
    assert (references, locks) == (before[0] + 1, before[1])  # held for what may have been made of roi; not locked
    del roi, frame
    assert memory_state(buffer) == before
    assert is_writable(hash(buffer))


def test_no_memory_is_kept_without_a_view():
    buffer, in_meta = new_buffer()
    before = memory_state(buffer)
    with empycustom.map_frame(buffer, in_meta) as frame:
        frame.pixels.mean()
    assert memory_state(buffer) == before


def test_a_stripped_array_keeps_the_memory_but_neither_buffer_nor_lock():
    buffer, in_meta = new_buffer()
    before, data = memory_state(buffer), content(buffer)
    with empycustom.map_frame(buffer, in_meta) as frame:
        stripped = np.asarray(frame.pixels)
        part = stripped[1]
    del frame
    assert memory_state(buffer) == (before[0] + 1, before[1])
    assert is_writable(hash(buffer))
    memory = buffer.get_memory(0)
    del buffer
    gc.collect()
    assert stripped.tobytes() == data
    held = memory.mini_object.refcount
    del stripped
    assert part.tobytes() == data[24:48]
    assert memory.mini_object.refcount == held  # part lives
    del part
    assert memory.mini_object.refcount == held - 1


def test_a_stripped_array_of_memory_that_unmapping_takes_away_stays_readable():
    """Memory of a file descriptor is gone when it is unmapped: without care, this ends the process with SIGSEGV."""
    gi.require_version("GstAllocators", "1.0")
    from gi.repository import GstAllocators

    file = os.memfd_create("frame")
    os.write(file, bytes(range(96)))
    memory = GstAllocators.FdAllocator.alloc(GstAllocators.FdAllocator.new(), file, 96, GstAllocators.FdMemoryFlags.NONE)
    buffer = Gst.Buffer.new()
    buffer.append_memory(memory)
    for writable in (False, True):
        before = memory_state(buffer)
        with empycustom.map_frame(buffer, meta_of("RGBA", 6, 4), writable=writable) as frame:
            stripped = np.asarray(frame.pixels)
        assert stripped.tobytes() == bytes(range(96))
        del stripped, frame
        assert memory_state(buffer) == before
    with empycustom.map_frame(buffer, meta_of("RGBA", 6, 4), writable=True) as frame:
        frame.pixels[0, 0] = 255
    assert os.pread(file, 5, 0) == b"\xff\xff\xff\xff\x04"


def test_an_exception_in_the_block_unmaps_and_closes():
    buffer, in_meta = new_buffer()
    before, views = memory_state(buffer), []
    with suppress(ZeroDivisionError), empycustom.map_frame(buffer, in_meta, writable=True) as frame:
        views.append(frame.pixels)
        1 / 0  # noqa: B018 - it is there to raise
    with pytest.raises(FrameClosedError):
        views[0].sum()
    views.clear()
    assert memory_state(buffer) == before


def test_ten_thousand_frames_leave_nothing_behind():
    buffer, in_meta = new_buffer()
    before = memory_state(buffer)
    gc.collect()
    objects = len(gc.get_objects())
    for _ in range(10_000):
        with empycustom.map_frame(buffer, in_meta, writable=True) as frame:
            roi = frame.pixels[1:, 1:]
    del roi, frame
    gc.collect()
    assert memory_state(buffer) == before
    assert len(gc.get_objects()) - objects < 50


# What cannot be mapped


def test_a_failed_beginning_leaves_nothing_mapped():
    buffer, _ = new_buffer("RGBA", 6, 4)
    before = memory_state(buffer)
    with pytest.raises(FrameError, match=r"has 96 bytes, but the frame that in_meta describes needs 120"):
        empycustom.map_frame(buffer, meta_of("RGBA", 6, 5)).__enter__()
    assert memory_state(buffer) == before


@pytest.mark.parametrize(
    ("in_meta", "message"),
    [
        (meta_of("YUV9", 6, 4), r"YUV9 cannot be mapped.*RGBA, RGBx.*videoconvert"),
        (meta_of("RGBA", 6, 4, memory="DMABuf"), r"in DMABuf memory.*conversion to system memory"),
        (meta_of("RGBA", 0, 4), "GStreamer has no layout|0x4"),
        (meta_of("RGBA", -6, 4), r"width of -6|-6x4"),
        (meta_of("RGBA", "6", 4), "width of '6'"),
        ({}, r'in_meta\["buffer"\]'),
        (None, r'in_meta\["buffer"\]'),
    ],
)
def test_an_impossible_in_meta_is_refused(in_meta, message):
    buffer, _ = new_buffer()
    with pytest.raises(FrameError, match=message), empycustom.map_frame(buffer, in_meta):
        pass


@pytest.mark.parametrize("value", [None, b"bytes", np.zeros((4, 6, 4), np.uint8), Gst.Caps.new_empty()], ids=type)
def test_only_a_buffer_can_be_mapped(value):
    with pytest.raises(FrameError, match=f"needs the Gst.Buffer .* not a {type(value).__name__}"):
        empycustom.map_frame(value, meta_of("RGBA", 6, 4))


def test_a_video_meta_of_another_format_is_refused():
    buffer, _ = new_buffer("I420", 8, 8)
    _add_video_meta(buffer, "GRAY8", (8, 8), [0], [8])
    for video_format, message in (("I420", "describes 1"), ("RGBA", "needs 32 bytes a row")):
        with pytest.raises(FrameError, match=message), empycustom.map_frame(buffer, meta_of(video_format, 8, 8)):
            pass


def test_a_frame_is_for_one_block():
    buffer, in_meta = new_buffer()
    mapping = empycustom.map_frame(buffer, in_meta)
    with pytest.raises(FrameError, match="not open yet: write `with"):
        _ = mapping.pixels
    with mapping as frame:
        with pytest.raises(FrameError, match="mapped already"), mapping:
            pass
        assert frame.pixels.any()
        with empycustom.map_frame(buffer, in_meta) as second:
            assert np.shares_memory(frame.pixels, second.pixels)
        assert frame.pixels.any()
    with pytest.raises(FrameClosedError, match=r"call .*map_frame again"), mapping:
        pass
    with pytest.raises(FrameError, match="with statement"):
        mapping.__exit__(None, None, None)


def test_the_declarations_of_c_agree_with_introspection():
    """A field that is misplaced would read garbage and not fail."""
    frame = {field.get_name(): field.get_offset() for field in GstVideo.VideoFrame.__info__.get_fields()}
    assert ffi.sizeof("GstMapInfo[4]") == frame["_gst_reserved"] - frame["map"]
    buffer, _ = new_buffer()
    _, by_hand = buffer.map(Gst.MapFlags.READ)
    mapped = BufferMap(hash(buffer), writable=False)
    assert len(mapped.data) == by_hand.size == 96
    assert int(ffi.cast("uintptr_t", mapped._info.memory)) == hash(by_hand.memory)
    assert (mapped._info.maxsize, mapped._info.flags & 3) == (by_hand.maxsize, 1)
    assert bytes(mapped.data) == bytes(by_hand.data)
    mapped.unmap()
    buffer.unmap(by_hand)
    allocator = next(field for field in Gst.Memory.__info__.get_fields() if field.get_name() == "allocator")
    assert ffi.offsetof("GstMemory", "allocator") == allocator.get_offset()


# In a program: the sample of an appsink, or a buffer with its caps or its pad.


@pytest.mark.parametrize("video_format", ["RGBA", "I420", "NV12", "GRAY8"])
def test_a_sample_is_mapped_by_its_own_caps(video_format):
    original, in_meta = new_buffer(video_format, 6, 4)
    caps = Gst.Caps.from_string(f"video/x-raw,format={video_format},width=6,height=4,framerate=30/1")
    with empycustom.map_frame(original, in_meta) as frame:
        wanted = [plane.copy() for plane in frame.planes]
    for arguments in ((Gst.Sample.new(original, caps, None, None),), (original, caps)):
        with empycustom.map_frame(*arguments) as frame:
            assert (frame.format, frame.width, frame.height) == (video_format, 6, 4)
            assert all((one == other).all() for one, other in zip(frame.planes, wanted, strict=True))
            assert not frame.planes[0].flags.writeable


def test_an_appsink_and_a_pad_probe_map_what_they_see(play):
    line = "video/x-raw,format=RGBA,width=6,height=4,interlace-mode=interleaved ! identity name=i ! appsink name=out"
    pipeline, seen = Gst.parse_launch(f"videotestsrc num-buffers=2 pattern=red ! {line}"), []

    def probe(pad, info):
        with empycustom.map_frame(info.get_buffer(), pad) as frame:
            seen.append(frame.pixels[0, 0].tolist())
        return Gst.PadProbeReturn.OK

    pipeline.get_by_name("i").get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, probe)
    for sample in play(pipeline).samples:
        with empycustom.map_frame(sample) as frame:
            seen.append(frame.rgb[-1, -1].tolist())
    assert seen == [[255, 0, 0, 255]] * 2 + [[255, 0, 0]] * 2


def test_a_copy_of_a_sample_is_written():
    original, _ = new_buffer()
    caps = Gst.Caps.from_string("video/x-raw,format=RGBA,width=6,height=4,framerate=30/1")
    sample = Gst.Sample.new(original, caps, None, None)
    with (
        pytest.raises(FrameError, match=r"behind appsink, write into buffer\.copy_deep"),
        empycustom.map_frame(sample, writable=True),
    ):
        pass
    copy = sample.get_buffer().copy_deep()
    with empycustom.map_frame(copy, caps, writable=True) as frame:
        frame.pixels[:] = 7
    assert content(copy) == b"\7" * 96
    assert content(original)[:4] == bytes([0, 1, 2, 3])


UNKNOWN = {
    "no caps": None,
    "caps of sound": "audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved",
    "caps of several formats": "video/x-raw,format={RGBA,RGB},width=6,height=4",
}


@pytest.mark.parametrize("text", UNKNOWN.values(), ids=UNKNOWN)
def test_a_sample_without_a_frame_is_refused_with_the_fix(text):
    original, _ = new_buffer()
    sample = Gst.Sample.new(original, Gst.Caps.from_string(text) if text else None, None, None)
    with pytest.raises(FrameError, match=r"in a program the Gst\.Sample of an appsink, or the caps beside the buffer"):
        empycustom.map_frame(sample)
    with pytest.raises(FrameError, match=r"or the Gst\.Sample of an appsink, not a NoneType"):
        empycustom.map_frame(Gst.Sample.new(None, None, None, None))


def test_a_sample_in_other_memory_is_refused_with_its_name():
    original, _ = new_buffer()
    caps = Gst.Caps.from_string("video/x-raw(memory:GLMemory),format=RGBA,width=6,height=4,framerate=30/1")
    with pytest.raises(FrameError, match="The buffer is in GLMemory memory, which map_frame cannot view"):
        empycustom.map_frame(Gst.Sample.new(original, caps, None, None))


def test_a_description_beside_the_memory_changes_nothing():
    original, _ = new_buffer()
    caps = Gst.Caps.from_string("video/x-raw(memory:SystemMemory,meta:GstVideoOverlayComposition),format=RGBA,width=6,height=4")
    with empycustom.map_frame(original, caps) as frame:
        assert frame.pixels.tobytes() == content(original)
