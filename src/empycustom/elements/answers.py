"""What callbacks returned, understood; or the error that says which callback, where, and what it should return."""

from __future__ import annotations

from typing import Any

from empycustom.elements.frames import FrameFormat
from empycustom.errors import CallbackOutputError, FrameError, OutputError
from empycustom.gstreamer import Gst, GstVideo
from empycustom.library.hooks import Library
from empycustom.meta.output import read_output
from empycustom.native.lent import Lender
from empycustom.native.metas import allocate, described_at, size_of

_FRAMES = "a Gst.Buffer, a NumPy array, a tuple of arrays (a plane each)"


def meta_of(library: Library, returned: Any) -> Any:
    """Return the meta that a callback returned, as :func:`empycustom.meta.output.read_output` does.

    Raises CallbackOutputError.
    """
    try:
        return read_output(returned)
    except OutputError as error:
        raise unusable(library, str(error)) from error


def pair_of(library: Library, returned: Any) -> tuple[Any, Any]:
    """Return the new frame (a buffer, arrays, or None: drop it) and the meta in what ``process`` returned.

    Raises CallbackOutputError.
    """
    if not isinstance(returned, (tuple, list)) or len(returned) != 2:
        raise unusable(library, f"got {type(returned).__name__}; return a pair: the new frame (or None) and the meta")
    made, meta = returned
    if made is not None and not isinstance(made, (Gst.Buffer, tuple, list)) and not hasattr(type(made), "__array_interface__"):
        raise unusable(library, f"the first of the pair is {type(made).__name__}; return {_FRAMES}, or None to drop the frame")
    return made, meta_of(library, meta)


def check_buffer(library: Library, made: Any, frame_format: FrameFormat, *, exactly: bool) -> None:
    """Raise CallbackOutputError where a ``Gst.Buffer`` that ``process`` made is no frame of the negotiated format.

    Without a GstVideoMeta it may have more bytes than a frame needs, unless ``exactly``.
    """
    if frame_format.memory != "CPU":
        return  # how large such a buffer has to be is known to its makers alone
    size, needed, described = made.get_size(), frame_format.size, described_at(hash(made))
    if described:
        number, width, height = described
        name = GstVideo.VideoFormat.to_string(GstVideo.VideoFormat(number))
        if (name, width, height) != (frame_format.format, frame_format.width, frame_format.height):
            raise unusable(
                library, f"the new buffer is {name} of {width}x{height} (GstVideoMeta), but {_negotiated(frame_format)}"
            )
    if size < needed or (exactly and not described and size != needed):
        hint = "change output_caps, or the buffer" if exactly else "allocate in_buffer.get_size() bytes"
        raise unusable(library, f"the new buffer has {size} bytes, but {_negotiated(frame_format)}, which needs {needed}; {hint}")


def _negotiated(frame_format: FrameFormat) -> str:
    return f"{frame_format.text} was negotiated"


def fill_with_arrays(library: Library, held: list[Any], address: int, frame_format: FrameFormat, lender: Lender) -> bool:
    """Let the buffer at an address have the arrays that ``process`` returned; return whether that was without a copy.

    ``held`` is a list that has them alone. Raises CallbackOutputError.
    """
    from empycustom.buffers.arrays import lend_frame  # it loads NumPy, which a library that returns arrays has done

    if not size_of(address) and frame_format.memory == "CPU":
        if lend_frame(address, held, lender, frame_format.size, frame_format.described):
            return True
        allocate(address, frame_format.size)
    write_arrays(library, held[0], address, frame_format)
    return False


def write_arrays(library: Library, made: Any, address: int, frame_format: FrameFormat) -> None:
    """Write the arrays that ``process`` returned into the buffer at an address. Raises CallbackOutputError."""
    from empycustom.buffers.arrays import write_frame

    if frame_format.memory != "CPU":
        raise unusable(library, f"an array cannot become a frame in {frame_format.memory} memory; return a Gst.Buffer")
    try:
        write_frame(address, made, frame_format.described)
    except FrameError as error:
        raise unusable(library, f"the new frame: {error}") from error


def unusable(library: Library, what: str, callback: str = "") -> CallbackOutputError:
    """Return the exception that says what is wrong with what a callback returned; ``""`` is the one that sees buffers."""
    callback = callback or library.name
    line = library.line_of(callback)
    return CallbackOutputError(
        f"{library.path}{f':{line}' if line else ''}: what {callback} returned cannot be used: {what}",
        library=library.path,
        line=line,
        callback=callback,
    )
