"""Uses what modules use of gstgva besides its classes: its private names, and what it has for its own use."""

import json

from gi.repository import Gst
from gstgva import Tensor, VideoFrame, util
from gstgva.util import TRANSFORM_IP_BUFFER, VideoInfoFromCaps, gst_buffer_data, libgst


def inspect(frame: VideoFrame) -> bool:
    buffer = frame._VideoFrame__buffer
    info = frame._VideoFrame__video_info
    caps = Gst.Caps.from_string(f"video/x-raw,format={info.finfo.name},width={info.width},height={info.height}")
    with TRANSFORM_IP_BUFFER(buffer) as inside, gst_buffer_data(inside, Gst.MapFlags.READ) as data:
        size = len(data)
    region = frame.add_region(1, 2, 3, 4, "plate")
    region.add_tensor(name="ocr").set_label("AB")
    region.add_tensor(tensor=region.add_tensor("by position"))
    region.add_tensor("", Tensor("both"))
    found = {
        "size": [size, VideoInfoFromCaps(caps).size],
        "writable": bool(libgst.gst_mini_object_is_writable(hash(buffer))),
        "name": libgst.gst_structure_get_name(libgst.gst_caps_get_structure(hash(caps), 0)).decode(),
        "tensors": [tensor.name() for tensor in region.tensors()],
        "unknown": region.tensors()[1].precision() == Tensor.PRECISION.ANY == Tensor.PRECISION.UNSPECIFIED,
        "seqnum": util.libgst.gst_util_seqnum_next() > 0,
    }
    frame.add_message(json.dumps(found))
    return True
