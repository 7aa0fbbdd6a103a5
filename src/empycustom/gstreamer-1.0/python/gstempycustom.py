"""Tells GStreamer's Python loader about the element ``empycustom``."""

import site
from pathlib import Path

site.addsitedir(str(Path(__file__).parents[3]))  # the environment that this file lies in need not be active

from empycustom.elements.empycustom import EmPyCustom
from empycustom.gstreamer import Gst

__gstelementfactory__ = ("empycustom", Gst.Rank.NONE, EmPyCustom)
