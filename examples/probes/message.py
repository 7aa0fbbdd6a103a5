"""Attach a message of one's own to each frame.

In the place of the probe at nvstreammux of deepstream-custom-binding-test, which needs bindings in C++ for its structure.
"""


def process_ip(io_buffer, in_meta, options):
    """Return a message for each frame of the batch."""
    return {"frame": [{"meta": message(frame["frame_num"])} for frame in in_meta["frame"]]}


def message(number):
    """Return what is attached to the frame of a number."""
    return {"structId": number, "message": f"test message {number}", "sampleInt": number + 1}
