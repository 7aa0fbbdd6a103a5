"""``map_frame`` on buffers: the memory that the pixels are in, how long it lives, and what is refused."""

import gc
import os
from contextlib import suppress

import cv2
import gi
import numpy as np
import pytest
from frame_buffers import add_video_meta, content, memory_state, meta_of, new_buffer
from PIL import Image

import empycustom
from empycustom.errors import FrameClosedError, FrameError
from empycustom.gstreamer import Gst, GstVideo
from empycustom.native.loading import ffi
from empycustom.native.memory import BufferMap, is_writable

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
        pytest.raises(FrameError, match=r"others refer to it too.*copy_deep\(\)"),
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


@pytest.mark.inline("a worker has memory of another kind")
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
    add_video_meta(buffer, "GRAY8", (8, 8), [0], [8])
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
