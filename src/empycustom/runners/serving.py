"""What a worker does for its pool: it loads one library, and calls it for each frame in shared memory that it is told of."""

from __future__ import annotations

import mmap
import os
import socket
from struct import Struct
from sys import getrefcount
from time import monotonic_ns
from types import SimpleNamespace
from typing import Any

from empycustom.buffers.callback import VIEWS, wrap
from empycustom.gstreamer import Gst, GstVideo
from empycustom.library.callbacks import Library
from empycustom.native.memory import ArrayExporter
from empycustom.native.metas import VideoLayout
from empycustom.native.shared import SharedView, describe, set_times, times_of
from empycustom.runners.inline import InlineRunner
from empycustom.runners.messages import (
    BOARD_SIZE,
    CALL_AT,
    WANTED_AT,
    at_worker,
    pack_error,
    pack_result,
    receive,
    send,
    to_parent,
)

_NUMBER, _CALL = Struct("=Q"), Struct("=QQ")


class _Image:
    """A frame in shared memory, as a callback gets it."""

    def __init__(self, file: int, length: int) -> None:
        self.view, self._place = SharedView(file, length), (0, 0)
        self._buffer: Any = None
        os.close(file)

    def open(self, exporter: ArrayExporter, offset: int, size: int) -> Any:
        """Return the Gst.Buffer of these bytes."""
        if self._place != (offset, size):
            self._buffer, self._place = wrap(Gst.Buffer.new()), (offset, size)
            self.view.fill(hash(self._buffer), exporter, offset, size)
        return self._buffer


class Worker:
    """Runs the library. ``control`` is the socket to the pool; ``setup`` is what the pool wants, see ``processes.py``."""

    def __init__(self, control: socket.socket, setup: dict[str, Any]) -> None:
        self._control = control
        self._board = mmap.mmap(setup["notes"], BOARD_SIZE)
        self._images: dict[int, _Image] = {}
        library = Library.open(setup["library"], in_place=setup["in_place"], views=VIEWS)
        self._runner, self._exporter = InlineRunner(library, in_place=setup["in_place"]), ArrayExporter()
        self._runner.start(setup["options"], setup["events"])
        facts = (library.path, library.name, library.in_place, library.has_output_caps, library.lines)
        self._answer("ready", facts, [pack_error(each) for each in library.misspelt()])

    def serve(self) -> None:
        """Do what the pool wants, until it is to stop. Raises EOFError where there is no pool any more."""
        while True:
            message, files = receive(self._control)
            began = monotonic_ns()
            kind, *rest = at_worker(message)
            if kind == "stop":
                self._answer("stopping")
                self._answer("stopped", self._stopped())
                return
            self._frame(began, files, *rest)

    def _answer(self, *message: Any) -> None:
        send(self._control, to_parent(*message))

    def _stopped(self) -> Any:
        try:
            self._runner.stop()
        except BaseException as error:  # noqa: BLE001 - it is the parent's to report
            return pack_error(error)
        return None

    def _frame(self, began: int, files: list[int], number: int, told: Any, new: Any, gone: Any, image: Any, given: Any) -> None:
        """Run the library for a frame, and send what it made of it."""
        if told:
            self._runner.options, self._runner.events = told
        for each in gone:
            self._images.pop(each, None)
        for (known, length), file in zip(new, files, strict=True):
            self._images[known] = _Image(file, length)
        if number < _NUMBER.unpack_from(self._board, WANTED_AT)[0]:
            self._answer("answer", number, 0, 0, False, None, None)
            return
        slot, offset, size = image
        found = self._images[slot]
        buffer = found.open(self._exporter, offset, size)
        references = getrefcount(buffer)
        answer, times = self._called(number, buffer, *given)
        kept = getrefcount(buffer) > references or found.view.is_kept()
        if kept:  # the memory is the library's from now on
            del self._images[slot]
        took = self._runner.took_ns
        self._answer("answer", number, took, monotonic_ns() - began - took, kept, times, answer)

    def _called(self, number: int, buffer: Any, in_meta: Any, counts: list[int], layout: Any, times: Any) -> tuple[Any, Any]:
        """Return what the library made of a buffer, and its times, where they have been changed."""
        address, about = hash(buffer), in_meta["buffer"]
        described = (int(GstVideo.VideoFormat.from_string(about["format"])), about["width"], about["height"]) if layout else ()
        describe(address, VideoLayout(*layout) if layout else None, described)
        set_times(address, times)
        frame: Any = SimpleNamespace(in_meta=in_meta, handles=[range(count) for count in counts])
        _CALL.pack_into(self._board, CALL_AT, number, monotonic_ns())
        try:
            answer = "result", pack_result(self._runner.run(frame, buffer))
        except BaseException as error:  # noqa: BLE001 - it is the parent's to report
            answer = "error", pack_error(error)
        finally:
            _CALL.pack_into(self._board, CALL_AT, 0, 0)
        now = times_of(address)
        return answer, now if now != times else None
