"""Objects as GstAnalytics: boxes with a label and a confidence, tracking ids and classifications related to them.

There is no place in it for a class id; a conversion keeps all of it.
"""

from __future__ import annotations

from empycustom.carriers.protocol import Found, carried, key_of
from empycustom.model import values as model
from empycustom.model.wire import LARGEST, box_of, usable
from empycustom.native.analytics import API as API
from empycustom.native.analytics import Detection, Label, add_detection, available, detections_at

AVAILABLE = available
KIND = "analytics"


def find(meta_address: int, complaints: list[str]) -> list[Found]:
    """Return the objects of the relation meta at an address; ``complaints`` grows by what could not be taken as it is."""
    return [_found(detection, meta_address, complaints) for detection in detections_at(meta_address)]


def _found(detection: Detection, meta_address: int, complaints: list[str]) -> Found:
    facts: model.Object = {
        "class_id": model.UNKNOWN_CLASS,
        "object_id": model.UNTRACKED if detection.tracking_id is None else detection.tracking_id,
        "confidence": usable(detection.confidence, "a confidence", complaints),
        "obj_label": detection.label,
        "rect_params": box_of(detection.x, detection.y, detection.w, detection.h, complaints),
        "text_params": {"display_text": ""},
        "classifier": [_classifier(labels, complaints) for labels in detection.classifications],
    }
    known = ["obj_label", "confidence"]
    if detection.tracking_id is not None:
        known.append("object_id")
    if detection.classifications:
        known.append("classifier")
    return Found((KIND, detection.id), facts, known, meta_address)


def _classifier(labels: list[Label], complaints: list[str]) -> model.Classifier:
    infos: list[model.LabelInfo] = [
        {
            "num_classes": len(labels),
            "result_label": label.name,
            "result_class_id": index,
            "label_id": index,
            "result_prob": usable(label.confidence, "a confidence", complaints),
        }
        for index, label in enumerate(labels)
    ]
    return {"num_labels": len(labels), "unique_component_id": 0, "label_info": infos}


def add(address: int, found: model.Object, complaints: list[str]) -> str:
    """Add an object to a writable buffer and return its key; ``complaints`` grows if it did not fit as it was."""
    rect = found["rect_params"]
    left, top = round(rect["left"]), round(rect["top"])
    width, height = round(rect["left"] + rect["width"]) - left, round(rect["top"] + rect["height"]) - top
    tracking_id = None if found["object_id"] == model.UNTRACKED else found["object_id"]
    classes = [
        [Label(carried(info["result_label"], complaints), info["result_prob"]) for info in classifier["label_info"]]
        for classifier in found["classifier"]
        if classifier["label_info"]
    ]
    box = (left, top, min(width, LARGEST), min(height, LARGEST))  # the rounding of both ends may add 1
    label = carried(found["obj_label"], complaints)
    number = add_detection(address, Detection(0, label, *box, found["confidence"], tracking_id, classes))
    return key_of((KIND, number))
