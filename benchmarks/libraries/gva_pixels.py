"""A module of gvapython that writes a square of 64x64 pixels."""

LEFT, TOP, SIDE = 96, 64, 64


def process_frame(frame):
    """Write into the frame, which is mapped for reading, as modules do."""
    with frame.data() as pixels:
        pixels[TOP : TOP + SIDE, LEFT : LEFT + SIDE] = 7
    return True
