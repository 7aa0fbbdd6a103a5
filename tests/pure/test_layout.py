"""The table of formats and the arithmetic of planes, without GStreamer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empycustom.errors import FrameError
from empycustom.frames.formats import FORMATS, channel_slice, layout_of

sizes = st.integers(1, 70)


def samples(video_format, width, height):
    """Each plane's (rows, columns, channels), counted pixel by pixel instead of calculated, and the bytes of a sample."""
    for plane in FORMATS[video_format].planes:
        columns = len(range(0, width, plane.sub_x))
        pairs = 2 * len(range(0, width, 2)) if video_format in ("YUY2", "UYVY") else 0
        channels = 2 if pairs else len(plane.components)
        yield len(range(0, height, plane.sub_y)), pairs or columns, channels, 1 + ("E" in video_format[-2:])


@given(st.sampled_from(sorted(FORMATS)), sizes, sizes, st.integers(0, 9), st.integers(0, 99))
def test_planes_have_the_shape_of_their_samples_wherever_they_lie(video_format, width, height, padding, gap):
    offsets, strides, end = [], [], gap
    expected = list(samples(video_format, width, height))
    for rows, columns, channels, size in expected:
        offsets.append(end)
        strides.append(columns * channels * size + padding)
        end += rows * strides[-1] + gap
    layout = layout_of(video_format, width, height, tuple(offsets), tuple(strides))
    for plane, (rows, columns, channels, size), offset, stride in zip(layout.planes, expected, offsets, strides, strict=True):
        assert plane.shape == ((rows, columns) if channels == 1 else (rows, columns, channels))
        assert (plane.strides[0], plane.strides[1], plane.offset) == (stride, channels * size, offset)
        assert plane.strides[-1] == size
    assert layout.size == end - gap - padding  # the padding after the last row need not be there


@given(st.sampled_from(sorted(FORMATS)), sizes, sizes)
def test_a_row_that_is_too_short_is_refused_where_there_is_a_next_one(video_format, width, height):
    rows, columns, channels, size = next(samples(video_format, width, height))
    row = columns * channels * size
    short = row - 1
    arguments = video_format, width, height, (0, 10**6, 2 * 10**6, 3 * 10**6), (short, *[4 * width + 4] * 3)
    if rows == 1:
        assert layout_of(*arguments).planes[0].shape[0] == 1
    else:
        with pytest.raises(FrameError, match=f"needs {row} bytes a row, but .* {short} bytes"):
            layout_of(*arguments)


def test_rows_stored_from_the_bottom_up():
    layout = layout_of("RGB", 3, 4, (36,), (-12,))
    assert layout.planes[0].strides == (-12, 3, 1)
    assert layout.planes[0].extent == (0, 45)
    assert layout.size == 45


def test_a_plane_that_begins_before_the_buffer_is_refused():
    with pytest.raises(FrameError, match=r"Plane 0 .* 4 bytes before the buffer"):
        layout_of("RGB", 3, 4, (32,), (-12,))


def test_entries_for_planes_that_the_format_lacks_are_ignored():
    assert layout_of("RGBA", 2, 2, (0, 0, 0, 0), (8, 0, 0, 0)) == layout_of("RGBA", 2, 2, (0,), (8,))


def test_too_few_planes_are_refused():
    with pytest.raises(FrameError, match="I420 has 3 planes, but the GstVideoMeta of the buffer describes 1"):
        layout_of("I420", 4, 4, (0,), (4,))


@pytest.mark.parametrize(("width", "height"), [(0, 4), (4, 0), (-1, 4)])
def test_a_frame_without_pixels_is_refused(width, height):
    with pytest.raises(FrameError, match=f"{width}x{height}"):
        layout_of("RGB", width, height, (0,), (12,))


def test_an_unknown_format_is_refused_with_the_known_ones_and_the_way_out():
    with pytest.raises(FrameError, match="YUV9 cannot be mapped") as caught:
        layout_of("YUV9", 4, 4, (0,), (8,))
    assert all(name in str(caught.value) for name in FORMATS)
    assert "videoconvert ! 'video/x-raw,format=RGBA'" in str(caught.value)


@pytest.mark.parametrize("video_format", sorted(FORMATS))
@pytest.mark.parametrize("channels", ["RGB", "BGR", "RGBA"])
def test_a_channel_slice_gives_the_channels_in_order_or_is_none(video_format, channels):
    stored = FORMATS[video_format].planes[0].components
    part = channel_slice(video_format, channels)
    if part is not None:
        assert stored[part] == channels
    else:
        assert not any(stored[slice(*span)] == channels for span in _all_slices(len(stored)))


def _all_slices(length):
    ends = [None, *range(length + 1)]
    return [(start, stop, step) for start in ends for stop in ends for step in (-3, -2, -1, 1, 2, 3)]
