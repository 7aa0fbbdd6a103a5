"""New objects in results of callbacks, and what messages advise about results of all forms."""

import ast
import copy
import math
import re

import numpy as np
import pytest
from dealt_results import RECT, deal, dealt, read_output
from hypothesis import settings

from empycustom.errors import OutputError
from empycustom.model.keys import new_object

quick = settings(deadline=None, max_examples=80)


# New objects.


def test_the_defaults_of_a_new_object():
    assert new_object({"rect_params": RECT}, "x") == {
        "class_id": -1,
        "object_id": -1,
        "confidence": 1.0,
        "obj_label": "",
        "rect_params": {"left": 1.0, "top": 2.0, "width": 3.0, "height": 4.0},
        "text_params": {"display_text": ""},
        "classifier": [],
    }


WHOLE = {
    "class_id": 2,
    "object_id": 2**64 - 1,
    "confidence": 0.5,
    "obj_label": "person",
    "rect_params": {"left": -1.5, "top": 2.5, "width": 0.0, "height": 4.0},
    "text_params": {"display_text": "a person"},
    "classifier": [
        {
            "num_labels": 1,
            "unique_component_id": 7,
            "label_info": [{"num_classes": 3, "result_label": "tall", "result_class_id": 1, "label_id": 0, "result_prob": 0.25}],
        }
    ],
    "emcustom": {"a": 1},
}


def test_an_object_of_in_meta_is_accepted_as_it_is():
    assert new_object(WHOLE, "x") == WHOLE
    assert dealt({"frame": [{"new_object": [WHOLE]}]}, 0).frames[0].new_objects == [WHOLE]


def test_what_elements_upstream_may_have_written_is_accepted_as_it_is():
    unknown = {**WHOLE, "confidence": -0.1}  # as DeepStream writes it
    assert new_object(unknown, "x") == unknown
    rounded = float(np.float16(1) + np.finfo(np.float16).eps)
    assert new_object({**WHOLE, "confidence": rounded}, "x")["confidence"] == rounded


def test_numbers_of_numpy_and_whole_floats():
    said = dealt({"frame": [{"new_object": [{"class_id": 2.0, "rect_params": {k: np.float32(8) for k in RECT}}]}]}, 0)
    (found,) = said.frames[0].new_objects
    assert found["class_id"] == 2
    assert type(found["class_id"]) is int
    assert found["rect_params"] == dict.fromkeys(RECT, 8.0)


def test_the_defaults_of_a_classifier():
    found = new_object({"rect_params": RECT, "classifier": [{"num_labels": 9, "label_info": [{"result_label": "red"}]}, {}]}, "x")
    assert found["classifier"] == [
        {
            "num_labels": 1,
            "unique_component_id": 0,
            "label_info": [{"num_classes": 0, "result_label": "red", "result_class_id": 0, "label_id": 0, "result_prob": 1.0}],
        },
        {"num_labels": 0, "unique_component_id": 0, "label_info": []},
    ]


def in_new(**changed):
    return {"frame": [{"new_object": [{"rect_params": RECT, **changed}]}]}


def in_label(**changed):
    return in_new(classifier=[{"label_info": [changed]}])


NEW = "frame[0].new_object[0]"
LABEL = f"{NEW}.classifier[0].label_info[0]"
WRONG = [
    ({"person": 1}, "person", "is an unknown key; known here: meta, frame. For an attribute of the frame return"),
    ({"frame": 5}, "frame", "5 must be a dict (the attributes of the frame) or a list (an entry for each frame)"),
    ({"frame": {"meta": 1}}, "frame", 'is a dict with the key "meta", and it is not clear what is meant'),
    ({"frame": [{}, 5]}, "frame[1]", "5 must be a dict"),
    ({"frame": [None]}, "frame[0]", "null must be a dict"),
    (
        {"frame": [{"objects": []}]},
        "frame[0].objects",
        "is an unknown key; object may be meant; known here: meta, object, new_object, changed_object, removed_object. Attr",
    ),
    ({"frame": [{"object": {}}]}, "frame[0].object", "{} must be a list"),
    ({"frame": [{"object": "x"}]}, "frame[0].object", '"x" must be a list'),
    ({"frame": [{"new_object": {}}]}, "frame[0].new_object", "must be a list"),
    ({"frame": [{"new_object": [5]}]}, NEW, "5 must be a dict"),
    ({"frame": [{"new_object": [{}]}]}, NEW, "rect_params is missing: the box, in pixels of the frame"),
    (in_new(rect_params=[1, 2, 3, 4]), f"{NEW}.rect_params", "[1, 2, 3, 4] must be a dict of left, top, width and height, in"),
    (in_new(rect_params={"left": 1, "top": 2, "width": 3}), f"{NEW}.rect_params", "height is missing: height of the box"),
    (in_new(rect_params={**RECT, "angle": 5}), f"{NEW}.rect_params.angle", "is an unknown key; known here: left"),
    (in_new(rect_params={"x": 1, "y": 2}), f"{NEW}.rect_params.x", "is an unknown key; known here: left, top, width, height"),
    (in_new(rect_params={**RECT, "width": -1}), f"{NEW}.rect_params.width", "-1 must be a number from 0 to 2147483647"),
    (
        in_new(rect_params={**RECT, "left": "1"}),
        f"{NEW}.rect_params.left",
        '"1" must be a number from -2147483647 to 2147483647; write 1 without quotation marks',
    ),
    (in_new(rect_params={**RECT, "left": True}), f"{NEW}.rect_params.left", "true must be a number"),
    (
        in_new(rect_params={**RECT, "left": math.nan}),
        f"{NEW}.rect_params.left",
        "NaN, an infinity or null is there, and it must be a number from -2147483647 to",
    ),
    (in_new(rect_params={**RECT, "top": 1e300}), f"{NEW}.rect_params.top", "must be a number from -2147483647"),
    (in_new(rect_params={**RECT, "top": 2**1024 - 1}), f"{NEW}.rect_params.top", "must be a number"),
    (in_new(label="x"), f"{NEW}.label", "is an unknown key; obj_label may be meant; known here: class_id"),
    (in_new(class_id=1.5), f"{NEW}.class_id", "1.5 must be a whole number"),
    (in_new(class_id="2"), f"{NEW}.class_id", '"2" must be a whole number'),
    (in_new(class_id=False), f"{NEW}.class_id", "false must be a whole number"),
    (in_new(class_id=2**31), f"{NEW}.class_id", "must be a whole number from -2147483648 to 2147483647"),
    (in_new(object_id=-2), f"{NEW}.object_id", "must be a whole number from -1"),
    (in_new(object_id=2**64), f"{NEW}.object_id", "must be a whole number from -1"),
    (in_new(confidence=[1]), f"{NEW}.confidence", "[1] must be a number"),
    (in_new(confidence=math.inf), f"{NEW}.confidence", "NaN, an infinity or null is there, and it must be a number"),
    (in_new(confidence=7), f"{NEW}.confidence", "7 must be a number from 0 to 1; percent may be meant: write 0.07"),
    (in_new(confidence=-5.0), f"{NEW}.confidence", "-5.0 must be a number from 0 to 1"),
    (
        in_new(rotation=90),
        f"{NEW}.rotation",
        "90 must be a number from -6.2832 to 6.2832 radians; degrees may be meant: write math.ra",
    ),
    (in_new(rotation=math.nan), f"{NEW}.rotation", "NaN, an infinity or null is there, and it must be a number from -6.2832"),
    (in_new(skeleton=[[0, 1]]), f"{NEW}.skeleton", "is there, and keypoints are not; return both, or neither"),
    (in_new(keypoint_names=["nose"]), f"{NEW}.keypoint_names", "is there, and keypoints are not; return both, or neither"),
    (in_new(keypoints=[], skeleton=[[0, 1]]), f"{NEW}.skeleton", "is there, and keypoints are not"),
    (in_new(keypoints=[[1, 2]], skeleton=[[0, 1]]), f"{NEW}.skeleton", "has the index 1, and there is 1 key point, from 0 on"),
    (in_new(unique_id=3, parent_id=3), f"{NEW}.parent_id", "3 is the unique_id of the object itself; name the one it is a part"),
    (
        {
            "frame": [
                {
                    "new_object": [
                        {"rect_params": RECT, "unique_id": 1},
                        {"rect_params": RECT},
                        {"rect_params": RECT, "unique_id": 1},
                    ]
                }
            ]
        },
        "frame[0].new_object[2].unique_id",
        "1 is that of new_object[0] already; each object of a frame has a number of its own",
    ),
    (in_new(obj_label=5), f"{NEW}.obj_label", "5 must be text"),
    (in_new(text_params="x"), f"{NEW}.text_params", '"x" must be a dict'),
    (in_new(text_params={"text": "x"}), f"{NEW}.text_params.text", "is an unknown key; display_text may be meant"),
    (in_new(text_params={"display_text": 5}), f"{NEW}.text_params.display_text", "must be text"),
    (in_new(classifier={"a": 1}), f"{NEW}.classifier", "must be a list"),
    (in_new(classifier=[5]), f"{NEW}.classifier[0]", "must be a dict"),
    (in_new(classifier=[{"x": 1}]), f"{NEW}.classifier[0].x", "is an unknown key"),
    (in_new(classifier=[{"unique_component_id": "a"}]), f"{NEW}.classifier[0].unique_component_id", "must be a whole number"),
    (in_new(classifier=[{"label_info": {"a": 1}}]), f"{NEW}.classifier[0].label_info", "must be a list"),
    (in_new(classifier=[{"label_info": ["a"]}]), LABEL, "must be a dict"),
    (in_label(label="a"), f"{LABEL}.label", "is an unknown key"),
    (in_label(result_label=5), f"{LABEL}.result_label", "must be text"),
    (in_label(result_prob="a"), f"{LABEL}.result_prob", "must be a number"),
    (in_label(result_class_id=1.5), f"{LABEL}.result_class_id", "must be a whole number"),
    (in_label(num_classes="a"), f"{LABEL}.num_classes", "must be a whole number"),
    (in_label(label_id=None), f"{LABEL}.label_id", "must be a whole number"),
]


@pytest.mark.parametrize(("value", "path", "what"), WRONG)
def test_errors_are_reported_on_reading_with_their_places(value, path, what):
    with pytest.raises(OutputError) as caught:
        read_output(value)
    assert caught.value.path == path
    assert what in str(caught.value)
    assert str(caught.value).startswith(path)


# Advice in messages is followed, and accepted.

FULL = {
    "meta": {"site": 1},
    "frame": [
        {
            "meta": {"a": 1},
            "object": [{"b": 1}],
            "new_object": [
                {
                    "rect_params": RECT,
                    "text_params": {"display_text": "x"},
                    "classifier": [{"label_info": [{"result_label": "red"}]}],
                    "emcustom": {"c": 1},
                }
            ],
        }
    ],
}
OWN_KEY, OWN_VALUE = "angle", [1.5]


def checked_dicts(value, path=""):
    """The places of all dicts in FULL whose keys are fixed: those of attributes are the author's."""
    if isinstance(value, dict):
        yield path
        for key, item in value.items():
            if key not in ("meta", "object", "emcustom"):
                yield from checked_dicts(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from checked_dicts(item, f"{path}[{index}]")


def at(value, path):
    for step in re.findall(r"[a-z_]+|[0-9]+", path):
        value = value[int(step) if step.isdigit() else step]
    return value


def all_in(value):
    yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from all_in(item)


def message_of(value):
    with pytest.raises(OutputError) as caught:
        read_output(value)
    return str(caught.value)


def forms_in(message):
    """Return the values that a message advises; ``...`` in them stands for the author's values."""
    for start in re.finditer(r"(?:return |first object |a list \(|a dict \(|the frame, or )(?=[\[{])", message):
        text = message[start.end() : balanced(message, start.end())].replace('"..."', repr(OWN_KEY))
        for blank, filled in (("[...]", "[]"), ("{...}", "{}"), (", ...", ""), ("...", repr(OWN_VALUE))):
            text = text.replace(blank, filled)
        yield ast.literal_eval(text)


def balanced(text, start):
    """Where the bracket at ``start`` is closed."""
    depth = 0
    for index in range(start, len(text)):
        depth += (text[index] in "[{") - (text[index] in "]}")
        if not depth:
            return index + 1
    raise ValueError(text)


LEVELS = list(checked_dicts(FULL))


def test_all_levels_are_walked():
    assert len(LEVELS) == 7


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_advised_for_an_unknown_key_is_accepted_and_arrives(level):
    wrong = copy.deepcopy(FULL)
    at(wrong, level)[OWN_KEY] = OWN_VALUE
    message = message_of(wrong)
    assert message.startswith(level)
    assert "angle: is an unknown key; known here: " in message
    better = [*forms_in(message)]
    for place in re.findall(r"under ([\w.\[\]]+)$", message):
        better.append(copy.deepcopy(FULL))
        at(better[-1], place)[OWN_KEY] = OWN_VALUE
    assert better
    for value in better:
        said = dealt(value, 1)
        told = (said.words, said.frames[0].words, said.frames[0].objects, said.frames[0].new_objects)
        assert any(isinstance(item, dict) and item.get(OWN_KEY) == OWN_VALUE for item in all_in(list(told)))
        assert said.ignored == []


@pytest.mark.parametrize(
    "value", [value for value, _, _ in WRONG] + [{"new_object": []}, {"object": []}, {"x" * 100: 1}, 5, (1,)]
)
def test_every_form_that_a_message_names_is_accepted(value):
    message = message_of(value)
    forms = list(forms_in(message))
    assert len(forms) == (3 if "which is not metadata" in message else len(re.findall(r"return [{\[]|first object \[", message)))
    for form in forms:
        assert read_output(form) is None or deal(read_output(form), [0]).ignored == []


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ({"frames": []}, "frame may be meant"),
        ({"new_object": []}, 'return {"frame": [{"new_object": [...]}]}'),
        ({"frame": [{"objects": []}]}, "object may be meant"),
        (in_new(label="cat"), "obj_label may be meant"),
        (in_label(label="red"), "label_id or result_label may be meant"),
        (in_new(text_params={"text": "x"}), "display_text may be meant"),
        (in_new(rect_params={**RECT, "with": 1}), "width may be meant"),
    ],
)
def test_typos_name_a_similar_key(value, advice):
    assert advice in message_of(value)
