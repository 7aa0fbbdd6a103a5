"""A source that should last, as an RTSP server: where it is gone it is connected again, in a pipeline that goes on playing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from empycustom.elements.upstream import announce
from empycustom.gstreamer import Gst
from empycustom.session.parts import Report, build_element
from empycustom.session.sources import SOURCE, Source, Times, describe_source, expect_video, shown
from empycustom.text import without_secrets

_SILENCE_S = 30.0  # without a frame, a source that has sent some is gone
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 30.0  # before connecting again; doubled each time in vain
_SETTLE_S = 0.2  # until what elements reported of a loss is known


class Outlet(Protocol):
    """Where the frames of a source go in the end."""

    ended: bool
    finishing: bool

    def finish(self) -> None:
        """Let files end behind the frames that are on their way; ``finishing`` holds until others are begun."""

    def renew(self) -> None:
        """Begin other files, where those of before have ended."""


class Reconnection:
    """Replaces the element SOURCE in the bin ``container``, which plays ``source`` into the queue ``first``, when it is gone.

    All elements behind the queue go on: libraries are not started again. ``name`` is what frames have as their source, ``outlet``
    where they go. ``is_over`` says whether an end of the source is wanted; ``warn`` is told of losses. The source is replaced in
    the thread that changes the pipeline's states; everything else happens in that of the player, but for the probes.
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
        self._lost = ""  # why it is gone
        self._lost_at = 0.0
        self._again_at: float | None = None
        self._wait_s = _FIRST_WAIT_S
        self._arrived: float | None = None  # when the last frame came, or the connection began
        self._has_frames = False
        expect_video(self._element, self._pad, shown(source.name))
        looks = ((Gst.PadProbeType.BUFFER, self._note), (Gst.PadProbeType.EVENT_DOWNSTREAM, self._hold_back))
        self._probes = [self._pad.add_probe(kind, look) for kind, look in looks]

    @property
    def waits(self) -> bool:
        """Whether the source is gone, and files end without it."""
        return bool(self._lost) and not self._is_over()

    def begin(self, later: Callable[[Callable[[], Any]], None]) -> None:
        """Take note that the pipeline plays; ``later`` calls what it is given in the thread that changes its states."""
        self._later = later

    def end(self) -> None:
        """Let go of the elements; the pipeline has stopped."""
        self._later = None
        self._times.end()
        for probe in self._probes:
            self._pad.remove_probe(probe)

    def source_of(self, _element: str) -> Source:
        """Return the source, whichever element is meant."""
        return self._source

    def takes(self, report: Report) -> bool:
        """Return whether an error reports no more than that the source is gone, or comes from one that has been replaced."""
        if is_of_gone(report):
            return True
        if not is_loss(report):
            return False
        self._lose(without_secrets(report.text, self._source.typed).rstrip(".") or "an error")
        return True

    def look(self) -> None:
        """Connect again if it is time; find a source that is silent: not while frames wait for a library."""
        now = time.monotonic()
        if self._later is None or self._is_over():
            return
        if not self._lost:
            self._arrived = self._arrived or now
            if now - self._arrived > _SILENCE_S and not self._first.get_property("current-level-buffers"):
                self._lose(f"no frame for {_SILENCE_S:g} s")
        elif self._again_at is None:
            if now - self._lost_at > _SETTLE_S:
                self._give_up(now)
        elif now >= self._again_at:
            self._come_back()

    def _lose(self, why: str) -> None:
        if not self._lost:
            self._lost_at = time.monotonic()
            self._lost = why

    def _give_up(self, now: float) -> None:
        if self._has_frames:
            self._wait_s = _FIRST_WAIT_S
        self._warn(f"the source is gone ({self._lost}); trying again in {self._wait_s:g} s")
        self._again_at = now + self._wait_s
        self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)
        if self._later:
            self._later(self._take_out)

    def _come_back(self) -> None:
        """Finish files first, behind the frames that were on their way."""
        assert self._later
        if self._has_frames:
            self._has_frames = False
            self._outlet.finish()
        elif self._outlet.ended == self._outlet.finishing:
            self._again_at, self._lost, self._arrived = None, "", None
            self._later(self._connect)

    def _take_out(self) -> None:
        self._times.end()
        peer = self._pad.get_peer()
        if peer:
            peer.unlink(self._pad)
        self._container.remove(self._element)  # first: nobody wants to know what it reports while it stops
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

    def _note(self, _pad: Any, _info: Any) -> Any:
        self._arrived, self._has_frames = time.monotonic(), True
        return Gst.PadProbeReturn.OK

    def _hold_back(self, _pad: Any, info: Any) -> Any:
        """Let the end of the source not be that of the stream."""
        if info.get_event().type != Gst.EventType.EOS or self._is_over():
            return Gst.PadProbeReturn.OK
        self._lose("it ended")
        return Gst.PadProbeReturn.DROP


def is_of_gone(report: Report) -> bool:
    """Return whether an element reports that is not in the pipeline any more."""
    return not report.element.startswith("/GstPipeline:")


def is_loss(report: Report) -> bool:
    """Return whether an error is one of the connection.

    It comes from inside of the source, while the source itself reports that it cannot play such a thing at all. That other
    elements refuse what the source sends is in the debug text alone.
    """
    refused = any(reason in report.debug for reason in ("not-negotiated", "not-linked"))
    return f":{SOURCE}/" in report.element and not report.lacks_plugin and not refused
