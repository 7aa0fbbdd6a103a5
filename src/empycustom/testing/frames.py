"""Frames for tests: of an array, or drawn, with objects."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from empycustom.buffers.mapping import map_frame, write_frame
from empycustom.elements.frames import FrameFormat
from empycustom.errors import FrameError
from empycustom.frames.formats import check_format, check_size
from empycustom.gstreamer import Gst, GstVideo
from empycustom.model import values as model
from empycustom.model.keys import (
    BOX,
    BUFFER,
    CLASS_ID,
    CONFIDENCE,
    FRAMES,
    LABEL,
    NEW_OBJECTS,
    OBJECTS,
    TEXT,
    TRACK_ID,
    new_object,
)
from empycustom.native.metas import video_layout

LABELS = ("car", "bicycle", "person")  # of objects that are only counted, by class_id, as in DeepStream
_DURATION = Gst.SECOND // 30  # if the duration of a frame is unknown
_TIMEOUT = 10 * Gst.SECOND
_FORMATS = {1: "GRAY8", 3: "RGB", 4: "RGBA"}  # of arrays of uint8, by the number of channels


def make_frame(
    pixels: Any = None,
    *,
    format: str | None = None,
    size: tuple[int, int] | None = None,
    objects: int | Sequence[Mapping[str, Any]] = 0,
) -> SampleFrame:
    """Make a frame for a library, of an array or drawn.

    Parameters
    ----------
    pixels : numpy array, or tuple of arrays, optional
        The content of ``image.pixels``, or of ``image.planes`` where there are several: uint8 or uint16, (height, width),
        (height, width, 3) or (height, width, 4). Left out: a test picture, red to the right, green downwards, blue in squares.
    format : str, optional
        GStreamer's name of the pixel format. Left out: GRAY8, RGB or RGBA by the shape of ``pixels``, RGBA for the test picture.
    size : tuple of int
        Width and height in pixels. Left out: 640, 480 for the test picture, else the shape of the arrays; to be given for
        formats such as YUY2, whose arrays have another shape.
    objects : int, or list of dicts
        The content of ``in_meta["frame"][0]["object"]``: how many (a person, a car, a bicycle, and so on, side by side), or each
        as a dict with ``rect_params`` at least, in pixels; what is left out gets its default, as for ``new_object``.

    Returns
    -------
    SampleFrame
        With a copy of the pixels.

    Raises
    ------
    FrameError
        The format is not known, the arrays are not a frame of it, or ``size`` or ``objects`` is something else.
    OutputError
        An object is not valid; the message names it and the problem.
    """
    if size is not None:
        check_size(size)
    if format is not None:
        check_format(format)
    if pixels is None:
        return _drawn(format or "RGBA", size or (640, 480), objects)
    planes = pixels if isinstance(pixels, (tuple, list)) else (pixels,)
    shape: Any = getattr(planes[0], "shape", ()) if planes else ()
    if len(shape) not in (2, 3):
        raise FrameError(f"pixels have to be an array of (height, width) or (height, width, channels), not of the shape {shape}.")
    name = format or (_FORMATS.get(1 if len(shape) == 2 else shape[2]) if len(planes) == 1 else None)
    if name is None:
        raise FrameError("The format of the arrays is not clear: name it, as format='NV12'.")
    width, height = size or (shape[1], shape[0])
    check_size((width, height))
    caps = Gst.Caps.from_string(f"video/x-raw,format={name},width={width},height={height},framerate=30/1")
    frame_format = FrameFormat(caps)
    picture = Gst.Buffer.new_allocate(None, frame_format.size, None)
    write_frame(hash(picture), planes[0] if len(planes) == 1 else tuple(planes), frame_format.described)
    picture.pts = 0
    return SampleFrame(caps, picture, objects)


class SampleFrame:
    """A frame that is used as often as wanted, each time as the next one of its stream; made by :func:`make_frame`.

    Attributes
    ----------
    objects : list of dicts
        The objects on it, complete.
    """

    def __init__(
        self,
        caps: Any,
        picture: Any,
        objects: int | Sequence[Mapping[str, Any]],
        *,
        source: str = "",
        stream_time: int | None = None,
    ) -> None:
        self.caps, self.source = caps, source
        self.format: FrameFormat = FrameFormat(caps)
        self._picture = picture
        self._pts = picture.pts if picture.pts != Gst.CLOCK_TIME_NONE else 0
        self._shift = (self._pts if stream_time is None else stream_time) - self._pts
        lasts = self.format.duration_ns
        self._duration = round(lasts) if lasts < Gst.SECOND else _DURATION
        width, height = self.format.width, self.format.height
        given = _given(objects, width, height)
        self.objects: list[model.Object] = [new_object(each, f"objects[{index}]") for index, each in enumerate(given)]

    @property
    def stream_time(self) -> int:
        """The time of the first frame in its video, in nanoseconds."""
        return self._pts + self._shift

    @property
    def pixels(self) -> Any:
        """The pixels, a copy: an array as ``image.pixels`` is one, or a tuple of the planes where there are several."""
        return pixels_of(self._picture, self.format)

    def find_objects(self, _buffer: Any, _in_meta: Any, _options: Any) -> Any:
        """Find the objects of this frame: a library for :func:`empycustom.process`, before the one that is tested.

        Returns
        -------
        dict
            The result of a callback, with ``objects`` as ``new_object``.
        """
        return {FRAMES: [{NEW_OBJECTS: self.objects}]}

    def buffer(self, number: int = 0) -> Any:
        """Return a new, writable buffer with a copy of the pixels, as a frame of a stream.

        Parameters
        ----------
        number : int, from 0
            Which frame of the stream it is; its time follows from that.

        Returns
        -------
        Gst.Buffer
        """
        buffer = self._picture.copy_deep()
        buffer.pts, buffer.duration = self._pts + number * self._duration, self._duration
        return buffer

    def in_meta(self, buffer: Any, number: int = 0) -> model.InMeta:
        """Return a new ``in_meta``, which the library may change.

        Parameters
        ----------
        buffer : Gst.Buffer
            What :meth:`buffer` returned.
        number : int, from 0
            Which frame of the stream it is, as for :meth:`buffer`.

        Returns
        -------
        dict
            As callbacks get it, with the objects of the frame.
        """
        frame = self.format.frame(buffer.pts, number, time.time_ns(), lambda pts: pts + self._shift, self.source or None)
        frame[OBJECTS] = [new_object(found, "") for found in self.objects]
        return {FRAMES: [frame], BUFFER: self.format.buffer_info(video_layout(hash(buffer)))}


def pixels_of(buffer: Any, frame_format: FrameFormat) -> Any:
    """Return a copy of the pixels of a buffer: an array, or a tuple of the planes where there are several."""
    with map_frame(buffer, {"buffer": frame_format.buffer_info(video_layout(hash(buffer)))}) as image:
        return image.download()


def _drawn(video_format: str, size: tuple[int, int], objects: int | Sequence[Mapping[str, Any]]) -> SampleFrame:
    """Return the test picture in a format."""
    width, height = size
    caps = Gst.Caps.from_string(f"video/x-raw,format={video_format},width={width},height={height},framerate=30/1")
    pixels = np.full((height, width, 4), 255, np.uint8)
    rows, columns = np.ogrid[:height, :width]
    pixels[..., 0] = columns * 255 // width
    pixels[..., 1] = rows * 255 // height
    pixels[..., 2] = ((rows // 32 + columns // 32) % 2) * 255
    buffer = Gst.Buffer.new_wrapped(pixels.tobytes())
    buffer.pts, buffer.duration = 0, _DURATION
    rgba = Gst.Caps.from_string(f"video/x-raw,format=RGBA,width={width},height={height},framerate=30/1")
    picture = GstVideo.video_convert_sample(Gst.Sample.new(buffer, rgba, None, None), caps, _TIMEOUT).get_buffer()
    return SampleFrame(caps, picture, objects)


def _given(objects: Any, width: int, height: int) -> Sequence[Mapping[str, Any]]:
    """Return the objects of a frame, which are listed or only counted. Raises FrameError."""
    if isinstance(objects, (list, tuple)):
        return objects
    if isinstance(objects, bool) or not hasattr(objects, "__index__") or objects < 0:
        raise FrameError(f"objects has to be a whole number from 0 on, or a list of dicts, not {objects!r}.")
    return [_object(index, objects, width, height) for index in range(objects)]


def _object(index: int, count: int, width: int, height: int) -> dict[str, Any]:
    """Return the n-th of ``count`` objects, side by side, each inside the frame; the first is a person."""
    class_id = (2, 0, 1)[index % 3]
    column = width / count
    box = (int(column * index + column / 8), height // 4, max(1, int(column * 3 / 4)), max(1, height // 2))
    return {
        CLASS_ID: class_id,
        TRACK_ID: index + 1,
        CONFIDENCE: 0.9,
        LABEL: LABELS[class_id],
        BOX: dict(zip(("left", "top", "width", "height"), box, strict=True)),
        TEXT: {"display_text": f"{LABELS[class_id]} {index + 1}"},
    }
