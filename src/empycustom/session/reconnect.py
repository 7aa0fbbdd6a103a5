"""Reconnection: replacing a lost source, and the files that end with it, in a pipeline that goes on playing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from empycustom.elements.upstream import announce
from empycustom.gstreamer import Gst
from empycustom.session.parts import Feeder, Report, build_bin, build_element
from empycustom.session.sinks import Sinks, Videos, expect_windows
from empycustom.session.sources import SOURCE, Source, Times, describe_source, expect_video, shown
from empycustom.text import without_secrets

_SILENCE_S = 30.0  # without a frame, a source that has sent some is gone
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 30.0  # before connecting again; doubled each time in vain
_FINISH = "empycustom-finish"  # the event at which files end
_SETTLE_S = 0.2  # until all elements have reported a loss


class Outlet:
    """The elements that take the frames behind aimeta, in a bin of their own, which can be replaced.

    ``last`` is the source pad of aimeta, in the bin ``container``, ``begin`` a sink pad upstream. ``tokens`` returns the tokens
    of the elements for Sinks, ``unique_path`` a new name for a file. ``ended``: all its sinks saw the end.
    ``notify`` gets what is wrong with videos that are finished: a kind and a text.
    """

    def __init__(
        self,
        container: Any,
        last: Any,
        begin: Any,
        sinks: Sinks,
        tokens: Callable[[Sinks], Sequence[str]],
        *,
        unique_path: Callable[[Path], Path],
        notify: Callable[[str, str], None],
    ) -> None:
        self._container, self._last, self._begin, self._tokens = container, last, begin, tokens
        self._first_sinks, self._unique_path, self._notify = sinks, unique_path, notify
        self._without: list[Path] | None = None  # files for which there was no frame
        self.files: list[Path] = []
        self._make(sinks)
        self._probe = last.add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, self._look_for_finish)

    def _make(self, sinks: Sinks, *, while_it_plays: bool = False) -> None:
        self.ended = self.finishing = False
        self._sinks = sinks
        self.files += [path for path in sinks.files if path not in self.files]
        self.bin = build_bin(" ".join(self._tokens(sinks)[1:]))
        self.bin.set_property("async-handling", while_it_plays)  # the pipeline does not wait for it
        self._container.add(self.bin)
        pad = self.bin.get_static_pad("sink")
        self._last.link(pad)
        self._videos = Videos(self.bin, pad, sinks)
        expect_windows(self.bin)
        self.bin.sync_state_with_parent()

    def contains(self, element: Any) -> bool:
        """Return True if an element is one of those that take the frames."""
        return bool(element == self.bin or element.has_as_ancestor(self.bin))

    def finish(self) -> None:
        """End the videos after the frames that are in the pipeline; ``finishing`` stays True until new ones are begun."""
        if self._sinks.videos():
            self.finishing = True
            self._begin.send_event(Gst.Event.new_custom(Gst.EventType.CUSTOM_DOWNSTREAM, Gst.Structure.new_empty(_FINISH)))

    def _look_for_finish(self, _pad: Any, info: Any) -> Any:
        event = info.get_event()
        if event.type != Gst.EventType.CUSTOM_DOWNSTREAM or not event.has_name(_FINISH):
            return Gst.PadProbeReturn.OK
        self.end()
        return Gst.PadProbeReturn.DROP

    def end(self) -> None:
        """Send the end to the sinks."""
        self.bin.get_static_pad("sink").send_event(Gst.Event.new_eos())

    def renew(self) -> None:
        """Begin new videos if the former ones are finished; their times begin at 0, too."""
        if not self.ended:
            return
        for finding in self.finish_files(complete=True):
            self._notify(*finding)
        self._last.unlink(self.bin.get_static_pad("sink"))
        self._container.remove(self.bin)
        self.bin.set_state(Gst.State.NULL)
        self._remove_empty(complete=True)
        self._make(self._first_sinks.renamed(self._unique_path), while_it_plays=True)
        self._last.add_probe(Gst.PadProbeType.BUFFER, self._begin_at_zero)

    def _begin_at_zero(self, pad: Any, info: Any) -> Any:
        segment = pad.get_sticky_event(Gst.EventType.SEGMENT, 0).parse_segment()
        pad.set_offset(-segment.to_running_time(Gst.Format.TIME, info.get_buffer().pts))
        return Gst.PadProbeReturn.REMOVE

    def finish_files(self, *, complete: bool) -> Iterator[tuple[str, str]]:
        """Write pictures of the last frames, while the elements have them; yield kind and text of what is wrong with videos."""
        missing = [*self._sinks.write_pictures(self.bin), *self._videos.without_frames(complete=complete)]
        self._without = [path for path in missing if self._without is None or path in self._without]
        yield from self._videos.findings(complete=complete)

    def close(self, *, complete: bool) -> None:
        """Release the elements, which have stopped, and remove videos without a frame."""
        self._last.remove_probe(self._probe)
        self._remove_empty(complete=complete)

    def _remove_empty(self, *, complete: bool) -> None:
        self._sinks.remove_empty(self._videos.without_frames(complete=complete))

    @property
    def without_frames(self) -> Sequence[Path]:
        """The files that are not written because there was no frame."""
        return self._without or ()


class Reconnection(Feeder):
    """Replaces the element SOURCE in the bin ``container``, which plays ``source`` into the queue ``first``, when it is lost.

    All elements behind the queue go on: libraries are not started again. ``name`` is the source in the documents of frames,
    ``outlet`` takes the frames. ``is_over`` returns True if an end of the source is wanted; ``warn`` gets a text for each loss.
    The source is replaced in the thread that changes the pipeline's states; the rest, except probes, runs in the player's thread.
    """

    def __init__(
        self,
        container: Any,
        first: Any,
        source: Source,
        name: str,
        outlet: Outlet,
        *,
        is_over: Callable[[], bool],
        warn: Callable[[str], None],
    ) -> None:
        self._container, self._first, self._source, self._name = container, first, source, name
        self._outlet, self._is_over, self._warn = outlet, is_over, warn
        self._pad = first.get_static_pad("sink")
        self._element = container.get_by_name(SOURCE)
        self._times = Times(self._element, self._pad)
        self._later: Callable[[Callable[[], Any]], None] | None = None  # None: nothing is playing yet, or any more
        self._lost = ""  # what is the matter, while the source is lost
        self._lost_at = 0.0
        self._again_at: float | None = None
        self._wait_s = _FIRST_WAIT_S
        self._arrived: float | None = None  # when the last frame came, or the connection began
        self._has_frames = False
        expect_video(self._element, self._pad, shown(source.name))
        looks = ((Gst.PadProbeType.BUFFER, self._on_buffer), (Gst.PadProbeType.EVENT_DOWNSTREAM, self._drop_eos))
        self._probes = [self._pad.add_probe(kind, look) for kind, look in looks]

    @property
    def is_reconnecting(self) -> bool:  # type: ignore[override]  # an attribute of the base class
        """True while the source is lost."""
        return bool(self._lost) and not self._is_over()

    def begin(self, later: Callable[[Callable[[], Any]], None]) -> None:
        """Begin to reconnect when needed; ``later`` calls a function in the thread that changes the pipeline's states."""
        self._later = later

    def end(self) -> None:
        """Release the elements, after the pipeline has stopped."""
        self._later = None
        self._times.end()
        for probe in self._probes:
            self._pad.remove_probe(probe)

    def source_of(self, _element: str) -> Source:
        """Return the only source."""
        return self._source

    def handle_error(self, report: Report) -> bool:
        """Return True for an error of the connection, or of a source that has been replaced."""
        if report.is_from_removed:
            return True
        if not is_connection_error(report):
            return False
        why = without_secrets(report.text, self._source.typed).rstrip(".") or "an error"
        self._mark_lost(why, what="is gone" if self._has_frames else "cannot be reached")
        return True

    def tick(self) -> None:
        """Connect again when it is time; treat a silent source as lost, unless frames wait for a library."""
        now = time.monotonic()
        if self._later is None or self._is_over():
            return
        if not self._lost:
            self._arrived = self._arrived or now
            if now - self._arrived > _SILENCE_S and not self._first.get_property("current-level-buffers"):
                self._mark_lost(f"no frame for {_SILENCE_S:g} s")
        elif self._again_at is None:
            if now - self._lost_at > _SETTLE_S:
                self._schedule_retry(now)
        elif now >= self._again_at:
            self._reconnect()

    def _mark_lost(self, why: str, *, what: str = "is gone") -> None:
        if not self._lost:
            self._lost_at = time.monotonic()
            self._lost = f"{what} ({why})"

    def _schedule_retry(self, now: float) -> None:
        if self._has_frames:
            self._wait_s = _FIRST_WAIT_S
        self._warn(f"the source {self._lost}; trying again in {self._wait_s:g} s")
        self._again_at = now + self._wait_s
        self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)
        if self._later:
            self._later(self._remove_source)

    def _reconnect(self) -> None:
        """Finish the files after the last frames, then connect again."""
        assert self._later
        if self._has_frames:
            self._has_frames = False
            self._outlet.finish()
        elif self._outlet.ended == self._outlet.finishing:
            self._again_at, self._lost, self._arrived = None, "", None
            self._later(self._connect)

    def _remove_source(self) -> None:
        self._times.end()
        peer = self._pad.get_peer()
        if peer:
            peer.unlink(self._pad)
        self._container.remove(self._element)  # first, so that what it reports while it stops is not handled
        self._element.set_state(Gst.State.NULL)

    def _connect(self) -> None:
        self._outlet.renew()
        self._element = build_element(" ".join(describe_source(self._source)))
        self._times = Times(self._element, self._pad)
        expect_video(self._element, self._pad, shown(self._source.name))
        self._element.connect("pad-added", self._link)
        self._container.add(self._element)
        # One after the other: on its way to PLAYING a live source would stop at PAUSED (GStreamer 1.22).
        self._element.set_state(Gst.State.PAUSED)
        self._element.set_state(Gst.State.PLAYING)

    def _link(self, _element: Any, pad: Any) -> None:
        if not self._pad.is_linked():
            pad.link_full(self._pad, Gst.PadLinkCheck.NOTHING)
            announce(pad, self._name)

    def _on_buffer(self, _pad: Any, _info: Any) -> Any:
        self._arrived, self._has_frames = time.monotonic(), True
        return Gst.PadProbeReturn.OK

    def _drop_eos(self, _pad: Any, info: Any) -> Any:
        """Drop the end of the source, so that it does not end the stream."""
        if info.get_event().type != Gst.EventType.EOS or self._is_over():
            return Gst.PadProbeReturn.OK
        self._mark_lost("it ended")
        return Gst.PadProbeReturn.DROP


def is_farewell(report: Report) -> bool:
    """Return True if an error does not matter once no more frames are wanted: a source cannot say goodbye to its server."""
    return report.is_from_removed or is_connection_error(report)


def is_connection_error(report: Report) -> bool:
    """Return True if an error is one of the connection.

    It comes from inside of the source, while the source itself reports that it cannot play such a thing at all. That other
    elements refuse what the source sends is in the debug text alone.
    """
    refused = any(reason in report.debug for reason in ("not-negotiated", "not-linked"))
    return f":{SOURCE}/" in report.element and not report.lacks_plugin and not refused
