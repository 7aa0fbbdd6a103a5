"""The elements. A loader file names one; :func:`register` makes all known without the loader."""

from __future__ import annotations

from empycustom.elements.aimeta import AIMeta
from empycustom.elements.empycustom import EmPyCustom
from empycustom.elements.metapublish import MetaPublish
from empycustom.elements.others import GvaPython, HailoPython
from empycustom.elements.perf import Perf
from empycustom.gstreamer import Gst

ELEMENTS = {
    "empycustom": EmPyCustom,
    "aimeta": AIMeta,
    "metapublish": MetaPublish,
    "perf": Perf,
    "gvapython": GvaPython,
    "hailopython": HailoPython,
}


def register() -> None:
    """Make ``empycustom``, ``aimeta``, ``metapublish``, ``perf``, ``gvapython`` and ``hailopython`` known to this process.

    It needs no plugin. An element that another plugin has under one of these names stays, so that an installed ``perf`` wins;
    call it as often as you like.
    """
    add_elements()


def add_elements() -> None:
    """Make the elements known, where no program looks at buffers."""
    for name, element in ELEMENTS.items():
        if Gst.ElementFactory.find(name) is None:
            Gst.Element.register(None, name, Gst.Rank.NONE, element)
