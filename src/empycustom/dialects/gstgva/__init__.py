"""What modules of gvapython import as ``gstgva``, where DL Streamer is not installed.

It has what modules use of it: frames, regions, tensors and messages. Here they are views of ``in_meta``; what a module changes
becomes the result of its call. Audio is left out.
"""

from empycustom.dialects.gstgva import util
from empycustom.dialects.gstgva.region_of_interest import Rect, RegionOfInterest
from empycustom.dialects.gstgva.tensor import Tensor
from empycustom.dialects.gstgva.video_frame import VideoFrame

__all__ = ["Rect", "RegionOfInterest", "Tensor", "VideoFrame", "util"]
