"""The pixels of every format: what ``map_frame`` shows is what GStreamer makes of the same frame, wherever it lies."""

import json

import cv2
import numpy as np
import pytest
from frame_buffers import add_video_meta, content, meta_of, new_buffer, render

import empycustom
from empycustom.buffers.mapping import default_layout
from empycustom.frames.formats import FORMATS
from empycustom.gstreamer import Gst, GstVideo

SIZES = [(1, 1), (2, 2), (3, 5), (30, 7), (33, 17), (64, 48)]
PACKED = [name for name in FORMATS if set(name) in (set("RGBA"), set("RGBx"), set("RGB"))]


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
    buffer = pipeline.get_by_name("out").emit("try-pull-sample", 60 * Gst.SECOND).get_buffer()
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
        add_video_meta(padded, video_format, size, starts, strides)
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
    add_video_meta(buffer, "GRAY8", (8, 8), [0], [8])
    with empycustom.map_frame(buffer, meta_of("GRAY8", 5, 3)) as frame:
        assert frame.pixels.shape == (3, 5)
        assert frame.pixels[2].tobytes() == content(buffer)[16:21]
