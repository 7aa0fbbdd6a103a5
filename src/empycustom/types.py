"""Types for authors of libraries, so that an editor completes ``in_meta["frame"][0]["object"]`` and finds mistakes.

Nothing needs them, and nothing looks at them at run time::

    from empycustom.types import Buffer, InMeta, Options, OutMeta

    def process_ip(io_buffer: Buffer, in_meta: InMeta, options: Options) -> OutMeta:
        return [{"label": found["obj_label"]} for found in in_meta["frame"][0]["object"]]

A library as a whole is an :class:`InPlaceLibrary` or a :class:`Library`; a type checker takes the module itself as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypedDict

from empycustom.model.values import BufferInfo, Classifier, InMeta, LabelInfo, Plane, RectParams, TextParams
from empycustom.model.values import Frame as FrameMeta
from empycustom.model.values import Object as ObjectMeta

__all__ = [
    "Buffer", "BufferInfo", "Classifier", "FrameMeta", "InMeta", "InPlaceLibrary", "LabelInfo", "Library", "NewFrame",
    "NewObject", "ObjectMeta", "Options", "OutBatch", "OutFrame", "OutMeta", "Plane", "RectParams", "TextParams",
]  # fmt: skip

Buffer = Any
"""A ``Gst.Buffer``, whose classes have no types of their own."""

Options = dict[str, Any]
"""What the property ``options`` says, ``{}`` if nothing."""

NewFrame = Any
"""What ``process`` makes: a ``Gst.Buffer``, a NumPy array, a tuple of arrays (a plane each), or None: the frame is dropped."""


class NewObject(TypedDict, total=False):
    """An object that a library found. Only the box is needed; ``object_id`` -1: not tracked."""

    rect_params: RectParams
    obj_label: str
    class_id: int
    object_id: int
    confidence: float
    text_params: TextParams
    classifier: list[Classifier]
    emcustom: Any


class OutFrame(TypedDict, total=False):
    """What is said about one frame: about itself, about each of its objects in their order, and what was found."""

    meta: Any
    object: Sequence[Any]
    new_object: Sequence[NewObject]


class OutBatch(TypedDict, total=False):
    """What is said about all: about the buffer, and about its frames: an entry for each, or the attributes of the only one."""

    meta: Any
    frame: Sequence[OutFrame] | Mapping[str, Any]


OutMeta = Sequence[Any] | OutBatch | str | None
"""What a callback may return: an entry for each object and one for the frame; the long form; JSON text; or nothing to say."""


class InPlaceLibrary(Protocol):
    """A library for ``in-place=true``. It may have ``start(options)`` and ``stop(options)`` besides."""

    def process_ip(self, io_buffer: Buffer, in_meta: InMeta, options: Options) -> OutMeta:
        """Called for every frame; what it writes into the pixels goes downstream."""


class Library(Protocol):
    """A library for ``in-place=false``. It may have ``start``, ``stop`` and ``output_caps(caps, options)`` besides."""

    def process(self, in_buffer: Buffer, in_meta: InMeta, options: Options) -> tuple[NewFrame, OutMeta]:
        """Called for every frame; returns the new one and what to say."""
