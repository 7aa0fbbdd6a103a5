"""`empycustom new --kind`: what it writes runs as it is, by the commands that it prints."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import jsonschema
import pytest

from empycustom.app.arguments import make_parser
from empycustom.app.new import KINDS, TEMPLATES

NAMES = {".py": "mine.py", ".json": "mine.json", "": "mine"}


@pytest.fixture
def shell(env, tmp_path):
    """Run lines in a shell, where the command `empycustom` is this checkout's; stop at the first that fails."""
    command = tmp_path / "bin" / "empycustom"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m empycustom "$@"\n')
    command.chmod(0o755)
    path = os.pathsep.join([str(command.parent), sysconfig.get_path("scripts"), env["PATH"]])

    def run(lines, folder="."):
        return subprocess.run(
            ["bash", "-e", "-c", lines], cwd=tmp_path / folder, env={**env, "PATH": path}, capture_output=True, text=True, timeout=120
        )  # fmt: skip

    return run


def next_commands(ended):
    assert ended.code == 0, ended.err
    return [line.strip() for line in ended.out.partition("Next:\n")[2].splitlines()]


@pytest.mark.parametrize("kind", KINDS)
def test_the_commands_that_are_printed_work(cli, shell, kind):
    commands = next_commands(cli("new", NAMES[KINDS[kind].ending], "--kind", kind))
    done = shell("\n".join(commands))

    assert len(commands) >= 1
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warnings" not in done.stdout, "of check"
    assert "Traceback" not in done.stderr


def test_without_a_kind_it_is_the_library_that_measures(cli, tmp_path):
    assert cli("new", "a.py").code == cli("new", "b.py", "--kind", "measure").code == 0
    assert (tmp_path / "a.py").read_text().replace("a.py", "b.py") == (tmp_path / "b.py").read_text()


def test_a_detector_and_a_sink_work_together(cli, tmp_path):
    """The detector finds the ball of the test picture, and the sink writes where it is."""
    for kind in ("detector", "draw", "sink"):
        assert cli("new", f"{kind}.py", "--kind", kind).code == 0
    libraries = ["--lib", "detector.py", "--lib", "draw.py", "--lib", "sink.py", "--options", '{"file": "found.csv"}']
    ended = cli("run", "test", *libraries, "--frames", 3, "--out", "found.jsonl")

    assert ended.code == 0, ended.err
    head, *rows = (tmp_path / "found.csv").read_text().splitlines()
    objects = [json.loads(line)["frame"][0]["object"] for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert head.split(",")[2:5] == ["label", "confidence", "left"]
    assert [row.split(",")[2:5] for row in rows] == [["bright", "1.0", str(found["rect_params"]["left"])] for (found,) in objects]


def test_a_sink_that_cannot_write_ends_the_video(cli):
    cli("new", "sink.py", "--kind", "sink")
    cli("new", "detector.py", "--kind", "detector")
    libraries = ["--lib", "detector.py", "--lib", "sink.py", "--options", '{"file": "/dev/full"}']
    ended = cli("run", "test", *libraries, "--frames", 3000, "--out", "found.jsonl")

    assert ended.code == 1
    assert "No space left on device" in ended.err


def test_a_program_says_what_is_wrong_with_a_video(cli, shell):
    cli("new", "play.py", "--kind", "process")
    done = shell("python play.py nothing.mp4")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("nothing.mp4 does not exist")


def test_a_configuration_has_a_schema_beside_it_and_uses_the_library_that_is_there(cli, tmp_path):
    (tmp_path / "my_lib.py").write_text("def process_ip(b, m, o):\n    return {'frame': {'mine': True}}\n")
    made = cli("new", "emi_stream_config.json", "--kind", "config")
    configuration = json.loads((tmp_path / "emi_stream_config.json").read_text())
    schema = json.loads((tmp_path / configuration["$schema"]).read_text())
    played = cli("run", "emi_stream_config.json", "--frames", 1)

    assert "my_lib.py is there already, and stays as it is." in made.out
    assert played.documents[0]["frame"][0]["emcustom"] == {"mine": True}
    assert schema == json.loads(cli("schema").out)
    jsonschema.validate(configuration, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**configuration, "streamss": []}, schema)


def test_a_project_does_what_its_readme_says(cli, shell, tmp_path):
    assert cli("new", "people counter", "--kind", "project").code == 0
    readme = (tmp_path / "people counter" / "README.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    done = shell("".join(blocks), "people counter")

    assert readme.startswith("# people counter\n")
    assert set(re.findall(r"^\| `([^`]+)`", readme, re.MULTILINE)) <= set(os.listdir(tmp_path / "people counter"))
    assert len(blocks) == 5
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_the_tests_of_a_project_find_a_mistake(cli, shell, tmp_path):
    cli("new", "mine", "--kind", "project")
    path = tmp_path / "mine" / "my_lib.py"
    path.write_text(path.read_text().replace('mean < options["dark_below"]', 'mean > options["dark_below"]'))
    done = shell("python -m pytest", "mine")

    assert (done.returncode, "1 failed, 1 passed" in done.stdout) == (1, True), done.stdout


def test_what_an_editor_gets(cli, tmp_path):
    """What F5 starts are command lines of ours, and snippets are Python when their places are filled in."""
    cli("new", "mine", "--kind", "project")
    editor = tmp_path / "mine" / ".vscode"
    settings = {path.name: json.loads(path.read_text()) for path in editor.iterdir()}
    started = [each["args"] for each in settings["launch.json"]["configurations"] if each["request"] == "launch"]
    bodies = ["\n".join(each["body"]) for each in settings["empycustom.code-snippets"].values()]

    assert len(started) == 3
    for words in started:
        make_parser().parse_args(words)
    for body in bodies:
        compile(re.sub(r"\$(\w+)|\$\{\d+:((?:[^{}]|\{[^{}]*\})*)\}", lambda found: found[2] or "x", body), "snippet", "exec")


def test_a_project_in_the_folder_itself(cli, tmp_path):
    ended = cli("new", ".", "--kind", "project")

    assert ended.code == 0, ended.err
    assert (tmp_path / "README.md").read_text().startswith(f"# {tmp_path.name}\n")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["a.py", "--kind", "config"], "a.py must end in .json, because it is a JSON file; try a.json."),
        (["a.json", "--kind", "draw"], "a.json must end in .py, because it is a Python file; try a.py."),
        (["there.py", "--kind", "project"], "there.py is a file; a project is a folder: choose another name."),
        (
            ["emi_stream_config.schema.json", "--kind", "config"],
            "emi_stream_config.schema.json is the name of the schema, which is written as well; try emi_stream_config.json.",
        ),
        (
            ["half", "--kind", "project", "--force"],
            "half/.vscode/launch.json is a folder, and a file is to be written there; choose another name.",
        ),
        (["full", "--kind", "project"], "full/my_lib.py exists; choose another name, or overwrite it with --force."),
    ],
)
def test_what_cannot_be_written(cli, tmp_path, words, complaint):
    (tmp_path / "there.py").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "my_lib.py").touch()
    (tmp_path / "half" / ".vscode" / "launch.json").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    ended = cli("new", *words)

    assert (ended.code, ended.err) == (1, f"empycustom: error: {complaint}\n")
    assert sorted(tmp_path.rglob("*")) == before, "nothing is half written"
    assert (tmp_path / "full" / "my_lib.py").read_text() == ""


def test_a_file_that_cannot_be_written_leaves_none(cli, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / ".vscode").touch()  # a file, where a folder has to be
    ended = cli("new", "mine", "--kind", "project")

    assert ended.code == 1
    assert ended.err.startswith("empycustom: error: mine/.vscode: ")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == [".vscode"]


def test_configurations_of_a_folder_share_its_schema(cli, tmp_path):
    assert cli("new", "one.json", "--kind", "config").code == 0
    ended = cli("new", "two.json", "--kind", "config")

    assert (ended.code, ended.err) == (0, "")
    assert "emi_stream_config.schema.json is there already, and stays as it is." in ended.out
    assert json.loads((tmp_path / "two.json").read_text())["$schema"] == "./emi_stream_config.schema.json"


def test_a_name_that_begins_with_a_dash(cli, shell):
    made = cli("new", "--", "-x.py")

    assert "check ./-x.py" in made.out
    assert shell(made.out.partition("Next:\n")[2].splitlines()[0].strip()).returncode == 0


@pytest.mark.parametrize("name", ["json.py", "numpy.py", "empycustom.py"])
def test_the_name_of_a_module_is_refused_without_force(cli, tmp_path, name):
    ended = cli("new", tmp_path / name)
    assert ended.code == 1
    assert f"{name} has the name of a module, and Python programs in that folder would import it" in ended.err
    assert f"my_{name}, or write it all the same with --force." in ended.err
    assert list(tmp_path.iterdir()) == []

    assert cli("new", tmp_path / name, "--force").code == 0
    assert (tmp_path / name).exists()


def test_a_project_has_no_name_of_a_file(cli, tmp_path):
    ended = cli("new", tmp_path / "gate.py", "--kind", "project")
    assert ended.code == 1
    assert "gate.py would be a folder, because a project is one; try " in ended.err
    assert list(tmp_path.iterdir()) == []


def test_every_template_is_written_by_a_kind():
    used = {TEMPLATES / template for kind in KINDS.values() for template in kind.files.values() if template}
    there = {path for path in TEMPLATES.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert there - {TEMPLATES / "__init__.py"} == used
    assert not [path for path in there if Path(path).name.startswith(".")], "a wheel has them all"
