"""One pipeline of a stream, from its start to its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from empycustom.config.launch import AIMETA, FIRST, STREAMMUX, Change
from empycustom.elements.failures import post_error
from empycustom.elements.upstream import announce
from empycustom.gstreamer import Gst
from empycustom.session.console import DONE
from empycustom.session.excerpt import Excerpt, LeftOut, Newest, Part, why_no_start
from empycustom.session.parts import Report, build
from empycustom.session.player import Interrupts, Player
from empycustom.session.sinks import Sinks, Videos, expect_windows
from empycustom.session.sources import SOURCE, Times, expect_video, explained, is_lasting, locate, shown
from empycustom.session.stages import set_text
from empycustom.session.upright import keep_upright
from empycustom.text import without_secrets

_SILENCE_S = 30.0  # without a frame, a source that has sent some is gone


class Say(Protocol):
    """Says a sentence to whoever runs the stream."""

    def __call__(self, text: str, details: str = "", *, kind: str = "error") -> None:
        """Say it; ``kind`` is error, warning or info."""


class Connection:
    """The pipeline that ``text`` describes, playing. ``lost`` says why a source that should last is gone, or is ``""``.

    ``let_in`` is asked for every frame whether it may reach aimeta, ``hear`` gets every document and may raise: then the pipeline
    ends with that error. ``location`` is what the pipeline plays, ``name`` what frames have as their source, ``sinks`` where they
    go; ``left_out`` counts frames of a live source that are left out; ``every``: none are. ``part`` is what is wanted, None: all.
    When it has ended, ``missing`` are files for which there was no frame. Raises LaunchError.
    """

    def __init__(
        self,
        text: str,
        location: str,
        sinks: Sinks,
        *,
        name: str,
        let_in: Callable[[], bool],
        hear: Callable[[str], None],
        say: Say,
        grace_s: float,
        interrupts: Interrupts,
        left_out: LeftOut,
        every: bool,
        part: Part | None,
    ) -> None:
        self._location, self._sinks = location, sinks
        self._left_out, self._every = left_out, every
        self.missing: list[Path] | None = None
        self._let_in, self._tell_document, self._say = let_in, hear, say
        self.lost = ""
        self._lasting = is_lasting(location)
        self._arrived: float | None = None  # when the last frame came from the source
        self._broken = False
        self._pipeline = build(text)
        self._listen(part)
        announce((self._pipeline.get_by_name(STREAMMUX) or self._first).get_static_pad("src"), name)
        self._player = Player(
            self._pipeline,
            on_report=self._tell,
            on_tick=self._look,
            before_stop=self._finish,
            takes=self._is_end,
            files_after=self._aimeta if sinks.files else None,
            end_at=self._aimeta,
            grace_s=grace_s,
            interrupts=interrupts,
            falls_behind=lambda: self._newest.falls_behind,
        )

    def _listen(self, part: Part | None) -> None:
        self._aimeta = self._pipeline.get_by_name(AIMETA)
        self._first = self._pipeline.get_by_name(FIRST)
        self._handler = self._aimeta.connect("new-meta", self._hear)
        places = ((self._aimeta, self._count), (self._first, self._note))
        pads = ((element.get_static_pad("sink"), look) for element, look in places)
        self._probes = [(pad, pad.add_probe(Gst.PadProbeType.BUFFER, look)) for pad, look in pads]
        source, pad = self._pipeline.get_by_name(SOURCE), self._first.get_static_pad("sink")
        expect_video(source, pad, shown(self._location))
        expect_windows(self._pipeline)
        keep_upright(self._pipeline)
        self._times = Times(source, pad)
        self._excerpt = None
        if part:
            self._excerpt = Excerpt(self._pipeline, part, is_file=not why_no_start(locate(self._location)))
        self._newest = Newest(self._pipeline, self._left_out, every=self._every)
        self._videos = Videos(self._pipeline, self._sinks)

    @property
    def pipeline(self) -> Any:
        """The pipeline that is played."""
        return self._pipeline

    def play(self) -> int:
        """Play it, once; return the exit code. Raises StuckError."""
        code = self._player.play()
        self._sinks.remove_empty(self._videos.without_frames(complete=self._player.complete))
        # What the elements call keeps this object, and so the pipeline: Python does not see that circle.
        self._aimeta.disconnect(self._handler)
        for pad, probe in self._probes:
            pad.remove_probe(probe)
        self._times.end()
        ended = self._player.ended_by_library or (self._excerpt and self._excerpt.ended)
        if self._lasting and code == DONE and not self.lost and not ended:
            self.lost = "it ended"
        return code

    def end(self) -> None:
        """End it; may be called from any thread."""
        self._player.end()

    def change(self, changes: Sequence[Change]) -> None:
        """Set properties of its elements; may be called from any thread."""
        for change in changes:
            set_text(self._pipeline.get_by_name(change.name), change.key, change.text)

    def _count(self, _pad: Any, _info: Any) -> Any:
        return Gst.PadProbeReturn.OK if self._let_in() else Gst.PadProbeReturn.DROP

    def _note(self, _pad: Any, _info: Any) -> Any:
        self._arrived = time.monotonic()
        return Gst.PadProbeReturn.OK

    def _look(self) -> None:
        """End what is silent: not while frames wait for a library, nor before all elements have started."""
        self._tell_left_out()
        if not self._lasting or self.lost or not self._player.is_started:
            return
        self._arrived = self._arrived or time.monotonic()
        if time.monotonic() - self._arrived > _SILENCE_S and not self._first.get_property("current-level-buffers"):
            self.lost = f"no frame for {_SILENCE_S:g} s"
            self._player.end()

    def _tell_left_out(self) -> None:
        for text in self._left_out.news():
            self._say(text, kind="warning")

    def _hear(self, aimeta: Any, document: str) -> None:
        if self._broken:
            return
        try:
            self._tell_document(document)
        except BaseException as error:  # noqa: BLE001 - PyGObject would print it and go on
            self._broken = True
            post_error(aimeta, error)

    def _finish(self) -> None:
        """Do what needs the elements as they are at the end of the stream."""
        videos = self._videos.without_frames(complete=self._player.complete)
        self.missing = [*self._sinks.write_pictures(self._pipeline), *videos]
        for kind, text in self._videos.findings(complete=self._player.complete):
            self._player.say(kind, text)

    def _is_end(self, report: Report) -> bool:
        """Take an error that says no more than that a source which should last is gone: the stream ends, files are finished."""
        if not self._lasting or not _is_loss(report):
            return False
        self._player.end()
        self.lost = self.lost or without_secrets(report.text, self._location).rstrip(".") or "an error"
        return True

    def _tell(self, report: Report) -> None:
        texts = (explained(report, self._location), report.details)
        text, debug = (without_secrets(each, self._location) for each in texts)
        self._say(text, debug, kind=report.kind)


def _is_loss(report: Report) -> bool:
    """Whether an error is one of the connection.

    It comes from inside of the source, whose parts may be out of the pipeline by now, while the source itself says that it cannot
    play such a thing at all. That other elements refuse what the source sends is said in the debug text alone.
    """
    refused = any(reason in report.debug for reason in ("not-negotiated", "not-linked"))
    inside = f":{SOURCE}/" in report.element or not report.element.startswith("/GstPipeline:")
    return inside and not report.lacks_plugin and not refused
