"""NvBufSurface: what is read in it, which frame of a batch, and what is refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
from surfaces import FORMATS, NEW, OLD, Surfaces

import empycustom
from empycustom.errors import FrameError
from empycustom.gstreamer import Gst
from empycustom.native import cuda as surfaces

SIZES = [OLD, NEW]


def refusal(made, in_meta=None, **more):
    """Return the error of map_frame; nothing stays mapped."""
    memory = made.buffer.peek_memory(0).mini_object
    before = memory.refcount, memory.lockstate
    with pytest.raises(FrameError) as raised, empycustom.map_frame(made.buffer, in_meta or made.in_meta, **more):
        pass
    assert (memory.refcount, memory.lockstate) == before
    return str(raised.value)


# Batches


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("batch", [2, 3, 14, 30])  # 13 of the newer are as long as 12 of the older
@pytest.mark.parametrize("video_format", ["RGBA", "NV12"])
def test_every_frame_of_a_batch(driver, video_format, batch, size):
    made = Surfaces(video_format, batch=batch, size=size)
    for batch_id in range(batch):
        with empycustom.map_frame(made.buffer, made.in_meta, batch_id=batch_id) as frame:
            for number, plane in enumerate(frame.planes):
                assert plane.address == made.address_of(number, batch_id)
                assert (plane.download() == made.pixels(number, batch_id)).all()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("data", [0, 1, 0x3_0200_0000, 0x7F12_3400_0000, 0x0006_0000_0013_0000])
def test_the_second_surface_is_found_whatever_the_first_one_holds(size, data):
    """What is looked at wrongly are fields of the first, or of the second: an address, a size, planes."""
    made = Surfaces("RGBA", batch=2, size=size)
    for index in range(2):
        made.describe(index, data=data, size=6)  # the width, where a height would be nothing
    assert surfaces._stride(made.address + made.list_offset) == size


def test_each_block_reads_the_surface_again(driver):
    """What follows from a description is kept for the next block of the same buffer, and for no other description."""
    made, other = Surfaces("RGBA"), Surfaces("RGBA")
    original = made.address_of()
    for _ in range(2):
        for data, pitch in ((original, 64), (other.address_of(), 64), (original, 128), (original, 64)):
            made.describe(0, data=data, pitch=pitch, size=4 * pitch)
            made._write(made.list_offset + 84, "I", pitch)  # of its plane
            with empycustom.map_frame(made.buffer, made.in_meta) as frame:
                assert (frame.pixels.address, frame.pixels.strides[0]) == (data, pitch)
                assert frame.rgba is frame.pixels
    made.head(0, 3)
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        assert frame.pixels.gpu == 3
    made.describe(0, color=6)
    assert "color format 6" in refusal(made)
    made.describe(0, color=19)
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        assert frame.pixels.address == original


def test_where_the_pixels_of_newer_surfaces_lie_is_looked_up_for_each_block():
    """Their address stands behind a pointer, and may change while the description does not."""
    made, other = Surfaces("RGBA", size=NEW), Surfaces("RGBA")
    buffer = other.address + 64
    made.describe(0, data=0, cuda=buffer)
    for data in (made.address_of(), other.address_of(), made.address_of()):
        other._write(64 + 8, "Q", data)
        with empycustom.map_frame(made.buffer, made.in_meta) as frame:
            assert frame.pixels.address == data


def test_frames_of_a_batch_may_have_sizes_of_their_own():
    made = Surfaces("RGBA", batch=3)
    made.describe(1, width=300, height=200)
    made._write(made.list_offset + made.size + 52, "I", 300)
    made._write(made.list_offset + made.size + 68, "I", 200)
    with empycustom.map_frame(made.buffer, made.in_meta, batch_id=2) as frame:
        assert frame.pixels.address == made.address_of(0, 2)
    assert "has 300x200 pixels" in refusal(made, batch_id=1)


def test_a_batch_of_an_unknown_version_has_its_first_frame():
    made = Surfaces("RGBA", batch=3, size=448)
    assert re.search("is not known where the second one.*nvstreamdemux", refusal(made, batch_id=1))
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        assert frame.pixels.address == made.address_of()


@pytest.mark.parametrize(
    ("batch", "filled", "batch_id", "message"),
    [
        (1, 1, 1, "has 1 frame, and batch_id=1 is none"),
        (4, 2, 2, "has 2 frames, and batch_id=2 is none"),
        (4, 4, -1, "has 4 frames, and batch_id=-1 is none"),
        (4, 0, 1, "has 1 frame, and batch_id=1 is none"),
        (4, 4, "1", "a batch_id of '1'"),
    ],
)
def test_a_frame_that_the_batch_has_not(batch, filled, batch_id, message):
    made = Surfaces("RGBA", batch=batch, filled=filled)
    assert message in refusal(made, batch_id=batch_id)


def test_a_surface_that_nobody_counted_is_the_first():
    made = Surfaces("RGBA", filled=0)
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        assert frame.pixels.address == made.address_of()


def test_system_memory_holds_one_frame():
    buffer = Gst.Buffer.new_allocate(None, 96, None)
    about = {"buffer": {"format": "RGBA", "width": 6, "height": 4, "memory": "CPU"}}
    with empycustom.map_frame(buffer, about, batch_id=0) as frame:
        assert frame.pixels.shape == (4, 6, 4)
    with pytest.raises(FrameError, match=r"has one frame, of batch_id 0; there is none of batch_id=2"):
        empycustom.map_frame(buffer, about, batch_id=2)


# Fields of a surface


def described(video_format="RGBA", **fields):
    """A frame of 6x4 pixels with another description."""
    made = Surfaces(video_format)
    made.describe(0, **fields)
    return made


@pytest.mark.parametrize(
    ("place", "value"),
    [(4, 0), (4, 5000), (8, 2), (16, 77), (24, 0), (24, 3)],
    ids=["none", "many", "filled", "type", "null", "odd"],
)
def test_what_is_no_nvbufsurface(place, value):
    made = Surfaces("RGBA")
    made.head(place, value)
    if place == 24:
        made.head(28, 0)
    assert "has no NvBufSurface of NVIDIA's: put nvvideoconvert before the element" in refusal(made)


@pytest.mark.parametrize("data", [b"", bytes(8), bytes(64), bytes(range(64)), b"\xff" * 64])
def test_a_buffer_of_other_bytes(data):
    buffer = Gst.Buffer.new_wrapped(data) if data else Gst.Buffer.new_allocate(None, 0, None)
    about = {"buffer": {"format": "RGBA", "width": 6, "height": 4, "memory": "NVMM"}}
    with pytest.raises(FrameError, match="NvBufSurface"), empycustom.map_frame(buffer, about):
        pass


def test_a_buffer_of_several_memories():
    made = Surfaces("RGBA")
    made.buffer.append_memory(Gst.Buffer.new_wrapped(bytes(8)).get_memory(0))
    assert "this one has 2 memories" in refusal(made)
    made.buffer.remove_all_memory()
    with pytest.raises(FrameError, match="this one has 0 memories"), empycustom.map_frame(made.buffer, made.in_meta):
        pass


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (5, r"is in an NVRM handle, which cannot be viewed: put nvvideoconvert nvbuf-memory-type=2 .*4 on a Jetson"),
        (6, r"is in memory of malloc\(\), which"),
        (7, r"is in a CUDA array, which"),
        (9, r"is in memory of type 9, which"),
    ],
)
def test_memory_that_cannot_be_viewed(number, message):
    assert re.search(message, refusal(Surfaces("RGBA", memory_type=number)))


def test_memory_without_an_address():
    assert "memory without an address (type 2)" in refusal(described(data=0))


@pytest.mark.parametrize("size", SIZES)
def test_an_address_that_stands_in_the_cuda_buffer(size):
    """As NVIDIA's own readers have it, since 8.0: where dataPtr is NULL, that of cudaBuffer counts."""
    made = Surfaces("NV12", batch=2, size=size)
    cuda_buffer = np.array([0, made.address_of(0, 1)], np.uint64)
    made.describe(1, data=0, cuda=cuda_buffer.ctypes.data)
    with empycustom.map_frame(made.buffer, made.in_meta, batch_id=1) as frame:
        assert [plane.address for plane in frame.planes] == [made.address_of(number, 1) for number in range(2)]


def test_pixels_in_blocks():
    assert "block linear), not in rows: put nvvideoconvert bl-output=false" in refusal(described("NV12", layout=1))


@pytest.mark.parametrize(
    "changed", [{"width": 5}, {"width": 70}, {"height": 3}, {"height": 68}, {"color": 24}, {"color": 6}, {"planes": 2}]
)
def test_a_surface_that_does_not_match_in_meta(changed):
    message = refusal(described(**changed))
    assert "and in_meta describes RGBA of 6x4: pass the in_meta that belongs to this buffer" in message
    assert all(str(value) in message for value in changed.values())


@pytest.mark.parametrize("changed", [{"width": 16}, {"height": 16}, {"width": 69, "height": 67}])
def test_a_surface_may_be_padded(changed):
    made = described(**changed)
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        assert frame.pixels.shape == (4, 6, 4)


NUMBERS = {  # of every colour space and range
    "NV12": (6, 7, 33, 34, 36),
    "I420": (2, 4, 31, 32, 35),
    "NV16": (50, 54, 56, 58),
    "Y444": (18, 71, 72, 73, 74),
}


@pytest.mark.parametrize(("video_format", "number"), [(name, number) for name, numbers in NUMBERS.items() for number in numbers])
def test_a_format_is_known_in_every_colour_space(video_format, number):
    made = described(video_format, color=number)
    with empycustom.map_frame(made.buffer, made.in_meta) as frame:
        assert len(frame.planes) == len(FORMATS[video_format].planes)


@pytest.mark.parametrize("count", [0, 5, 2**32 - 1])
def test_a_damaged_number_of_planes(count):
    assert f"has a frame of {count} planes: it is damaged" in refusal(described(planes=count))


def test_rows_that_overlap_and_planes_that_are_not_there():
    assert "an impossible layout, so it is damaged: rows (20,) bytes apart" in refusal(Surfaces("RGBA", pitch=20))
    assert "damaged: 99 bytes, where its planes take 216" in refusal(described(size=99))


@pytest.mark.parametrize(
    ("about", "message"),
    [
        (
            {"format": "A420"},
            r"format A420 in NVMM memory cannot be mapped; .* RGBA, .*nvvideoconvert ! 'video/x-raw\(memory:NVMM\)",
        ),
        ({"format": "P010_10LE"}, "format P010_10LE in NVMM memory"),
        ({"width": "6"}, "a width of '6'"),
        ({"height": None}, "a height of None"),
        ({"width": 0}, "in_meta describes RGBA of 0x4|no pixels to map|impossible layout"),
    ],
)
def test_what_in_meta_cannot_say(about, message):
    made = Surfaces("RGBA")
    in_meta = {"buffer": {**made.in_meta["buffer"], **about}}
    with pytest.raises(FrameError, match=message), empycustom.map_frame(made.buffer, in_meta):
        pass


def test_the_same_attributes_for_system_memory():
    """So that one library runs on both."""
    buffer = Gst.Buffer.new_wrapped(bytes(range(96)))
    about = {"buffer": {"format": "RGBA", "width": 6, "height": 4, "memory": "CPU"}}
    with empycustom.map_frame(buffer, about) as frame:
        copied, part, kept = frame.download(), frame.rgb.download(), frame.pixels.copy()
        assert not np.shares_memory(copied, frame.pixels)
    assert type(copied) is type(part) is np.ndarray
    assert (copied == kept).all()
    assert (part == kept[..., :3]).all()
    assert part.flags.c_contiguous
    assert part.flags.writeable
    about["buffer"].update(format="I420", width=8, height=8)
    with empycustom.map_frame(buffer, about) as frame:
        assert [plane.shape for plane in frame.download()] == [(8, 8), (4, 4), (4, 4)]
    with pytest.raises(FrameError, match="after its with block"):
        frame.download()
