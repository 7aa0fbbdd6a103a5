"""Keys of the dicts of ``in_meta``, documents and results, and the dicts that several others have, or that documents lack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from empycustom.model.schema import Field, Float, Integer, Object, Schema, Text, Typed

LARGEST = 2**31 - 1
INT = Integer(-LARGEST - 1, LARGEST)  # the range of an int in GStreamer's metadata
NUMBER, SIZE, PIXELS = Float(-LARGEST, LARGEST), Float(0, LARGEST), Integer(1, LARGEST)
ARRAY = Typed((object,), "a NumPy array")


@dataclass(eq=False, repr=False)
class Key(Field):
    """A key, with the ``unit`` of its value and the ones who set it. ``always``: it is in every ``in_meta`` and document.

    ``documented``: it is in documents; else it is what only a callback gets.
    """

    unit: str = ""
    by: str = "empycustom"
    always: bool = True
    documented: bool = True


def found(schema: Schema, description: str, **more: Any) -> Key:
    """Return a key that whoever finds objects sets: an element upstream, or a library, which may leave it out."""
    return Key(schema, description, by="detector, library", **more)


BOX_DICT = Object(
    {
        "left": found(NUMBER, "left edge of the box", required=True, unit="pixels"),
        "top": found(NUMBER, "upper edge of the box", required=True, unit="pixels"),
        "width": found(SIZE, "width of the box", required=True, unit="pixels"),
        "height": found(SIZE, "height of the box", required=True, unit="pixels"),
    },
    name="RectParams",
    description="A box, in pixels from the upper left corner of the frame.",
    expected_text="a dict of left, top, width and height, in pixels",
)


# What only callbacks get of a frame, as arrays.


def _of_network(schema: Schema, description: str, **more: Any) -> Key:
    return Key(schema, description, by="network", **more)


TENSOR_DICT = Object(
    {
        "name": _of_network(Text(), "name of the tensor, which says what it holds"),
        "data": _of_network(ARRAY, "the numbers, in the tensor's own shape and type; read-only"),
        "unique_id": _of_network(Integer(), "number of the element that made it; 0: unknown"),
    },
    name="Tensor",
    description="Raw output of a network, about a whole frame.",
)
SEGMENTATION_DICT = Object(
    {
        "class_map": _of_network(
            ARRAY, "number of the class, or of the thing, at each place: whole numbers, (height, width); read-only"
        ),
        "classes": _of_network(Integer(0), "how many classes there are", always=False),
        "labels": _of_network(Typed((dict,), "a dict"), "names by the numbers in `class_map`", always=False),
        "probabilities": _of_network(
            ARRAY, "how sure the network is: float32, (classes, height, width); read-only", always=False
        ),
        "rect_params": _of_network(BOX_DICT, "the box that the map is stretched over, in pixels of the frame"),
        "unique_id": _of_network(Integer(), "number of the element that made it; 0: unknown"),
    },
    name="Segmentation",
    description="What is where in a frame: a map of classes.",
)
