"""Options that a library declares: filled in, checked at the start and on each change, wherever the library runs."""

from __future__ import annotations

import json

import pytest
from edited import PATIENCE_S, save, streaming

import empycustom
from empycustom import testing
from empycustom.errors import DeclarationError, LibraryImportError, OptionError
from empycustom.gstreamer import Gst

HEAD = "import dataclasses\n\nimport empycustom\nfrom empycustom import Option\n\n"
DECLARES = (
    HEAD
    + """\
OPTIONS = {
    "value": Option(1, "what the frame gets", limits=(0, 9), unit="points"),
    "part": Option(0.5, limits=(0, 1)),
    "mode": Option("fast", choices=("fast", "exact")),
    "on": Option(True),
    "labels": Option([]),
    "box": Option([0, 0], limits=(0, None)),
    "more": Option({"a": 1}),
    "least": Option(None, limits=(0, 1)),
    "any": Option(None),
}


def process_ip(b, m, o):
    return {"frame": {"value": o["value"], "options": o}}
"""
)
DEFAULTS = {
    "value": 1,
    "part": 0.5,
    "mode": "fast",
    "on": True,
    "labels": [],
    "box": [0, 0],
    "more": {"a": 1},
    "least": None,
    "any": None,
}
CLASS = (
    HEAD
    + """\
def field(default, description, **about):
    return dataclasses.field(default=default, metadata={"description": description, **about})


@dataclasses.dataclass
class OPTIONS:
    value: int = field(1, "what the frame gets", limits=(0, 9))
    words: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self):
        if self.value == 7:
            raise ValueError("7 is not for us")
        if self.value == 8:
            raise ValueError("value is not for us")
        if self.value == 9:
            raise KeyError(9)


def process_ip(b, m, options):
    assert type(options) is OPTIONS
    return {"frame": {"value": options.value, "words": options.words}}
"""
)
SOURCE = "videotestsrc num-buffers=2 ! video/x-raw,format=RGBA,width=16,height=16"
EVERYWHERE = pytest.mark.parametrize("where", ["", "workers=1"], ids=["here", "worker"])
WRONG = [
    (
        {"vale": 1},
        "there is no option vale; value may be meant; known here: value, part, mode, on, labels, box, more, least, any",
    ),
    ({"value": 10}, "the option value must be a whole number, 0 to 9 points, not 10"),
    ({"value": 1.5}, "the option value must be a whole number, 0 to 9 points, not 1.5"),
    ({"value": True}, "the option value must be a whole number, 0 to 9 points, not true"),
    ({"value": None}, "the option value must be a whole number, 0 to 9 points, not null"),
    ({"part": "much"}, 'the option part must be a number, 0 to 1, not "much"'),
    ({"part": -0.1}, "the option part must be a number, 0 to 1, not -0.1"),
    ({"part": float("nan")}, "the option part must be a number, 0 to 1, not NaN"),
    ({"mode": "slow"}, 'the option mode must be "fast" or "exact", not "slow"'),
    ({"on": 1}, "the option on must be true or false, not 1"),
    ({"labels": "car"}, 'the option labels must be a list, not "car"'),
    ({"box": [1, -1]}, "the option box must be a list of numbers, 0 or more, not [1, -1]"),
    ({"box": ["a"]}, 'the option box must be a list of numbers, 0 or more, not ["a"]'),
    ({"more": []}, "the option more must be an object, not []"),
    ({"least": 2}, "the option least must be a number, or null, 0 to 1, not 2"),
]


def quoted(options):
    text = json.dumps(options).replace("\\", "\\\\").replace('"', '\\"')
    return f'options="{text}"'


def line_of_options(source):
    return next(number for number, line in enumerate(source.split("\n"), 1) if line.startswith(("OPTIONS", "class OPTIONS", "@")))


@EVERYWHERE
def test_defaults_are_filled_in(library, where):
    path = library(DECLARES)
    workers = 1 if where else 0
    for given in ({}, {"value": 3, "part": 1, "any": {"x": [1]}, "least": 0.25, "labels": ["car"]}):
        (result,) = empycustom.process(testing.make_frame(size=(16, 16)).pixels[None], path, options=given, workers=workers)
        assert result.attributes["options"] == {**DEFAULTS, **given}
        assert type(result.attributes["options"]["part"]) is float


@EVERYWHERE
@pytest.mark.parametrize(("options", "what"), WRONG, ids=[json.dumps(options) for options, _ in WRONG])
def test_what_is_wrong_is_said_at_the_start(play, library, options, what, where):
    path = library(DECLARES + "def start(o):\n    raise RuntimeError('it is checked before')\n")
    played = play(f"{SOURCE} ! empycustom in-place=true custom-lib={path} {where} {quoted(options)} ! fakesink")
    assert [text for text, _ in played.errors] == [f"{path}:{line_of_options(DECLARES)}: {what}"]


@EVERYWHERE
def test_a_change_while_playing_is_checked_and_the_old_value_stays(library, where):
    path = library(DECLARES)
    with streaming(path, f"in-place=true {where}") as stream:
        element = stream.element
        for value in (2, 3):
            element.set_property("options", json.dumps({"value": value}))
            stream.wait_for(value)
        element.set_property("options", '{"value": 12}')
        message = stream.pipeline.get_bus().timed_pop_filtered(PATIENCE_S * Gst.SECOND, Gst.MessageType.ERROR)
        assert message.parse_error()[0].message == f"{path}:6: the option value must be a whole number, 0 to 9 points, not 12"
        assert isinstance(element.error, OptionError)
        assert (element.error.option, element.error.library, element.error.line) == ("value", str(path), 6)
        assert element.get_property("options") == '{"value": 3}'


@EVERYWHERE
def test_a_dataclass(play, library, where):
    path = library(CLASS)
    workers = 1 if where else 0
    frame = testing.make_frame(size=(16, 16)).pixels[None]
    (result,) = empycustom.process(frame, path, options={"value": 2, "words": ["a"]}, workers=workers)
    assert result.attributes == {"value": 2, "words": ["a"]}
    line = CLASS.split("\n").index("class OPTIONS:") + 1

    def said(options):
        played = play(f"{SOURCE} ! empycustom in-place=true custom-lib={path} {where} {quoted(options)} ! fakesink")
        return played.errors[0]

    assert said({"valeu": 2})[0] == f"{path}:{line}: there is no option valeu; value may be meant; known here: value, words"
    assert said({"value": 10})[0] == f"{path}:{line}: the option value must be a whole number, 0 to 9, not 10"
    text, details = said({"value": 7})
    raised = CLASS.split("\n").index('            raise ValueError("7 is not for us")') + 1
    assert text == f"{path}:{raised}: OPTIONS does not take these options: 7 is not for us"
    assert "Traceback" not in details
    text, details = said({"value": 8})
    assert text == f"{path}:{raised + 2}: value is not for us"
    assert "Traceback" not in details
    text, details = said({"value": 9})
    assert text == f"{path}:{raised + 4}: OPTIONS does not take these options: KeyError: 9 (the traceback is below)"
    assert "in __post_init__" in details


REQUIRED = [
    """
OPTIONS = {
    "model": empycustom.Option("", "the file", required=True),
    "size": empycustom.Option(0, limits=(1, None), unit="pixels", required=True),
    "any": empycustom.Option(None, required=True),
}
""",
    """
@dataclasses.dataclass
class OPTIONS:
    model: str = dataclasses.field(metadata={"description": "the file"})
    size: "int" = dataclasses.field(metadata={"limits": (1, None), "unit": "pixels"})
    any: dataclasses.Field
""",
]
GETS = "\n\ndef process_ip(b, m, o):\n    o = vars(o) if type(o) is not dict else o\n    return {'frame': {'got': o}}\n"


@EVERYWHERE
@pytest.mark.parametrize("form", [0, 1], ids=["dict", "dataclass"])
def test_a_required_option_has_to_be_set(play, library, form, where):
    source = HEAD + REQUIRED[form] + GETS
    path, lines = library(source), source.split("\n")
    line = 1 + next(index for index, text in enumerate(lines) if text.startswith(("OPTIONS", "class OPTIONS")))
    for given, what in (
        ({}, "the option model is missing: the file"),
        ({"model": "a"}, "the option size is missing; it is a whole number, 1 or more pixels"),
        ({"model": "a", "size": 1}, "the option any is missing; it is anything"),
        ({"model": 1, "size": 1}, "the option model must be a text, not 1"),
        ({"model": "a", "size": 0}, "the option size must be a whole number, 1 or more pixels, not 0"),
    ):
        played = play(f"{SOURCE} ! empycustom in-place=true custom-lib={path} {where} {quoted(given)} ! fakesink")
        assert [text for text, _ in played.errors] == [f"{path}:{line}: {what}"]
    right = {"model": "a", "size": 2, "any": [1]}
    frame = testing.make_frame(size=(16, 16)).pixels[None]
    (result,) = empycustom.process(frame, path, options=right, workers=1 if where else 0)
    assert result.attributes == {"got": right}


@EVERYWHERE
def test_start_may_refuse_an_option(play, library, where):
    path = library(
        HEAD
        + "import empycustom.errors\ndef start(o):\n    raise empycustom.errors.OptionError('the option a: no', option='a')\n"
        + "def process_ip(b, m, o):\n    pass\n"
    )
    element = f"empycustom name=it in-place=true custom-lib={path} {where}"
    pipeline = Gst.parse_launch(f"{SOURCE} ! {element} ! fakesink")
    played = play(pipeline)
    assert played.errors[0][0] == f"{path}: the option a: no"
    assert "Traceback" not in played.errors[0][1]
    assert pipeline.get_by_name("it").error.option == "a"


@EVERYWHERE
def test_a_new_version_checks_by_its_own_declaration(library, where):
    text = (
        HEAD + 'OPTIONS = {{"{0}": Option(1)}}\ndef process_ip(b, m, o):\n    return {{"frame": {{"value": [{1}, o["{0}"]]}}}}\n'
    )
    path = library(text.format("size", 1))
    with streaming(path, f"in-place=true reload=true {where} {quoted({'size': 5})}") as stream:
        stream.wait_for([1, 5])
        save(path, text.format("width", 2))
        warned, _ = stream.warning()
        assert f"{path}:6: there is no option size; known here: width" in warned
        assert "its version before goes on" in warned
        stream.wait_for([1, 5])
        save(path, text.format("size", 3))
        stream.wait_for([3, 5])
        stream.reloaded()


def test_each_element_has_defaults_of_its_own(play, library):
    body = "def process_ip(b, m, o):\n    o['seen'].append(1)\n    return {'frame': o}\n"
    path = library(HEAD + "OPTIONS = {'seen': Option([])}\n" + body)
    elements = "".join(f"! empycustom name={name} in-place=true custom-lib={path} " for name in "ab")
    pipeline = Gst.parse_launch(f"{SOURCE} {elements}! fakesink")
    assert play(pipeline).ended
    assert [json.loads(pipeline.get_by_name(name).get_property("last-meta")) for name in "ab"] == [
        {"frame": {"seen": [1, 1]}}
    ] * 2


def test_what_start_changed_is_there_in_every_callback(library):
    body = "def start(o):\n    o['value'] = 5\ndef process_ip(b, m, o):\n    return {'frame': o}\n"
    path = library(HEAD + "OPTIONS = {'value': Option(1)}\n" + body)
    assert testing.run(path).attributes == {"value": 5}


def test_functions_and_objects_of_a_program():
    def process_ip(_buffer, _in_meta, options):
        return {"frame": options}

    process_ip.OPTIONS = {"value": empycustom.Option(1)}

    class Counts:
        OPTIONS = {"value": empycustom.Option(2)}  # noqa: RUF012 - as users write it

        def process_ip(self, _buffer, _in_meta, options):
            return {"frame": options}

    assert [testing.run(each).attributes for each in (process_ip, Counts())] == [{"value": 1}, {"value": 2}]
    with pytest.raises(OptionError, match="there is no option vale; value may be meant"):
        testing.run(Counts(), options={"vale": 1})


def test_a_library_without_a_declaration_gets_what_is_set(library):
    path = library("def process_ip(b, m, o):\n    return {'frame': o}\n")
    assert testing.run(path, options={"anything": [1]}).attributes == {"anything": [1]}


BAD = [
    ("[1]", "OPTIONS cannot be used: it is a list; make it a dict of empycustom.Option, "),
    ("{'value': 1}", 'OPTIONS cannot be used: "value" is a int; write OPTIONS = {"least": empycustom.Option('),
    ("{1: Option(1)}", "OPTIONS cannot be used: 1 is a Option; write "),
    (
        "dataclasses.make_dataclass('Given', [('value', int, dataclasses.field(default=3, metadata={'limits': (4, 5)}))])",
        "OPTIONS cannot be used: the field value: the default must be a whole number, 4 to 5, not 3",
    ),
]


@pytest.mark.parametrize(("declared", "what"), BAD, ids=range(len(BAD)))
@EVERYWHERE
def test_a_declaration_that_is_wrong(play, library, declared, what, where):
    path = library(f"{HEAD}OPTIONS = {declared}\n\ndef process_ip(b, m, o):\n    pass\n")
    pipeline = Gst.parse_launch(f"{SOURCE} ! empycustom name=e in-place=true custom-lib={path} {where} ! fakesink")
    assert play(pipeline).error.startswith(f"{path}:6: {what}")
    assert isinstance(pipeline.get_by_name("e").error, DeclarationError)


OUT_OF_ITSELF = [
    ("Option(2, limits=(0, 1))", "ValueError: the default must be a whole number, 0 to 1, not 2"),
    ("Option('slow', choices=['fast'])", 'ValueError: the default must be "fast", not "slow"'),
    ("Option(object())", "TypeError: the default of an option is a number, a text, a list, a dict or None, as JSON has them, not a object"),
    ("Option(1, 2)", "TypeError: the description, the unit and the earlier name of an option are texts"),
    ("Option(1, limits=3)", "TypeError: limits are two numbers, (lowest, highest), None: no limit, and not 3"),
    ("Option('a', limits=(0, 1))", 'TypeError: limits are for options that are numbers, and the default is "a"'),
    ("Option('a', choices='abc')", 'TypeError: choices are a list of values, not "abc"'),
]  # fmt: skip


@pytest.mark.parametrize(("option", "what"), OUT_OF_ITSELF, ids=range(len(OUT_OF_ITSELF)))
def test_an_option_that_contradicts_itself(library, option, what):
    path = library(f"{HEAD}OPTIONS = {{\n    'value': {option}\n}}\n\ndef process_ip(b, m, o):\n    pass\n")
    with pytest.raises(LibraryImportError) as caught:
        testing.run(path)
    assert str(caught.value).startswith(f"{path}:7 cannot be loaded: {what}")


@EVERYWHERE
def test_gst_launch(gst_launch, library, where):
    path = library(DECLARES)
    launched = gst_launch(f"""{SOURCE} ! empycustom in-place=true {where} custom-lib={path} 'options={{"vale": 3}}' ! fakesink""")
    assert launched.code != 0
    assert f"{path}:6: there is no option vale; value may be meant; " in launched.text
