"""The states of a pipeline that is played: changed one after another in a thread of their own, NULL last."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, Protocol

from empycustom.gstreamer import Gst

_PATIENCE_S = 1.0


class Feeder(Protocol):
    """Sources that come and go while a pipeline plays; it does not change their states."""

    def begin(self, later: Callable[[Callable[[], Any]], None]) -> None:
        """Begin to feed; ``later`` calls what it is given in the thread that changes states, until the end."""

    def end(self) -> None:
        """Stop all sources; the pipeline has stopped."""


class States:
    """Changes the state of ``pipeline``, and of what feeds it; nobody who asks for it waits, and any thread may.

    What is asked for after :meth:`stop` is left out, so that a pipeline which has ended does not start again.
    """

    def __init__(self, pipeline: Any, feeder: Feeder | None = None) -> None:
        self._pipeline, self._feeder = pipeline, feeder
        self._wanted: SimpleQueue[Any] = SimpleQueue()
        self._changed: list[Any] = []  # what each change returned
        self._stopping = False
        self._patient_until = 0.0

    def start(self) -> None:
        """Begin to play."""
        self._thread = in_background(self._change)
        # Only on the way to PAUSED is it said whether something is live.
        self.change(Gst.State.PAUSED)
        if self._feeder:
            self._wanted.put(partial(self._feeder.begin, self._wanted.put))
        self.change(Gst.State.PLAYING)

    def change(self, *states: Any) -> None:
        """Go to one state after another."""
        for state in states:
            self._wanted.put(state)

    def recalculate_latency(self) -> None:
        """Let the pipeline ask its elements anew how late they are, which waits for a change of state that is on its way."""
        self._wanted.put(self._pipeline.recalculate_latency)

    def stop(self) -> threading.Thread:
        """Go to NULL, once the change is done that is on its way; return the thread that ends then."""
        self._stopping = True
        self.change(Gst.State.NULL)
        return self._thread

    def _change(self) -> None:
        while (wanted := self._wanted.get()) != Gst.State.NULL:
            if self._stopping or self.failed:  # a second try would call `start` of libraries again
                continue
            if callable(wanted):
                wanted()
            else:
                self._changed.append(self._pipeline.set_state(wanted))
        self._pipeline.set_state(wanted)
        if self._feeder:
            self._feeder.end()

    @property
    def started(self) -> bool:
        """Whether all elements have started."""
        return len(self._changed) > 1

    @property
    def failed(self) -> bool:
        """Whether the pipeline cannot start."""
        return Gst.StateChangeReturn.FAILURE in self._changed

    @property
    def live(self) -> bool:
        """Whether there is a live source."""
        return Gst.StateChangeReturn.NO_PREROLL in self._changed

    def is_about_to_play(self) -> bool:
        """Say whether an end that the pipeline is told may meet the first frame of a live source, on the way to PLAYING.

        GStreamer (1.22) locks up where that happens. True for a second at most: there may be no frame.
        """
        if not self.live or self._pipeline.get_state(0).state == Gst.State.PLAYING:
            return False
        self._patient_until = self._patient_until or time.monotonic() + _PATIENCE_S
        return time.monotonic() < self._patient_until


def in_background(work: Callable[[], Any]) -> threading.Thread:
    """Call ``work`` in a thread that does not keep the process."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread
