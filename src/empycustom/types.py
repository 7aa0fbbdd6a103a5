"""Types for authors of libraries, so that an editor completes ``in_meta["frame"][0]["object"]`` and finds mistakes.

Nothing needs them, and nothing looks at them at run time::

    from empycustom.types import Buffer, InMeta, Options, OutMeta

    def process_ip(io_buffer: Buffer, in_meta: InMeta, options: Options) -> OutMeta:
        return [{"label": found["obj_label"]} for found in in_meta["frame"][0]["object"]]

A library as a whole is an :class:`InPlaceLibrary` or a :class:`Library`; a type checker takes the module itself as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

if TYPE_CHECKING:
    from typing_extensions import NotRequired  # in typing itself from Python 3.11

__all__ = [
    "Buffer", "BufferInfo", "Classifier", "Document", "FrameMeta", "InMeta", "InPlaceLibrary", "LabelInfo", "Library", "NewFrame",
    "NewObject", "ObjectMeta", "Options", "OutBatch", "OutFrame", "OutMeta", "Plane", "RectParams", "Segmentation", "Tensor",
    "TextParams",
]  # fmt: skip

Buffer = Any
"""A ``Gst.Buffer``, whose classes have no types of their own."""

Options = dict[str, Any]
"""The value of the property ``options``; ``{}`` where it is not set. Where the library declares its options: all of them."""

NewFrame = Any
"""The new frame of ``process``: a ``Gst.Buffer``, a NumPy array, a tuple of arrays (a plane each), or None to drop the frame."""


# Made by tools/pages from model/keys.py.


class RectParams(TypedDict):
    """A box, in pixels from the upper left corner of the frame."""

    left: float
    """Left edge of the box (pixels)."""
    top: float
    """Upper edge of the box (pixels)."""
    width: float
    """Width of the box (pixels)."""
    height: float
    """Height of the box (pixels)."""


class TextParams(TypedDict):
    """The text that an overlay writes beside an object."""

    display_text: str
    """Text that an overlay writes beside the object; empty: none."""


class LabelInfo(TypedDict):
    """A label that a classifier gave to an object."""

    num_classes: int
    """Number of classes that the classifier has; 0: unknown."""
    result_label: str
    """Name of the class."""
    result_class_id: int
    """Number of the class."""
    label_id: int
    """Number of the label."""
    result_prob: float
    """Probability, from 0 to 1."""


class Classifier(TypedDict):
    """The labels that one classifier gave to an object."""

    num_labels: int
    """Number of labels."""
    unique_component_id: int
    """Number of the element that classified the object; 0: unknown."""
    label_info: list[LabelInfo]
    """The labels."""
    classifier_type: NotRequired[str]
    """What it classifies, such as ``color``: of elements of Hailo's, and for them."""


class ObjectMeta(TypedDict):
    """An object that was found in a frame."""

    class_id: int
    """Number of the class; -1: unknown."""
    object_id: int
    """Number that a tracker gave to the object; -1: not tracked."""
    confidence: float
    """Confidence of the detection, from 0 to 1."""
    obj_label: str
    """Name of the class."""
    rect_params: RectParams
    """The box, in pixels of the frame."""
    text_params: TextParams
    """Text that an overlay writes beside the object."""
    classifier: list[Classifier]
    """An entry for each classifier."""
    unique_component_id: NotRequired[int]
    """Number of the element that found the object."""
    tracker_confidence: NotRequired[float]
    """Confidence of the tracker, from 0 to 1."""
    emcustom: NotRequired[Any]
    """Attributes of the object from libraries upstream."""
    rotation: NotRequired[float]
    """How far the box is turned about its centre, clockwise on the screen; ``rect_params`` is the box before it is turned
    (radians)."""
    keypoints: NotRequired[Any]
    """X, y and confidence (from 0 to 1) of each key point: an array (n, 3) of float32; in JSON one list of 3n numbers
    (pixels)."""
    keypoint_names: NotRequired[list[str]]
    """The names of the key points."""
    skeleton: NotRequired[Any]
    """The lines between key points, as pairs of their indices."""
    mask: NotRequired[Any]
    """Which part of the box is the object: an array (height, width) that is stretched over ``rect_params``, of uint8 (0 and 1) or
    of float32 (confidences); in JSON COCO's RLE."""
    embedding: NotRequired[Any]
    """What the object looks like to a model: an array (n,) of float32 or float16."""
    unique_id: NotRequired[int]
    """Number of the object on its frame."""
    parent_id: NotRequired[int]
    """``unique_id`` of the object that it is a part of."""


class Tensor(TypedDict):
    """Raw output of a network, about a whole frame."""

    name: str
    """Name of the tensor, which says what it holds."""
    data: Any
    """The numbers, in the tensor's own shape and type; read-only."""
    unique_id: int
    """Number of the element that made it; 0: unknown."""


class Segmentation(TypedDict):
    """What is where in a frame: a map of classes."""

    class_map: Any
    """Number of the class, or of the thing, at each place: whole numbers, (height, width); read-only."""
    classes: NotRequired[int]
    """How many classes there are."""
    labels: NotRequired[dict[Any, Any]]
    """Names by the numbers in ``class_map``."""
    probabilities: NotRequired[Any]
    """How sure the network is: float32, (classes, height, width); read-only."""
    rect_params: RectParams
    """The box that the map is stretched over, in pixels of the frame."""
    unique_id: int
    """Number of the element that made it; 0: unknown."""


class FrameMeta(TypedDict):
    """A frame of a buffer."""

    frame_num: int
    """Number of the frame, from 0, or as an element upstream counted it."""
    buf_pts: int
    """Timestamp of the buffer, as the container counts it; -1: none (ns)."""
    stream_time: int
    """Time of the frame in the video: 0 at its beginning in every container, as players show it; -1: unknown, as where
    ``buf_pts`` is -1, or in a batch of DeepStream (ns)."""
    timestamp: str
    """Local time when the first element of this project received the frame."""
    source_id: int
    """Number of the source in a batch, else 0."""
    source: NotRequired[str]
    """Where the frame comes from, if ``empycustom run`` plays it: a file as you named it (from a folder: ``frames/001.jpg``), a
    URI without passwords, a device, ``test``, ``-`` for stdin; the ``stream_id`` of a stream configuration."""
    source_frame_width: int
    """Width of the frame (pixels)."""
    source_frame_height: int
    """Height of the frame (pixels)."""
    stream_width: NotRequired[int]
    """Width at the input of nvstreammux (pixels)."""
    stream_height: NotRequired[int]
    """Height at the input of nvstreammux (pixels)."""
    batch_id: NotRequired[int]
    """Place of the frame in the batch."""
    pad_index: NotRequired[int]
    """Pad of nvstreammux that the frame came by."""
    ntp_timestamp: NotRequired[int]
    """Time since 1970, from which ``timestamp`` is made; 0: unknown (ns)."""
    object: list[ObjectMeta]
    """The objects that detectors, trackers or libraries upstream have found."""
    emcustom: NotRequired[Any]
    """Attributes of the frame from libraries upstream."""
    from_frame: NotRequired[int]
    """Number of the frame that they are about, and the objects found with them, where that is an earlier one: behind an
    ``empycustom`` with ``pace=latest``. Behind several libraries that of the earliest frame: no attribute is older."""
    tensors: NotRequired[list[Tensor]]
    """Raw output of networks upstream."""
    segmentation: NotRequired[list[Segmentation]]
    """Maps of classes, of networks upstream."""


class Plane(TypedDict):
    """Where a plane of pixels lies in the mapped buffer."""

    offset: int
    """Where the plane begins in the mapped buffer (bytes)."""
    stride: int
    """From one row to the next (bytes)."""
    width: int
    """Width of the plane (samples)."""
    height: int
    """Height of the plane (samples)."""


class BufferInfo(TypedDict):
    """How the pixels of a buffer are stored; ``map_frame`` reads it for you."""

    format: str
    """Format of the pixels, as caps spell it."""
    width: int
    """Width of the frame (pixels)."""
    height: int
    """Height of the frame (pixels)."""
    memory: str
    """Where the pixels are."""
    interlace_mode: str
    """Order of the rows, as caps spell it."""
    framerate: str
    """Frames in a second, as caps spell it: ``30/1``; ``0/1``: it varies, or is not known."""
    planes: list[Plane]
    """The planes of pixels."""


class InMeta(TypedDict):
    """What a callback gets as ``in_meta``."""

    frame: list[FrameMeta]
    """The frames; without DeepStream there is one."""
    buffer: BufferInfo
    """How the pixels are stored."""
    emcustom: NotRequired[Any]
    """Attributes of the batch from libraries upstream."""


class Document(TypedDict):
    """What ``aimeta`` and ``empycustom.document`` contain about a buffer."""

    schema_version: int
    """Version of these keys; it stays the same when keys are added."""
    frame: list[FrameMeta]
    """The frames; without DeepStream there is one."""
    emcustom: NotRequired[Any]
    """Attributes of the batch from libraries upstream."""


class NewObject(TypedDict, total=False):
    """An object that a library has found. Only its box is required."""

    class_id: int
    """Number of the class; -1: unknown."""
    object_id: int
    """Number that a tracker gave to the object; -1: not tracked."""
    confidence: float
    """Confidence of the detection, from 0 to 1."""
    obj_label: str
    """Name of the class."""
    rect_params: RectParams
    """The box, in pixels of the frame."""
    text_params: TextParams
    """Text that an overlay writes beside the object."""
    classifier: Sequence[Classifier]
    """An entry for each classifier."""
    unique_component_id: int
    """Number of the element that found the object."""
    tracker_confidence: float
    """Confidence of the tracker, from 0 to 1."""
    emcustom: Any
    """Attributes of the object from libraries upstream."""
    rotation: float
    """How far the box is turned about its centre, clockwise on the screen; ``rect_params`` is the box before it is turned
    (radians)."""
    keypoints: Any
    """X, y and confidence (from 0 to 1) of each key point: an array (n, 3) of float32; in JSON one list of 3n numbers
    (pixels)."""
    keypoint_names: Sequence[str]
    """The names of the key points."""
    skeleton: Any
    """The lines between key points, as pairs of their indices."""
    mask: Any
    """Which part of the box is the object: an array (height, width) that is stretched over ``rect_params``, of uint8 (0 and 1) or
    of float32 (confidences); in JSON COCO's RLE."""
    embedding: Any
    """What the object looks like to a model: an array (n,) of float32 or float16."""
    unique_id: int
    """Number of the object on its frame."""
    parent_id: int
    """``unique_id`` of the object that it is a part of."""


class ChangedObject(TypedDict):
    """What becomes different of an object of ````in_meta````; all else stays as it is."""

    class_id: NotRequired[int]
    """Number of the class; -1: unknown."""
    object_id: NotRequired[int]
    """Number that a tracker gave to the object; -1: not tracked."""
    confidence: NotRequired[float]
    """Confidence of the detection, from 0 to 1."""
    obj_label: NotRequired[str]
    """Name of the class."""
    rect_params: NotRequired[RectParams]
    """The box, in pixels of the frame."""
    text_params: NotRequired[TextParams]
    """Text that an overlay writes beside the object."""
    classifier: NotRequired[list[Classifier]]
    """An entry for each classifier."""
    unique_component_id: NotRequired[int]
    """Number of the element that found the object."""
    tracker_confidence: NotRequired[float]
    """Confidence of the tracker, from 0 to 1."""
    emcustom: NotRequired[Any]
    """Attributes of the object from libraries upstream."""
    rotation: NotRequired[float]
    """How far the box is turned about its centre, clockwise on the screen; ``rect_params`` is the box before it is turned
    (radians)."""
    keypoints: NotRequired[Any]
    """X, y and confidence (from 0 to 1) of each key point: an array (n, 3) of float32; in JSON one list of 3n numbers
    (pixels)."""
    keypoint_names: NotRequired[list[str]]
    """The names of the key points."""
    skeleton: NotRequired[Any]
    """The lines between key points, as pairs of their indices."""
    mask: NotRequired[Any]
    """Which part of the box is the object: an array (height, width) that is stretched over ``rect_params``, of uint8 (0 and 1) or
    of float32 (confidences); in JSON COCO's RLE."""
    embedding: NotRequired[Any]
    """What the object looks like to a model: an array (n,) of float32 or float16."""
    unique_id: NotRequired[int]
    """Number of the object on its frame."""
    parent_id: NotRequired[int]
    """``unique_id`` of the object that it is a part of."""


class OutFrame(TypedDict, total=False):
    """The result about one frame."""

    meta: Any
    """Attributes of the frame."""
    object: Sequence[Any]
    """Attributes of its objects, an entry for each in their order; {}: none."""
    new_object: Sequence[NewObject]
    """Objects that the library has found."""
    changed_object: Sequence[ChangedObject]
    """What becomes different of its objects, an entry for each in their order; {}: nothing."""
    removed_object: Sequence[int]
    """Indices of its objects that are removed."""


class OutBatch(TypedDict, total=False):
    """The result about a buffer, in its long form."""

    meta: Any
    """Attributes of the batch, or of the buffer."""
    frame: Sequence[OutFrame] | Mapping[str, Any]
    """An entry for each frame, or the attributes of the only one."""


# The end of what is made.


OutMeta = Sequence[Any] | OutBatch | str | None
"""The result of a callback: a list with an entry for each object, a dict (the long or the short form), JSON text, or None."""


class InPlaceLibrary(Protocol):
    """A library for ``in-place=true``. It may have ``start(options)`` and ``stop(options)`` besides."""

    def process_ip(self, io_buffer: Buffer, in_meta: InMeta, options: Options) -> OutMeta:
        """Process the frame in ``io_buffer``, whose changed pixels go downstream, and return its result.

        ``in_meta`` is what is known of the frame, ``options`` is what the user has set.
        """


class Library(Protocol):
    """A library for ``in-place=false``. It may have ``start``, ``stop`` and ``output_caps(caps, options)`` besides."""

    def process(self, in_buffer: Buffer, in_meta: InMeta, options: Options) -> tuple[NewFrame, OutMeta]:
        """Make a new frame of the one in ``in_buffer``, and return it with the result; None in its place drops the frame.

        ``in_meta`` is what is known of the frame, ``options`` is what the user has set.
        """
