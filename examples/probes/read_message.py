"""Read what a library upstream has attached to each frame.

In the place of the probe at the sink of deepstream-custom-binding-test.
"""


def process_ip(io_buffer, in_meta, options):
    """Print the messages of the batch; nothing is attached."""
    for frame in in_meta["frame"]:
        found = frame.get("emcustom")
        if found:
            print(found["structId"], found["message"], found["sampleInt"], sep=", ")
