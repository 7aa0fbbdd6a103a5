"""What a worker does for its pool: it loads one library, and calls it for each frame in shared memory."""

from __future__ import annotations

import os
import select
import socket
from contextlib import suppress
from sys import getrefcount
from time import monotonic_ns
from types import SimpleNamespace
from typing import Any

from empycustom.buffers.callback import VIEWS, wrap
from empycustom.errors import CallbackError, WorkerError
from empycustom.gstreamer import Gst, GstVideo
from empycustom.library.callbacks import Library
from empycustom.library.explain import is_kind
from empycustom.model.results import Result
from empycustom.native.memory import ArrayExporter
from empycustom.native.metas import VideoLayout, kinds_of, portable, scan
from empycustom.native.shared import SharedView, Times, core, describe, set_times, times_of
from empycustom.runners.board import Board
from empycustom.runners.inline import InlineRunner, read_returned
from empycustom.runners.made import PlainFormat, address_of, caps_text, check_buffer, write_made
from empycustom.runners.messages import at_worker, pack_error, pack_result, receive, reply

_STAYS = ", which stays in the worker"
_NONE = 2**64 - 1  # GST_CLOCK_TIME_NONE


class _Image:
    """A frame in shared memory, as a callback gets it: ``buffer``, with no other ``metas`` than these."""

    def __init__(self, file: int, length: int) -> None:
        self.view, self._place = SharedView(file, length), (0, 0)
        self.buffer: Any = None
        self.metas: list[tuple[int, int]] = []
        self._about: Any = None
        self._wanted: tuple[VideoLayout | None, tuple[int, ...]] = (None, ())
        os.close(file)

    def open(self, exporter: ArrayExporter, offset: int, size: int) -> Any:
        """Return the Gst.Buffer of these bytes."""
        if self._place != (offset, size):
            self.buffer, self._place = wrap(Gst.Buffer.new()), (offset, size)
            self.view.fill(hash(self.buffer), exporter, offset, size)
            self._about = None
        return self.buffer

    def describe(self, layout: Any, described: tuple[str, int, int]) -> None:
        """Let the buffer have this layout, None: that of its caps, of which ``described`` are format, width and height."""
        if self._about != (layout, described):
            self._about, (name, *size) = (layout, described), described
            number = int(GstVideo.VideoFormat.from_string(name)) if layout else 0
            self._wanted = VideoLayout(*layout) if layout else None, (number, *size)
            self.tidy()

    def tidy(self) -> None:
        """Let the buffer have the layout that was wanted last, and no other metas, whatever the library has done to it."""
        describe(hash(self.buffer), *self._wanted)
        self.metas = scan(hash(self.buffer))


class Worker:
    """Runs the library. ``control`` is the socket to the pool; ``setup`` is what the pool wants, see ``processes.py``."""

    def __init__(self, control: socket.socket, setup: dict[str, Any]) -> None:
        self._control, self._bell = control, setup["bell"]
        self._frames = select.poll()  # not select(), which takes no file above number 1,023
        self._frames.register(self._bell, select.POLLIN)
        self._board = Board(setup["notes"])
        self._images: dict[int, _Image] = {}
        self._cores = os.sched_getaffinity(0)
        own, sources = setup["own"], setup["sources"]
        called = {**setup["called"], "settings": {**setup["called"].get("settings", {}), "in_worker": True}}
        library = Library.open(setup["library"], **called, views=VIEWS, sources=sources, own=own)
        self._runner, self._exporter = InlineRunner(library), ArrayExporter()
        switches = library.mandatory, library.stateful
        facts = (library.path, library.name, library.in_place, library.has_output_caps, library.lines, *switches)
        declared = library.declared and library.declared.plain
        self._answer("loaded", facts, declared, [pack_error(each) for each in library.hints()])
        self._runner.start(setup["options"], setup["events"])
        self._board.set_ready()
        self._answer("ready", library.all_sources())
        self._sources, self._sources_sent = sources, len(sources)

    def serve(self) -> None:
        """Do what the pool wants, until it is to stop. Raises EOFError where there is no pool any more."""
        try:
            self._serve()
        except OSError as error:  # not one of the library's, which were caught
            what = f": {error.strerror}; let the library close files that it has opened, and release frames that it keeps"
            found = self._runner.library.error(WorkerError, "the worker can take no more frames", what)
            self._answer("failed", pack_error(found), self._sources)

    def _serve(self) -> None:
        while True:
            os.eventfd_read(self._bell)
            message, files = receive(self._control)
            began = monotonic_ns()
            kind, number, settings, *rest = at_worker(message)
            if kind == "stop":
                self._answer("stopping")
                self._answer("stopped", self._stopped())
                return
            if settings:
                self._runner.options, self._runner.events = settings
            if kind == "caps":
                self._answer("answer", number, 0, 0, False, None, self._output_caps(number, *rest))
            else:
                self._frame(began, number, files, *rest)
                self._leave_core()

    def _leave_core(self) -> None:
        """Go to another core where this is the one that frames are sent from, if there is nothing to do.

        The kernel often wakes a process where it ran last, behind the thread that sends, which goes on to make the next frame.
        """
        here = core()
        if here == self._board.core and not self._frames.poll(0):
            others = self._cores - {here}
            # Where the library, or somebody from outside, has chosen cores meanwhile, those are theirs to choose. Some sandboxes
            # let nobody choose; and the cores may change between these lines.
            if others and os.sched_getaffinity(0) == self._cores:
                with suppress(OSError):
                    os.sched_setaffinity(0, others)
                    os.sched_setaffinity(0, self._cores)

    def _answer(self, *message: Any) -> None:
        reply(self._control, *message)

    def _stopped(self) -> Any:
        try:
            self._runner.stop()
        except BaseException as error:  # noqa: BLE001 - it is the parent's to report
            return pack_error(error)
        return None

    def _output_caps(self, number: int, caps: str) -> tuple[Any, ...]:
        library = self._runner.library
        self._board.begin_call(number)
        try:
            returned = library.output_caps(Gst.Caps.from_string(caps), self._runner.options)
            if returned is not None:
                returned = read_returned(library, caps_text, returned, callback="output_caps")
        except BaseException as error:  # noqa: BLE001 - it is the parent's to report
            return "error", pack_error(error)
        finally:
            self._board.end_call()
        return "result", returned

    def _frame(self, began: int, number: int, files: list[int], new: Any, gone: Any, places: Any, content: Any) -> None:
        """Run the library for a frame, and send what it made of it."""
        for each in gone:
            self._images.pop(each, None)
        for (known, length), file in zip(new, files, strict=True):
            self._images[known] = _Image(file, length)
        if not self._board.is_wanted(number):
            self._answer("answer", number, 0, 0, False, None, None)
            return
        (slot, offset, size), *others = places
        found = self._images[slot]
        buffer = found.open(self._exporter, offset, size)
        target = self._images[others[0][0]].open(self._exporter, *others[0][1:]) if others else None
        references = getrefcount(buffer)
        answer, times = self._called(number, found, target, *content)
        changes = found.view.was_written(), times
        kept = getrefcount(buffer) > references or found.view.is_kept()
        if kept:  # the memory is the library's from now on
            del self._images[slot]
        took = self._runner.took_ns
        self._answer("answer", number, took, monotonic_ns() - began - took, kept, changes, answer)
        if not kept:
            found.tidy()  # for the next frame, while nobody waits
        if len(self._sources) > self._sources_sent:  # a function has imported a module that lies beside the library
            self._sources_sent = len(self._sources)
            self._answer("sources", self._sources)

    def _called(
        self, number: int, image: _Image, target: Any, in_meta: Any, counts: list[int], layout: Any, times: Any, wanted: Any
    ) -> tuple[Any, Any]:
        """Return what the library made of a frame, and its times, where they have been changed."""
        buffer, about = image.buffer, in_meta["buffer"]
        address, described = hash(buffer), (about["format"], about["width"], about["height"], about["interlace_mode"])
        image.describe(layout, described[:3])
        set_times(address, times)
        frame: Any = SimpleNamespace(in_meta=in_meta, handles=[range(count) for count in counts])
        self._board.begin_call(number)
        try:
            result = self._runner.run(frame, buffer)
            self._refuse_losses(image.view, address, image.metas)
            made = self._made(result, buffer, target, wanted, described, times) if wanted else None
            answer = "result", pack_result(result), made
        except BaseException as error:  # noqa: BLE001 - it is the parent's to report
            answer = "error", pack_error(error), None
        finally:
            result = None  # the image in it is the library's
            self._board.end_call()
        now = times_of(address)
        return answer, now if now != times else None

    def _refuse_losses(self, view: SharedView, address: int, metas: list[tuple[int, int]]) -> None:
        """Raise CallbackError where the library did to the buffer at an address what its parent cannot see."""
        library, found = self._runner.library, scan(address)
        if found != metas:
            changed = {*found} ^ {*metas}
            what = f"{library.name} changed the metadata of the buffer ({kinds_of(changed)})"
            raise library.error(CallbackError, what, _STAYS + "; return attributes or new_object, or set workers=0")
        if view.is_replaced():
            what = f"{library.name} gave the buffer other memory, as a second map does that writes while the first is in use"
            raise library.error(CallbackError, what, _STAYS + "; end each map (unmap) before the next, or set workers=0")

    def _made(self, result: Result | None, buffer: Any, target: Any, wanted: Any, described: Any, times: Times) -> Any:
        """Write the new frame into ``target``, and return its times; 0: it is dropped, 1: it is the buffer that came."""
        made = result.image[0] if result else None
        if made is None:
            return 0
        wanted, library = PlainFormat(*wanted), self._runner.library
        if made is buffer:
            if wanted.described != described:
                check_buffer(library, made, wanted, exactly=True)
            return 1
        write_made(library, made, hash(target), wanted, exactly=wanted.described != described)
        if not is_kind(made, Gst.Buffer):
            return times_of(address_of(buffer))
        if attached := portable(address_of(made)):
            what = f"{library.name} attached metadata to the new buffer ({kinds_of(attached)})"
            raise library.error(CallbackError, what, _STAYS + "; return attributes or new_object, or set workers=0")
        flags, *own = times_of(address_of(made))
        return (flags or times[0], *(time if time != _NONE else came for time, came in zip(own, times[1:], strict=True)))
