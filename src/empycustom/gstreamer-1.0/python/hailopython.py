"""Tells GStreamer's Python loader about the element ``hailopython``, unless Hailo's TAPPAS is installed."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3]))  # the environment that this file is installed in need not be active

from empycustom.loading import element_class

if not element_class("hailopython").is_elsewhere():
    __gstelementfactory__ = ("hailopython", 0, element_class("hailopython"))
