"""``--set -``: values that are typed while the streams play."""

from __future__ import annotations

import os
import select
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from empycustom.config.streams import Configuration, read
from empycustom.errors import ConfigurationError, EmPyCustomError, LaunchError
from empycustom.model.schema import Problem
from empycustom.session import callback as debugger
from empycustom.session.callback import SignalCallback
from empycustom.session.console import DONE, FAILED, INTERRUPTED, StuckError, complain, remark, show
from empycustom.session.describe import described, missing_sources, places_outside, without_times
from empycustom.session.excerpt import part_of, warn_of_part
from empycustom.session.live import LiveStream
from empycustom.session.outputs import Outputs, are_documents_all, sinks_of_all
from empycustom.session.player import Interrupts
from empycustom.session.sources import is_stdin, warn_of_frames
from empycustom.session.stages import check_changes, check_stages, problems
from empycustom.session.summary import in_lines, total
from empycustom.session.upright import variables
from empycustom.text import as_path

STDIN = "-"
_LOOK_EVERY_S = 0.1
_AT_ONCE = 65536  # bytes


def taken_stdin(configuration: Configuration, settings: Sequence[str]) -> Iterator[Problem]:
    """Yield the streams that would read stdin although another one does, or ``--set -``."""
    readers = ["--set -"] if STDIN in settings else []
    for stream in configuration.streams:
        if is_stdin(stream.location):
            if readers:
                yield Problem(stream.place, f"{stream.name} would read stdin, as {readers[0]} does; give it another source")
            readers.append(stream.name)


class Changes:
    """Changes a configuration, and the streams that play it."""

    def __init__(self, configuration: Configuration, streams: Sequence[LiveStream]) -> None:
        self._configuration, self._streams = configuration, streams

    def listen(self, is_over: Callable[[], bool]) -> None:
        """Take ``KEY=VALUE`` or ``STREAM:KEY=VALUE`` from the lines of stdin, in a thread of its own. Raises LaunchError."""
        if sys.stdin is None:
            raise LaunchError("--set -: stdin is closed, from which the lines would come.")
        threading.Thread(target=self._listen, args=[is_over], daemon=True).start()

    def _listen(self, is_over: Callable[[], bool]) -> None:
        for line in _typed_lines(sys.stdin.fileno(), is_over):
            if line.strip():
                self._take(line.strip())

    def _take(self, setting: str) -> None:
        try:
            after = self._configuration.changed(setting)
            check_stages(after)
            for old, new in zip(self._configuration.streams, after.streams, strict=True):
                check_changes(old, new)
        except (EmPyCustomError, OSError) as error:
            complain(f"{str(error).rstrip('.')}; nothing is changed", kind="warning", lines=isinstance(error, ConfigurationError))
            return
        self._configuration = after
        for live, stream in zip(self._streams, after.streams, strict=True):
            live.change(stream)


def _typed_lines(descriptor: int, is_over: Callable[[], bool]) -> Iterator[str]:
    """The lines that arrive, until the end of either. A thread that Python's own reading holds could not be left at the end."""
    rest = b""
    while not is_over():
        if not select.select([descriptor], [], [], _LOOK_EVERY_S)[0]:
            continue
        read = os.read(descriptor, _AT_ONCE)
        *whole, rest = (rest + read).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
        if not read:
            yield rest.decode(errors="replace")
            return


# ``empycustom run emi_stream_config.json``: the streams of a configuration, side by side.


_CHECK_EVERY_S = 0.1


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
                    thread.join(_CHECK_EVERY_S)
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
