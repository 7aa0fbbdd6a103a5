"""Libraries that the process has loaded already."""

from __future__ import annotations

from pathlib import Path


def path_of(name: str) -> str | None:
    """Return where a library lies whose file's name begins so; None where the process has none."""
    for line in Path("/proc/self/maps").read_text(errors="replace").splitlines():
        path = line.split(maxsplit=5)[-1].removesuffix(" (deleted)")  # replaced since, by an upgrade
        if path.rpartition("/")[2].startswith(name):
            return path
    return None
