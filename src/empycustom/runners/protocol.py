"""The protocol of runners: what an element needs of one."""

from __future__ import annotations

from typing import Any, Protocol

from empycustom.carriers.protocol import Frame
from empycustom.library.callbacks import Library
from empycustom.model.results import Result


class Runner(Protocol):
    """Runs one library, in this process or elsewhere. An element starts it, and runs it for one frame after the other.

    ``library`` names the library in messages. ``options`` and ``events`` are passed to it, and may be replaced at any time.
    ``took_ns`` is how long the last call of it took, in nanoseconds.
    """

    library: Library
    options: dict[str, Any]
    events: Any
    took_ns: int

    def start(self, options: dict[str, Any], events: Any) -> None:
        """Get ready for frames. Raises LibraryError."""

    def run(self, frame: Frame, image: Any) -> Result | None:
        """Return what the library makes of a frame; None: the frame goes on as it is, or, where it is not in place, not at all.

        ``image`` is the ``Gst.Buffer`` with the pixels, as a callback gets it. Where the library is not called in place,
        ``image`` of the result is a list with the new frame: a ``Gst.Buffer``, arrays, or None, which drops the frame. Raises
        LibraryError, StreamEndedError.
        """

    def stop(self) -> None:
        """Give back what starting took. Raises LibraryError."""
