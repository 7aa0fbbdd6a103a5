"""The one door to ``gi``: every other file of the package takes GStreamer's modules from here.

``Gst.init`` has been called once this module is imported.
"""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

_INSTALL = (
    "install them with: apt install python3-gi python3-gst-1.0 gir1.2-gst-plugins-base-1.0, and use a virtual environment made "
    "by the system's Python with --system-site-packages"
)


def _load(namespace: str) -> Any:
    try:
        import_module("gi").require_version(namespace, "1.0" if namespace != "GLib" and namespace != "GObject" else "2.0")
    except (ImportError, ValueError) as error:
        raise ImportError(f"GStreamer's Python bindings are not there ({str(error).rstrip('.')}): {_INSTALL}") from error
    return import_module(f"gi.repository.{namespace}")


def load_allocators() -> None:
    """Load the classes of GstAllocators. Before an object of one is made: PyGObject would make a class without its functions."""
    _fill_in(_load("GstAllocators"))


def _fill_in(module: Any) -> None:
    """Make all classes of a module now: PyGObject makes each when it is first used, which is not safe in several threads at once.

    One of two streams that start together could get an enum without its values and functions, or a class of its own.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of the names are deprecated
        for name in dir(module):
            if name[0].isupper() and not name.isupper():  # neither a function nor a constant
                with suppress(Exception):  # what cannot be made here is not used here
                    _mend(module, name, getattr(module, name))


def _mend(module: Any, name: str, made: Any) -> None:
    """Let a module have its own class where PyGObject took one without functions and fields, which it may have made before.

    It makes such a class of an element's base class when a program gets the element (an ``identity``, a ``capsfilter``) while
    the module of the base class is not loaded.
    """
    if hasattr(made, "__gtype__") and not made.__module__.startswith("gi."):
        made.__gtype__.pytype = None
        delattr(module, name)
        getattr(module, name)


GLib = _load("GLib")
GObject = _load("GObject")
Gst = _load("Gst")
Gst.init(None)
GstBase = _load("GstBase")
GstVideo = _load("GstVideo")
for _module in (GObject, Gst, GstBase, GstVideo):
    _fill_in(_module)
getattr(GLib, "quark_to_string", None)  # a function that PyGObject 3.58 calls where a GLib.Error is made

# PyGObject itself: its version, and the capsule of its interface for C (None: this version has none).
_gi = import_module("gi")
PYGOBJECT_VERSION: tuple[int, ...] = tuple(_gi.version_info)
PYGOBJECT_INTERFACE: Any = getattr(_gi._gi, "_PyGObject_API", None)


def all_of(iterator: Any) -> list[Any]:
    """Return what a Gst.Iterator, or None, leads to, from its beginning again where that changes meanwhile.

    It takes locks. The lists ``pads`` and ``children`` of an element do not: threads that add or remove some free what is read.
    """
    found: list[Any] = []
    while iterator:
        result, each = iterator.next()
        if result == Gst.IteratorResult.OK:
            found.append(each)
        elif result == Gst.IteratorResult.RESYNC:
            found.clear()
            iterator.resync()
        else:
            break
    return found


def elements_in(element: Any) -> list[Any]:
    """Return an element, and all inside of it if it is a bin, also those in bins there."""
    return [element, *all_of(element.iterate_recurse())] if isinstance(element, Gst.Bin) else [element]


def is_installed(plugin: str) -> bool:
    """Return whether the file of a plugin lies in a folder of plugins.

    They are looked up as files: this runs while GStreamer makes its registry, when no plugin knows of the others.
    """
    paths = [os.environ.get(name, "") for name in ("GST_PLUGIN_PATH_1_0", "GST_PLUGIN_PATH", "GST_PLUGIN_SYSTEM_PATH")]
    folders = [folder for path in paths for folder in path.split(os.pathsep) if folder]
    loader = getattr(Gst, "__plugin__", None)
    if loader is not None and loader.get_filename():
        folders.append(os.path.dirname(loader.get_filename()))
    return any(Path(folder, plugin).exists() for folder in folders)
