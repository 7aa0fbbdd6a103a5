"""One stream of a configuration: playing it, its signal callback, and connecting again to a source that is gone."""

from __future__ import annotations

import sys
import time
import traceback
from argparse import Namespace
from collections.abc import Mapping
from typing import Any, Protocol

from empycustom.app.callback import SignalCallback
from empycustom.app.endings import DONE, FAILED, INTERRUPTED, StuckError, complain
from empycustom.app.launch import build
from empycustom.app.parts import exists
from empycustom.app.player import Interrupts, Player, Report
from empycustom.app.sources import SOURCE, describe_source, expect_video, is_lasting, locate
from empycustom.elements.failures import post_error
from empycustom.errors import EmPyCustomError
from empycustom.gstreamer import Gst
from empycustom.stream.config import Stream
from empycustom.stream.launch import AIMETA, FIRST, Description, describe

_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 30.0  # before connecting again; doubled each time in vain
_SILENCE_S = 30.0  # without a frame, a source that has sent some is gone
_LOOK_EVERY_S = 0.1


class Output(Protocol):
    """Where a stream writes."""

    def document(self, stream: Stream, document: str) -> None:
        """Write a document of aimeta."""

    def event(self, stream: Stream, event: dict[str, Any]) -> None:
        """Write an event of the callback."""


def described(stream: Stream, *, frames: int | None, aimeta: Mapping[str, Any] | None = None) -> Description:
    """The pipeline of a stream on this machine. Raises LaunchError if its source is not there."""
    live = bool(stream.input.get("live-source"))
    source = describe_source(locate(stream.location), live=live, frames=frames)
    return describe(stream, source, exists, aimeta=aimeta)


class LiveStream:
    """One stream. :meth:`run` plays it in a thread of its own and raises nothing; ``code`` is the exit code then.

    ``frames``, ``documents`` and ``events`` count. ``warned`` are texts that were said already, by any stream.
    """

    def __init__(
        self,
        stream: Stream,
        asked: Namespace,
        output: Output,
        callback: SignalCallback | None,
        *,
        interrupts: Interrupts,
        prefix: str,
        warned: set[str],
    ) -> None:
        self.stream, self.asked, self.output, self.callback = stream, asked, output, callback
        self.interrupts, self.prefix, self.warned = interrupts, prefix, warned
        self.frames = self.documents = self.events = 0
        self.code = DONE
        self.stuck: StuckError | None = None
        self._began = time.monotonic()
        self._seconds = 0.0
        self._over = False  # nothing more is wanted
        self._player: Player | None = None

    def run(self) -> None:
        """Play to the end, to an error, or to Ctrl-C."""
        try:
            self.code = self._play()
        except StuckError as error:
            self.stuck = error
            self._fail(str(error), "")
        except EmPyCustomError as error:
            self._fail(str(error), error.details)
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to
            self._fail(f"this stream ended by a defect of empycustom: {error!r}", traceback.format_exc())
        finally:
            self._seconds = time.monotonic() - self._began
            if self.callback:
                self.callback.close()

    def end(self) -> None:
        """End the stream; may be called from any thread."""
        self._over = True
        if self._player:
            self._player.end()

    def summary(self) -> str:
        """What was done, in one line."""
        rate = self.frames / self._seconds if self._seconds else 0
        events = f", {self.events} events" if self.callback else ""
        done = f"{self.frames} frames in {self._seconds:.1f} s ({rate:.1f} fps), {self.documents} documents{events}"
        return f"{self.prefix}{done}"

    def _play(self) -> int:
        wait_s = _FIRST_WAIT_S
        while True:
            before = self.frames
            connection = _Connection(self)
            code = connection.play()
            if not connection.lost:
                return code
            if self._is_enough():
                break
            wait_s = _FIRST_WAIT_S if self.frames > before else wait_s
            self.say(f"the source is gone ({connection.lost}); trying again in {wait_s:g} s", kind="warning")
            self._wait(wait_s)
            if self._is_enough():
                break
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        return INTERRUPTED if self.interrupts.count else DONE

    def _is_enough(self) -> bool:
        return self._over or self.interrupts.count > 0

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._is_enough():
            time.sleep(_LOOK_EVERY_S)

    def play(self, player: Player) -> int:
        """Play one connection."""
        self._player = player
        if self._over:
            player.end()
        return player.play()

    def say(self, text: str, details: str = "", *, kind: str = "error") -> None:
        """Print what this stream has to say, on stderr."""
        complain(f"{self.prefix}{text}", details, kind=kind)

    def warn_once(self, text: str) -> None:
        """Print a warning that no stream gave yet."""
        if text not in self.warned:
            self.warned.add(text)
            self.say(text, kind="warning")

    def _fail(self, text: str, details: str) -> None:
        self.code = FAILED
        self.say(text, details)

    def hear(self, document: str) -> None:
        """Write a document, and what the callback says to it. Raises CallbackError, CallbackOutputError, OSError."""
        self.documents += 1
        self.output.document(self.stream, document)
        if self.callback is None:
            return
        said = self.callback(document)
        for event in said.events:
            self.events += 1
            self.output.event(self.stream, event)
        for key in sorted(said.unknown):
            self.warn_once(f"events have {key}, which event_item_keys does not declare")
        if said.debug and self.asked.verbose:
            print(f"{self.prefix}{said.debug.rstrip()}", file=sys.stderr, flush=True)


class _Connection:
    """One pipeline of a stream, from its start to its end. ``lost`` says why a source that lasts is gone, or is ``""``."""

    def __init__(self, of: LiveStream) -> None:
        self._of = of
        self._limit = of.asked.frames
        self.lost = ""
        self._lasting = is_lasting(of.stream.location)
        self._arrived: float | None = None  # when the last frame came from the source
        self._broken = False
        description = described(of.stream, frames=self._limit)
        for warning in description.warnings:
            of.warn_once(warning)
        self._pipeline = build(description.text)
        self._listen()
        self._player = Player(
            self._pipeline,
            on_report=self._tell,
            on_tick=self._look,
            end_at=self._aimeta,
            grace_s=of.asked.grace,
            interrupts=of.interrupts,
        )

    def _listen(self) -> None:
        self._aimeta = self._pipeline.get_by_name(AIMETA)
        self._aimeta.connect("new-meta", self._hear)
        self._aimeta.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, self._count)
        first = self._pipeline.get_by_name(FIRST).get_static_pad("sink")
        first.add_probe(Gst.PadProbeType.BUFFER, self._note)
        source = self._pipeline.get_by_name(SOURCE)
        if source.find_property("caps") and source.get_factory().get_name().endswith("decodebin"):
            expect_video(source, first, self._of.stream.location)

    def play(self) -> int:
        """Play it; return the exit code."""
        code = self._of.play(self._player)
        if self._lasting and code == DONE and not self.lost:
            self.lost = "it ended"
        return code

    def _count(self, _pad: Any, _info: Any) -> Any:
        if self._limit and self._of.frames >= self._limit:
            return Gst.PadProbeReturn.DROP
        self._of.frames += 1
        if self._limit and self._of.frames >= self._limit:
            self._of.end()
        return Gst.PadProbeReturn.OK

    def _note(self, _pad: Any, _info: Any) -> Any:
        self._arrived = time.monotonic()
        return Gst.PadProbeReturn.OK

    def _look(self) -> None:
        if self._lasting and self._arrived and not self.lost and time.monotonic() - self._arrived > _SILENCE_S:
            self.lost = f"no frame for {_SILENCE_S:g} s"
            self._player.end()

    def _hear(self, aimeta: Any, document: str) -> None:
        if self._broken:
            return
        try:
            self._of.hear(document)
        except BaseException as error:  # noqa: BLE001 - PyGObject would print it and go on
            self._broken = True
            post_error(aimeta, error)

    def _tell(self, report: Report) -> None:
        if report.kind == "error" and self._lasting and _is_loss(report):
            self.lost = self.lost or report.text.rstrip(".") or "an error"
            return
        text = report.advised
        if f":{SOURCE}" in report.element:
            text = f"{self._of.stream.location}: {text}"
        self._of.say(text, report.details, kind=report.kind)


def _is_loss(report: Report) -> bool:
    """Whether an error is one of the connection.

    It comes from inside of the source, whose parts may be out of the pipeline by now, while the source itself says that it cannot
    play such a thing at all. That other elements refuse what the source sends is said in the debug text alone.
    """
    refused = any(reason in report.debug for reason in ("not-negotiated", "not-linked"))
    inside = f":{SOURCE}/" in report.element or not report.element.startswith("/GstPipeline:")
    return inside and not report.lacks_plugin and not refused
