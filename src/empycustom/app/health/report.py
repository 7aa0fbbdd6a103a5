"""What the checks of ``empycustom doctor`` have in common: findings, and child processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from empycustom.text import shell_word

OK, WARNING, PROBLEM = "ok", "warning", "problem"
SYSTEM_PYTHON = "/usr/bin/python3"
_TIMEOUT_S = 60


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: ``level`` is OK, WARNING or PROBLEM; ``fix`` says what to do; ``details`` is shown below."""

    level: str
    text: str
    fix: str = ""
    details: str = ""


def own_command() -> str:
    """How this program is called from the folder where it was called: ``empycustom`` where the shell finds this very one."""
    ours = Path(sys.prefix, "bin", "empycustom")
    on_path = shutil.which("empycustom")
    if on_path and same_folder(on_path, ours):
        return "empycustom"
    if os.path.basename(sys.argv[0]) == "empycustom":
        return shell_word(sys.argv[0])
    return f"{shell_word(sys.executable)} -m empycustom"


@dataclass(frozen=True)
class Output:
    """What a child process printed; ``code`` is its exit code, None if there is no such program or it ran too long."""

    code: int | None
    stdout: str
    stderr: str


def _environment() -> dict[str, str]:
    """The environment with the LC_CTYPE of the user: in the C locale Python sets another one, which its children would get."""
    variables = dict(os.environ)
    with suppress(OSError):
        given = [
            variable for variable in Path("/proc/self/environ").read_bytes().split(b"\0") if variable.startswith(b"LC_CTYPE=")
        ]
        variables.pop("LC_CTYPE", None)
        for variable in given:
            variables["LC_CTYPE"] = os.fsdecode(variable.partition(b"=")[2])
    return variables


def run(*command: str, **environment: str) -> Output:
    """Run a program with ``environment`` on top of the user's own."""
    try:
        done = subprocess.run(
            command,
            env={**_environment(), **environment},
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
        )
    except OSError as error:
        return Output(None, "", str(error))
    except subprocess.TimeoutExpired:
        return Output(None, "", f"{command[0]} did not end within {_TIMEOUT_S} s")
    return Output(done.returncode, done.stdout, done.stderr)


def python_version(executable: str) -> str:
    """``3.11`` for an interpreter, ``""`` if it cannot be run."""
    return run(executable, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").stdout.strip()


def can_import(executable: str, module: str) -> bool:
    """Whether another interpreter can import ``module``."""
    return run(executable, "-c", f"import {module}").code == 0


def same_folder(one: str | Path, other: str | Path) -> bool:
    """Whether two paths lead to one place."""
    return os.path.realpath(one) == os.path.realpath(other)
