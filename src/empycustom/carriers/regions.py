"""Objects as GstVideoRegionOfInterestMeta: the label in its type, the rest in parameter structures as DL Streamer writes them.

A conversion keeps the rectangle, the label and the id, and loses the parameters.
"""

from __future__ import annotations

from empycustom.carriers.protocol import Found
from empycustom.meta import model
from empycustom.native import regions as native
from empycustom.native.regions import Param, Region, add_region, region_at, set_region_id

API: int = native.API
KIND = "region"


def find(meta_address: int) -> Found:
    """Return the object of the region at the address of its meta."""
    region = region_at(meta_address)
    facts: model.Object = {
        "class_id": model.UNKNOWN_CLASS,
        "object_id": model.UNTRACKED,
        "confidence": 1.0,
        "obj_label": region.label,
        "rect_params": {"left": region.x, "top": region.y, "width": region.w, "height": region.h},
        "text_params": {"display_text": ""},
        "classifier": [],
    }
    known = {"obj_label"}
    for param in region.params:
        _read(param, facts, known)
    token = (KIND, *region[:6])
    return Found(token, _key(region.id), facts, frozenset(known), meta_address)


def _read(param: Param, facts: model.Object, known: set[str]) -> None:
    if param.name == "detection":
        if param.confidence is not None:
            facts["confidence"] = param.confidence
            known.add("confidence")
        if param.label_id is not None:
            facts["class_id"] = param.label_id
            known.add("class_id")
    elif param.name == "object_id" and param.id is not None:
        facts["object_id"] = param.id
        known.add("object_id")
    elif param.label is not None:
        facts["classifier"].append(_classifier(param))
        known.add("classifier")


def _classifier(param: Param) -> model.Classifier:
    info: model.LabelInfo = {
        "num_classes": 0,
        "result_label": param.label or "",
        "result_class_id": param.label_id or 0,
        "label_id": 0,
        "result_prob": 1.0 if param.confidence is None else param.confidence,
    }
    return {"num_labels": 1, "unique_component_id": 0, "label_info": [info]}


def _key(region_id: int) -> str:
    return f"{KIND}/{region_id}" if region_id else ""  # 0 is what everybody gets who does not care


def claim(meta_address: int, number: int) -> str:
    """Give the region an id of its own and return the key that it has from now on."""
    set_region_id(meta_address, number)
    return _key(number)


def add(address: int, found: model.Object, number: int) -> tuple[str, str]:
    """Add an object as a region with the id ``number``; return its key, and a sentence if it did not fit as it was."""
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
    add_region(address, Region(number, found["obj_label"], *box, params))
    cut = rect["left"] < 0 or rect["top"] < 0
    return _key(number), "an object reaches out of the frame to the left or the top; its region was cut there" if cut else ""
