"""Tells GStreamer's Python loader about the element ``perf``, unless another plugin of this name is installed."""

import site
from pathlib import Path

site.addsitedir(str(Path(__file__).parents[3]))  # the environment that this file lies in need not be active

from empycustom.elements.perf import Perf, is_elsewhere
from empycustom.gstreamer import Gst

if not is_elsewhere():
    __gstelementfactory__ = ("perf", Gst.Rank.NONE, Perf)
