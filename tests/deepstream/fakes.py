"""The tests' own elements, which put NVIDIA's metadata on buffers, in this process."""

from __future__ import annotations

import importlib.util
from pathlib import Path

PLUGINS = Path(__file__).parent / "plugins"


def register_fakes() -> None:
    """Register ``fakemux``, ``fakeedit`` and ``fakeevent``, once."""
    from empycustom.gstreamer import Gst

    for path in sorted((PLUGINS / "python").glob("*.py")):
        if Gst.ElementFactory.find(path.stem) is None:
            spec = importlib.util.spec_from_file_location(path.stem, path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            Gst.Element.register(None, *module.__gstelementfactory__)


def says(function):
    """Mark a function as one of in_meta: a library's, among the stages of ``flow``."""
    function.says = True
    return function
