"""What tests of elements need."""

import subprocess
import sys

import pytest
from programs import PRELUDE, SWITCH


@pytest.fixture
def python(env_with, tmp_path):
    """Run a program, with the prelude before it, in its own process."""

    def run(code, way="on", *, before="", code_expected=0, timeout_s=120):
        path = tmp_path / "program.py"
        path.write_text(before + PRELUDE + code)
        done = subprocess.run(
            [sys.executable, str(path)],
            env={**env_with(), SWITCH: way, "G_DEBUG": "fatal-criticals"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == code_expected, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return run
