"""Elements that have the names of other projects' elements, so that command lines run as they are."""

from __future__ import annotations

from typing import Any, ClassVar

from empycustom.elements.base import always_templates, install_fast_path
from empycustom.elements.dialects import library_in
from empycustom.elements.empycustom import EmPyCustom
from empycustom.gstreamer import is_installed


class OfOthers(EmPyCustom):
    """Base of these elements: ``empycustom`` with other defaults. ``plugin`` is the file of the other project's plugin."""

    __gtype_name__ = "GstEmPyOfOthers"
    plugin: ClassVar[str] = ""
    usual: ClassVar[str] = ""  # the module where none is set

    @classmethod
    def is_elsewhere(cls) -> bool:
        """Return whether the plugin of the other project is installed, whose element goes before this one."""
        return is_installed(cls.plugin)

    def _chosen(self) -> Any:
        return library_in(self.values, "module", self.usual) if self.library is None else self.library


class GvaPython(OfOthers):
    """``gvapython``: modules for DL Streamer's element of this name."""

    __gtype_name__ = "GstGvapython"  # not GstGvaPython, the type of DL Streamer's; elements of both are called gvapython0
    __gstmetadata__ = (
        "Python modules for DL Streamer",
        "Filter/Effect/Video",
        "Calls a function of a Python module for gvapython; empycustom with dialect=gvapython",
        "The empycustom developers",
    )
    defaults: ClassVar = {"dialect": "gvapython", "in-place": True}
    plugin = "libgstvideoanalytics.so"


class HailoPython(OfOthers):
    """``hailopython``: modules for the element of this name in Hailo's TAPPAS."""

    __gtype_name__ = "GstHailopython"  # not GstHailoPython, the type of TAPPAS
    __gstmetadata__ = (
        "Python modules for Hailo's TAPPAS",
        "Filter/Effect/Video",
        "Calls a function of a Python module for hailopython; empycustom with dialect=hailopython",
        "The empycustom developers",
    )
    # Those of TAPPAS, so that a line which names no format gets the same one; modules may count on three channels, or on planes.
    __gsttemplates__ = always_templates("video/x-raw, format={ RGB, YUY2, I420, RGBA, NV12 }")
    defaults: ClassVar = {"dialect": "hailopython", "in-place": True}
    plugin = "libgsthailopython.so"
    usual = "processor.py"


for _class in (GvaPython, HailoPython):
    install_fast_path(_class, "transform_ip", "transform")
