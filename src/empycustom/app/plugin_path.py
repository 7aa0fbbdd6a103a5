"""``empycustom plugin-path``: where gst-launch and others find the elements."""

from __future__ import annotations

from pathlib import Path

import empycustom
from empycustom.session.console import show


def main(_arguments: object = None) -> int:
    """Print the folder for ``GST_PLUGIN_PATH``."""
    show(str(plugin_path()))
    return 0


def plugin_path() -> Path:
    """The folder for ``GST_PLUGIN_PATH``; the loader files are in ``python/`` below it."""
    return Path(empycustom.__file__).resolve().parent / "gstreamer-1.0"
