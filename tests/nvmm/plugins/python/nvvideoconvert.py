"""``nvvideoconvert``, as NVIDIA's: it brings frames to the GPU, and down from there."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gpu_elements import NVMM, ChangesMemory, Gst, make_floating, template

ANYWHERE = f"video/x-raw; video/x-raw({NVMM})"


class NvVideoConvert(ChangesMemory):
    __gstmetadata__ = ("Fake converter", "Filter/Converter/Video/Scaler", "Says that frames are where they are wanted", "tests")
    __gsttemplates__ = (template(Gst.PadDirection.SINK, ANYWHERE), template(Gst.PadDirection.SRC, ANYWHERE))

    def __init__(self):
        make_floating(self)

    def do_transform_caps(self, direction, caps, limits):
        return ChangesMemory.do_transform_caps(self, direction, caps, limits).simplify()  # as NVIDIA's does


__gstelementfactory__ = ("nvvideoconvert", Gst.Rank.NONE, NvVideoConvert)
