"""The one door to ``gi`` for what runs in a worker. ``Gst.init`` has been called once this module is imported."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import gi


def _load(namespace: str, version: str = "1.0") -> Any:
    gi.require_version(namespace, version)
    return import_module(f"gi.repository.{namespace}")


GLib = _load("GLib", "2.0")
Gst = _load("Gst")
Gst.init(None)
GstAllocators = _load("GstAllocators")
GstApp = _load("GstApp")  # brings the methods of appsrc and appsink
GstBase = _load("GstBase")
GstVideo = _load("GstVideo")
