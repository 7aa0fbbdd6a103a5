"""`--help` in terminals of any width."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys

import pytest

from empycustom.app.arguments import make_parser

(COMMANDS,) = [[*each.choices] for each in make_parser()._actions if isinstance(each, argparse._SubParsersAction)]


@pytest.fixture
def help_of(monkeypatch, capsys):
    """Return the help of a command, in so many columns; "" is that of all."""

    def show(command, columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        with pytest.raises(SystemExit) as ended:
            make_parser().parse_args([*filter(None, [command]), "--help"])
        assert ended.value.code == 0
        return capsys.readouterr().out

    return show


@pytest.mark.parametrize("columns", [40, 60, 80, 100])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_no_line_is_too_long_and_no_word_is_broken(help_of, command, columns):
    narrow, wide = help_of(command, columns), help_of(command, 1000)

    too_long = [line for line in narrow.splitlines() if len(line) > columns and len(line.split()) > 1]
    assert too_long == [], "a line may be too long if it is one word, such as the name of a folder"
    assert [word for word in narrow.split() if word != "\\"] == [word for word in wide.split() if word != "\\"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wide_terminal_shows_the_texts_as_they_are_written(help_of, command):
    (commands,) = [each for each in make_parser()._actions if isinstance(each, argparse._SubParsersAction)]
    shown = help_of(command, 100)
    assert commands.choices[command].description in shown
    assert commands.choices[command].epilog.strip() in shown


def examples(text):
    """Return the lines under "example" and "examples", as a shell takes them."""
    return text.partition("\nexample")[2].partition("\n")[2]


@pytest.mark.parametrize("columns", [40, 60])
@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "completion"])
def test_the_examples_of_a_narrow_terminal_are_the_same_commands(help_of, command, columns):
    narrow, wide = help_of(command, columns), help_of(command, 1000)
    parts = [shlex.split(examples(text).replace("\\\n", "")) for text in (narrow, wide)]

    assert parts[0]
    assert [part.split() for part in parts[0]] == [part.split() for part in parts[1]]


def test_the_usage_shows_what_has_to_be_typed(help_of):
    first = {command: help_of(command, 80).partition("\n")[0] for command in COMMANDS}

    assert first["run"] == "usage: empycustom run [OPTIONS] SOURCE ..."
    assert first["batch"] == "usage: empycustom batch [OPTIONS] --out FOLDER SOURCE ..."
    assert first["new"] == "usage: empycustom new [OPTIONS] FILE"
    assert help_of("", 80).startswith("usage: empycustom [OPTIONS] COMMAND ...\n")


def test_a_real_terminal_of_40_columns(env):
    """As a user has it: the width comes from the environment of the process."""
    done = subprocess.run(
        [sys.executable, "-m", "empycustom", "doctor", "--help"], env={**env, "COLUMNS": "40"}, capture_output=True, text=True, timeout=60
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 40
