"""Objects as GstVideoRegionOfInterestMeta: the label in its type, the rest in parameter structures as DL Streamer writes them.

A conversion keeps the rectangle, the label and the id, and loses the parameters.
"""

from __future__ import annotations

from empycustom.carriers.protocol import Found, carried, key_of
from empycustom.model import values as model
from empycustom.model.wire import LARGEST, box_of, usable
from empycustom.native import metas as native
from empycustom.native.loading import double_in, int_in, name_of, text_in, uint64_in
from empycustom.native.metas import Param, Region, add_region, region_at, set_region_id

API: int = native.REGION_API
KIND = "region"


def find(meta_address: int, complaints: list[str]) -> Found:
    """Return the object of the region at the address of its meta; ``complaints`` grows by what could not be taken as it is."""
    number, label, x, y, w, h, params = region_at(meta_address)
    facts: model.Object = {
        "class_id": model.UNKNOWN_CLASS,
        "object_id": model.UNTRACKED,
        "confidence": 1.0,
        "obj_label": label,
        "rect_params": {"left": x, "top": y, "width": w, "height": h},
        "text_params": {"display_text": ""},
        "classifier": [],
    }
    if x + y + w + h > LARGEST:  # they have no sign
        facts["rect_params"] = box_of(x, y, w, h, complaints)
    known = ["obj_label"]
    for structure in params:
        _read(structure, facts, known, complaints)
    return Found((KIND, number, label, x, y, w, h), facts, known, meta_address)


def _read(structure: int, facts: model.Object, known: list[str], complaints: list[str]) -> None:
    name = name_of(structure)
    if name == "detection":
        confidence, label_id = double_in(structure, b"confidence"), int_in(structure, b"label_id")
        if confidence is not None:
            if not -LARGEST <= confidence <= LARGEST:
                confidence = usable(confidence, "a confidence", complaints)
            facts["confidence"] = confidence
            known.append("confidence")
        if label_id is not None:
            facts["class_id"] = label_id
            known.append("class_id")
    elif name == "object_id":
        number = int_in(structure, b"id")
        number = uint64_in(structure, b"id") if number is None else number
        if number is not None:
            facts["object_id"] = number if number >= model.UNTRACKED else model.UNTRACKED
            known.append("object_id")
    else:
        label = text_in(structure, b"label")
        if label is not None:
            facts["classifier"].append(_classifier(structure, label, complaints))
            known.append("classifier")


def _classifier(structure: int, label: str, complaints: list[str]) -> model.Classifier:
    confidence = double_in(structure, b"confidence")
    info: model.LabelInfo = {
        "num_classes": 0,
        "result_label": label,
        "result_class_id": int_in(structure, b"label_id") or 0,
        "label_id": 0,
        "result_prob": 1.0 if confidence is None else usable(confidence, "a confidence", complaints),
    }
    return {"num_labels": 1, "unique_component_id": 0, "label_info": [info]}


def claim(meta_address: int, number: int) -> str:
    """Give the region an id of its own and return the key that it has from now on."""
    set_region_id(meta_address, number)
    return key_of((KIND, number))


def add(address: int, found: model.Object, number: int, complaints: list[str]) -> str:
    """Add an object as a region with the id ``number`` and return its key; ``complaints`` grows if it did not fit as it was."""
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
    add_region(address, Region(number, carried(found["obj_label"], complaints), *box, params))
    if rect["left"] < 0 or rect["top"] < 0:
        complaints.append("an object reaches out of the frame to the left or the top; its region was cut there")
    return key_of((KIND, number))
