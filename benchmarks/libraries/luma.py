"""The mean of a region of 64x64 pixels of the luma plane."""

import empycustom

LEFT, TOP, SIDE = 96, 64, 64


def process_ip(io_buffer, in_meta, options):
    """Take the mean and return nothing: what is measured here is reading."""
    with empycustom.map_frame(io_buffer, in_meta) as frame:
        frame.planes[0][TOP : TOP + SIDE, LEFT : LEFT + SIDE].mean()
