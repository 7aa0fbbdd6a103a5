"""Objects that a library found: complete, with the defaults of what it left out, or refused with the place of what is wrong."""

from __future__ import annotations

from functools import partial
from typing import Any

from empycustom.errors import OutputError
from empycustom.meta import model
from empycustom.meta.checks import IDS, check_each, check_keys, real, string, whole
from empycustom.meta.merge import is_nothing

_KEYS = tuple(model.Object.__annotations__)
_SIDES = tuple(model.RectParams.__annotations__)
_TEXT_KEYS = tuple(model.TextParams.__annotations__)
_CLASSIFIER_KEYS = tuple(model.Classifier.__annotations__)
_LABEL_KEYS = tuple(model.LabelInfo.__annotations__)


def new_object(value: Any, path: str) -> model.Object:
    """Return an object that a library found, complete, with the defaults of what it left out.

    ``rect_params`` is needed; an object of in_meta is accepted as it is. Raises OutputError with the place of what is wrong.
    """
    own = f"{path}.emcustom"
    check_keys(value, path, _KEYS, own)
    found: model.Object = {
        "class_id": whole(value, "class_id", path, model.UNKNOWN_CLASS),
        "object_id": whole(value, "object_id", path, model.UNTRACKED, IDS),
        "confidence": real(value, "confidence", path, 1.0),
        "obj_label": string(value, "obj_label", path),
        "rect_params": _rect(value.get("rect_params"), f"{path}.rect_params", own),
        "text_params": _text_params(value.get("text_params") or {}, f"{path}.text_params", own),
        "classifier": _classifiers(value.get("classifier") or [], f"{path}.classifier", own),
    }
    if "unique_component_id" in value:
        found["unique_component_id"] = whole(value, "unique_component_id", path, 0)
    if "tracker_confidence" in value:
        found["tracker_confidence"] = real(value, "tracker_confidence", path, 0.0)
    if not is_nothing(value.get("emcustom")):
        found["emcustom"] = value["emcustom"]
    return found


def _rect(value: Any, path: str, own: str) -> model.RectParams:
    if isinstance(value, dict):
        check_keys(value, path, _SIDES, own)
    if not isinstance(value, dict) or any(side not in value for side in _SIDES):
        raise OutputError("must be a dict of left, top, width and height, in pixels", path=path)
    left, top, width, height = (real(value, side, path, None) for side in _SIDES)
    if width < 0 or height < 0:
        raise OutputError(f"has the size {width:g} x {height:g}, which is negative", path=path)
    return {"left": left, "top": top, "width": width, "height": height}


def _text_params(value: Any, path: str, own: str) -> model.TextParams:
    check_keys(value, path, _TEXT_KEYS, own)
    return {"display_text": string(value, "display_text", path)}


def _classifiers(value: Any, path: str, own: str) -> list[model.Classifier]:
    check_each(value, path, partial(check_keys, known=_CLASSIFIER_KEYS, own=own))
    return [_classifier(item, f"{path}[{index}]", own) for index, item in enumerate(value)]


def _classifier(value: dict[str, Any], path: str, own: str) -> model.Classifier:
    infos = value.get("label_info") or []
    check_each(infos, f"{path}.label_info", partial(check_keys, known=_LABEL_KEYS, own=own))
    return {
        "num_labels": len(infos),
        "unique_component_id": whole(value, "unique_component_id", path, 0),
        "label_info": [_label_info(info, f"{path}.label_info[{index}]") for index, info in enumerate(infos)],
    }


def _label_info(value: dict[str, Any], path: str) -> model.LabelInfo:
    return {
        "num_classes": whole(value, "num_classes", path, 0),
        "result_label": string(value, "result_label", path),
        "result_class_id": whole(value, "result_class_id", path, 0),
        "label_id": whole(value, "label_id", path, 0),
        "result_prob": real(value, "result_prob", path, 1.0),
    }
