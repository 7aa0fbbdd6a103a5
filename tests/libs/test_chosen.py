"""The option ``objects``, which means the same in all libraries of the package: which of the objects they work on."""

from __future__ import annotations

import pytest
from scenes import box, play

from empycustom.errors import OptionError

YARD = {"name": "yard", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}
MORE = {"draw": {}, "privacy": {}, "zones": {"zones": [YARD]}}
SCENE = [[box(40, 100), box(200, 200, obj_label="car", class_id=7)]] * 2
EVERY = pytest.mark.parametrize("name", MORE)


def inside(results):
    return [zone["inside"] for result in results for zone in result.attributes["zones"]]


@EVERY
@pytest.mark.parametrize(("objects", "count"), [(["Person"], 1), ([2, "7"], 2), (["*"], 2), (["cat", 7], 1)])
def test_it_has_labels_in_any_case_numbers_of_classes_or_all(name, objects, count, caplog):
    results = play(SCENE, f"empycustom.libs.{name}", options=[{**MORE[name], "objects": objects}])
    assert not caplog.text
    if name == "privacy":
        assert [sum("emcustom" in each for each in result.objects) for result in results] == [count, count]
    elif name == "zones":
        assert inside(results) == [count, count]


@pytest.mark.parametrize("name", ["draw", "zones"])
def test_empty_is_all(name, caplog):
    results = play(SCENE, f"empycustom.libs.{name}", options=[{**MORE[name], "objects": []}])
    assert not caplog.text
    assert name == "draw" or inside(results) == [2, 2]


@EVERY
def test_objects_that_were_not_there_are_a_warning_at_the_end(name, caplog):
    play(SCENE, f"empycustom.libs.{name}", options=[{**MORE[name], "objects": ["persn"]}])
    assert caplog.text.count("the option objects has persn, but the objects were car, person") == 1


@EVERY
def test_the_name_that_it_had_before_works_with_a_warning(name, caplog):
    results = play(SCENE, f"empycustom.libs.{name}", options=[{**MORE[name], "labels": ["car"]}])
    assert caplog.text.count(f"empycustom.libs.{name}: the option labels is called objects now; write that") == 1
    assert "but the objects were" not in caplog.text
    assert name != "zones" or inside(results) == [1, 1]


@EVERY
def test_both_names_at_once_are_an_error(name):
    with pytest.raises(OptionError, match="the option labels is called objects now, which is set as well; leave labels out"):
        play(SCENE, f"empycustom.libs.{name}", options=[{**MORE[name], "labels": ["car"], "objects": ["car"]}])


@EVERY
def test_a_wrong_value_of_the_name_that_it_had_before_is_an_error_that_has_that_name(name):
    with pytest.raises(OptionError, match='the option labels must be a list, not "car"') as caught:
        play(SCENE, f"empycustom.libs.{name}", options=[{**MORE[name], "labels": "car"}])
    assert caught.value.option == "labels"
