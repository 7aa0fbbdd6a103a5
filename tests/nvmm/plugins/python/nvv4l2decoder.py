"""``nvv4l2decoder``, as NVIDIA's: it decodes H.264, says of its frames that they are in GPU memory, and is preferred to others."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gpu_elements import NVMM, SYSTEM, ChangesMemory, Gst, make_floating, template

SINK, SRC = Gst.PadDirection.SINK, Gst.PadDirection.SRC


class Up(ChangesMemory):
    __gstmetadata__ = ("Up", "Filter", "Says that frames are in GPU memory", "tests")
    __gsttemplates__ = (template(SINK, "video/x-raw,format=NV12"), template(SRC, f"video/x-raw({NVMM})"))
    enters, leaves = (SYSTEM,), (NVMM,)


def answer(pad, parent, query):
    """Say to those who ask that frames come in system memory, as NVIDIA's decoder does."""
    if query.type != Gst.QueryType.CAPS:
        return pad.query_default(parent, query)
    query.set_caps_result(Gst.Caps.from_string("video/x-raw"))
    return True


class NvV4l2Decoder(Gst.Bin):
    __gstmetadata__ = ("Fake decoder", "Codec/Decoder/Video/Hardware", "Decodes into GPU memory", "tests")
    __gsttemplates__ = (
        template(SINK, "video/x-h264,stream-format=(string){avc,byte-stream},alignment=au"),
        template(SRC, f"video/x-raw({NVMM})"),
    )

    def __init__(self):
        super().__init__()
        decoder, converter, up = *map(Gst.ElementFactory.make, ("avdec_h264", "videoconvert")), Up()
        for element in (decoder, converter, up):
            self.add(element)
        decoder.link(converter)
        converter.link(up)
        for element, name in ((decoder, "sink"), (up, "src")):
            self.add_pad(Gst.GhostPad.new_from_template(name, element.get_static_pad(name), self.get_pad_template(name)))
        self.get_static_pad("src").set_query_function_full(answer)
        make_floating(self)


__gstelementfactory__ = ("nvv4l2decoder", Gst.Rank.PRIMARY + 11, NvV4l2Decoder)
