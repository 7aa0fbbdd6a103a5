"""One stream of a configuration: playing it, its signal callback, and connecting again to a source that is gone."""

from __future__ import annotations

import threading
import time
import traceback
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from empycustom.config.launch import changes
from empycustom.config.streams import Stream
from empycustom.errors import DebuggerLeftError, EmPyCustomError, StreamEndedError
from empycustom.session.callback import SignalCallback
from empycustom.session.connection import Connection
from empycustom.session.console import DONE, FAILED, INTERRUPTED, StuckError, complain, remark
from empycustom.session.describe import described, sinks_of
from empycustom.session.excerpt import LeftOut, part_of
from empycustom.session.parts import exists
from empycustom.session.player import Interrupts
from empycustom.session.summary import Work
from empycustom.text import as_path, as_text

_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 30.0  # before connecting again; doubled each time in vain
_LOOK_EVERY_S = 0.1


class Output(Protocol):
    """Where a stream writes."""

    def document(self, stream: Stream, document: str) -> None:
        """Write a document of aimeta."""

    def event(self, stream: Stream, event: dict[str, Any]) -> None:
        """Write an event of the callback."""

    def another(self, path: Path) -> Path:
        """A name like that of ``path``, which nothing is written to."""


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
        self.work = Work()
        self.left_out = LeftOut("process-interval")
        self._missing: list[Path] | None = None  # files that no pipeline had a frame for
        self._sinks = self._sinks_at_first = sinks_of(stream, asked)
        self._location = stream.aimeta.get("location", "")
        self._changing = threading.Lock()
        self._over = False  # nothing more is wanted
        self._ended: StreamEndedError | None = None  # by the callback
        self._connection: Connection | None = None

    def run(self) -> None:
        """Play to the end, to an error, or to Ctrl-C."""
        try:
            code = self._play()
            self.code = INTERRUPTED if code == DONE and isinstance(self._ended, DebuggerLeftError) else code
        except StuckError as error:
            self.stuck = error
            self._fail(str(error), "")
        except EmPyCustomError as error:
            self._fail(str(error), error.details)
        except OSError as error:
            self._fail(f"{error.filename}: {error.strerror}." if error.filename else f"{error}.", "")
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to
            self._fail(f"this stream ended by a defect of empycustom: {error!r}", traceback.format_exc())
        finally:
            self.work.end()
            for text in self.left_out.news(least=1) if self.asked.quiet else ():
                self.say(text, kind="warning")
            for path in self._missing or ():
                self.say(f"{path} was not written: there was no frame.", kind="warning")
            if self.callback:
                self.callback.close()

    def end(self) -> None:
        """End the stream; may be called from any thread."""
        self._over = True
        if self._connection:
            self._connection.end()

    def change(self, stream: Stream) -> None:
        """Go on with other values; may be called from any thread."""
        with self._changing:
            found = changes(self.stream, stream, exists)
            self.stream = stream
            if self.callback:
                self.callback.options = stream.options
            if self._connection:
                self._connection.change(found)

    def summary(self) -> dict[str, Any]:
        """What was done."""
        counts = {"documents": self.documents, "left_out": self.left_out.count}
        events = {"events": self.events} if self.callback else {}
        return {"stream_id": self.stream.name, **self.work.summary(frames=self.frames, **counts, **events)}

    def _play(self) -> int:
        wait_s = _FIRST_WAIT_S
        while True:
            before = self.frames
            with self._changing:
                connection = self._connect()
            try:
                code = connection.play()
            finally:
                self._note_missing(connection.missing)
            self.work.end()
            if code == FAILED or not connection.lost:
                return code
            if self._is_enough():
                break
            if self.frames > before:
                wait_s = _FIRST_WAIT_S
                self._keep_what_is_written()
            self.say(f"the source is gone ({connection.lost}); trying again in {wait_s:g} s", kind="warning")
            self._wait(wait_s)
            if self._is_enough():
                break
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        return INTERRUPTED if self.interrupts.count else DONE

    def _note_missing(self, missing: Sequence[Path] | None) -> None:
        if missing is not None:
            self._missing = [path for path in missing if self._missing is None or path in self._missing]

    def _is_enough(self) -> bool:
        return self._over or self.interrupts.count > 0

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._is_enough():
            time.sleep(_LOOK_EVERY_S)

    def _connect(self) -> Connection:
        """A new pipeline."""
        aimeta = {"location": self._location} if self._location else {}
        description = described(self.stream, self._sinks.words, every=self.asked.every_frame, named=True, **aimeta)
        for warning in description.warnings:
            self.warn_once(warning)
        connection = self._connection = Connection(
            description.text,
            self.stream.location,
            self._sinks,
            name=self.stream.name,
            let_in=self._let_in,
            hear=self._hear,
            say=self.say,
            grace_s=self.asked.grace,
            interrupts=self.interrupts,
            left_out=self.left_out,
            every=self.asked.every_frame,
            part=part_of(self.asked),
        )
        self.work.watch(connection.pipeline, [*self._sinks.files, *map(as_path, aimeta.values())])
        if self._over:
            connection.end()
        return connection

    def _keep_what_is_written(self) -> None:
        """Let the next pipeline write other files."""
        self._sinks = self._sinks_at_first.renamed(self.output.another)
        if self._location:
            self._location = as_text(self.output.another(as_path(self.stream.aimeta["location"])))

    def _let_in(self) -> bool:
        """Count a frame; False if it is one too many."""
        if self._ended or (self.asked.frames and self.frames >= self.asked.frames):
            return False
        self.frames += 1
        if self.frames == self.asked.frames:
            self.left_out.close()
            self.end()
        return True

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

    def _hear(self, document: str) -> None:
        """Write a document, and what the callback says to it. Raises CallbackError, CallbackOutputError, LaunchError."""
        self.documents += 1
        self.output.document(self.stream, document)
        if self.callback is None:
            return
        try:
            said = self.callback(document)
        except StreamEndedError as end:
            self._ended = end
            self.say(str(end), kind="info")
            self.end()
            return
        for event in said.events:
            self.events += 1
            self.output.event(self.stream, event)
        for key in sorted(said.unknown):
            self.warn_once(f"events have {key}, which event_item_keys does not declare")
        if said.debug and self.asked.verbose:
            remark(f"{self.prefix}{said.debug.rstrip()}")
