"""Tells GStreamer's Python loader about the element ``perf``, unless another plugin of this name is installed."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3]))  # the environment that this file is installed in need not be active

from empycustom.loading import element_class

if not element_class("perf").is_elsewhere():
    __gstelementfactory__ = ("perf", 0, element_class("perf"))
