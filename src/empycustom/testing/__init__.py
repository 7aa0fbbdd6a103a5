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

import json
import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any

from empycustom.buffers.callback import VIEWS, wrap
from empycustom.elements.base import VIDEO_CAPS
from empycustom.elements.dialects import call_of, call_texts
from empycustom.elements.document import DocumentResult
from empycustom.elements.frames import FrameFormat
from empycustom.elements.output import OutputCaps
from empycustom.elements.properties import options_text
from empycustom.errors import FrameError
from empycustom.gstreamer import Gst
from empycustom.library.callbacks import Library, callbacks_of
from empycustom.library.dialects import USUAL_FORMATS
from empycustom.library.explain import is_kind
from empycustom.model import values as model
from empycustom.model.carried import as_plain
from empycustom.model.keys import ATTRIBUTES, FRAMES, LABEL, OBJECTS
from empycustom.model.results import Result as CallbackResult
from empycustom.model.results import is_padded, merge, read_result, too_short, value_of
from empycustom.model.returned import Dropped
from empycustom.model.serialize import loads
from empycustom.model.values import NOTHING
from empycustom.model.wire import document
from empycustom.runners.inline import read_pair, read_returned
from empycustom.runners.made import check_buffer, write_arrays
from empycustom.testing.frames import SampleFrame, make_frame, pixels_of
from empycustom.text import as_text

__all__ = ["OpenLibrary", "Result", "SampleFrame", "make_frame", "run"]


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
        See :func:`make_frame`; left out: the test picture (RGBA; BGR for gvapython, RGB for
        hailopython), without objects.
    options : dict, optional
        What the callbacks get as ``options``, of JSON values.
    events : optional
        What the callbacks get as ``events``.
    call : dict, optional
        How a module of another project is called, as for :func:`empycustom.process`.

    Returns
    -------
    Result
        The result of this one call.

    Raises
    ------
    LibraryError
        As the element reports it: with file and line, and the traceback in ``details``.
    FrameError, PropertyError
        ``frame`` is not a SampleFrame; options are not JSON.
    """
    with OpenLibrary(library, options=options, events=events, call=call) as opened:
        return opened.run(frame)


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
        How long the call took, in milliseconds.
    """

    def __init__(self, library: Library, frame: SampleFrame, in_meta: Any, returned: Any, result: CallbackResult) -> None:
        super().__init__(_document(in_meta, result))
        self.callback: str = library.name
        self.returned: Any = returned
        self.result, self.meta = result, loads(result.text)
        self.new_objects: list[model.Object] = list(result.frames[0].new_objects)
        self.warnings: list[str] = read_returned(library, lambda: [*_doubts(returned, result, frame.objects)])
        self.time_ms: float = 0.0
        self.format, self.before = frame.format, frame.buffer()
        self.after: Any = None

    @property
    def dropped(self) -> bool:
        """True where the library dropped the frame."""
        return self.after is None

    @property
    def pixels(self) -> Any:
        """The pixels after the call, a copy, as :attr:`SampleFrame.pixels` has them; None: the frame was dropped."""
        return None if self.after is None else pixels_of(self.after, self.format)

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
        """Call the library for a frame, as the next one of a stream, and return the result.

        Parameters
        ----------
        frame : SampleFrame, optional
            See :func:`make_frame`; left out: the test picture, without objects.
        callback : optional
            One of ``callbacks``, where the library has both ``process_ip`` and ``process``; left out: the first one.

        Returns
        -------
        Result
            The result of this one call.

        Raises
        ------
        LibraryError
            The callback raised, or returned what is not a result.
        FrameError
            ``frame`` is not a SampleFrame.
        """
        library = callback or self.library
        if frame is None:
            frame = make_frame(format=USUAL_FORMATS.get(library.dialect))
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
    frame, found = in_meta[FRAMES][0], result.frames[0]
    frame[OBJECTS] = [*(_attach(*each) for each in found.left_of(frame[OBJECTS])), *found.new_objects]
    _attach(frame, found.attributes)
    made = document([frame], form=as_plain)
    _attach(made, result.attributes)
    return made


def _attach(target: Any, attributes: Any) -> Any:
    merged = merge(target.get(ATTRIBUTES, NOTHING), value_of(attributes))
    if merged is not NOTHING:
        target[ATTRIBUTES] = merged
    return target


# What the author of a library may not have meant by a result: sentences for its tests, and for ``empycustom check``.


_NOT_FINITE = re.compile(r"(?<![\w'\"])(nan|NaN|-?inf|-?Infinity)\b")


def _doubts(returned: Any, result: CallbackResult, objects: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what may not be meant: ``returned`` is what the callback returned about ``objects``, ``result`` what that means."""
    yield from result.ignored
    if isinstance(returned, str) and returned.strip():
        yield from _about_text(returned, result)
    elif places := list(_not_finite(returned, "")):
        yield f"{', '.join(places)}: NaN and infinities are not JSON and become null."
    entries = result.returned
    if isinstance(entries, list) and len(entries) < len(objects) and not is_padded(entries, len(objects)):
        yield f"It returned {too_short(len(entries), len(objects), objects[0][LABEL])}."
    if result.image and result.image[0] is None:
        yield "process returned None as out_buffer: with in-place=false the frame is dropped."


def _about_text(returned: str, result: CallbackResult) -> Iterator[str]:
    try:
        json.loads(returned)
    except ValueError:
        yield "It is text in Python's notation, as str(list) writes it: it is accepted, but return the list itself instead."
    if _NOT_FINITE.search(returned) and "null" in result.text:
        yield "It contains NaN or an infinity: these are not JSON and become null."


def _not_finite(value: Any, path: str) -> Iterator[str]:
    """Yield the places of floats in a Python value that are not finite."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        yield path.lstrip(".") or "the value"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _not_finite(item, f"{path}.{key}")
    elif isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        for index, item in enumerate(value):
            yield from _not_finite(item, f"{path}[{index}]")
