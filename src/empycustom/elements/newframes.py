"""The buffers that go downstream with what ``process`` made: where they come from, and filling them."""

from __future__ import annotations

from typing import Any

from empycustom.buffers.pools import offer_frames, offer_no_memory, offers_pool
from empycustom.carriers.protocol import Reading
from empycustom.elements.answers import address_of, check_buffer, fill_with_arrays
from empycustom.elements.frames import FrameFormat, FrameReader
from empycustom.gstreamer import Gst
from empycustom.library.blame import is_kind
from empycustom.library.hooks import Library
from empycustom.native.lent import Lender
from empycustom.native.metas import (
    Scaling,
    carry_metas,
    carry_times_and_flags,
    remove_metas,
    share_memory,
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
        self._made: set[type[Any]] = set()  # what the library has made so far: Gst.Buffer, or object for arrays
        self._copied = self._offered = self._pooled = False  # arrays were copied; downstream offers a pool; one is in use
        self._lender = Lender()

    def close(self) -> None:
        """Make no more."""
        self._lender.close()

    def expect(self, source: FrameFormat, target: FrameFormat) -> None:
        """Get ready to make frames of the format ``target`` out of those of ``source``."""
        self._format, self.same_caps = target, source.caps == target.caps
        self._factors = target.width / source.width, target.height / source.height
        resized = self._factors != (1, 1)
        self._scaling = Scaling(hash(source.info), hash(target.info), (source, target)) if resized else None

    def allocate_from(self, query: Any, caps: Any) -> None:
        """Choose a pool for the buffers, in an allocation query that downstream has answered."""
        self._offered = offers_pool(query)
        self._pooled = self._wants_pool()
        (offer_frames if self._pooled else offer_no_memory)(query, caps)

    def _wants_pool(self) -> bool:
        """Buffers of the library's own need none. Arrays become buffers without a copy, unless downstream has better memory."""
        if self._format.memory != "CPU" or self._made == {Gst.Buffer}:
            return False
        return self._offered or self._copied

    def repeat(self, source: int, target: int) -> None:
        """Let the buffer at ``target`` be the one at ``source``."""
        _share(source, target)
        carry_metas(source, target, with_memory=True)

    def fill(self, source: int, target: int, held: list[Any], reading: Reading) -> None:
        """Let the buffer at ``target`` be what the library made of the one at ``source``, whose metas go with it.

        ``held`` is a list with that alone, so that it can be seen who else has it. Raises CallbackOutputError where it is no
        frame of the negotiated caps.
        """
        is_buffer = is_kind(held[0], Gst.Buffer)
        if is_buffer:
            check_buffer(self._library, held[0], self._format, exactly=not self.same_caps)
            made = address_of(held[0])
            _share(made, target)
            carry_metas(made, target, with_memory=True)
        else:
            remove_metas(target)
            self._copied |= not fill_with_arrays(self._library, held, target, self._format, self._lender)
            carry_times_and_flags(source, target)
        carry_metas(source, target, with_memory=False, scaling=self._scaling)
        if self._scaling:
            self._frames.carrier.follow(target, reading, self._factors)
        self._made.add(Gst.Buffer if is_buffer else object)
        if self._wants_pool() is not self._pooled:
            self._element.srcpad.mark_reconfigure()


def _share(made: int, target: int) -> None:
    """Let the buffer at ``target`` have the pixels, the times and the flags of the one at ``made``."""
    remove_metas(target, locked=True)
    share_memory(made, target)
    carry_times_and_flags(made, target)
