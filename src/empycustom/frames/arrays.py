"""A frame in system memory, whose views are NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable
from pickle import PickleBuffer

from empycustom.frames.frame import Frame
from empycustom.frames.layout import Layout
from empycustom.frames.views import FrameView, Span


class ArrayFrame(Frame[FrameView]):
    """A frame whose bytes Python can see. A subclass opens it with the bytes, and closes it."""

    __slots__ = ("_data", "_span")
    _data: PickleBuffer

    def __init__(self, video_format: str, width: int, height: int) -> None:
        super().__init__(video_format, width, height)
        self._span: Span | None = None

    def _open(self, layout: Layout, data: memoryview) -> None:
        # NumPy looks behind a memoryview, at what it is of, and would allow to write that; it does not look behind this wrapper.
        self._layout, self._data, self._span = layout, PickleBuffer(data), Span()

    def _close(self, hold: Callable[[], object]) -> None:
        span, self._span, self._planes, self._closed = self._span, None, None, True
        del self._data
        if span is not None:
            span.close(hold)

    def _views(self) -> tuple[FrameView, ...]:
        span = self._span
        if span is None:
            raise self._not_open()
        data = self._data
        return tuple([span.array(data, plane) for plane in self._layout.planes])
