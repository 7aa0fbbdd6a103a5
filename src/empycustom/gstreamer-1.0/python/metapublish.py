"""Tells GStreamer's Python loader about the element ``metapublish``."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3]))  # the environment that this file is installed in need not be active

from empycustom.loading import element_class

__gstelementfactory__ = ("metapublish", 0, element_class("metapublish"))
