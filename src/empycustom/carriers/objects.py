"""Objects of DeepStream as the model has them, and new ones of the model for DeepStream."""

from __future__ import annotations

from empycustom.carriers.events import Event
from empycustom.meta import model
from empycustom.meta.foreign import box_of, usable
from empycustom.meta.merge import NOTHING
from empycustom.native.deepstream.batches import ClassifierMeta, LabelMeta, ObjectMeta
from empycustom.native.memory import single

_DEFAULT_COMPONENT = 0  # of an object that a library found and gave none


def facts_of(found: ObjectMeta, event: Event, complaints: list[str]) -> model.Object:
    """Return what is known of an object, with what was said about it; complain of numbers that are none."""
    facts: model.Object = {
        "class_id": found.class_id,
        "object_id": found.object_id,
        "confidence": usable(single(found.confidence), "a confidence", complaints),
        "obj_label": found.label,
        "rect_params": box_of(found.left, found.top, found.width, found.height, complaints),
        "text_params": {"display_text": found.display_text},
        "classifier": [_classifier(classifier, complaints) for classifier in found.classifiers],
        "unique_component_id": found.unique_component_id,
        "tracker_confidence": usable(single(found.tracker_confidence), "a confidence", complaints),
    }
    words = event.about(found.key) if found.key else NOTHING
    if words is not NOTHING:
        facts["emcustom"] = words
    return facts


def _classifier(found: ClassifierMeta, complaints: list[str]) -> model.Classifier:
    infos: list[model.LabelInfo] = [
        {
            "num_classes": label.num_classes,
            "result_label": label.label,
            "result_class_id": label.class_id,
            "label_id": label.label_id,
            "result_prob": usable(single(label.probability), "a confidence", complaints),
        }
        for label in found.labels
    ]
    return {"num_labels": len(infos), "unique_component_id": found.unique_component_id, "label_info": infos}


def meta_of(new: model.Object) -> ObjectMeta:
    """Return what a new object is to say."""
    rect = new["rect_params"]
    labels = [
        ClassifierMeta(
            classifier["unique_component_id"],
            [
                LabelMeta(
                    info["num_classes"], info["result_label"], info["result_class_id"], info["label_id"], info["result_prob"]
                )
                for info in classifier["label_info"]
            ],
        )
        for classifier in new["classifier"]
    ]
    return ObjectMeta(
        unique_component_id=new.get("unique_component_id", _DEFAULT_COMPONENT),
        class_id=new["class_id"],
        object_id=new["object_id"],
        confidence=new["confidence"],
        tracker_confidence=new.get("tracker_confidence", 0.0),
        left=rect["left"],
        top=rect["top"],
        width=rect["width"],
        height=rect["height"],
        display_text=new["text_params"]["display_text"] or new["obj_label"],
        label=new["obj_label"],
        key=0,
        classifiers=labels,
    )
