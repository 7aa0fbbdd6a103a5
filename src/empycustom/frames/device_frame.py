"""A frame on a GPU."""

from __future__ import annotations

from typing import ClassVar

from empycustom.frames.device_span import DeviceSpan
from empycustom.frames.device_view import DeviceView
from empycustom.frames.frame import Frame
from empycustom.frames.layout import Layout
from empycustom.frames.views import TYPES


class DeviceFrame(Frame[DeviceView]):
    """A frame on a GPU. A subclass opens it with its span and the addresses of its planes, and closes it."""

    __slots__ = ("_addresses", "_span")
    _CONVERT: ClassVar[str] = "or put nvvideoconvert ! 'video/x-raw(memory:NVMM),format={}' before the element"
    _GRAY: ClassVar[str] = "NV12"
    _addresses: tuple[int, ...]

    def __init__(self, video_format: str, width: int, height: int) -> None:
        super().__init__(video_format, width, height)
        self._span: DeviceSpan | None = None

    def _open(self, span: DeviceSpan, layout: Layout, addresses: tuple[int, ...]) -> None:
        """Open it; ``addresses`` are those of the planes, instead of the offsets in ``layout``."""
        self._span, self._layout, self._addresses = span, layout, addresses

    def _close(self) -> None:
        """Close it. Raises FrameError where work on the GPU failed; it is closed then, too."""
        span, self._span, self._planes, self._closed = self._span, None, None, True
        if span is not None:
            span.close()

    def _views(self) -> tuple[DeviceView, ...]:
        span = self._span
        if span is None:
            raise self._not_open()
        planes = zip(self._layout.planes, self._addresses, strict=True)
        return tuple([DeviceView(span, place, plane.shape, plane.strides, TYPES[plane.sample]) for plane, place in planes])
