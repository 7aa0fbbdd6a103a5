"""One Python file in a GStreamer or DeepStream pipeline.

For the author of a library::

    import empycustom

    def process_ip(io_buffer, in_meta, options):
        with empycustom.map_frame(io_buffer, in_meta) as frame:
            return {"frame": {"brightness": frame.pixels.mean()}}

For the author of an application: ``empycustom.register()`` makes the elements ``empycustom``, ``aimeta`` and ``perf`` known to
this process. Importing the package loads neither GStreamer nor NumPy; using a name does. Import it before both: exceptions of C++
in libraries that you load later reach Python then (see :mod:`empycustom.native.unwind`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from empycustom.native.unwind import prefer_libgcc

if TYPE_CHECKING:
    from empycustom.buffers.mapping import map_frame as map_frame
    from empycustom.detections import from_detections as from_detections
    from empycustom.detections import from_keypoints as from_keypoints
    from empycustom.detections import to_detections as to_detections
    from empycustom.detections import to_keypoints as to_keypoints
    from empycustom.elements import register as register
    from empycustom.elements.document import document as document
    from empycustom.errors import EmPyCustomError as EmPyCustomError
    from empycustom.errors import EndOfStream as EndOfStream
    from empycustom.errors import FrameClosedError as FrameClosedError
    from empycustom.errors import FrameError as FrameError
    from empycustom.library.declared import Option as Option
    from empycustom.library.shared import shared as shared
    from empycustom.session.attach import attach as attach
    from empycustom.session.process import process as process

__version__ = "0.1.0"

_HOMES = {
    "attach": "empycustom.session.attach",
    "map_frame": "empycustom.buffers.mapping",
    "Option": "empycustom.library.declared",
    "shared": "empycustom.library.shared",
    "document": "empycustom.elements.document",
    "process": "empycustom.session.process",
    "register": "empycustom.elements",
    "from_detections": "empycustom.detections",
    "from_keypoints": "empycustom.detections",
    "to_detections": "empycustom.detections",
    "to_keypoints": "empycustom.detections",
    "EmPyCustomError": "empycustom.errors",
    "EndOfStream": "empycustom.errors",
    "FrameError": "empycustom.errors",
    "FrameClosedError": "empycustom.errors",
}
__all__ = [
    "EmPyCustomError", "EndOfStream", "FrameClosedError", "FrameError", "Option", "__version__", "attach", "document",
    "from_detections", "from_keypoints", "map_frame", "process", "register", "shared", "to_detections", "to_keypoints",
]  # fmt: skip

prefer_libgcc()  # before anything of the package loads GStreamer


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'empycustom' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
