"""Libraries in C with emcustom's interface, which the tests compile."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent / "libraries"


@pytest.fixture(scope="session")
def _compiled(tmp_path_factory):
    if shutil.which("gcc") is None:
        pytest.skip("gcc, which compiles libraries for emcustom, is not installed: apt install gcc libc6-dev")
    made: dict[tuple[str, ...], bytes] = {}

    def compiled(source: Path, *options: str) -> bytes:
        key = (source.read_text(), *options)
        if key not in made:
            target = tmp_path_factory.mktemp("compiled") / "made.so"
            command = ["gcc", "-O1", "-w", "-shared", "-fPIC", f"-I{SOURCES}", *options, "-o", str(target), str(source)]
            subprocess.run(command, check=True)
            made[key] = target.read_bytes()
        return made[key]

    return compiled


@pytest.fixture
def library(_compiled, tmp_path):
    """Compile a source of the folder ``libraries``, or a text in C, and return the path of the library, a new file."""
    count = 0

    def build(source: str, *options: str, name: str = "") -> Path:
        nonlocal count
        count += 1
        place = SOURCES / f"{source}.c"
        if "{" in source or "\n" in source:
            place = tmp_path / f"source{count}.c"
            place.write_text(source)
        target = tmp_path / (name or f"lib{place.stem}{count}.so")
        target.write_bytes(_compiled(place, *options))
        return target

    return build
