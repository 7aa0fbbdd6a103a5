"""The names of frames in messages, and the numbers in them."""

import pytest

from empycustom.model.values import name_frames, number_in


def frame(number, source=0):
    return {"frame_num": number, "source_id": source, "stream_time": number * 10**9, "buf_pts": 0}


@pytest.mark.parametrize(
    ("frames", "name", "number"),
    [
        ([], "", None),
        ([frame(0)], "frame 0 (0:00:00.000)", 0),
        ([frame(3700)], "frame 3700 (1:01:40.000)", 3700),
        ([frame(7, source=2)], "frame 7 (0:00:07.000, source 2)", 7),
        ([frame(7), frame(8, source=1)], "frames 7 (0:00:07.000, source 0), 8 (0:00:08.000, source 1)", None),
    ],
)
def test_names(frames, name, number):
    assert name_frames(frames) == name
    assert number_in(name) == number
