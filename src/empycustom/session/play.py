"""The streams of a configuration, played in parallel, each in a thread and a pipeline of its own.

A file is played through a library by ``Session(Configuration(None, (stream,)), PlayOptions(), lambda session: writer).play()``
with ``stream = plain_stream(["video.mp4"], [library_stage("lib.py", in_place=True)])``; ``writer`` gets the documents.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from empycustom.config.launch import ENTERING, LEAVING, STREAMDEMUX, STREAMMUX, describe_shared, shared_stages
from empycustom.config.streams import Configuration, Stream
from empycustom.errors import ConfigurationError, EmPyCustomError, LaunchError
from empycustom.gstreamer import Gst
from empycustom.session import PlayOptions
from empycustom.session.branch import Branch
from empycustom.session.checks import check_changes, check_stages
from empycustom.session.console import DONE, FAILED, INTERRUPTED, StuckError, serialize_debuggers
from empycustom.session.documents import Notifier, Publisher, SignalCallback, StreamNotify, Writer
from empycustom.session.parts import Report, build, build_bin, exists, in_background
from empycustom.session.player import Interrupts, Owner, Player

_LOOK_EVERY_S = 0.1


class StreamPipeline(Owner):
    """The pipeline of one stream, or of several that share their first stages: :meth:`run` plays it and raises nothing.

    ``code`` is the exit code afterwards. ``notify`` reports texts about all its streams.
    """

    def __init__(self, branches: Sequence[Branch], options: PlayOptions, interrupts: Interrupts, notify: Notifier) -> None:
        self.branches, self._options, self._interrupts, self._notify = list(branches), options, interrupts, notify
        self._all = tuple(branches)
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
            self._fail(error.reported, error.details)
        except OSError as error:
            self._fail(f"{error.filename}: {error.strerror}." if error.filename else f"{error}.", "")
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to
            self._fail(f"this stream ended by a defect of empycustom: {error!r}", traceback.format_exc())
        finally:
            all_failed = self.stuck or self._player is None or self._player.failed
            for branch in self._all:
                branch.failed |= bool(all_failed) or branch.broken
                branch.close(complete=bool(self._player and self._player.complete))

    def _fail(self, text: str, details: str) -> None:
        self.code = FAILED
        self._notify("error", text, details)

    def _play(self) -> int:
        pipeline = self._build()
        if pipeline is None:
            return FAILED
        self.feeders = [branch.feeder for branch in self.branches]
        self._player = Player(pipeline, self, interrupts=self._interrupts, grace_s=self._options.grace_s)
        if all(branch.over for branch in self.branches):
            self._player.end()
        code = self._player.play()
        if any(branch.broken or branch.failed for branch in self._all):
            code = code or FAILED
        return code or (INTERRUPTED if any(branch.left_debugger for branch in self.branches) else DONE)

    # Building the pipeline.

    def _build(self) -> Any:
        """Return the pipeline, None where no stream has a source."""
        if len(self.branches) == 1:
            (branch,) = self.branches
            branch.find_sources()
            pipeline = build(" ".join(branch.describe().tokens))
            branch.attach(pipeline, pipeline, self._end)
            return pipeline
        self.branches = [branch for branch in self.branches if self._has_source(branch)]
        return self._build_shared() if self.branches else None

    def _has_source(self, branch: Branch) -> bool:
        try:
            branch.find_sources()
        except LaunchError as error:
            branch.failed = True
            branch.notify("error", str(error), error.details)
        return not branch.failed

    def _build_shared(self) -> Any:
        first = self.branches[0]
        tokens = describe_shared(first.stream, len(self.branches), exists, shared=first.shared)
        pipeline = build(" ".join(tokens))
        pipeline.set_property("message-forward", True)  # each stream has an end of its own
        mux, demux = (pipeline.get_by_name(name) for name in (STREAMMUX, STREAMDEMUX))
        for index, branch in enumerate(self.branches):
            made = branch.describe()
            head, tail = (build_bin(" ".join(tokens), pads=False) for tokens in (made.head, made.tokens))
            for container, pad, element in ((head, "src", ENTERING), (tail, "sink", LEAVING)):
                container.set_name(f"{element}{index}")
                container.add_pad(Gst.GhostPad.new(pad, container.get_by_name(element).get_static_pad(pad)))
                pipeline.add(container)
            head.get_static_pad("src").link(mux.request_pad_simple(f"sink_{index}"))
            demux.request_pad_simple(f"src_{index}").link(tail.get_static_pad("sink"))
            branch.attach(head, tail, partial(self._end_one, branch))
        bus = pipeline.get_bus()
        bus.enable_sync_message_emission()
        bus.connect("sync-message::error", self._cut_off)
        return pipeline

    def _cut_off(self, _bus: Any, message: Any) -> None:
        """Keep an error of one stream from the others; called in the thread in which the error happens."""
        branch = self._branch_of(message.src)
        if branch:
            branch.cut_off()

    def _branch_of(self, element: Any) -> Branch | None:
        """Return the stream of an element, None for shared stages and for elements that were removed."""
        if len(self.branches) == 1:
            return self.branches[0]
        return next(
            (branch for branch in self.branches if element and any(map(element.has_as_ancestor, (branch.head, branch.tail)))),
            None,
        )

    def _end(self) -> None:
        if self._player:
            self._player.end()

    def _end_one(self, branch: Branch) -> None:
        in_background(partial(branch.end_pad().send_event, Gst.Event.new_eos()))

    # The methods of Owner.

    def report(self, report: Report, element: Any) -> None:
        """Report it for the stream of the element, or for all."""
        branch = self._branch_of(element)
        for each in [branch] if branch else self.branches:
            each.over |= report.is_end
        if branch or len(self.branches) == 1:
            (branch or self.branches[0]).report(report)
        else:
            self._notify(report.kind, report.advised, report.details)

    def tick(self) -> None:
        """Update all streams; end when all of them have ended."""
        for branch in self.branches:
            branch.over |= self._interrupts.count > 0  # so that nothing waits for an output
            branch.tick()
        if len(self.branches) > 1 and all(branch.is_done for branch in self.branches):
            self._end()

    def finish(self, *, complete: bool) -> Iterator[tuple[str, str]]:
        """Write pictures; yield what is wrong with videos."""
        for branch in self.branches:
            branch.tick()
            if branch.outlet:
                yield from branch.outlet.finish_files(complete=complete)

    def handle_error(self, report: Report, element: Any) -> bool:
        """Return True for an error after which the streams, or the other streams, go on."""
        branch = self._branch_of(element)
        if branch is None:
            return any(each.handle_error(report) for each in self.branches if report.is_from_removed)
        if branch.handle_error(report):
            return True
        if len(self.branches) == 1:
            return False
        if not branch.failed:
            branch.fail(report, element)
        return True

    def handle_end(self) -> bool:
        """Return True if a stream goes on although all sinks saw the end."""
        for branch in self.branches:
            branch.mark_ended()
        return any(branch.is_reconnecting for branch in self.branches)

    def handle_forwarded_end(self, element: Any) -> None:
        """Record the end of one stream."""
        for branch in self.branches:
            if branch.outlet and element == branch.tail:
                branch.mark_ended()

    def can_finish(self, element: Any) -> bool:
        """Return True if there are files to finish, and the element that failed does not write one of them."""
        outlets = [branch.outlet for branch in self.branches if branch.outlet and branch.outlet.files]
        can = bool(outlets) and not any(outlet.contains(element) for outlet in outlets)
        if can and len(self.branches) > 1:  # no end comes through the stages that have failed
            for outlet in outlets:
                in_background(outlet.end)
        return can

    def is_over(self) -> bool:
        """Return True when all files are finished."""
        return all(branch.outlet and (branch.outlet.ended or branch.is_done) for branch in self.branches)

    def end_pads(self) -> Sequence[Any]:
        """Return the pads at which the streams end."""
        return [branch.end_pad() for branch in self.branches]

    def can_fall_behind(self, *, live: bool) -> bool:  # noqa: ARG002 - each stream has found out whether it is live
        """Return True if a stream processes every frame of a live source."""
        return any(branch.newest.can_fall_behind for branch in self.branches)


def _named_after(branches: Sequence[Branch]) -> Stream:
    """Return a stream named after several."""
    return replace(branches[0].stream, name=", ".join(branch.stream.name for branch in branches))


def grouped(branches: Sequence[Branch]) -> list[list[Branch]]:
    """Return the streams in groups, one pipeline each: streams with equal first stages that work on batches share one."""
    found: list[list[Branch]] = []
    for branch in branches:
        branch.shared = 0 if branch.stream.more else shared_stages(branch.stream, exists)
        alike = (group for group in found if branch.shared and _are_alike(group[0], branch))
        group = next(alike, None)
        if group is None:
            found.append([branch])
        else:
            group.append(branch)
    for group in found:
        if len(group) == 1:
            group[0].shared = 0
    return found


def _are_alike(one: Branch, other: Branch) -> bool:
    first, second = one.stream, other.stream
    return (one.shared, first.input, first.stages[: one.shared]) == (other.shared, second.input, second.stages[: other.shared])


class Session:
    """All streams of a configuration. One that fails reports an error, and the others go on.

    ``writer`` makes what gets documents and events. ``notify`` is called in any thread with what happens to a stream: the stream,
    the kind (error, warning, info, debug), a text and its details. ``attached`` is called with each stream that has its elements,
    before it plays, in the thread of its player. ``adapt`` makes what is played of each configuration. ``end`` may be called by
    any thread. Raises LibraryError if the signal callback cannot be loaded, LaunchError or PathError if a file cannot be written.
    """

    def __init__(
        self,
        configuration: Configuration,
        options: PlayOptions,
        writer: Callable[[Session], Writer],
        *,
        notify: StreamNotify = lambda _stream, _kind, _text, _details: None,
        attached: Callable[[Branch], None] = lambda _branch: None,
        adapt: Callable[[Configuration], Configuration] = lambda configuration: configuration,
    ) -> None:
        self._adapt = adapt
        self.configuration = configuration = adapt(configuration)
        self.interrupts = Interrupts()
        found, warned = configuration.callback, dict[str, object]()
        # First what may fail, then what empties files.
        callbacks = [
            SignalCallback(*found, configuration.event_items, stream.options) if found else None
            for stream in configuration.streams
        ]
        self.writer = writer(self)
        self.branches: list[Branch] = []
        for stream, callback in zip(configuration.streams, callbacks, strict=True):
            notifier = Notifier(stream, notify, warned)
            self.branches.append(Branch(Publisher(stream, self.writer, callback, notifier), options, notifier, attached))
        self._pipelines = [
            StreamPipeline(group, options, self.interrupts, Notifier(_named_after(group), notify, warned))
            for group in grouped(self.branches)
        ]
        self._changing = threading.Lock()

    def end(self) -> None:
        """End all streams."""
        for branch in self.branches:
            branch.end()

    def change(self, configuration: Configuration) -> None:
        """Go on with other values of the options; any thread may call this.

        Raises ConfigurationError where streams that share stages would have different ones.
        """
        after = dict(zip(self.branches, configuration.streams, strict=True))
        for pipeline in self._pipelines:
            shared = [after[branch].stages[: branch.shared] for branch in pipeline.branches]
            if any(stages != shared[0] for stages in shared):
                names = _named_after(pipeline.branches).name
                raise ConfigurationError(f"{names} share the elements before their own; give the value for all: --set KEY=VALUE")
        with self._changing:
            self.configuration = configuration
            for branch, stream in zip(self.branches, configuration.streams, strict=True):
                branch.change(stream)

    def set(self, setting: str) -> None:
        """Set an option of the configuration file, ``KEY=VALUE`` or ``STREAM:KEY=VALUE``; any thread may call this.

        Raises ConfigurationError, LaunchError, OSError; then nothing is changed.
        """
        before, after = self.configuration, self._adapt(self.configuration.changed(setting))
        check_stages(after)
        for old, new in zip(before.streams, after.streams, strict=True):
            check_changes(old, new)
        self.change(after)

    def play(
        self,
        tick: Callable[[], None] = lambda: None,
        *,
        begun: Callable[[Callable[[], bool]], None] = lambda _is_over: None,
        pause: Callable[[], None] = lambda: None,
    ) -> int:
        """Play all to their ends; return the exit code: 1 if one failed, 130 after Ctrl-C.

        ``tick`` is called ten times a second, ``begun`` once with a function that returns True when all streams have ended,
        ``pause`` in any thread before a debugger waits for input. Ctrl-C is counted only in the main thread. Raises StuckError if
        a stream cannot be stopped.
        """
        threads = [threading.Thread(target=pipeline.run, daemon=True) for pipeline in self._pipelines]
        with self.interrupts.counted(), serialize_debuggers(pause):
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
        """The number of frames of all streams that went through all libraries."""
        return sum(branch.frames for branch in self.branches)

    @property
    def failed(self) -> bool:
        """True if a stream has failed."""
        return any(pipeline.code == FAILED or pipeline.stuck for pipeline in self._pipelines)

    @property
    def code(self) -> int:
        """The exit code, when all streams have ended. Raises StuckError if one did not."""
        codes = {pipeline.code for pipeline in self._pipelines}
        code = FAILED if FAILED in codes else INTERRUPTED if self.interrupts.count or INTERRUPTED in codes else DONE
        stuck = [pipeline for pipeline in self._pipelines if pipeline.stuck]
        for pipeline in stuck:
            if len(self._pipelines) == 1 and pipeline.stuck:
                raise pipeline.stuck
        if stuck:
            names = ", ".join(branch.stream.name for pipeline in stuck for branch in pipeline.branches)
            raise StuckError(f"Ending with {names} left behind.", exit_code=code)
        return code
