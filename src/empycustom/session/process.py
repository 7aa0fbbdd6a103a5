"""``empycustom.process``: a video through libraries, for programs, as an iterator of results."""

from __future__ import annotations

import atexit
import logging
from collections import deque
from collections.abc import Iterator, Mapping
from functools import cache, partial
from os import PathLike
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any
from weakref import WeakSet

from empycustom.buffers.mapping import map_frame
from empycustom.config.launch import AIMETA, describe
from empycustom.elements import register
from empycustom.elements.document import DocumentResult
from empycustom.elements.frames import FrameFormat
from empycustom.elements.properties import options_text
from empycustom.errors import BELOW, EmPyCustomError, FrameClosedError, LaunchError, PropertyError
from empycustom.frames.formats import check_format
from empycustom.frames.frame import RESULT_CLOSED, MappedFrame
from empycustom.gstreamer import Gst
from empycustom.library.callbacks import callbacks_of
from empycustom.session.describe import library_stage, plain_stream
from empycustom.session.inputs import AHEAD, Input, input_of
from empycustom.session.parts import Report, States, build, exists, report_of
from empycustom.session.upright import keep_upright
from empycustom.text import as_text

_log = logging.getLogger("empycustom")
_LAST = "results"  # the name of the sink that returns frames
_POLICIES = ("fail", "pass", "drop")
_GRACE_S = 10.0  # how long elements may take to stop when a program leaves early


def process(
    video: Any,
    library: Any = None,
    *,
    options: Any = None,
    format: str | None = "RGB",
    on_error: str = "fail",
    every_frame: bool = False,
) -> Results:
    """Play a video through libraries and return an iterator of the results, one for each frame.

    The next frames are decoded and processed while the program works with the current one, and wait for it when it is slow::

        for result in empycustom.process("street.mp4", "detect.py", options={"least": 0.5}):
            print(result.frame_num, result.time_s, [found["obj_label"] for found in result.objects])

    A program that leaves the loop early should close the iterator, best by using it as a context manager: then errors of ``stop``
    are raised. An iterator that nobody holds any more is stopped in the background, and one that is open when the program ends is
    stopped then. Several iterators may run in several threads; each is for one thread.

    Parameters
    ----------
    video : str, path, list of them, or iterable of arrays
        What ``empycustom run`` takes as SOURCE: a file, a folder, a glob, a URI, ``"camera"``, ``"test"``; files may be several.
        Or NumPy arrays of uint8, each a frame: (height, width) gray, (height, width, 3) RGB, (height, width, 4) RGBA. They are
        taken from the iterable when they are needed, and are 1/30 s apart.
    library : str, path, function, object, or list of them
        Libraries in their order: a file, the dotted name of a module, a function ``f(buffer, in_meta, options)``, or an object
        that has the callbacks as methods.
    options : dict, or list of dicts
        What the libraries get as ``options``, of JSON values; in a list, one for each.
    format : str, optional
        Pixel format of the frames that libraries get, and of ``result.pixels``; None: as they are decoded.
    on_error : {"fail", "pass", "drop"}
        What happens when a library raises: the error comes out of the iterator, the frame goes on as it came, or is left out.
    every_frame : bool
        Process all frames of a live source; results fall behind if libraries or the program are slow. Otherwise frames are
        skipped then.

    Returns
    -------
    Results
        An iterator of :class:`~empycustom.session.process.Result`, and a context manager.

    Raises
    ------
    SourceError
        The video does not exist, or, while it is played, cannot be decoded. Of several files, each that cannot be decoded is a
        warning of ``logging``, and the error is raised after the frames of the others.
    LibraryError
        While it is played: a library cannot be loaded, or has raised an exception, whose traceback is in ``details``.
    FrameError, PropertyError
        The format is unknown; options are not JSON.
    """
    if format is not None:
        check_format(format)
    libraries = list(library) if isinstance(library, (list, tuple)) else [] if library is None else [library]
    given = list(options) if isinstance(options, (list, tuple)) else [options] * len(libraries)
    if len(given) != len(libraries):
        what = f"options are for {len(given)} libraries, and there are {len(libraries)}; give each its own"
        raise PropertyError(what, name="options")
    if on_error not in _POLICIES:
        raise PropertyError(f"on_error is one of {', '.join(_POLICIES)}, not {on_error!r}", name="on-error")
    texts = [options_text(each) for each in given]
    return Results(input_of(video, every_frame=every_frame), list(zip(libraries, texts, strict=True)), format, on_error)


class Result(DocumentResult):
    """One frame that went through all libraries.

    ``document`` is the document that ``aimeta`` makes, with the attributes that libraries attached, as a dict that can be kept.
    The pixels are valid until the next result is requested.
    """

    def __init__(self, made: dict[str, Any], buffer: Any, about: Mapping[str, Any]) -> None:
        super().__init__(made)
        self._buffer, self._about = buffer, about
        self._image: MappedFrame[Any] | None = None

    @property
    def image(self) -> MappedFrame[Any]:
        """The pixels as ``map_frame`` gives them: ``image.rgb``, ``image.planes``, ``image.crop(found)`` and others.

        They are read-only NumPy views, never copies, and valid until the next result is requested; then they raise
        FrameClosedError.
        """
        if self._image is None:
            if self._buffer is None:
                raise FrameClosedError(RESULT_CLOSED)
            image = map_frame(self._buffer, self._about)
            image.of_result = True
            image.__enter__()
            self._image = image
        return self._image

    @property
    def pixels(self) -> Any:
        """The pixels of a packed format as one array, (height, width, 3) for RGB: ``image.pixels``, a read-only view."""
        return self.image.pixels

    def _close(self) -> None:
        self._buffer = None
        if self._image is not None:
            self._image.__exit__(None, None, None)


class Results(Iterator[Result]):
    """The results of :func:`empycustom.process`: an iterator, and a context manager that stops everything at its end."""

    def __init__(self, video: Input, libraries: list[tuple[Any, str | None]], format: str | None, on_error: str) -> None:
        self._video, self._libraries, self._format, self._on_error = video, libraries, format, on_error
        self._states: States | None = None
        self._current: Result | None = None
        self._failure: Exception | None = None
        self._over = self._closed = False
        self._documents: deque[Any] = deque()
        self._caps: Any = None

    def __enter__(self) -> Results:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        try:
            self.close()
        except EmPyCustomError:
            if error is None:
                raise

    def __del__(self) -> None:
        states: States | None = getattr(self, "_states", None)
        if states and not self._closed:
            self._closed = True
            # Nobody waits for it: the thread that this is called in may be one of the pipeline.
            states.stop(partial(_empty, self._bus))

    def __next__(self) -> Result:
        self._release_current()
        if self._closed:
            raise StopIteration
        if self._states is None:
            self._start()
        try:
            while True:
                self._video.feed()
                self._read_bus()
                sample = self._pull()
                if sample is not None:
                    return self._result_of(sample)
                if self._over or self._failure:
                    break
        except BaseException:
            self._stop()
            raise
        self._end()
        raise StopIteration

    def close(self) -> None:
        """Stop the pipeline. Raises LibraryError if ``stop`` of a library fails."""
        self._release_current()
        if self._closed or self._states is None:
            self._closed = True
            return
        self._stop()
        if self._failure:
            raise self._failure

    def _end(self) -> None:
        """Stop after the last frame or after an error, and raise the error."""
        failed = self._failure
        self._stop(patient=failed is None)
        failure = failed or self._failure or self._video.error_at_end()
        if failure:
            raise failure

    def _release_current(self) -> None:
        current, self._current = self._current, None
        if current is not None:
            current._close()

    def _start(self) -> None:
        register()
        self._pipeline = build(" ".join(self._tokens()))
        self._pipeline.set_auto_flush_bus(False)  # messages of elements that stop are wanted
        self._bus = self._pipeline.get_bus()
        for number, (library, options) in enumerate(self._libraries):
            _configure(self._pipeline.get_by_name(f"empycustom{number}"), library, options, self._on_error)
        self._last = self._pipeline.get_by_name(_LAST)
        _collect(self._pipeline.get_by_name(AIMETA), self._last.get_static_pad("sink"), self._documents)
        self._video.attach(self._pipeline)
        keep_upright(self._pipeline)
        self._states = States(self._pipeline, [self._video])
        _playing.add(self._states)
        _stop_at_exit()
        self._states.start()

    def _tokens(self) -> list[str]:
        stages = [library_stage("", in_place=True) for _ in self._libraries]
        sink = ["!", "appsink", f"name={_LAST}", "sync=false", f"max-buffers={AHEAD}", "enable-last-sample=false"]
        made = describe(
            plain_stream([""], stages, pixels=self._format),
            self._video.tokens(),
            exists,
            sinks=lambda _converter: sink,
            named=True,
            newest=self._video.newest,
            aimeta={"signal-aimetas": False},
        )
        return [*made.tokens, *made.sinks]

    def _pull(self) -> Any:
        assert self._states is not None
        if not self._states.started:
            message = self._bus.timed_pop(Gst.MSECOND * 10)
            if message:
                self._handle_message(message)
            return None
        return self._last.emit("try-pull-sample", 0 if self._failure or self._over else self._video.wait_ns)

    def _result_of(self, sample: Any) -> Result:
        caps = sample.get_caps()
        if hash(caps) != hash(self._caps):  # by address, which no other caps get while these are referenced
            self._caps, self._about = caps, {"buffer": FrameFormat(caps).buffer_info(None)}
        self._current = Result(self._documents.popleft().values(), sample.get_buffer(), self._about)
        return self._current

    def _read_bus(self) -> None:
        failed = self._states is not None and self._states.failed  # read first: an element reports the cause before
        while (message := self._bus.pop()) is not None:
            self._handle_message(message)
        if failed and not self._failure:
            self._failure = LaunchError("The pipeline cannot start, and no element reports why; set the variable GST_DEBUG=3.")

    def _handle_message(self, message: Any) -> None:
        if message.type == Gst.MessageType.EOS:
            self._over = True
        report = report_of(message)
        if report is None or report.is_slow:
            return
        if report.kind != "error":
            _log.log(logging.WARNING if report.kind == "warning" else logging.INFO, "%s", report.text.removesuffix(BELOW))
            self._over |= report.is_left
        elif not self._failure and not self._video.handle_error(report):
            self._failure = getattr(message.src, "error", None) or self._video.error_of(report) or _launch_error(report)

    def _stop(self, *, patient: bool = False) -> None:
        """Set the pipeline to NULL, and wait: a call of a library may be running, and its ``stop`` may take long."""
        self._closed = True
        assert self._states is not None
        stopping = self._states.stop()
        until = monotonic() + _GRACE_S
        while stopping.is_alive():
            stopping.join(0.1)
            if not patient and monotonic() > until:
                self._states.stop(partial(_empty, self._bus))  # once it does stop
                self._failure = self._failure or LaunchError(
                    f"The pipeline does not stop within {_GRACE_S:g} s: a callback of a library, or an element, does not return."
                )
                return
        self._read_bus()


_playing: WeakSet[States] = WeakSet()  # each lives at least as long as its thread


@cache
def _stop_at_exit() -> None:
    """Stop what still plays or stops when the program ends, and wait for it: ``stop`` of libraries is called.

    It is registered after the elements are, whose own functions at the end have to follow.
    """
    atexit.register(_stop_all)


def _stop_all() -> None:
    stopping = [states.stop(partial(_empty, states.bus)) for states in list(_playing)]
    until = monotonic() + _GRACE_S
    for thread in stopping:
        thread.join(max(until - monotonic(), 0))
    if any(thread.is_alive() for thread in stopping):
        _log.warning("A pipeline does not stop within %g s; the program ends without it.", _GRACE_S)


def _empty(bus: Any) -> None:
    """Take the messages from a bus that nobody reads any more: they refer to the pipeline, which has the bus. Log errors."""
    while (message := bus.pop()) is not None:
        error = getattr(message.src, "error", None) if message.type == Gst.MessageType.ERROR else None
        if error:
            _log.error("%s", error)


def _collect(aimeta: Any, pad: Any, documents: deque[Any]) -> None:
    """Append the document of aimeta for each frame at a pad behind it to ``documents``."""

    def look(_pad: Any, _info: Any) -> Any:
        documents.append(aimeta.last_meta)
        return Gst.PadProbeReturn.OK

    pad.add_probe(Gst.PadProbeType.BUFFER, look)


def _launch_error(report: Report) -> LaunchError:
    error = LaunchError(f"{report.element}: {report.advised}")
    error.details = report.details
    return error


def _configure(element: Any, library: Any, options: str | None, on_error: str) -> None:
    """Set the properties with which an element runs a library."""
    if isinstance(library, PathLike):
        library = as_text(Path(library))
    callbacks = callbacks_of(library)
    element.set_property("in-place", "process_ip" in callbacks or "process" not in callbacks)
    if isinstance(library, str):
        element.set_property("custom-lib", library)
    else:
        element.library = library
    if options is not None:
        element.set_property("options", options)
    Gst.util_set_object_arg(element, "on-error", on_error)
