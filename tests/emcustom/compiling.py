"""Libraries in C with emcustom's interface, which the tests compile: those of the folder ``libraries``, and texts."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

SOURCES = Path(__file__).parent / "libraries"
WHY_NOT = "" if shutil.which("gcc") else "gcc, which compiles libraries for emcustom, is not installed: apt install gcc libc6-dev"


@cache
def _compiled(source: str, options: tuple[str, ...], kind: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        place, target = Path(folder, f"source.{kind}"), Path(folder, "made.so")
        place.write_text(source)
        command = ["gcc", "-O1", "-w", "-shared", "-fPIC", f"-I{SOURCES}", "-o", str(target), str(place), *options]
        subprocess.run(command, check=True)
        return target.read_bytes()


def build(source: str, target: Path, *options: str, kind: str = "c") -> Path:
    """Compile a source of the folder ``libraries`` by its name, or a text in C (``kind``: cc), into the new file ``target``."""
    known = SOURCES / f"{source}.c"
    text = source if "\n" in source or "{" in source else known.read_text()
    target.unlink(missing_ok=True)  # one that is loaded must not be written into
    target.write_bytes(_compiled(text, options, kind))
    return target
