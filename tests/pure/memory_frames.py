"""Frames over plain memory, opened and closed as the room with real buffers does it."""

import weakref

import numpy as np

from empycustom.frames.formats import FORMATS, layout_of
from empycustom.frames.frame import ArrayFrame


class Held:
    """What keeps the memory."""

    def __init__(self, memory):
        self.memory = memory


class Block:
    """A frame over a bytearray, opened and closed as a room with real buffers does it; ``holds``: what it was asked to hold."""

    def __init__(self, video_format="RGB", width=5, height=4, padding=3, *, readonly=False):
        planes = FORMATS[video_format].planes
        strides = tuple(plane.columns(0, width)[1] * plane.channels * plane.sample_bytes + padding for plane in planes)
        ends = np.cumsum([0, *(stride * plane.rows(0, height)[1] for stride, plane in zip(strides, planes, strict=True))])
        self.memory = bytearray(value % 251 for value in range(int(ends[-1])))
        self.layout = layout_of(video_format, width, height, tuple(int(end) for end in ends[:-1]), strides)
        data = memoryview(self.memory)
        self.data = data.toreadonly() if readonly else data
        self.frame = ArrayFrame(video_format, width, height)
        self.holds = []

    def hold(self):
        held = Held(self.memory)
        self.holds.append(weakref.ref(held))
        return held

    def __enter__(self):
        self.frame._open(self.layout, self.data)
        return self.frame

    def __exit__(self, *_):
        self.frame._close(self.hold)


def rect(left, top, width, height):
    return {"rect_params": {"left": left, "top": top, "width": width, "height": height}}
