"""New frames that ``process`` made: whether they are what was negotiated, and writing them into a buffer; and their caps."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from empycustom.errors import FrameError, OutputError
from empycustom.gstreamer import Gst, GstVideo
from empycustom.library.callbacks import LibraryFacts
from empycustom.library.explain import is_kind, kind_of
from empycustom.native.metas import described_at, size_of
from empycustom.runners.inline import read_returned

CAPS_EXAMPLE = '"video/x-raw,width=320,height=240"'


def caps_text(returned: Any) -> str:
    """Return what ``output_caps`` returned as a text. Raises OutputError."""
    if isinstance(returned, str):
        return returned
    if not isinstance(returned, Gst.Caps):
        raise OutputError(f"it is {kind_of(returned)}; return a text such as {CAPS_EXAMPLE}, a Gst.Caps, or None")
    return str(returned.to_string())


class Format(Protocol):
    """The format of frames, as a FrameFormat has it."""

    @property
    def memory(self) -> str:
        """The memory that they are in: "CPU", "NVMM"."""

    @property
    def size(self) -> int:
        """The size of one in bytes."""

    @property
    def text(self) -> str:
        """The text that messages have."""

    @property
    def described(self) -> tuple[str, int, int, str]:
        """The format, width, height and interlace mode."""


class PlainFormat(NamedTuple):
    """A format that can be sent elsewhere."""

    memory: str
    size: int
    text: str
    described: tuple[str, int, int, str]


address_of = Gst.Buffer.__hash__  # not hash(), which a class below it may have changed


def check_buffer(library: LibraryFacts, made: Any, frame_format: Format, *, exactly: bool) -> None:
    """Raise CallbackOutputError where a ``Gst.Buffer`` that ``process`` made is not a frame of the negotiated format.

    Without a GstVideoMeta it may have more bytes than a frame needs, unless ``exactly``.
    """
    if frame_format.memory != "CPU":
        return  # how large such a buffer has to be is known to its makers alone
    read_returned(library, _check_buffer, made, frame_format, exactly)


def _check_buffer(made: Any, frame_format: Format, exactly: bool) -> None:
    size, needed, described = size_of(address_of(made)), frame_format.size, described_at(address_of(made))
    if described:
        number, width, height = described
        name = GstVideo.VideoFormat.to_string(GstVideo.VideoFormat(number))
        if (name, width, height) != frame_format.described[:3]:
            raise OutputError(f"the new buffer is {name} of {width}x{height} (GstVideoMeta), but {_negotiated(frame_format)}")
    if size < needed or (exactly and not described and size != needed):
        hint = "change output_caps, or the buffer" if exactly else "allocate in_buffer.get_size() bytes"
        raise OutputError(f"the new buffer has {size} bytes, but {_negotiated(frame_format)}, which needs {needed}; {hint}")


def _negotiated(frame_format: Format) -> str:
    return f"{frame_format.text} was negotiated"


def write_arrays(library: LibraryFacts, made: Any, address: int, frame_format: Format) -> None:
    """Write the arrays that ``process`` returned into the buffer at an address. Raises CallbackOutputError."""
    read_returned(library, _write_arrays, made, address, frame_format)


def _write_arrays(made: Any, address: int, frame_format: Format) -> None:
    from empycustom.buffers.mapping import write_frame

    if frame_format.memory != "CPU":
        raise OutputError(f"an array cannot become a frame in {frame_format.memory} memory; return a Gst.Buffer")
    try:
        write_frame(address, made, frame_format.described)
    except FrameError as error:
        raise OutputError(f"the new frame: {error}") from error


def write_made(library: LibraryFacts, made: Any, address: int, frame_format: Format, *, exactly: bool) -> None:
    """Write what ``process`` made into a buffer of the default layout. Raises CallbackOutputError where it does not fit."""
    if not is_kind(made, Gst.Buffer):
        write_arrays(library, made, address, frame_format)
        return
    from empycustom.buffers.mapping import map_frame

    check_buffer(library, made, frame_format, exactly=exactly)
    video_format, width, height, mode = frame_format.described
    about = {"format": video_format, "width": width, "height": height, "memory": frame_format.memory, "interlace_mode": mode}
    plain = Gst.Buffer.copy(made)  # of the same pixels, whatever a class of the library's makes of it
    with read_returned(library, map_frame, plain, {"buffer": about}) as frame:
        write_arrays(library, frame.planes, address, frame_format)
