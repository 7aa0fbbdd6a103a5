"""What callbacks returned, understood; or the error that says which callback, where, and what it should return."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from empycustom.buffers.callback import offer_frames, offer_no_memory, offers_pool
from empycustom.carriers.protocol import Reading
from empycustom.elements.frames import FrameFormat, FrameReader
from empycustom.errors import CallbackOutputError, EmPyCustomError, FrameError, OutputError
from empycustom.gstreamer import Gst, GstVideo
from empycustom.library.callbacks import Library
from empycustom.library.explain import is_kind, kind_of, locate_error
from empycustom.library.modules import without_package
from empycustom.model.results import Said, deal, read_output, too_short
from empycustom.native.memory import ArrayExporter
from empycustom.native.metas import (
    Scaling,
    allocate,
    carry_metas,
    carry_times_and_flags,
    described_at,
    remove_metas,
    share_memory,
    size_of,
)

_FRAMES = "a Gst.Buffer, a NumPy array, a tuple of arrays (a plane each)"
address_of = Gst.Buffer.__hash__  # not hash(), which a class below it may have changed


def read(library: Library, reader: Callable[..., Any], *given: Any, callback: str = "") -> Any:
    """Return what ``reader`` makes of what a callback returned: the one place where objects of the user's are looked at.

    Raises CallbackOutputError where it raises OutputError, and where one of these objects raises anything at all.
    """
    try:
        return reader(*given)
    except OutputError as error:
        details = locate_error(error.__cause__, library.path).traceback if error.__cause__ else ""
        raise unusable(library, str(error), callback, details) from error
    except EmPyCustomError:
        raise
    except BaseException as error:
        found = locate_error(error, library.path)
        what = f"it raises {found.text} when it is looked at (the traceback is below); return numbers, texts, lists and dicts"
        raise unusable(library, what, callback, found.traceback) from error


def meta_of(library: Library, returned: Any) -> Any:
    """Return the meta that a callback returned, as :func:`empycustom.model.results.read_output` does.

    Raises CallbackOutputError.
    """
    return read(library, read_output, returned)


def said_of(library: Library, meta: Any, object_counts: list[int]) -> Said:
    """Return what the meta says about frames with so many objects each, as :func:`empycustom.model.results.deal` does.

    Raises CallbackOutputError.
    """
    said: Said = read(library, deal, meta, object_counts)
    return said


def short_list(library: Library, entries: int, objects: int, reading: Reading) -> CallbackOutputError:
    """Return what is said of a list that has fewer entries than there are objects."""
    label = ""
    with suppress(Exception):  # the dicts are the library's, which may have changed them
        label = reading.frames[0]["object"][0]["obj_label"]
    line = library.line_of(library.name)
    what = f"{library.name} returned {too_short(entries, objects, label)} (this is said once)"
    return CallbackOutputError(
        f"{library.path}{f':{line}' if line else ''}: {what}",
        library=library.path,
        line=line,
        callback=library.name,
    )


def pair_of(library: Library, returned: Any) -> tuple[Any, Any]:
    """Return the new frame (a buffer, arrays, or None: drop it) and the meta in what ``process`` returned.

    Raises CallbackOutputError.
    """
    pair: tuple[Any, Any] = read(library, _pair, returned)
    return pair


def _pair(returned: Any) -> tuple[Any, Any]:
    if not isinstance(returned, (tuple, list)) or len(returned) != 2:
        raise OutputError(f"got {kind_of(returned)}; return a pair: the new frame (or None) and the meta")
    made, meta = returned
    if made is not None and not _is_frame(made):
        raise OutputError(f"the first of the pair is {kind_of(made)}; return {_FRAMES}, or None to drop the frame")
    return made, read_output(meta)


def _is_frame(made: Any) -> bool:
    return is_kind(made, Gst.Buffer) or isinstance(made, (tuple, list)) or hasattr(type(made), "__array_interface__")


def check_buffer(library: Library, made: Any, frame_format: FrameFormat, *, exactly: bool) -> None:
    """Raise CallbackOutputError where a ``Gst.Buffer`` that ``process`` made is no frame of the negotiated format.

    Without a GstVideoMeta it may have more bytes than a frame needs, unless ``exactly``.
    """
    if frame_format.memory != "CPU":
        return  # how large such a buffer has to be is known to its makers alone
    read(library, _check_buffer, made, frame_format, exactly)


def _check_buffer(made: Any, frame_format: FrameFormat, exactly: bool) -> None:
    size, needed, described = size_of(address_of(made)), frame_format.size, described_at(address_of(made))
    if described:
        number, width, height = described
        name = GstVideo.VideoFormat.to_string(GstVideo.VideoFormat(number))
        if (name, width, height) != (frame_format.format, frame_format.width, frame_format.height):
            raise OutputError(f"the new buffer is {name} of {width}x{height} (GstVideoMeta), but {_negotiated(frame_format)}")
    if size < needed or (exactly and not described and size != needed):
        hint = "change output_caps, or the buffer" if exactly else "allocate in_buffer.get_size() bytes"
        raise OutputError(f"the new buffer has {size} bytes, but {_negotiated(frame_format)}, which needs {needed}; {hint}")


def _negotiated(frame_format: FrameFormat) -> str:
    return f"{frame_format.text} was negotiated"


def fill_with_arrays(library: Library, held: list[Any], address: int, frame_format: FrameFormat, exporter: ArrayExporter) -> bool:
    """Let the buffer at an address have the arrays that ``process`` returned; return whether that was without a copy.

    ``held`` is a list that has them alone. Raises CallbackOutputError.
    """
    from empycustom.buffers.mapping import wrap_array  # it loads NumPy, which a library that returns arrays has done

    if not size_of(address) and frame_format.memory == "CPU":
        if read(library, wrap_array, address, held, exporter, frame_format.size, frame_format.described):
            return True
        allocate(address, frame_format.size)
    write_arrays(library, held[0], address, frame_format)
    return False


def write_arrays(library: Library, made: Any, address: int, frame_format: FrameFormat) -> None:
    """Write the arrays that ``process`` returned into the buffer at an address. Raises CallbackOutputError."""
    read(library, _write_arrays, made, address, frame_format)


def _write_arrays(made: Any, address: int, frame_format: FrameFormat) -> None:
    from empycustom.buffers.mapping import write_frame

    if frame_format.memory != "CPU":
        raise OutputError(f"an array cannot become a frame in {frame_format.memory} memory; return a Gst.Buffer")
    try:
        write_frame(address, made, frame_format.described)
    except FrameError as error:
        raise OutputError(f"the new frame: {error}") from error


def unusable(library: Library, what: str, callback: str = "", details: str = "") -> CallbackOutputError:
    """Return the exception that says what is wrong with what a callback returned; ``""`` is the one that sees buffers."""
    callback = callback or library.name
    line = library.line_of(callback)
    return CallbackOutputError(
        f"{library.path}{f':{line}' if line else ''}: what {callback} returned",
        f" cannot be used: {without_package(what)}",
        library=library.path,
        line=line,
        callback=callback,
        details=details,
    )


# The buffers that go downstream with what ``process`` made: where they come from, and filling them.


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
        self._exporter = ArrayExporter()

    def close(self) -> None:
        """Make no more."""
        self._exporter.close()

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
            self._copied |= not fill_with_arrays(self._library, held, target, self._format, self._exporter)
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
