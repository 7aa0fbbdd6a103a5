"""The buffers that go downstream with what ``process`` made: where they come from, and filling them."""

from __future__ import annotations

from typing import Any

from empycustom.buffers.pools import offer_frames, offer_no_memory
from empycustom.carriers.protocol import Reading
from empycustom.elements.answers import check_buffer, write_arrays
from empycustom.elements.frames import FrameFormat, FrameReader
from empycustom.gstreamer import Gst
from empycustom.library.hooks import Library
from empycustom.native.metas import (
    Scaling,
    allocate,
    carry_metas,
    carry_times_and_flags,
    remove_metas,
    share_memory,
    size_of,
)


class NewFrames:
    """Fills the empty buffers that GStreamer hands to an element for what its library makes.

    ``same_caps``: frames go downstream in the format in which they come.
    """

    same_caps = True
    _format: FrameFormat
    _scaling: Scaling | None = None

    def __init__(self, element: Any, library: Library, frames: FrameReader) -> None:
        self._element, self._library, self._frames = element, library, frames
        self._made: set[bool] = set()  # what the library makes: buffers (False), arrays (True), which are copied into buffers
        self._copies = True

    def expect(self, source: FrameFormat, target: FrameFormat) -> None:
        """Get ready to make frames of the format ``target`` out of those of ``source``."""
        self._format, self.same_caps = target, source.caps == target.caps
        self._factors = target.width / source.width, target.height / source.height
        resized = self._factors != (1, 1)
        self._scaling = Scaling(hash(source.info), hash(target.info), (source, target)) if resized else None

    def allocate_from(self, query: Any, caps: Any) -> None:
        """Choose a pool for the buffers, in an allocation query that downstream has answered."""
        if self._copies and self._format.memory == "CPU":
            offer_frames(query, caps)
        else:
            offer_no_memory(query, caps)

    def repeat(self, source: int, target: int) -> None:
        """Let the buffer at ``target`` be the one at ``source``."""
        _share(source, target)
        carry_metas(source, target, with_memory=True)

    def fill(self, source: int, target: int, made: Any, reading: Reading) -> None:
        """Let the buffer at ``target`` be what the library made of the one at ``source``, whose metas go with it.

        Raises CallbackOutputError where that is no frame of the negotiated caps.
        """
        if isinstance(made, Gst.Buffer):
            check_buffer(self._library, made, self._format, exactly=not self.same_caps)
            _share(hash(made), target)
            carry_metas(hash(made), target, with_memory=True)
        else:
            remove_metas(target)
            if not size_of(target):
                allocate(target, self._format.size)
            write_arrays(self._library, made, target, self._format)
            carry_times_and_flags(source, target)
        carry_metas(source, target, with_memory=False, scaling=self._scaling)
        if self._scaling:
            self._frames.carrier.follow(target, reading, self._factors)
        self._learn(copies=not isinstance(made, Gst.Buffer))

    def _learn(self, *, copies: bool) -> None:
        """Choose another pool where the library turns out to make something else than was thought."""
        if copies in self._made:
            return
        self._made.add(copies)
        wanted = True in self._made
        if wanted is not self._copies:
            self._copies = wanted
            self._element.srcpad.mark_reconfigure()


def _share(made: int, target: int) -> None:
    """Let the buffer at ``target`` have the pixels, the times and the flags of the one at ``made``."""
    remove_metas(target, locked=True)
    share_memory(made, target)
    carry_times_and_flags(made, target)
