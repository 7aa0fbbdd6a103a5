"""Frames and runs for the tests of a library, without a pipeline.

::

    from empycustom import testing

    def test_a_white_frame_is_bright():
        frame = testing.make_frame(np.full((48, 64, 3), 255, np.uint8))
        result = testing.run("my_lib.py", frame, options={"above": 128})
        assert result.attributes == {"bright": True}

With a pipeline: ``empycustom.process([frame.pixels], [frame.find_objects, "my_lib.py"])``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from empycustom.buffers.callback import VIEWS, wrap
from empycustom.buffers.mapping import map_frame, write_frame
from empycustom.elements.base import VIDEO_CAPS
from empycustom.elements.dialects import call_of, call_texts
from empycustom.elements.document import DocumentResult
from empycustom.elements.frames import FrameFormat
from empycustom.elements.output import OutputCaps
from empycustom.elements.properties import options_text
from empycustom.errors import FrameError
from empycustom.frames.formats import check_format, check_size
from empycustom.gstreamer import Gst, GstVideo
from empycustom.library.callbacks import Library, callbacks_of
from empycustom.library.explain import is_kind
from empycustom.model import values as model
from empycustom.model.carried import as_plain
from empycustom.model.doubts import doubts
from empycustom.model.keys import new_object
from empycustom.model.results import Result as CallbackResult
from empycustom.model.results import merge, read_result, value_of
from empycustom.model.serialize import loads
from empycustom.model.values import NOTHING
from empycustom.model.verdicts import Dropped
from empycustom.model.wire import document
from empycustom.native.metas import video_layout
from empycustom.runners.inline import read_pair, read_returned
from empycustom.runners.made import check_buffer, write_arrays
from empycustom.text import as_text

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


def run(
    library: Any,
    frame: SampleFrame | None = None,
    *,
    options: dict[str, Any] | None = None,
    events: Any = None,
    call: Mapping[str, Any] | None = None,
) -> Result:
    """Load a library, call ``start``, its callback for one frame, and ``stop``, and return the result.

    Parameters
    ----------
    library : str, path, function or object
        As for :func:`empycustom.process`. Of ``process_ip`` and ``process`` the first one that it has is called.
    frame : SampleFrame, optional
        See :func:`make_frame`; left out: the test picture, without objects.
    options, events
        What the callbacks get.
    call : dict, optional
        How a module of another project is called, as for :func:`empycustom.process`.

    Returns
    -------
    Result

    Raises
    ------
    LibraryError
        As the element reports it: with file and line, and the traceback in ``details``.
    FrameError, PropertyError
        ``frame`` is not a SampleFrame; options are not JSON.
    """
    with OpenLibrary(library, options=options, events=events, call=call) as opened:
        return opened.run(frame)


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
        """The pixels, as a new array; a tuple of the planes where the format has several."""
        return _pixels(self._picture, self.format)

    def find_objects(self, _buffer: Any, _in_meta: Any, _options: Any) -> Any:
        """Find the objects of this frame: a library for :func:`empycustom.process`, before the one that is tested."""
        return {"frame": [{"new_object": self.objects}]}

    def buffer(self, number: int = 0) -> Any:
        """Return a new, writable ``Gst.Buffer`` with the pixels, as the frame with this number, from 0."""
        buffer = self._picture.copy_deep()
        buffer.pts, buffer.duration = self._pts + number * self._duration, self._duration
        return buffer

    def in_meta(self, buffer: Any, number: int = 0) -> model.InMeta:
        """Return a new ``in_meta`` for a buffer of :meth:`buffer` with this number."""
        frame = self.format.frame(buffer.pts, number, time.time_ns(), lambda pts: pts + self._shift, self.source or None)
        frame["object"] = [new_object(found, "") for found in self.objects]
        return {"frame": [frame], "buffer": self.format.buffer_info(video_layout(hash(buffer)))}


class Result(DocumentResult):
    """What a library made of one frame. ``document`` is that of the frame behind the library, as ``aimeta`` makes it.

    Attributes
    ----------
    callback : str
        The name of the callback.
    returned
        What it returned, as it is; of ``process`` the second of the pair.
    new_objects : list of dicts
        The objects that it found, complete. They are in ``objects``, too.
    warnings : list of str
        What its author may not have meant.
    time_ms : float
        How long the call took.
    """

    def __init__(self, library: Library, frame: SampleFrame, in_meta: Any, returned: Any, result: CallbackResult) -> None:
        super().__init__(_document(in_meta, result))
        self.callback: str = library.name
        self.returned: Any = returned
        self.result, self.meta = result, loads(result.text)
        self.new_objects: list[model.Object] = list(result.frames[0].new_objects)
        self.warnings: list[str] = read_returned(library, lambda: [*doubts(returned, result, frame.objects)])
        self.time_ms: float = 0.0
        self.format, self.before = frame.format, frame.buffer()
        self.after: Any = None

    @property
    def dropped(self) -> bool:
        """True where the library dropped the frame."""
        return self.after is None

    @property
    def pixels(self) -> Any:
        """The pixels after the call, as a new array; a tuple of the planes where the format has several; None: dropped."""
        return None if self.after is None else _pixels(self.after, self.format)

    @property
    def changed(self) -> bool:
        """True where the frame has other pixels than before the call, or is dropped."""
        before, after = (buffer and buffer.extract_dup(0, buffer.get_size()) for buffer in (self.before, self.after))
        return bool(before != after)


class OpenLibrary:
    """A library that is started in a ``with`` block, and called for frame after frame.

    Loading and checking it is done before the block. See :func:`run` for the arguments::

        with testing.OpenLibrary("count.py", options={"label": "car"}) as library:
            results = [library.run(frame) for frame in frames]
    """

    def __init__(
        self,
        library: Any,
        *,
        options: dict[str, Any] | None = None,
        events: Any = None,
        call: Mapping[str, Any] | None = None,
    ) -> None:
        options_text(options)  # refuses what a pipeline would
        called = call_of(call_texts(call))
        self.options, self.events = options or {}, events
        library = as_text(library) if isinstance(library, Path) else library
        callbacks = callbacks_of(library)
        first, *others = [name for name in ("process_ip", "process") if name in callbacks] or ["process_ip"]
        self.library: Library = Library.open(library, in_place=first == "process_ip", **called, views=VIEWS)
        try:
            self.callbacks: list[Library] = [self.library, *map(self.library.called_by, others)]
        except BaseException:
            self.library.close()
            raise
        self._numbers: dict[str, int] = {}  # of the last frame of each callback

    def __enter__(self) -> OpenLibrary:
        try:
            self.library.start(self.options)
        except BaseException:
            self.library.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        try:
            self.library.stop(self.options)
        finally:
            self.library.close()

    def run(self, frame: SampleFrame | None = None, *, callback: Library | None = None) -> Result:
        """Call the library for a frame, as the next one of a stream, and return the result. Raises LibraryError.

        ``callback`` is one of ``callbacks``; left out: the first one.
        """
        frame, library = make_frame() if frame is None else frame, callback or self.library
        if not isinstance(frame, SampleFrame):
            raise FrameError("frame has to come from testing.make_frame: testing.run(lib, testing.make_frame(array)).")
        output = frame.format if library.in_place else self._output_of(library, frame)
        number = self._numbers[library.name] = self._numbers.get(library.name, -1) + 1
        buffer, counts = frame.buffer(number), [len(frame.objects)]
        in_meta, before = (frame.in_meta(buffer, number) for _ in range(2))  # the library may change what it gets
        began = time.perf_counter()
        returned = library.call(wrap(buffer), in_meta, self.options, self.events)
        took_ms = (time.perf_counter() - began) * 1000
        read = read_result if library.in_place else read_pair
        result = read_returned(library, read, returned, counts) or CallbackResult(counts)
        returned = returned.returned if type(returned) is Dropped else returned
        if not library.in_place:
            returned = read_returned(library, itemgetter(1), returned)
            buffer = _new_buffer(library, result.image[0], output)
        made = Result(library, frame, before, returned, result)
        made.time_ms, made.after, made.format = took_ms, buffer if result.dropped is None else None, output
        return made

    def _output_of(self, library: Library, frame: SampleFrame) -> FrameFormat:
        return FrameFormat(OutputCaps(library, Gst.Caps.from_string(VIDEO_CAPS)).caps_for(frame.caps, self.options))


def _new_buffer(library: Library, made: Any, output: FrameFormat) -> Any:
    """Return the new frame of ``process`` as a buffer, None if it dropped the frame."""
    if made is None:
        return None
    if is_kind(made, Gst.Buffer):
        check_buffer(library, made, output, exactly=False)
        return made
    buffer = Gst.Buffer.new_allocate(None, output.size, None)
    write_arrays(library, made, hash(buffer), output)
    return buffer


def _document(in_meta: Any, result: CallbackResult) -> dict[str, Any]:
    """Return the document of a frame that had ``in_meta``, with the result of a callback."""
    frame, found = in_meta["frame"][0], result.frames[0]
    frame["object"] = [*(_attach(*each) for each in found.left_of(frame["object"])), *found.new_objects]
    _attach(frame, found.attributes)
    made = document([frame], form=as_plain)
    _attach(made, result.attributes)
    return made


def _attach(target: Any, attributes: Any) -> Any:
    merged = merge(target.get("emcustom", NOTHING), value_of(attributes))
    if merged is not NOTHING:
        target["emcustom"] = merged
    return target


def _pixels(buffer: Any, frame_format: FrameFormat) -> Any:
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
        "class_id": class_id,
        "object_id": index + 1,
        "confidence": 0.9,
        "obj_label": LABELS[class_id],
        "rect_params": dict(zip(("left", "top", "width", "height"), box, strict=True)),
        "text_params": {"display_text": f"{LABELS[class_id]} {index + 1}"},
    }
