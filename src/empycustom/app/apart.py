"""Running ``empycustom check`` in a process of its own, which a compiled library may end."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys

from empycustom.errors import LibraryError
from empycustom.library.compiled import is_compiled
from empycustom.packages import python_that_calls

_ENDS = (0, 1, 2, 130)  # exit codes of the command
_VARIABLE = "EMPYCUSTOM_CHECK_APART"


def run_apart(library: str) -> int | LibraryError | None:
    """Run this command in another process, and return its exit code, or the error where the library has ended that process.

    None: the library is not a compiled one, or this is that process.
    """
    if _VARIABLE in os.environ or not is_compiled(library):
        return None
    command = [*python_that_calls("empycustom.app.main:main"), *sys.argv[1:]]
    code = subprocess.run(command, env={**os.environ, _VARIABLE: "1"}, check=False).returncode
    return code if code in _ENDS else _death(library, code)


def _death(library: str, code: int) -> LibraryError:
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    command = shlex.join([sys.executable, "-m", "empycustom", *sys.argv[1:]])
    what = f"{library} ended the process that loads and calls it ({how}); a debugger shows where"
    return LibraryError(f"{what}: {_VARIABLE}=1 gdb -ex run --args {command}", library=library)
