"""``empycustom run emi_stream_config.json``: the streams of a configuration, side by side."""

from __future__ import annotations

import threading
from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from typing import Any

from empycustom.app.endings import DONE, FAILED, INTERRUPTED, StuckError, complain, remark
from empycustom.app.playing import debugger
from empycustom.app.playing.excerpt import part_of, warn_of_part
from empycustom.app.playing.player import Interrupts
from empycustom.app.playing.sources import warn_of_frames
from empycustom.app.playing.summary import in_lines, total
from empycustom.app.playing.upright import variables
from empycustom.app.standard_streams import show
from empycustom.app.streams.callback import SignalCallback
from empycustom.app.streams.changes import STDIN, Changes, taken_stdin
from empycustom.app.streams.live import LiveStream
from empycustom.app.streams.outputs import Outputs, are_documents_all, sinks_of_all
from empycustom.app.streams.pipelines import described
from empycustom.app.streams.places import missing_sources, places_outside, without_times
from empycustom.app.streams.stages import problems
from empycustom.errors import LaunchError
from empycustom.paths import as_path
from empycustom.stream.config import Configuration, read
from empycustom.stream.kinds import Problem

_LOOK_EVERY_S = 0.1


def play_streams(asked: Namespace, done: dict[str, Any]) -> int:
    """Play what the configuration says, or print it with ``--dry-run``; return the exit code. Raises EmPyCustomError, OSError.

    What was done is put into ``done``.
    """
    settings = [setting for setting in asked.settings if setting != STDIN]
    interrupts = Interrupts()
    with interrupts.counted():
        configuration = read(as_path(asked.source[0]), sources=asked.sources, settings=settings, more=partial(_problems, asked))
    if interrupts.count:
        return INTERRUPTED
    if asked.events and configuration.callback is None:
        raise LaunchError("--events: there are no events, because the file has no signal_callback_function_name.")
    return dry_run(configuration, asked) if asked.dry_run else Streams(configuration, asked).play(done)


def _problems(asked: Namespace, configuration: Configuration) -> Iterator[Problem]:
    yield from missing_sources(configuration)
    yield from without_times(configuration, part_of(asked))
    yield from taken_stdin(configuration, asked.settings)
    yield from places_outside(configuration, asked)
    yield from problems(configuration)


def dry_run(configuration: Configuration, asked: Namespace) -> int:
    """Print a gst-launch line for each stream, in which aimeta itself does with the documents what was asked; return 0."""
    to_file = asked.out not in (None, "-") and not configuration.many
    shown = asked.out or configuration.callback or are_documents_all(configuration, asked)
    aimeta = {"location": asked.out} if to_file else {"silent": False} if shown else {}
    warn_of_part(part_of(asked))
    warn_of_frames(asked, [stream.location for stream in configuration.streams])
    for stream, sinks in sinks_of_all(configuration, asked):
        description = described(
            stream, partial(sinks.words, printed=True), every=asked.every_frame, frames=asked.frames, **aimeta
        )
        for warning in description.warnings:
            complain(warning, kind="warning")
        if configuration.many:
            show(f"# {stream.name}")
        show(description.line(finishing=bool(asked.save), variables=variables([stream.location])))
    return DONE


class Streams:
    """All streams of one run. One that fails says so and leaves the others alone."""

    def __init__(self, configuration: Configuration, asked: Namespace) -> None:
        self._interrupts = Interrupts()
        self._quiet = asked.quiet
        found, warned = configuration.callback, set[str]()
        # First what may fail, then what empties files.
        callbacks = [
            SignalCallback(*found, configuration.event_items, stream.options) if found else None
            for stream in configuration.streams
        ]
        self._outputs = Outputs(configuration, asked, on_closed=self._end)
        self._streams = [
            LiveStream(
                stream,
                asked,
                self._outputs,
                callback,
                interrupts=self._interrupts,
                prefix=f"{stream.name}: " if configuration.many else "",
                warned=warned,
            )
            for stream, callback in zip(configuration.streams, callbacks, strict=True)
        ]
        self._changes = Changes(configuration, self._streams) if STDIN in asked.settings else None

    def _end(self) -> None:
        for stream in self._streams:
            stream.end()

    def play(self, done: dict[str, Any]) -> int:
        """Play all to their ends, and put into ``done`` what was done; return the exit code: 1 if one failed.

        Raises StuckError if one cannot be stopped.
        """
        threads = [threading.Thread(target=stream.run, daemon=True) for stream in self._streams]
        with self._interrupts.counted(), debugger.alone():
            for thread in threads:
                thread.start()
            if self._changes:
                self._changes.listen(lambda: not any(thread.is_alive() for thread in threads))
            for thread in threads:
                while thread.is_alive():
                    thread.join(_LOOK_EVERY_S)
        self._outputs.close()
        summaries = [stream.summary() for stream in self._streams]
        done.clear()
        done.update(total(self._outputs.written(), summaries))
        for stream, summary in zip(self._streams, summaries, strict=True):
            if not self._quiet and stream.frames:
                remark(f"{stream.prefix}{in_lines(summary)}")
        return self._code()

    def _code(self) -> int:
        codes = {stream.code for stream in self._streams}
        code = FAILED if FAILED in codes else INTERRUPTED if self._interrupts.count or INTERRUPTED in codes else DONE
        stuck = [stream.stream.name for stream in self._streams if stream.stuck]
        if stuck:
            raise StuckError(f"Ending with {', '.join(stuck)} left behind.", exit_code=code)
        return code
