"""The smallest custom library: one function that sees every frame, and one result for each.

    empycustom run test --lib examples/smallest.py --out smallest.jsonl

or in a pipeline of your own::

    export GST_PLUGIN_PATH=$(empycustom plugin-path)
    gst-launch-1.0 videotestsrc num-buffers=3 ! video/x-raw,format=RGBA \
        ! empycustom custom-lib=examples/smallest.py in-place=true ! aimeta silent=false ! fakesink
"""


def process_ip(io_buffer, in_meta, options):
    """Say how many objects upstream found: this becomes the frame's ``emcustom``."""
    return {"frame": {"objects": len(in_meta["frame"][0]["object"])}}
