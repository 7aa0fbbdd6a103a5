"""``map_frame``: views of a frame, whatever memory it is in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from empycustom.buffers.nvmm import NvmmFrame
from empycustom.buffers.system import SystemFrame
from empycustom.errors import FrameError
from empycustom.frames.frame import Frame
from empycustom.frames.layout import planes_of
from empycustom.gstreamer import Gst


def map_frame(buffer: Any, in_meta: Mapping[str, Any], *, writable: bool = False, batch_id: int = 0) -> Frame[Any]:
    """Give views of the pixels of a buffer for the length of a ``with`` block.

    ``buffer`` is the ``Gst.Buffer`` that a callback gets, or one that it made of the same format and size; ``in_meta`` is what
    the callback gets. Views are of the buffer's own memory, never copies: NumPy arrays of system memory, and of GPU memory (NVMM)
    what PyTorch, CuPy and others take (``torch.from_dlpack(frame.rgba)``, ``cupy.asarray(frame.planes[1])``). They are read-only,
    and cannot be made writable, unless ``writable`` is true: then what is written is in the buffer, and reaches downstream. (A
    buffer of several system memories is first merged into one, by GStreamer.)

    ``batch_id`` chooses the frame of a batch of DeepStream, as ``in_meta["frame"]`` has it; others have one frame, 0.

    A FrameError says what cannot be mapped and what to do: another format or kind of memory, a buffer that is too small, one that
    others hold too and that cannot be written::

        with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
            frame.pixels[:10] = 255
    """
    if not isinstance(buffer, Gst.Buffer):
        raise FrameError(f"map_frame needs the Gst.Buffer that the callback got, not a {type(buffer).__name__}.")
    try:
        about = in_meta["buffer"]
        video_format, width, height, memory = about["format"], about["width"], about["height"], about["memory"]
    except (KeyError, TypeError) as error:
        raise FrameError(
            'map_frame reads format, width, height and memory from in_meta["buffer"], and they are not all there: hand it the '
            "in_meta that the callback got."
        ) from error
    if memory == "NVMM":
        return NvmmFrame(buffer, video_format, width, height, batch_id, writable=writable)
    _check_system(memory, batch_id)
    planes_of(video_format)
    return SystemFrame(buffer, video_format, width, height, about.get("interlace_mode", "progressive"), writable=writable)


def _check_system(memory: Any, batch_id: int) -> None:
    if memory != "CPU":
        raise FrameError(
            f"The buffer is in {memory} memory, which map_frame cannot view: put a conversion to system memory before the "
            "element, for example nvvideoconvert ! 'video/x-raw,format=RGBA' on DeepStream."
        )
    if batch_id != 0:
        raise FrameError(f"A buffer in system memory holds one frame, of batch_id 0; there is none of batch_id={batch_id!r}.")
