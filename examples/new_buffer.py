"""Make a new buffer for each frame: the mirrored picture. This is ``process``, for ``in-place=false``.

    empycustom run street.mp4 --lib examples/new_buffer.py --save mirror.mp4

or ``... ! empycustom custom-lib=examples/new_buffer.py in-place=false ! ...`` in a pipeline. The new buffer goes downstream with
the time, the flags and the meta of the old one; its format and size have to be the same.
"""

from gi.repository import Gst

import empycustom


def process(in_buffer, in_meta, options):
    """Return a buffer with the mirrored picture, and an attribute of the frame."""
    out_buffer = Gst.Buffer.new_allocate(None, in_buffer.get_size(), None)
    with (
        empycustom.map_frame(in_buffer, in_meta) as frame,
        empycustom.map_frame(out_buffer, in_meta, writable=True) as out,
    ):
        out.pixels[:] = frame.pixels[:, ::-1]
    return out_buffer, {"frame": {"mirrored": True}}
