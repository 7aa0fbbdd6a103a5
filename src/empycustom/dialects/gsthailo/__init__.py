"""What modules of hailopython import as ``gsthailo``, whether Hailo's TAPPAS is installed or not.

That of TAPPAS has no size of the frame with Python 3.10 and later, and takes all formats for RGB without padding.
"""

from empycustom.dialects.gsthailo.video_frame import VideoFrame

__all__ = ["VideoFrame"]
