"""Count the objects of each frame by their labels.

In the place of the probes of deepstream-test1 (also its variants for cameras and RTSP), deepstream-test2, deepstream-test3,
deepstream-demux-multi-in-multi-out, deepstream-preprocess-test, and of the one at nvdsosd of deepstream-ssd-parser.
"""

from collections import Counter


def process_ip(io_buffer, in_meta, options):
    """Return the counts of each frame of the batch."""
    return {"frame": [{"meta": counted(frame["object"])} for frame in in_meta["frame"]]}


def counted(objects):
    """Count objects, all and by label."""
    return {"objects": len(objects), "labels": dict(Counter(found["obj_label"] for found in objects))}
