"""Playing what a configuration says: its streams side by side, each in a thread and a pipeline of its own.

A file is played through a library by ``Session(Configuration(None, (stream,)), PlayOptions(), lambda session: output).play()``
with ``stream = plain_stream(["video.mp4"], [library_stage("lib.py", in_place=True)])``; ``output`` gets the documents.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from empycustom.config.streams import Configuration, Stream
from empycustom.errors import EmPyCustomError
from empycustom.session import callback as debugger
from empycustom.session.branch import Branch
from empycustom.session.callback import SignalCallback
from empycustom.session.console import DONE, FAILED, INTERRUPTED, StuckError
from empycustom.session.describe import PlayOptions
from empycustom.session.outputs import Output
from empycustom.session.parts import Report, build
from empycustom.session.player import Interrupts, Owner, Player

_LOOK_EVERY_S = 0.1
Hear = Callable[
    [Stream, str, str, str], None
]  # of which stream, error, warning, info or debug, a sentence, what belongs below it


class Listening:
    """Says what is to be said of one stream to ``hear``; what is to be said once is in ``told``, whichever stream said it."""

    def __init__(self, stream: Stream, hear: Hear, told: set[str]) -> None:
        self._stream, self._hear, self._told = stream, hear, told

    def __call__(self, text: str, details: str = "", *, kind: str = "error") -> None:
        """Say it."""
        self._hear(self._stream, kind, text, details)

    def once(self, text: str) -> None:
        """Say a warning that no stream gave yet."""
        if text not in self._told:
            self._told.add(text)
            self(text, kind="warning")


class StreamPipeline(Owner):
    """The pipeline of one stream. :meth:`run` plays it and raises nothing; ``code`` is the exit code then."""

    def __init__(self, branch: Branch, options: PlayOptions, interrupts: Interrupts) -> None:
        self.branch, self._options, self._interrupts = branch, options, interrupts
        self.code = DONE
        self.stuck: StuckError | None = None
        self._player: Player | None = None

    def run(self) -> None:
        """Play to the end, to an error, or to Ctrl-C."""
        try:
            self.code = self._play()
        except StuckError as error:
            self.stuck, self.code = error, error.exit_code
        except EmPyCustomError as error:
            self._fail(str(error), error.details)
        except OSError as error:
            self._fail(f"{error.filename}: {error.strerror}." if error.filename else f"{error}.", "")
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to
            self._fail(f"this stream ended by a defect of empycustom: {error!r}", traceback.format_exc())
        finally:
            self.branch.close(complete=bool(self._player and self._player.complete))

    def _fail(self, text: str, details: str) -> None:
        self.code = FAILED
        self.branch.say(text, details)

    def _play(self) -> int:
        pipeline = build(" ".join(self.branch.describe()))
        self.branch.attach(pipeline, self._end)
        self.feeders = [self.branch.feeder] if self.branch.feeder else []
        self._player = Player(pipeline, self, interrupts=self._interrupts, grace_s=self._options.grace_s)
        if self.branch.over:
            self._player.end()
        code = self._player.play()
        if self.branch.broken:
            code = code or FAILED
        return code or (INTERRUPTED if self.branch.left_debugger else DONE)

    def _end(self) -> None:
        if self._player:
            self._player.end()

    # What the player asks and tells.

    def report(self, report: Report) -> None:
        """Say it of the stream."""
        self.branch.over |= report.is_end
        self.branch.report(report)

    def tick(self) -> None:
        """Look after the source, and at what is left out."""
        self.branch.over |= self._interrupts.count > 0  # so that nothing waits for an output
        self.branch.look()

    def finish(self, *, complete: bool) -> Iterator[tuple[str, str]]:
        """Write pictures; yield what is wrong with videos."""
        self.branch.look()
        if self.branch.outlet:
            yield from self.branch.outlet.finish_files(complete=complete)

    def takes(self, report: Report) -> bool:
        """Return whether the stream goes on after an error."""
        return self.branch.takes(report)

    def takes_end(self) -> bool:
        """Return whether the stream goes on although all sinks saw the end."""
        return self.branch.takes_end()

    def can_finish(self, element: Any) -> bool:
        """Return whether there are files, and an element that failed is not one of those that write them."""
        outlet = self.branch.outlet
        return bool(outlet and outlet.files and not outlet.has(element))

    def is_over(self) -> bool:
        """Return whether all files are finished."""
        return bool(self.branch.outlet and self.branch.outlet.ended)

    def ends_at(self) -> Sequence[Any]:
        """Return where the stream ends."""
        return [self.branch.ends_at()]

    def falls_behind(self, *, live: bool) -> bool:  # noqa: ARG002 - it is known better
        """Return whether all frames of a live source are wanted."""
        return self.branch.newest.falls_behind


class Session:
    """All streams of a configuration. One that fails says so and leaves the others alone.

    ``output`` gets documents and events. ``hear`` is told, by any thread, what is to be said of a stream: the stream, the kind
    (error, warning, info, debug), a sentence, and what belongs below it. ``end`` may be called by any thread. Raises LibraryError
    where the signal callback cannot be had, LaunchError, PathError where a file cannot be written.
    """

    def __init__(
        self,
        configuration: Configuration,
        options: PlayOptions,
        output: Callable[[Session], Output],
        *,
        hear: Hear = lambda _stream, _kind, _text, _details: None,
    ) -> None:
        self.configuration = configuration
        self.interrupts = Interrupts()
        found, told = configuration.callback, set[str]()
        # First what may fail, then what empties files.
        callbacks = [
            SignalCallback(*found, configuration.event_items, stream.options) if found else None
            for stream in configuration.streams
        ]
        self.output = output(self)
        self.branches: list[Branch] = []
        for stream, callback in zip(configuration.streams, callbacks, strict=True):
            say = Listening(stream, hear, told)
            self.branches.append(Branch(stream, options, self.output, callback, say, say.once))
        self._pipelines = [StreamPipeline(branch, options, self.interrupts) for branch in self.branches]
        self._changing = threading.Lock()

    def end(self) -> None:
        """End all streams."""
        for branch in self.branches:
            branch.end()

    def change(self, configuration: Configuration) -> None:
        """Go on with other values of the options; any thread may call this."""
        with self._changing:
            self.configuration = configuration
            for branch, stream in zip(self.branches, configuration.streams, strict=True):
                branch.change(stream)

    def play(
        self,
        tick: Callable[[], None] = lambda: None,
        *,
        begun: Callable[[Callable[[], bool]], None] = lambda _is_over: None,
        pause: Callable[[], None] = lambda: None,
    ) -> int:
        """Play all to their ends; return the exit code: 1 if one failed, 130 after Ctrl-C.

        ``tick`` is called ten times a second, ``begun`` once with a function that says whether all is over, ``pause`` by any
        thread before a debugger asks for what is typed. Only in the main thread Ctrl-C is counted. Raises StuckError if a stream
        cannot be stopped.
        """
        threads = [threading.Thread(target=pipeline.run, daemon=True) for pipeline in self._pipelines]
        with self.interrupts.counted(), debugger.alone(pause):
            for thread in threads:
                thread.start()
            begun(lambda: not any(thread.is_alive() for thread in threads))
            for thread in threads:
                while thread.is_alive():
                    thread.join(_LOOK_EVERY_S)
                    tick()
            tick()
        return self.code

    @property
    def frames(self) -> int:
        """How many frames went through all libraries, of all streams."""
        return sum(branch.frames for branch in self.branches)

    @property
    def failed(self) -> bool:
        """Whether a stream has failed."""
        return any(pipeline.code == FAILED or pipeline.stuck for pipeline in self._pipelines)

    @property
    def code(self) -> int:
        """The exit code, when all has ended. Raises StuckError where something did not."""
        codes = {pipeline.code for pipeline in self._pipelines}
        code = FAILED if FAILED in codes else INTERRUPTED if self.interrupts.count or INTERRUPTED in codes else DONE
        stuck = [pipeline for pipeline in self._pipelines if pipeline.stuck]
        for pipeline in stuck:
            if len(self._pipelines) == 1 and pipeline.stuck:
                raise pipeline.stuck
        if stuck:
            names = ", ".join(pipeline.branch.stream.name for pipeline in stuck)
            raise StuckError(f"Ending with {names} left behind.", exit_code=code)
        return code
