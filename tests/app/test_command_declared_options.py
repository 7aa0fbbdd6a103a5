"""Options that libraries declare, on the command line: refused where they are wrong, with their path in a configuration; listed."""

from __future__ import annotations

import json

import pytest

import empycustom
from empycustom.errors import OptionError

DECLARES = """\
import dataclasses

import empycustom

OPTIONS = {
    "least": empycustom.Option(0.5, "least confidence", limits=(0, 1)),
    "mode": empycustom.Option("fast", choices=("fast", "exact")),
    "size": empycustom.Option(640, "width of the input", limits=(32, None), unit="pixels"),
}


def process_ip(b, m, o):
    return {"frame": {"least": o["least"]}}
"""
WORKERS = pytest.mark.parametrize("workers", [0, 1], ids=["here", "worker"])
TYPO = "there is no option leest; least may be meant; known here: least, mode, size"


@WORKERS
def test_options_of_a_lib(cli, library, workers):
    path = library(DECLARES)
    words = ("run", "test", "--frames", "2", "--quiet", "--lib", path, "--workers", workers, "--options")
    good = cli(*words, '{"least": 1}')
    assert (good.code, good.documents[0]["frame"][0]["emcustom"]) == (0, {"least": 1.0})
    bad = cli(*words, '{"leest": 1}')
    assert (bad.code, bad.err) == (1, f"empycustom: error: {path}:5: {TYPO}\n")


@WORKERS
@pytest.mark.parametrize("command", [("run", "--quiet"), ("check",)], ids=["run", "check"])
def test_the_path_of_an_option_in_a_configuration(cli, configured, library, command, workers):
    path = library(DECLARES)
    more = {"custom-lib": "lib.py", "in-place": True, "workers": workers}
    pipeline = {"empycustom": [{**more, "options": {"least": 0.2}}, {**more, "options": {"leest": 0.2}}]}
    name = configured(pipeline, streams=[{"stream_id": "a", "location": "test"}])
    ended = cli(command[0], name, *command[1:])
    who = "a: " if command[0] == "run" else ""
    at = "$.pipeline_configuration.empycustom[1].options.leest"
    assert (ended.code, ended.err) == (1, f"empycustom: error: {who}{at}: {path}:5: {TYPO}\n")


@WORKERS
@pytest.mark.parametrize("command", [("run", "--quiet"), ("check",)], ids=["run", "check"])
def test_the_path_of_a_setting_that_a_mandatory_library_refuses(cli, configured, library, command, workers):
    path = library("MANDATORY = True\n\n\ndef process_ip(b, m, o):\n    pass\n")
    pipeline = {"empycustom": [{"custom-lib": "lib.py", "in-place": True, "workers": workers, "on-error": "pass"}]}
    name = configured(pipeline, streams=[{"stream_id": "a", "location": "test"}])
    ended = cli(command[0], name, *command[1:])
    assert ended.code == 1
    assert f"on-error=pass lets frames go on that {path} has not worked on" in ended.err
    if command[0] == "check":
        assert "error: $.pipeline_configuration.empycustom[0].on-error: on-error=pass" in ended.err


def test_check_says_which_library_is_mandatory(cli, library):
    source = "MANDATORY = {}\n\n\ndef process_ip(b, m, o):\n    pass\n"
    for value in (True, False):
        path = library(source.format(value))
        assert ("It is mandatory: no frame may go on without it.\n" in cli("check", path).out) == value
        assert json.loads(cli("check", path, "--json").out)["mandatory"] == value


def test_check_says_which_library_is_stateful(cli, library):
    source = "STATEFUL = {}\n\n\ndef process_ip(b, m, o):\n    pass\n"
    for value in (True, False):
        path = library(source.format(value))
        assert ("It is stateful: it needs all frames of a video in their order.\n" in cli("check", path).out) == value
        assert json.loads(cli("check", path, "--json").out)["stateful"] == value


def test_many_choices_take_several_lines_of_the_table(cli, library):
    names = [f"choice-number-{number}" for number in range(5)]
    path = library(
        f"import empycustom\n\nOPTIONS = {{'kind': empycustom.Option({names[0]!r}, 'what', choices={names})}}\n\n\n"
        "def process_ip(b, m, o):\n    pass\n"
    )
    table = cli("check", path).out.partition("declares:\n")[2].partition("\n\n")[0].split("\n")
    assert max(map(len, table)) < 80
    assert [" ".join(line.split()) for line in table] == [
        "name type default limits description",
        'kind text "choice-number-0" "choice-number-0" or what',
        *[f'"{name}" or' for name in names[1:4]],
        f'"{names[4]}"',
    ]


def test_an_option_of_the_command_line_that_sets_them(cli, configured, library):
    path = library(DECLARES)
    options = [{"key": {"element": "empycustom", "property": "options"}, "option_type": "gstreamer"}]
    name = configured({"empycustom": {"custom-lib": "lib.py", "in-place": True}}, options=options)
    ended = cli("run", name, "--source", "test", "--quiet", "--set", 'empycustom.options={"least": 2}')
    assert ended.code == 1
    assert f"--set empycustom.options: {path}:5: the option least must be a number, 0 to 1, not 2" in ended.err


def test_check_lists_them(cli, library):
    path = library(DECLARES)
    ended = cli("check", path, "--options", '{"size": 320}')
    assert ended.code == 0
    table = """
options that it declares:
  name   type          default  limits             description
  least  number        0.5      0 to 1             least confidence
  mode   text          "fast"   "fast" or "exact"
  size   whole number  640      32 or more pixels  width of the input
"""
    assert table in ended.out
    assert "  with options = {'least': 0.5, 'mode': 'fast', 'size': 320}\n" in ended.out
    facts = json.loads(cli("check", path, "--json").out)
    assert facts["options"] == {"least": 0.5, "mode": "fast", "size": 640}
    assert facts["declared"]["size"] == {
        "default": 640,
        "description": "width of the input",
        "limits": [32, None],
        "choices": [],
        "unit": "pixels",
        "required": False,
        "was": "",
    }
    bad = cli("check", path, "--options", '{"leest": 1}')
    assert (bad.code, bad.err) == (1, f"empycustom: error: {path}:5: {TYPO}\n")
    assert table in bad.out


def test_check_lists_those_of_a_dataclass(cli, library):
    source = DECLARES.partition("OPTIONS")[0] + (
        "@dataclasses.dataclass\nclass OPTIONS:\n    size: int = 640\n\n\ndef process_ip(b, m, o):\n    return {'frame': {'size': o.size}}\n"
    )
    path = library(source)
    ended = cli("check", path)
    assert "  name  type          default  limits  description\n  size  whole number  640\n" in ended.out
    assert json.loads(cli("check", path, "--options", '{"size": 1}', "--json").out)["options"] == {"size": 1}


def test_a_library_that_declares_none_has_no_table(cli, library):
    path = library("def process_ip(b, m, o):\n    pass\n")
    assert "options that it declares" not in cli("check", path).out
    assert json.loads(cli("check", path, "--json").out)["declared"] is None


@WORKERS
def test_a_program(library, workers):
    path = library(DECLARES)
    with pytest.raises(OptionError, match=TYPO) as caught:
        list(empycustom.process("test", path, options={"leest": 1}, workers=workers))
    assert caught.value.library == str(path)


def test_check_lists_the_options_of_a_library_that_needs_one_and_names_what_is_missing(cli):
    for name in ("detect", "classify"):
        ended = cli("check", f"empycustom.libs.{name}")
        lines = ended.out.split("\n")
        assert any(line.split()[:3] == ["model", "text", "required"] for line in lines), ended.out
        assert any(line.split()[:1] == ["confidence"] for line in lines)
        message = (
            f"empycustom.libs.{name}: the option model is missing: the ONNX file; a path is relative to the working directory"
        )
        assert (ended.code, ended.err) == (1, f"empycustom: error: {message}\n")
    told = json.loads(cli("check", "empycustom.libs.zones", "--json").out)
    assert [name for name, its in told["declared"].items() if its["required"]] == ["zones"]
    assert told["error"]["message"].startswith("empycustom.libs.zones: the option zones is missing: lines and polygons: {")


@WORKERS
def test_an_option_that_was_renamed_works_by_its_old_name_with_one_warning(cli, library, workers):
    path = library(DECLARES.replace("limits=(0, 1)", "limits=(0, 1), was='lowest'"))
    words = ("run", "test", "--frames", "3", "--lib", path, "--workers", workers, "--out", "meta.jsonl", "--options")
    ended = cli(*words, '{"lowest": 1}')
    assert ended.code == 0, ended.err
    assert ended.err.count(f": {path}: the option lowest is called least now; write that\n") == 1
    bad = cli(*words, '{"lowest": 1, "least": 1}')
    assert bad.code == 1
    assert bad.err.endswith(f"error: {path}:5: the option lowest is called least now, which is set as well; leave lowest out\n")
