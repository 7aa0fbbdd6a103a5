"""``gstgva.Tensor``: the result of a network, about a region or a frame, as named fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from empycustom.model.keys import ATTRIBUTES, TENSORS

DETECTION = "detection"


class _Precision(Enum):
    """The types of numbers in tensors, with DL Streamer's values."""

    UNSPECIFIED = 255
    ANY = UNSPECIFIED  # the same, as DL Streamer called it until 2021
    FP32 = 10
    FP16 = 11
    BF16 = 12
    FP64 = 13
    Q78 = 20
    I16 = 30
    U4 = 39
    U8 = 40
    BOOL = 41
    I4 = 49
    I8 = 50
    U16 = 60
    I32 = 70
    BIN = 71
    I64 = 72
    U64 = 73
    U32 = 74
    CUSTOM = 80


class _Layout(Enum):
    """The orders of dimensions, with DL Streamer's values."""

    ANY = 0
    NCHW = 1
    NHWC = 2
    NC = 193


_PRECISIONS = {"f4": "FP32", "f2": "FP16", "f8": "FP64", "i1": "I8", "i2": "I16", "i4": "I32", "i8": "I64"}
_PRECISIONS |= {"u1": "U8", "u2": "U16", "u4": "U32", "u8": "U64", "b1": "BOOL"}
_DATA = "data"


class Tensor:
    """Fields by their names: texts, numbers, and lists of them. ``name`` is what the tensor is called.

    A field that is not there is None. Raises TypeError where a field gets what is not JSON.
    """

    PRECISION = _Precision
    LAYOUT = _Layout
    __slots__ = ("_changed", "_fields", "_name")

    def __init__(self, name: str = "", fields: Mapping[str, Any] | None = None) -> None:
        if not isinstance(name, str):
            raise TypeError("a Tensor is made with a name: Tensor('ocr'). Here it is no view of a GstStructure")
        self._name, self._fields, self._changed = name, dict(fields or {}), False

    def name(self) -> str:
        """Return the name."""
        return self._name

    def set_name(self, name: str) -> None:
        """Change the name. Raises TypeError where it is not a text."""
        if not isinstance(name, str):
            raise TypeError(f"the name of a tensor is a text, not a {type(name).__name__}; write set_name(str(name))")
        self._name, self._changed = name, True

    def fields(self) -> list[str]:
        """Return the names of the fields."""
        return [*self._fields]

    def has_field(self, field_name: str) -> bool:
        """Return whether there is such a field, with a value that is true."""
        return bool(self._fields.get(field_name))

    def __getitem__(self, key: str) -> Any:
        return self._fields.get(key)

    def __setitem__(self, key: str, item: Any) -> None:
        if hasattr(item, "tolist"):  # of NumPy
            item = item.tolist()
        if not isinstance(item, (str, int, float, list, bool)):
            raise TypeError(f"the field {key} of a tensor gets a {type(item).__name__}; give a text, a number, or a list of them")
        self._fields[key], self._changed = item, True

    def __delitem__(self, key: str) -> None:
        self._fields.pop(key, None)
        self._changed = True

    def __len__(self) -> int:
        return len(self._fields)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter([*self._fields.items()])

    def __repr__(self) -> str:
        return repr(self._fields)

    def is_detection(self) -> bool:
        """Return whether it says how a region was found."""
        return self._name == DETECTION

    def label(self) -> Any:
        """Return the label. Raises RuntimeError for a detection, whose label is that of the region."""
        self._refuse_detection()
        return self["label"]

    def set_label(self, label: str) -> None:
        """Change the label. Raises RuntimeError for a detection."""
        self._refuse_detection()
        self["label"] = label

    def _refuse_detection(self) -> None:
        if self.is_detection():
            raise RuntimeError("a detection has no label of its own; region.label() has it")

    def data(self) -> Any:
        """Return the numbers as a flat NumPy array, None where there are none."""
        import numpy as np

        data = self._fields.get(_DATA)
        if data is None:
            return None
        if isinstance(data, list):
            return np.array(data, np.float32)
        return np.reshape(data, -1)

    def dims(self) -> Any:
        """Return the dimensions as a list, None where they are not known."""
        shape = getattr(self._fields.get(_DATA), "shape", None)
        return self["dims"] if shape is None else [*shape]

    def precision(self) -> _Precision:
        """Return the type of the numbers."""
        data: Any = self._fields.get(_DATA)
        known = _PRECISIONS.get(f"{data.dtype.kind}{data.dtype.itemsize}") if hasattr(data, "dtype") else self["precision"]
        if isinstance(known, int):
            return _Precision(known)
        return _Precision.__members__.get(str(known), _Precision.UNSPECIFIED)

    def precision_as_string(self) -> str:
        """Return the type of the numbers as text."""
        return self.precision().name

    def layout(self) -> _Layout:
        """Return the order of the dimensions."""
        known = self["layout"]
        if isinstance(known, str):
            return _Layout.__members__.get(known, _Layout.ANY)
        return _Layout(known) if known in [each.value for each in _Layout] else _Layout.ANY

    def layout_as_string(self) -> str:
        """Return the order of the dimensions as text."""
        return self.layout().name

    def confidence(self) -> Any:
        """Return the field ``confidence``."""
        return self["confidence"]

    def label_id(self) -> Any:
        """Return the field ``label_id``."""
        return self["label_id"]

    def object_id(self) -> Any:
        """Return the field ``object_id``."""
        return self["object_id"]

    def model_name(self) -> Any:
        """Return the field ``model_name``."""
        return self["model_name"]

    def layer_name(self) -> Any:
        """Return the field ``layer_name``."""
        return self["layer_name"]

    def element_id(self) -> Any:
        """Return the field ``element_id``."""
        return self["element_id"]

    def format(self) -> Any:
        """Return the field ``format``."""
        return self["format"]

    def type(self) -> Any:
        """Return the field ``type``."""
        return self["type"]

    @classmethod
    def _listed(cls, found: Mapping[str, Any]) -> list[Tensor]:
        """Return the tensors that modules have added to an object, or a frame, of ``in_meta``; others' attributes are none."""
        attributes = found.get(ATTRIBUTES)
        listed = attributes.get(TENSORS) if isinstance(attributes, dict) else None
        entries = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        return [
            cls(name if isinstance(name := each.get("name"), str) else "", {key: each[key] for key in each if key != "name"})
            for each in entries
        ]

    def _plain(self) -> dict[str, Any]:
        """Return it as attributes have it."""
        return {"name": self._name, **self._fields}
