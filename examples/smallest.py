"""The smallest custom library: one function that is called for every frame, with one result for each.

    empycustom run test --lib examples/smallest.py --out smallest.jsonl

or in your own pipeline::

    export GST_PLUGIN_PATH=$(empycustom plugin-path)
    gst-launch-1.0 videotestsrc num-buffers=3 ! video/x-raw,format=RGBA \
        ! empycustom custom-lib=examples/smallest.py in-place=true ! aimeta silent=false ! fakesink
"""


def process_ip(io_buffer, in_meta, options):
    """Return how many objects upstream found, which becomes the frame's ``emcustom``."""
    return {"frame": {"objects": len(in_meta["frame"][0]["object"])}}
