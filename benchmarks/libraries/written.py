"""Write a square of 64x64 pixels."""

import empycustom

LEFT, TOP, SIDE = 96, 64, 64


def process_ip(io_buffer, in_meta, options):
    """Write into the frame and return nothing."""
    with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
        frame.pixels[TOP : TOP + SIDE, LEFT : LEFT + SIDE] = 7
