"""``empycustom.process``: a video through libraries, for programs, as an iterator of results."""

from __future__ import annotations

import atexit
import logging
import math
from collections import ChainMap, deque
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from time import monotonic
from typing import Any, TypeAlias
from weakref import WeakSet

from empycustom.buffers.mapping import map_frame
from empycustom.config.launch import AIMETA, describe
from empycustom.config.streams import library_stage, plain_stream
from empycustom.elements import register
from empycustom.elements.document import DocumentResult
from empycustom.elements.failures import errors_in
from empycustom.elements.frames import FrameFormat
from empycustom.errors import BELOW, FrameClosedError, LaunchError, PropertyError
from empycustom.frames.formats import check_format
from empycustom.frames.frame import MappedFrame
from empycustom.frames.views import RESULT_CLOSED
from empycustom.gstreamer import Gst
from empycustom.library.callbacks import works_in_place
from empycustom.library.sketch import usual_format
from empycustom.session.inputs import AHEAD, Input, input_of
from empycustom.session.libraries import Closing, configure, library_of, texts_of
from empycustom.session.parts import Report, build, exists, in_background
from empycustom.session.player import Interrupts, Owner, Player
from empycustom.session.reconnect import is_farewell
from empycustom.session.upright import keep_upright

_log = logging.getLogger("empycustom")
_LAST = "results"  # the name of the sink that returns frames
_Used: TypeAlias = "list[tuple[Any, dict[str, str | None]]]"  # libraries, and what properties of their elements are set to
_GRACE_S = 10.0  # how long elements may take to stop when a program leaves early


def process(
    video: Any,
    library: Any = None,
    *,
    options: Any = None,
    format: str | None = "auto",
    on_error: str | Sequence[str] = "fail",
    every_frame: bool = False,
    workers: int | Sequence[int] = 0,
    pace: str | Sequence[str] = "every",
    call_timeout: int | Sequence[int] = 0,
    reload: bool | Sequence[bool] = False,
    call: Any = None,
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
        What the libraries get as ``options``, of JSON values; in a list, one for each. ``on_error``, ``workers``, ``pace``,
        ``call_timeout``, ``reload`` and ``call`` may be lists, too.
    format : str, optional
        Pixel format of the frames that libraries get, and of ``result.pixels``; None: as they are decoded. Left out: RGB, or BGR
        where a library is a module for gvapython.
    on_error : {"fail", "pass", "drop"}
        What happens when a library raises: the error comes out of the iterator, the frame goes on as it came, or is left out.
    every_frame : bool
        Process all frames of a live source; results fall behind if libraries or the program are slow. Otherwise frames are
        skipped then.
    workers : int, from 0 to 64
        0: a library runs in a thread of this program. n: it runs in n processes, each with its own copy of it; functions and
        objects cannot go there.
    pace : {"every", "skip", "latest"}
        What becomes of frames while all workers are busy: they wait; they pass without a call; or each carries the newest result,
        and ``result.frame["from_frame"]`` says which frame that is about.
    call_timeout : int
        Milliseconds that a call in a worker may take; then its process is ended, and ``on_error`` applies. 0: no limit.
    reload : bool
        Load a library anew when its file, or a module beside it, has changed. It needs the package watchfiles.
    call : dict, or list of dicts
        How a module of another project is called, by properties of ``empycustom``: ``{"class": "Counter", "kwarg": {"n": 3}}``;
        with ``dialect`` where the module does not show it.

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
    WorkerError
        A worker has died; CallTimeoutError: because a call took too long. Both are LibraryErrors.
    FrameError, PropertyError
        The format is unknown; options are not JSON; another value is not one that it may have. While it is played: values do
        not go together, as ``workers`` and a function.
    """
    if format not in (None, "auto"):
        check_format(format)
    libraries = list(library) if isinstance(library, (list, tuple)) else [] if library is None else [library]
    given = {"options": options, "on_error": on_error, "workers": workers, "pace": pace}
    given |= {"call_timeout": call_timeout, "reload": reload, "call": call}
    texts = [_for_each(argument, value, len(libraries)) for argument, value in given.items()]
    used = [(library, dict(ChainMap(*each))) for library, *each in zip(libraries, *texts, strict=True)]
    if format == "auto":
        format = usual_format([(library_of(each), texts) for each, texts in used], "RGB")
    return Results(input_of(video, every_frame=every_frame), used, format)


def _for_each(argument: str, value: Any, libraries: int) -> list[dict[str, str | None]]:
    """Return the properties that an argument sets of each library, as texts. Raises PropertyError."""
    is_list = isinstance(value, (list, tuple))
    texts = [texts_of(argument, each) for each in (value if is_list else [value])]
    if is_list and len(texts) != libraries:
        what = f"{argument}: there are not as many values as libraries ({len(texts)} and {libraries})"
        raise PropertyError(f"{what}; give one for all, or a list with one for each", name=argument)
    return texts if is_list else texts * libraries


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
        """The frame as ``map_frame`` maps it, open: ``image.rgb``, ``image.planes``, ``image.crop(found)`` and others.

        They are read-only NumPy views, never copies, and valid until the next result is requested.

        Raises
        ------
        FrameClosedError
            The next result was requested.
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
        """The pixels of a packed format as one array, (height, width, 3) of uint8 for RGB: ``image.pixels``, a read-only view.

        Raises
        ------
        FrameError
            The format has several planes: :attr:`image` has them.
        FrameClosedError
            The next result was requested.
        """
        return self.image.pixels

    def _close(self) -> None:
        self._buffer = None
        if self._image is not None:
            self._image.__exit__(None, None, None)


class Results(Closing, Iterator[Result]):
    """The results of :func:`empycustom.process`: an iterator, and a context manager that stops everything at its end."""

    def __init__(self, video: Input, libraries: _Used, format: str | None) -> None:
        self._video, self._libraries, self._format = video, libraries, format
        self._playing: _Playing | None = None
        self._current: Result | None = None
        self._closed = False
        self._caps: Any = None

    def __del__(self) -> None:
        playing: _Playing | None = getattr(self, "_playing", None)
        if playing and not self._closed:
            playing.abandon()  # nobody waits for it: the thread that this is called in may be one of the pipeline

    def __next__(self) -> Result:
        self._release_current()
        if self._closed:
            raise StopIteration
        try:
            playing = self._playing = self._playing or _Playing(self._video, self._libraries, self._format)
            while True:
                self._video.feed()
                is_ending = playing.is_ending  # before the last results are taken
                sample = playing.pull()
                if sample is not None:
                    return self._result_of(sample, playing.documents.popleft())
                if is_ending:
                    break
        except BaseException:
            self._stop()
            raise
        failure = self._stop(patient=not playing.failure) or self._video.error_at_end()
        if failure:
            raise failure
        raise StopIteration

    def close(self) -> None:
        """Stop the pipeline, and wait until the libraries have stopped. A second call does nothing.

        Raises
        ------
        LibraryError
            ``stop`` of a library fails.
        LaunchError
            The pipeline does not stop, because a call does not return.
        """
        self._release_current()
        failure = None if self._closed else self._stop()
        if failure:
            raise failure

    def _stop(self, *, patient: bool = False) -> Exception | None:
        """Stop the pipeline, and wait: a call of a library may be running, and its ``stop`` may take long. Return its error."""
        playing, self._playing, self._closed = self._playing, None, True  # a program may keep this object
        return playing.stop(patient=patient) if playing else None

    def _release_current(self) -> None:
        current, self._current = self._current, None
        if current is not None:
            current._close()

    def _result_of(self, sample: Any, document: Any) -> Result:
        caps = sample.get_caps()
        if hash(caps) != hash(self._caps):  # by address, which no other caps get while these are referenced
            self._caps, self._about = caps, {"buffer": FrameFormat(caps).buffer_info(None)}
        self._current = Result(document.values(), sample.get_buffer(), self._about)
        return self._current


class _Playing(Owner):
    """The pipeline of one iterator, which does not refer to the iterator. ``failure`` is its first error."""

    def __init__(self, video: Input, libraries: _Used, format: str | None) -> None:
        register()
        pipeline = build(" ".join(_tokens(video, len(libraries), format)))
        for number, (given, texts) in enumerate(libraries):
            library = library_of(given)
            in_place = works_in_place(library, elsewhere=texts["workers"] != "0")
            configure(pipeline.get_by_name(f"empycustom{number}"), library, texts, in_place=in_place)
        self._video = video
        self._last = pipeline.get_by_name(_LAST)
        self.documents = _documents_at(self._last.get_static_pad("sink"), pipeline.get_by_name(AIMETA))
        self.feeders = [video.attach(pipeline)]
        keep_upright(pipeline)
        self.failure: Exception | None = None
        self._errors: Mapping[int, Any] = {}  # of elements
        self._is_abandoned = False
        self._player = Player(pipeline, self, interrupts=Interrupts(), grace_s=math.inf)
        _playing.add(self)
        _stop_at_exit()
        self.thread = in_background(self._play)

    def _play(self) -> None:
        try:
            with errors_in(self._player.pipeline) as self._errors:
                self._player.play()
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to
            self._fail(error)
        del self._player.owner, self.feeders  # so that the pipeline is freed at once

    def pull(self) -> Any:
        """Wait for a result for a moment; return its sample, or None."""
        if not self._player.started:
            self.thread.join(0.01)
            return None
        return self._last.emit("try-pull-sample", 0 if self.failure else self._video.wait_ns)

    @property
    def is_ending(self) -> bool:
        """True when nothing is made any more; there may be results that are not taken yet."""
        is_at_end = self._player.started and self._last.get_property("eos")  # which is True before the start, too
        return bool(self.failure) or is_at_end or not self.thread.is_alive()

    def stop(self, *, patient: bool) -> Exception | None:
        """Stop the pipeline and wait, not longer than :data:`_GRACE_S` unless ``patient``; return its error."""
        self._player.stop()
        self.thread.join(None if patient else _GRACE_S)
        if self.thread.is_alive():
            self._is_abandoned = True
            who = "a callback of a library, or an element, does not return"
            return self.failure or LaunchError(f"The pipeline does not stop within {_GRACE_S:g} s: {who}.")
        return self.failure

    def abandon(self) -> None:
        """Stop the pipeline without waiting. Errors are logged."""
        self._is_abandoned = True
        self._player.stop()

    # In the player's thread.

    def tick(self) -> None:
        """Let the video warn."""
        self._video.tick()

    def handle_error(self, report: Report, element: Any) -> bool:
        """Keep an error. The pipeline goes on until the results before it are taken."""
        is_over = self._player.ended and is_farewell(report)
        if not (is_over or any(feeder.handle_error(report) for feeder in self.feeders)):
            self._fail(self._errors.get(hash(element)) or self._video.error_of(report) or _launch_error(report))
        return True

    def report(self, report: Report, _element: Any) -> None:
        """Log what is not an error; keep an error of the player itself."""
        if report.kind == "error":
            self._fail(LaunchError(report.text))
        else:
            _log.log(logging.WARNING if report.kind == "warning" else logging.INFO, "%s", report.text.removesuffix(BELOW))

    def can_fall_behind(self, *, live: bool) -> bool:  # noqa: ARG002 - whatever the source is
        """Return False: a program sees how fast results come."""
        return False

    def _fail(self, error: Exception) -> None:
        if self.failure is None:
            self.failure = error
            if self._is_abandoned:
                _log.error("%s", error)


_playing: WeakSet[_Playing] = WeakSet()  # each lives at least as long as its thread


@cache
def _stop_at_exit() -> None:
    """Stop what still plays or stops when the program ends, and wait for it: ``stop`` of libraries is called.

    It is registered after the elements are, whose own functions at the end have to follow.
    """
    atexit.register(_stop_all)


def _stop_all() -> None:
    stopping = list(_playing)
    for playing in stopping:
        playing.abandon()
    until = monotonic() + _GRACE_S
    for playing in stopping:
        playing.thread.join(max(until - monotonic(), 0))
    if any(playing.thread.is_alive() for playing in stopping):
        _log.warning("A pipeline does not stop within %g s; the program ends without it.", _GRACE_S)


def _tokens(video: Input, libraries: int, format: str | None) -> list[str]:
    stages = [library_stage("", in_place=True) for _ in range(libraries)]
    sink = ["!", "appsink", f"name={_LAST}", "sync=false", f"max-buffers={AHEAD}", "enable-last-sample=false"]
    stream, aimeta = plain_stream([""], stages, pixels=format), {"signal-aimetas": False}
    made = describe(stream, video.tokens(), exists, sinks=lambda _converter: sink, named=True, newest=video.newest, aimeta=aimeta)
    return [*made.tokens, *made.sinks]


def _documents_at(pad: Any, aimeta: Any) -> deque[Any]:
    """Return a queue that gets the document of ``aimeta`` for each frame at a pad behind it."""
    documents: deque[Any] = deque()

    def look(_pad: Any, _info: Any) -> Any:
        documents.append(aimeta.last_meta)
        return Gst.PadProbeReturn.OK

    pad.add_probe(Gst.PadProbeType.BUFFER, look)
    return documents


def _launch_error(report: Report) -> LaunchError:
    error = LaunchError(f"{report.element}: {report.advised}")
    error.details = report.details
    return error
