"""Follow a tutorial in this folder, as a reader with a new machine: ``walk_page.py PAGE``; tools/walk_tutorials.sh does.

The commands of the installation that the page names are run, too, which tests/docs leave out. What a block is, and how what is
printed is compared, is in tests/docs/blocks.py. It needs Python's own library alone: nothing else is there at the beginning.
"""

# ruff: noqa: T201 - a script prints

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "docs"))

from blocks import Block, Reader, blocks_of

TIMEOUT_S = 1800  # of an installation
SKIPPED = ("shown", "theirs", "needs NVIDIA")
PROMPTS = {"--pwprompt": "the password\n" * 2}  # what is typed where a command asks
_INSTALL = re.compile(r"^Follow \[Install\]\((?P<page>[^)#]+)#(?P<section>[\w-]+)\)", re.MULTILINE)


class Walker(Reader):
    """A reader who stays in one terminal: what a block exports, or activates, is there for the next."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, dict(os.environ), play=None)
        self._terminal = Path(tempfile.mkdtemp()) / "exported"
        self._services = services()

    def _do(self, block: Block) -> None:
        if block.note in SKIPPED:
            return
        if block.kind == "sh" and not block.name:
            self._sh(block)
        else:
            super()._do(block)

    def _sh(self, block: Block) -> None:
        state = f"[ ! -e {self._terminal} ] || . {self._terminal}\ntrap 'export -p >{self._terminal}' EXIT\n"
        typed = "".join(text for option, text in PROMPTS.items() if option in block.text)
        began = time.monotonic()
        self._printed = subprocess.run(
            ["bash", "-c", f"{state}set -eo pipefail\n{block.text}"],
            cwd=self._folder,
            input=typed,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            start_new_session=True,  # without a terminal, from which passwords would be read
            check=False,
        )
        print(f"  line {block.line}, {time.monotonic() - began:.1f} s: {block.text.splitlines()[0]}", flush=True)
        assert self._printed.returncode == block.exit_code, self._printed.stdout + self._printed.stderr
        self._start_servers()

    def _start_servers(self) -> None:
        """Start the servers that were installed, as systemd would do: there is none in a root file system."""
        for name in sorted(services() - self._services):
            started = subprocess.run(["bash", "-c", f"sudo service {name} start </dev/null >/dev/null 2>&1"], check=False)
            print(f"  sudo service {name} start: {started.returncode}", flush=True)
        self._services = services()


def services() -> set[str]:
    """Return the names of the services of this machine that have a script."""
    return {path.name for path in Path("/etc").glob("init.d/*")}


def installation(page: Path) -> tuple[Path, list[Block]]:
    """Return the page and the blocks of the installation that a tutorial names."""
    named = _INSTALL.search(page.read_text(encoding="utf-8"))
    assert named, f"{page} has no line that begins with: Follow [Install](…)"
    where = (page.parent / named["page"]).resolve()
    lines = where.read_text(encoding="utf-8").splitlines()
    headings = [(number, line) for number, line in enumerate(lines, 1) if line.startswith("## ")]
    begins = [number for number, line in headings if line[3:].lower().replace(" ", "-") == named["section"]]
    assert begins, f"{where} has no section #{named['section']}"
    ends = min((number for number, _ in headings if number > begins[0]), default=len(lines) + 1)
    return where, [block for block in blocks_of(where) if begins[0] < block.line < ends]


def main(page: Path) -> None:
    """Follow the page; say where it is not as printed, and end with 1."""
    walker = Walker(Path.cwd())
    for where, blocks in (installation(page), (page, blocks_of(page))):
        print(f"{where.name}:", flush=True)
        try:
            for block in blocks:
                walker.follow(block)
        except AssertionError as error:
            sys.exit(f"{where.name}: {error}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]).resolve())
