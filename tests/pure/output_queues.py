"""Outputs that can be held up, and queues before them."""

from __future__ import annotations

import threading

from empycustom.outputs.queued import QueuedOutput

PATIENCE_S = 60  # of tests: nothing takes so long


class Gate:
    """An output that writes while it is open, and waits otherwise."""

    name, batch_bytes = "gate", 1 << 20

    def __init__(self, *, error=None):
        self.lines, self.calls, self.passing = [], 0, threading.Event()
        self.entered = threading.Event()
        self.error, self.is_closed = error, False

    def open(self):
        pass

    def write(self, lines):
        self.calls += 1
        self.entered.set()
        assert self.passing.wait(2 * PATIENCE_S)
        if self.error:
            raise self.error
        self.lines += lines

    def close(self):
        self.is_closed = True


class Stream:
    """How a stream may wait."""

    def __init__(self, *, live=False):
        self.live, self.stopping = live, False

    def is_live(self):
        return self.live

    def is_stopping(self):
        return self.stopping


def queue_of(output, **more):
    errors = []
    made = QueuedOutput(output, on_error=errors.append, **more)
    made.errors = errors
    return made


def lines(count, start=0):
    return [b"%d\n" % number for number in range(start, start + count)]


WAITS, LIVE = Stream(), Stream(live=True)


def put_all(output, given, waiter=WAITS):
    return [output.put(line, waiter) for line in given]
