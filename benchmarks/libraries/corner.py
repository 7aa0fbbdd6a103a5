"""The mean of a region of 64x64 pixels, and how long the call of it took."""

from time import monotonic_ns

import empycustom

LEFT, TOP, SIDE = 96, 64, 64


def process_ip(io_buffer, in_meta, options):
    """Take the mean; what is measured is the way here and back, without this."""
    began = monotonic_ns()
    with empycustom.map_frame(io_buffer, in_meta) as frame:
        mean = frame.pixels[TOP : TOP + SIDE, LEFT : LEFT + SIDE].mean()
    return {"frame": {"mean": mean, "ns": monotonic_ns() - began}}
