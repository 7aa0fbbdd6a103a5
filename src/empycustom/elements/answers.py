"""What callbacks returned, understood; or the error that says which callback, where, and what it should return."""

from __future__ import annotations

from typing import Any

from empycustom.elements.frames import FrameFormat
from empycustom.errors import CallbackOutputError, FrameError, OutputError
from empycustom.library.hooks import Library
from empycustom.meta.output import read_output

_FRAMES = "a Gst.Buffer, a NumPy array, a tuple of arrays (a plane each)"


def meta_of(library: Library, returned: Any) -> Any:
    """Return the meta that a callback returned, as :func:`empycustom.meta.output.read_output` does.

    Raises CallbackOutputError.
    """
    try:
        return read_output(returned)
    except OutputError as error:
        raise _unusable(library, str(error)) from error


def pair_of(library: Library, returned: Any, *, buffer_type: type[Any], needed: tuple[int, str]) -> tuple[Any, Any]:
    """Return the new frame (a buffer, arrays, or None: drop it) and the meta in what ``process`` returned.

    ``needed`` is how many bytes a frame has, and of what (``RGBA of 64x48``). Raises CallbackOutputError.
    """
    if not isinstance(returned, (tuple, list)) or len(returned) != 2:
        raise _unusable(library, f"got {type(returned).__name__}; return a pair: the new frame (or None) and the meta")
    made, meta = returned
    if made is not None and not isinstance(made, (buffer_type, tuple, list)) and not hasattr(type(made), "__array_interface__"):
        raise _unusable(library, f"the first of the pair is {type(made).__name__}; return {_FRAMES}, or None to drop the frame")
    size, what = needed
    if isinstance(made, buffer_type) and made.get_size() < size:
        problem = f"the new buffer has {made.get_size()} bytes, but {what} needs {size}"
        raise _unusable(library, f"{problem}; allocate in_buffer.get_size() bytes")
    return made, meta_of(library, meta)


def write_arrays(library: Library, made: Any, address: int, frame_format: FrameFormat) -> None:
    """Write the arrays that ``process`` returned into the buffer at an address. Raises CallbackOutputError."""
    from empycustom.buffers.arrays import write_frame  # it loads NumPy, which a library that returns arrays has done

    if frame_format.memory != "CPU":
        raise _unusable(library, f"an array cannot become a frame in {frame_format.memory} memory; return a Gst.Buffer")
    try:
        write_frame(address, made, frame_format.format, frame_format.width, frame_format.height, frame_format.interlace_mode)
    except FrameError as error:
        raise _unusable(library, f"the new frame: {error}") from error


def _unusable(library: Library, what: str) -> CallbackOutputError:
    line = library.line_of(library.name)
    return CallbackOutputError(
        f"{library.path}{f':{line}' if line else ''}: what {library.name} returned cannot be used: {what}",
        library=library.path,
        line=line,
        callback=library.name,
    )
