"""`empycustom completion`, in the shells themselves."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from command_helpers import TIMEOUT_S

from empycustom.app.arguments import make_parser

TAB = "\t"
# A shell that reads no files of the user, where the end of what it shows is clear. The first line is not shown.
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "PS1='%% '; bind 'set enable-bracketed-paste off'; . ./script"),
    "zsh": (
        ["zsh", "-f", "-i"],
        "PS1='%% '; unsetopt zle_bracketed_paste; autoload -U compinit; compinit -u -D; eval \"$(<script)\"",
    ),
}


@pytest.fixture
def script(cli, tmp_path):
    """Write the script of a shell into the folder of the test, with a few files beside it; return its text."""

    def write(shell):
        ended = cli("completion", shell)
        assert (ended.code, ended.err) == (0, "")
        (tmp_path / "script").write_text(ended.out)
        (tmp_path / "recordings").mkdir()
        for name in ("detector.py", "details.txt", "recordings/monday.mp4", "stream.json"):
            (tmp_path / name).touch()
        return ended.out

    return write


@pytest.fixture
def typed(env, tmp_path):
    """Type keys into a shell on a terminal; return the line that it shows then."""
    opened = []

    def type_keys(shell, keys, expected):
        if shutil.which(shell) is None:
            pytest.fail(f"{shell} is not installed; tools/setup.sh installs it")
        command, first = SHELLS[shell]
        terminal, inside = pty.openpty()
        own = {**env, "TERM": "dumb", "HISTFILE": "", "HOME": str(tmp_path), "COLUMNS": "200"}
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), inside)
        process = subprocess.Popen(command, cwd=tmp_path, env=own, start_new_session=True, preexec_fn=_on_terminal, **streams)
        os.close(inside)
        opened.append((process, terminal))
        os.write(terminal, f"{first}\necho re''ady\n".encode())
        _read_until(terminal, "ready\r\n")
        os.write(terminal, keys.encode())
        return _read_until(terminal, expected)

    yield type_keys
    for process, terminal in opened:
        process.kill()
        process.wait()
        os.close(terminal)


def _on_terminal():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _read_until(terminal, expected):
    shown, until, poll = "", time.monotonic() + TIMEOUT_S, select.poll()
    poll.register(terminal, select.POLLIN)
    while expected not in shown and time.monotonic() < until:
        if poll.poll(100):
            shown += os.read(terminal, 4096).decode(errors="replace")
    return shown


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (f"empycustom rep{TAB}", "empycustom report "),
        (f"empycustom run test --summ{TAB}", "empycustom run test --summary-json"),
        (f"empycustom run test --on-error d{TAB}", "--on-error drop "),
        (f"empycustom run recordings/m{TAB}", "recordings/monday.mp4"),
        (f"empycustom run test --lib dete{TAB}", "--lib detector.py "),
        (f"empycustom run test --lib detector.py --lib empycustom.libs.tr{TAB}", "--lib empycustom.libs.track "),
        (f"empycustom check str{TAB}", "empycustom check stream.json "),
        (f"empycustom batch @deta{TAB}", "@details.txt "),
        (f"empycustom new mine.py --kind proj{TAB}", "--kind project "),
    ],
)
def test_the_tab_key(script, typed, shell, keys, expected):
    script(shell)
    assert expected in typed(shell, keys, expected)


ALL = """\
. ./script
complete_one() {
    COMP_WORDS=(empycustom "$@"); COMP_CWORD=$#
    _shtab_empycustom 2>/dev/null
    printf '%s\\n' "${COMPREPLY[@]}" | sort -u | tr '\\n' ' '
    echo
}
"""


def test_bash_has_every_option_of_every_command(script, tmp_path):
    """The script is made of the parser, so that nothing is forgotten; here it is asked."""
    script("bash")
    (commands,) = [each for each in make_parser()._actions if isinstance(each, argparse._SubParsersAction)]
    wanted = {
        (name, "-"): {each for action in command._actions for each in action.option_strings}
        for name, command in commands.choices.items()
    }
    for name, command in commands.choices.items():
        for action in command._actions:
            if action.choices and action.option_strings:
                wanted[name, "file", action.option_strings[0], ""] = {str(choice) for choice in action.choices}
    lines = [" ".join(["complete_one", *(json.dumps(word) for word in words)]) for words in wanted]
    done = subprocess.run(
        ["bash", "-c", ALL + "\n".join(lines)], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
    )

    assert [set(line.split()) for line in done.stdout.splitlines()] == list(wanted.values())
    assert len(wanted) > 30


def test_the_libraries_are_those_that_there_are(script):
    pages = {path.stem for path in Path(__file__).parents[2].joinpath("docs/libs").glob("*.md")} - {"index"}
    assert set(re.findall(r"empycustom\.libs\.(\w+)", script("bash"))) == pages


def test_without_shtab_it_says_what_to_install(env, tmp_path):
    (tmp_path / "shtab.py").write_text("raise ImportError(\"No module named 'shtab'\")\n")
    done = subprocess.run(
        [sys.executable, "-m", "empycustom", "completion", "bash"],
        env={**env, "PYTHONPATH": f"{tmp_path}{os.pathsep}{env['PYTHONPATH']}"}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "No module named 'shtab'. Scripts for shells are made by shtab: pip install 'empycustom[completion]'." in done.stderr
