"""Command lines that are odd in one way each: unknown homes, names of folders, arguments that are not text, closed outputs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from command_helpers import LIB, SAYS

NO_HOME = "does not exist: the home folder ~nosuchuser is not known; write the path without ~, or begin it with ./"


@pytest.fixture
def main(capsys, tmp_path, monkeypatch, library, configured):
    """Run a command in this process, in a folder with a library and a configuration; return its exit code and stderr."""
    from empycustom.app.main import main

    monkeypatch.chdir(tmp_path)
    library(SAYS)
    callback = "def update(signal):\n    return [], ''\n"
    configured({"empycustom": LIB, "aimeta": {}}, callback=callback, options=[{"key": "level", "option_type": "callback"}])

    def run(*words):
        capsys.readouterr()
        code = main(list(words))
        return code, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    "words",
    [
        ["run", "~nosuchuser/x.mp4", "--lib", "lib.py"],
        ["run", "~nosuchuser/x.json"],
        ["run", "test", "--lib", "~nosuchuser/x.py"],
        ["run", "test", "--lib", "lib.py", "--out", "~nosuchuser/x"],
        ["run", "test", "--lib", "lib.py", "--save", "~nosuchuser/x.png"],
        ["run", "test", "--lib", "lib.py", "--frames", "1", "--options", "@~nosuchuser/x"],
        ["run", "emi_stream_config.json", "--source", "test", "--out", "~nosuchuser/x"],
        ["run", "emi_stream_config.json", "--source", "test", "--events", "~nosuchuser/x"],
        ["run", "emi_stream_config.json", "--source", "test", "--save", "~nosuchuser/x.png"],
        ["run", "emi_stream_config.json", "--source", "~nosuchuser/x.mp4"],
        ["run", "located.json", "--source", "test", "--allow-outside"],
        ["check", "~nosuchuser/x.py"],
        ["check", "lib.py", "--options", "@~nosuchuser/x"],
        ["new", "~nosuchuser/x.py"],
        ["launch", "videotestsrc num-buffers=1 ! empycustom custom-lib=~nosuchuser/x.py ! fakesink"],
        ["launch", "videotestsrc num-buffers=1 ! aimeta location=~nosuchuser/x ! fakesink"],
        ["launch", "videotestsrc num-buffers=1 ! empycustom custom-lib=lib.py events=@~nosuchuser/x ! fakesink"],
    ],
)
def test_a_home_that_is_not_known(main, tmp_path, words):
    (tmp_path / "located.json").write_text('{"pipeline_configuration": {"aimeta": {"location": "~nosuchuser/x"}}}')
    code, said = main(*words)

    assert NO_HOME in said
    assert code == 1
    assert len(re.findall("^(empycustom: error|ERROR: from element .*): ", said, re.MULTILINE)) == 1
    assert "Traceback" not in said


def test_a_file_in_a_configuration_that_is_in_no_home(main, tmp_path):
    (tmp_path / "c.json").write_text('{"pipeline_configuration": {"empycustom": {"custom-lib": "~nosuchuser/x.py"}}}')
    code, said = main("run", "c.json", "--source", "test")

    assert code == 1
    assert "$.pipeline_configuration.empycustom.custom-lib: ~nosuchuser/x.py does not exist" in said


def test_files_whose_names_begin_with_a_tilde(main, tmp_path, library, video):
    """As ./~x they are found, and written."""
    library(SAYS, "~x.py")
    os.rename(video, tmp_path / "~x.avi")
    code, said = main("run", "./~x.avi", "--lib", "./~x.py", "--frames", "1", "--out", "./~x.jsonl", "--save", "./~x.mp4", "-q")

    assert (code, said) == (0, "")
    assert {"~x.jsonl", "~x.mp4"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be a user without an entry in the password database")
@pytest.mark.parametrize(
    "words", [["run", "~/x.mp4", "--lib", "lib.py"], ["new", "~/x.py"], ["run", "~/x.json"], ["check", "~/x.py"]]
)
def test_without_any_home(env, tmp_path, library, words):
    library(SAYS)
    command = "import os, sys; os.setuid(54321); from empycustom.app.main import main; sys.exit(main())"
    homeless = {name: value for name, value in env.items() if name != "HOME"}
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", command, *words], env=homeless, cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert f"empycustom: error: {words[1]} {NO_HOME.replace('~nosuchuser', '~')}\n" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        (".", ". must end in .py, because it is a Python file; try my_lib.py."),
        ("..", ".. must end in .py, because it is a Python file; try ../my_lib.py."),
        ("/", "/ must end in .py, because it is a Python file; try /my_lib.py."),
        ("folder.py", "folder.py is a folder; name a file in it."),
        ("lib", "lib must end in .py, because it is a Python file; try lib.py."),
        ("lib.py/x.py", "lib.py: File exists."),
    ],
)
def test_new_at_places_where_no_library_can_be(main, tmp_path, name, complaint):
    (tmp_path / "folder.py").mkdir()

    assert main("new", name, "--force") == (1, f"empycustom: error: {complaint}\n")


@pytest.mark.parametrize(
    "value",
    ["[" * 50_000 + "]" * 50_000, '{"a":' * 20_000 + "1" + "}" * 20_000, "[" * 200 + "]" * 200, '{"a":' * 200 + "1" + "}" * 200],
)
def test_settings_that_are_nested_deeply(main, value):
    code, said = main("run", "emi_stream_config.json", "--source", "test", "--frames", "1", "--set", f"level={value}")

    assert (code, said) == (1, "empycustom: error: --set level: lists and objects are nested too deeply\n")


def test_settings_that_are_typed_while_it_plays_are_refused_and_it_goes_on(begin, configured, tmp_path):
    config = configured({"empycustom": LIB}, callback="def update(signal):\n    return [{'o': signal['options']}], ''\n",
                        options=[{"key": "level", "option_type": "callback"}])  # fmt: skip
    child = begin("run", config, "--source", "test", "--set", "-", "--events", "-", "-q")
    child.process.stdout.readline()
    child.type("level=" + "[" * 5000 + "]" * 5000)
    child.type("level=7")
    while '"value":7' not in child.process.stdout.readline():
        pass
    child.interrupt()
    ended = child.end()

    assert ended.code == 130
    assert "nested too deeply; nothing is changed" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("words", [["launch", "videotestsrc", "!", "caf\udce9"], ["launch", "fakesrc ! fakesink name=caf\udce9"]])
def test_arguments_that_are_not_utf_8(main, words):
    code, said = main(*words)

    assert code == 1
    assert "caf\\xe9 is not UTF-8 text, and the properties of elements hold nothing else" in said


def test_a_configuration_in_a_folder_that_is_not_utf_8(cli, library, tmp_path):
    library("def process_ip(b, m, o): pass\n", "caf\udce9/lib.py")
    config = {"pipeline_configuration": {"empycustom": {"custom-lib": "lib.py", "in-place": True}}}
    (tmp_path / "caf\udce9" / "config.json").write_text(json.dumps(config))
    ended = cli("run", "caf\udce9/config.json", "--source", "test", "--frames", 1)

    assert ended.code == 1
    assert "$.pipeline_configuration.empycustom.custom-lib: custom-lib=" in ended.err
    assert ended.err.endswith(
        '/caf\\xe9/lib.py" is not UTF-8 text, and the properties of elements hold nothing else; give the file or folder another name\n'
    )


COMMANDS = [
    "--help",
    "run --help",
    "--version",
    "schema",
    "plugin-path",
    "new x.py --force",
    "check lib.py",
    "run test --lib lib.py --dry-run",
]


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", COMMANDS)
def test_outputs_that_nobody_reads_and_full_disks(env, tmp_path, library, command, unbuffered):
    library(SAYS)

    def run(end):
        line = f"{sys.executable} -m empycustom {command} {end}"
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            env={**env, "PYTHONUNBUFFERED": unbuffered}, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    unread, full, closed = run("| true"), run("> /dev/full"), run(">&-")

    assert (unread.returncode, unread.stderr) == (0, "")
    assert full.returncode == 1
    assert full.stderr.endswith("o space left on device).\n") or "No space left on device" in full.stderr
    assert full.stderr.count("\n") == 1
    assert closed.returncode in (0, 1)
    assert "Traceback" not in closed.stderr


@pytest.mark.parametrize("option", ["--save", "--out", "--frames", "--lib", "--source"])
def test_two_dashes_are_no_value(main, option):
    with pytest.raises(SystemExit) as ended:
        main("run", "test", "--lib", "lib.py", f"{option}=--")

    assert ended.value.code == 2


def test_a_module_that_is_no_name(main):
    code, said = main("check", "caf\udce9")

    assert code == 1
    assert said.startswith("empycustom: error: caf\\xe9 is neither a file in ")


@pytest.mark.parametrize("name", ["RGBA\udce9", "RGBA ! fakesink", "x,y"])
def test_formats_that_are_none(main, name):
    code, said = main("run", "test", "--lib", "lib.py", "--frames", "1", "--format", name)

    assert code in (0, 1)
    assert code == 0 or "must be one of RGBA" in said
