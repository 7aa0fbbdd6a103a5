"""The blocks of code in a page of docs/ or in the README, run from top to bottom in one folder, as a reader would.

What a block is says its kind, and where that is not enough, what stands above it: the name of a file, as `lib.py`:, or a comment,
which does not show on the page.

``python``
    A library: it is played over two frames, the second element of its pipeline, behind one that finds two objects.
any kind under the name of a file
    The file, for the blocks below. A library that is one is not played.
``sh``
    Commands, for bash, in the environment of a user; what a block exports is there for the blocks below. They must succeed,
    under ``<!-- exits: N -->`` end with N.
``json``
    The documents that the last commands printed: all of them, compared as values, whatever the blanks.
``text``
    What the last commands printed. ``…`` stands for anything in a line; alone in a line, for any lines.
any kind under ``<!-- needs NVIDIA -->``
    It is not run; properties of our elements in it are set, and libraries are compiled.
``sh`` under ``<!-- installs -->``
    It is not run, because it changes the machine; bash reads it. (tests/gst/test_installed.py installs.)
``sh`` under ``<!-- shown -->``
    It is not run, because it names files and cameras that the reader has; bash reads it.
``python`` under ``<!-- shown -->``
    A part of the package, shortened. It is compiled.
``python`` under ``<!-- theirs -->``
    Another project's, to compare with. It is compiled.

Times of day count as equal, and progress, which a terminal wipes out at the end, as not printed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(
    r"(?:^(?:<!-- (?P<note>[^\n]*) -->|`(?P<name>[^`\n]+)`:)\n\n?)?^```(?P<kind>[^\n]*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
TIMEOUT_S = 120


@dataclass(frozen=True)
class Block:
    """A block of code; ``line`` is its first, ``note`` the comment above it, ``name`` the name of its file."""

    kind: str
    text: str
    note: str
    name: str
    line: int

    @property
    def exit_code(self) -> int:
        return int(self.note.removeprefix("exits: ")) if self.note.startswith("exits: ") else 0


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            found["kind"], found["text"], found["note"] or "", found["name"] or "", text.count("\n", 0, found.start("text")) + 1
        )
        for found in _BLOCK.finditer(text)
        if not found["kind"].startswith("{")  # a directive of Sphinx
    ]


def clone(folder: Path) -> Path:
    """Make a folder with examples and tools where they are in a clone of the project."""
    folder.mkdir()
    for name in ("examples", "tools"):
        (folder / name).symlink_to(DOCS.parent / name)
    return folder


class Reader:
    """A reader who follows a page in ``folder``. ``env`` is the environment; ``play`` plays a library's text."""

    def __init__(self, folder: Path, env: dict[str, str], play: Any) -> None:
        self._folder, self._env, self._play = folder, env, play
        self._exports: list[str] = []
        self._printed: subprocess.CompletedProcess[str] | None = None

    def follow(self, block: Block) -> None:
        """Follow a block; an AssertionError names it if that fails."""
        try:
            self._do(block)
        except Exception as error:
            raise AssertionError(f"the {block.kind} in line {block.line}: {error}") from error

    def _do(self, block: Block) -> None:
        if block.name:
            (self._folder / block.name).parent.mkdir(parents=True, exist_ok=True)
            (self._folder / block.name).write_text(block.text, encoding="utf-8")
        if block.kind == "python":
            compile(block.text, "block", "exec")
        if block.kind == "sh" and block.note in ("installs", "shown"):
            subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)
        elif block.note in ("needs NVIDIA", "theirs", "shown"):
            set_properties(block.text)
        elif not block.name:
            getattr(self, f"_{block.kind or 'text'}")(block)

    def _python(self, block: Block) -> None:
        self._play(block.text)

    def _sh(self, block: Block) -> None:
        script = "\n".join(["set -euo pipefail", *self._exports, block.text])
        self._printed = subprocess.run(
            ["bash", "-c", script],
            cwd=self._folder,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert self._printed.returncode == block.exit_code, self._printed.stdout + self._printed.stderr
        self._exports += re.findall(r"^export .*$", block.text, re.MULTILINE)

    def _json(self, block: Block) -> None:
        assert self._printed, "nothing was run before"
        assert documents(masked(self._printed.stdout)) == documents(masked(block.text)), self._printed.stdout

    def _text(self, block: Block) -> None:
        assert self._printed, "nothing was run before"
        printed = masked(self._printed.stdout + self._printed.stderr)
        assert re.fullmatch(pattern(masked(block.text)), printed.rstrip() + "\n", re.DOTALL), printed


def masked(text: str) -> str:
    text = re.sub(r"^\d+ frames(?: of \d+ \(\d+ %\))?, [\d.]+ fps\n", "", text, flags=re.MULTILINE)
    return re.sub(r'("timestamp": ?)"[^"]*"', r'\1"…"', text)


def documents(text: str) -> list[Any]:
    """Return the JSON values in a text, one behind the other, however they are broken into lines."""
    found, decoder, rest = [], json.JSONDecoder(), text.strip()
    while rest:
        value, end = decoder.raw_decode(rest)
        found.append(value)
        rest = rest[end:].lstrip()
    return found


def pattern(text: str) -> str:
    """Return the regular expression of what a block shows."""
    lines = text.rstrip().split("\n")
    return "".join(r"(?:[^\n]*\n)*?" if line.strip() == "…" else re.escape(line).replace("…", "[^\n]*") + "\n" for line in lines)


def set_properties(text: str) -> None:
    """Set the properties that our elements have in a pipeline; none may be unknown, none may be refused."""
    from empycustom.gstreamer import Gst

    for name, properties in re.findall(r"! (empycustom|aimeta|perf)\b([^!]*)", text.replace("\\\n", " ")):
        made = Gst.ElementFactory.make(name)
        Gst.Pipeline.new(None).add(made)
        for key, value in re.findall(r"([\w-]+)=(\S+)", properties):
            Gst.util_set_object_arg(made, key, value.strip("\"'"))
            assert str(made.get_property(key)).lower() == value.strip("\"'").lower(), key


def user_env(gst_env: dict[str, str], registry: Path) -> dict[str, str]:
    """The environment of a user who has activated the virtual environment, and set nothing else."""
    env = {name: value for name, value in gst_env.items() if name != "GST_PLUGIN_PATH"}
    of_tests = {"GST_REGISTRY": str(registry), "XDG_STATE_HOME": str(registry.with_name("state"))}
    return {**env, **of_tests, "LC_ALL": "C.UTF-8", "HOME": os.environ.get("HOME", "/")}
