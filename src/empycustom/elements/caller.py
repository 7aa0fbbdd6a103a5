"""Giving buffers to a library and attaching what it says: what ``empycustom`` does between start and stop."""

from __future__ import annotations

from contextlib import suppress
from sys import getrefcount
from time import perf_counter_ns
from typing import Any

from empycustom.carriers.protocol import Reading
from empycustom.elements.base import (
    DEBUG,
    ERROR,
    FLOW_DROPPED,
    FLOW_ERROR,
    FLOW_OK,
    LOG,
    WARNING,
    VideoTransform,
    as_buffer,
    retain,
)
from empycustom.elements.failures import details, post_error, post_warning, sentence
from empycustom.elements.perf import Tally
from empycustom.elements.results import NewFrames, meta_of, pair_of, said_of, short_list
from empycustom.errors import LibraryError, MetadataError, NotWritableError, StreamEndedError
from empycustom.library.callbacks import Library
from empycustom.library.explain import kind_of
from empycustom.model.results import is_padded, quick_words
from empycustom.model.values import NOTHING
from empycustom.native.objects import highest_level


class Caller:
    """Calls one library for the buffers of one element. ``options`` and ``events`` are handed to it, and may change at any time.

    Addresses are of buffers; ``given`` is PyGObject's object of the first, None on the fast path. GstFlowReturns are returned.
    """

    def __init__(self, element: VideoTransform, library: Library, tally: Tally, options: dict[str, Any], events: Any) -> None:
        self.library, self.options, self.events = library, options, events
        self._element, self._tally, self._times = element, tally, tally.times
        self._frames, self._every = element.frames, element.every
        self.new_frames = NewFrames(element, library, element.frames)
        self._told_slow = self._told_lists = False

    def in_place(self, address: int, given: Any = None) -> int:
        """Let the library work on the buffer."""
        if self._is_due("transform_ip"):
            return self._process(address, 0, given)
        self._frames.pass_on(address)
        return FLOW_OK

    def between(self, source: int, target: int, given: Any = None) -> int:
        """Fill the empty buffer at ``target`` with what the library makes of the one at ``source``."""
        if self._is_due("transform"):
            return self._process(source, target, given)
        flow = self._repeat(source, target)
        if flow == FLOW_OK:
            self._frames.pass_on(target)
        return flow

    def _is_due(self, function: str) -> bool:
        """Count the buffer, and say whether the library gets it."""
        self._tally.buffers += 1
        self._frames.number += 1
        if highest_level[0] >= DEBUG:
            self._element.log(DEBUG, function, f"do_{function}")
        return self._every.due()

    def _process(self, source: int, target: int, given: Any) -> int:
        self._tally.processed += 1
        if highest_level[0] >= LOG:
            self._element.log(LOG, "Processing buffer")
        try:
            reading = self._frames.read(source)
        except MetadataError as error:
            return self._recover(error, source, target, None)
        if reading.complaints or reading.reshaped:
            self._element.heed(reading, source)
        buffer = as_buffer(source if given is None else given)
        references = getrefcount(buffer)
        try:
            return self._ask(buffer, source, target, reading)
        except StreamEndedError as end:
            return self._end(end, source)
        except LibraryError as error:
            return self._recover(error, source, target, reading)
        except NotWritableError as error:
            if target:  # the library has never seen that one
                raise
            return self._recover(self.library.buffer_retained_error(error), source, target, reading)
        finally:  # when the tracebacks are gone, which hold it too
            if getrefcount(buffer) > references:  # the library keeps it
                retain(buffer)

    def _ask(self, buffer: Any, source: int, target: int, reading: Reading) -> int:
        """Call the library, and attach what it says."""
        in_meta: dict[str, Any] = {"frame": reading.frames, "buffer": self._frames.format.buffer_info(reading.layout)}
        if reading.words is not NOTHING:
            in_meta["emcustom"] = reading.words
        began = perf_counter_ns()
        try:
            returned = self.library.call(buffer, in_meta, self.options, self.events)
        finally:
            took = perf_counter_ns() - began
            self._times.add(took)
            if took > self._frames.format.duration_ns:
                self._slow(took, source)
        if target:
            held, returned = [returned], None
            return self._fill_and_say(source, target, reading, held)
        if returned is None:
            self._frames.stamp(source, reading)
        else:
            self._hear(source, reading, returned)
        return FLOW_OK

    def _end(self, end: StreamEndedError, source: int) -> int:
        """End the stream before the frame at hand."""
        end.frame = self._frames.name(source)
        self._tally.dropped += 1
        return self._element.end_stream(end)

    def _recover(self, error: LibraryError | MetadataError, source: int, target: int, reading: Reading | None) -> int:
        """Do what ``on-error`` says; with "pass" the frame goes on as it came, less what could not be read (no ``reading``)."""
        if reading:
            error.frame = self._frames.name(source)
        flow = self._failed(error)
        if flow == FLOW_OK and target:
            flow = self._repeat(source, target)
        if flow == FLOW_OK and reading is None:
            self._frames.discard(target or source)
        elif flow == FLOW_OK and reading:
            with suppress(NotWritableError):  # the library holds on to it: nothing can be attached
                self._frames.stamp(target or source, reading)
        return flow

    def _repeat(self, source: int, target: int) -> int:
        if self.new_frames.same_caps:
            self.new_frames.repeat(source, target)
            return FLOW_OK
        self._element.complain(
            ["frames that the library did not work on were dropped: they have other caps than those of output_caps"]
        )
        self._tally.dropped += 1
        return FLOW_DROPPED

    def _slow(self, took_ns: int, address: int) -> None:
        """Warn, once, that a call took longer than a frame lasts. The first call is only logged: it may be slow for once."""
        if self._told_slow:
            return
        error = self.library.too_slow(took_ns / 1e6, self._frames.format.duration_ns / 1e6)
        error.frame = self._frames.name(address)
        if self._tally.processed == 1:
            self._element.log(WARNING, f"{error}. (It was the first call: what is slow only once belongs into start.)")
            return
        self._told_slow = True
        post_warning(self._element, error)

    def _fill_and_say(self, source: int, target: int, reading: Reading, held: list[Any]) -> int:
        made, output = pair_of(self.library, held.pop())
        if made is None:
            self._tally.dropped += 1
            return FLOW_DROPPED
        held.append(made)
        del made
        self.new_frames.fill(source, target, held, reading)
        self._say(target, reading, output)
        return FLOW_OK

    def _failed(self, error: LibraryError | MetadataError) -> int:
        """Log and count what a callback did wrong, or cannot be read, and return what ``on-error`` makes of it."""
        self._tally.errors += 1
        self._element.log(ERROR, f"{sentence(error)}\n{details(error)}")
        policy = self._element.values["on-error"]
        if policy == "fail":
            post_error(self._element, error)
            return FLOW_ERROR
        cause = (type(error), kind_of(error.__cause__), getattr(error, "line", None))
        if cause not in self._element.told:  # once for each place: the bus is no log
            self._element.told.add(cause)
            post_warning(self._element, error)
        if policy == "pass":
            return FLOW_OK
        self._tally.dropped += 1
        return FLOW_DROPPED

    def _hear(self, address: int, reading: Reading, returned: Any) -> None:
        """Attach what the library returned to the buffer, and tell the application."""
        quick = quick_words(returned) if reading.blank else None
        if quick is None:
            self._say(address, reading, meta_of(self.library, returned))
            return
        words, output = quick
        self._element.complain(self._frames.carrier.say(address, reading, words), address)
        self._tell(output)

    def _say(self, address: int, reading: Reading, output: Any) -> None:
        """The same with what ``meta_of`` made of it."""
        if output is None:
            self._frames.stamp(address, reading)
            return
        said = said_of(self.library, output, [len(tokens) for tokens in reading.tokens])
        self._element.complain(self._frames.carrier.write(address, reading, said), address)
        if type(output) is list and not self._told_lists and reading.tokens and reading.tokens[0]:
            self._look_at(output, reading)
        self._tell(output)

    def _look_at(self, entries: list[Any], reading: Reading) -> None:
        """Warn, once, where a list seems to be about the frame, and went to objects. The first list that tells settles it."""
        objects = len(reading.tokens[0])
        if is_padded(entries, objects):
            self._told_lists = True
        elif len(entries) < objects:
            self._told_lists = True
            post_warning(self._element, short_list(self.library, len(entries), objects, reading))

    def _tell(self, meta: Any) -> None:
        element = self._element
        element.last_meta = meta
        if highest_level[0] >= LOG:
            element.log(LOG, f"New meta: {element.last_text()}", "_say")
        if not element.values["silent"]:
            element.tell()
