"""Objects as GstVideoRegionOfInterestMeta: the label in its type, the rest in parameter structures as DL Streamer writes them.

A conversion keeps the rectangle, the label and the id, and loses the parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from empycustom.carriers.protocol import Box, Handle, carried
from empycustom.model import values as model
from empycustom.model.serialize import encode
from empycustom.model.wire import LARGEST, box_of, usable
from empycustom.native.loading import double_in, int_in, items, name_of, text_in, text_of_quark, uint64_in
from empycustom.native.metas import REGION_API, Param, Region, add_region, region_at, set_region_id


class Regions:
    """See :class:`~empycustom.carriers.protocol.ObjectSource`. The state of a region is all that stands in its meta."""

    kind = "region"
    api: int = REGION_API
    kept = frozenset(("obj_label", "rect_params"))
    can_add = True

    def decode(self, meta: int, objects: list[Any], handles: list[Handle], warnings: list[str]) -> None:
        """Add the object of a region."""
        label, number, _, x, y, w, h, params = state = region_at(meta)
        found: Any = {
            "class_id": model.UNKNOWN_CLASS,
            "object_id": model.UNTRACKED,
            "confidence": 1.0,
            "obj_label": text_of_quark(label),
            "rect_params": {"left": x, "top": y, "width": w, "height": h},
            "text_params": {"display_text": ""},
            "classifier": [],
        }
        if x + y + w + h > LARGEST:  # they have no sign
            found["rect_params"] = box_of(x, y, w, h, warnings)
        objects.append(found)
        handles.append(
            (self, number, (state[:3], state[3:7]), found["obj_label"], _read(params, found, warnings) if params else None)
        )

    def locate(self, meta: int) -> Sequence[tuple[int, Any]]:
        """Return the id of a region and what stands in its meta."""
        state = region_at(meta)
        return ((state[1], (state[:3], state[3:7])),)

    def key(self, number: int) -> str:
        """Return the key of a region by its id; 0 is the id of every region that got none."""
        return f"region/{number}" if number else ""

    def claim(self, meta: int, number: int, free: Iterator[int]) -> int:
        """Give a region an id of its own."""
        number = next(free)
        set_region_id(meta, number)
        return number

    def add(self, address: int, found: model.Object, free: Iterator[int], warnings: list[str]) -> tuple[str, Box]:
        """Add an object as a region with an id of its own."""
        number = next(free)
        rect = found["rect_params"]
        left, top = max(0, round(rect["left"])), max(0, round(rect["top"]))
        right, bottom = round(rect["left"] + rect["width"]), round(rect["top"] + rect["height"])
        params = [Param("detection", None, found["class_id"], found["confidence"], None)]
        if found["object_id"] != model.UNTRACKED:
            params.append(Param("object_id", None, None, None, found["object_id"]))
        labels = [info for classifier in found["classifier"] for info in classifier["label_info"]]
        params += [
            Param("classification", info["result_label"], info["result_class_id"], info["result_prob"], None) for info in labels
        ]
        box = (left, top, max(0, right - left), max(0, bottom - top))
        add_region(address, Region(number, carried(found["obj_label"], warnings), *box, params))
        if rect["left"] < 0 or rect["top"] < 0:
            warnings.append("an object reaches out of the frame to the left or the top; its region was cut there")
        return self.key(number), box


def _read(params: int, found: Any, warnings: list[str]) -> dict[str, Any]:
    """Complete an object by its parameters, and return what they say."""
    said: dict[str, Any] = {}
    for structure in items(params):
        name = name_of(structure)
        if name == "detection":
            _read_detection(structure, said, warnings)
        elif name == "object_id":
            number = int_in(structure, b"id")
            number = uint64_in(structure, b"id") if number is None else number
            if number is not None:
                said["object_id"] = number if number >= model.UNTRACKED else model.UNTRACKED
        else:
            label = text_in(structure, b"label")
            if label is not None:
                found["classifier"].append(_classifier(structure, label, warnings))
    found.update(said)
    if found["classifier"]:
        said["classifier"] = encode(found["classifier"])  # the library may change the other one
    return said


def _read_detection(structure: int, said: dict[str, Any], warnings: list[str]) -> None:
    confidence, label_id = double_in(structure, b"confidence"), int_in(structure, b"label_id")
    if confidence is not None:
        if not -LARGEST <= confidence <= LARGEST:
            confidence = usable(confidence, "a confidence", warnings)
        said["confidence"] = confidence
    if label_id is not None:
        said["class_id"] = label_id


def _classifier(structure: int, label: str, warnings: list[str]) -> model.Classifier:
    confidence = double_in(structure, b"confidence")
    info: model.LabelInfo = {
        "num_classes": 0,
        "result_label": label,
        "result_class_id": int_in(structure, b"label_id") or 0,
        "label_id": 0,
        "result_prob": 1.0 if confidence is None else usable(confidence, "a confidence", warnings),
    }
    return {"num_labels": 1, "unique_component_id": 0, "label_info": [info]}
