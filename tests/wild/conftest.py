"""One pipeline that plays from input to input, so that thousands are tried in seconds."""

from __future__ import annotations

import queue
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from judging import NOT_A_SENTENCE

TIMEOUT_S = 60
CAPS = "video/x-raw,format=RGBA,width=16,height=16,framerate=1/10"  # no call is longer than a frame


class Outcome(NamedTuple):
    """The outcome for one buffer: the one that arrived or None, and the messages on the bus."""

    arrived: bool
    errors: list[str]
    warnings: list[str]


class Stream:
    """A pipeline ``appsrc ! ELEMENTS ! fakesink`` to which buffers are sent one by one; one that failed is started again."""

    def __init__(self, elements: str) -> None:
        from empycustom.gstreamer import Gst

        self._gst = Gst
        self._happened: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self.pipeline = Gst.parse_launch(
            f"appsrc name=source format=time caps={CAPS} ! {elements} ! fakesink name=sink signal-handoffs=true sync=false async=false"
        )
        self.source = self.pipeline.get_by_name("source")
        self.pipeline.get_by_name("sink").connect("handoff", lambda *_: self._happened.put(("arrived", "")))
        self.pipeline.get_bus().set_sync_handler(self._heard)
        self._play()

    def _heard(self, _bus: Any, message: Any) -> Any:
        kinds = {self._gst.MessageType.ERROR: "error", self._gst.MessageType.WARNING: "warning"}
        kind = kinds.get(message.type)
        if kind and message.src is not self.source:  # which says only that somebody behind it failed
            self._happened.put((kind, getattr(message, f"parse_{kind}")()[0].message))
        return self._gst.BusSyncReply.DROP

    def _play(self) -> None:
        assert self.pipeline.set_state(self._gst.State.PLAYING) != self._gst.StateChangeReturn.FAILURE, self._all()

    def _all(self) -> list[tuple[str, str]]:
        found = []
        while not self._happened.empty():
            found.append(self._happened.get())
        return found

    def send(self, buffer: Any) -> Outcome:
        """Send a buffer and wait for what becomes of it."""
        assert self.source.emit("push-buffer", buffer) == self._gst.FlowReturn.OK
        found = []
        while not any(kind in ("arrived", "error") for kind, _ in found):
            found.append(self._happened.get(timeout=TIMEOUT_S))  # queue.Empty: the pipeline hangs
        failed = found[-1][0] == "error"
        if failed:
            self.pipeline.set_state(self._gst.State.NULL)
            self._play()
        found += self._all()
        said = {kind: [text for what, text in found if what == kind] for kind in ("arrived", "error", "warning")}
        return Outcome(not failed, said["error"], said["warning"])

    def end(self) -> None:
        self.pipeline.set_state(self._gst.State.NULL)


@pytest.fixture
def stream():
    """Return the maker of such pipelines; they end with the test."""
    import empycustom

    empycustom.register()
    made: list[Stream] = []

    def make(elements: str) -> Stream:
        made.append(Stream(elements))
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.fixture
def judged(capfd: pytest.CaptureFixture[str]):
    """Return the judge of an outcome: each message is a sentence that names one of these things, and C has no warnings."""
    capfd.readouterr()

    def judge(outcome: Outcome, *things: str) -> None:
        for text in [*outcome.errors, *outcome.warnings]:
            assert not NOT_A_SENTENCE.search(text), text
            assert any(thing in text for thing in things), text
        printed = capfd.readouterr()
        assert not re.search("CRITICAL|Traceback|WARNING \\*\\*|Exception ignored", printed.err), printed.err
        assert "CRITICAL" not in printed.out

    return judge
