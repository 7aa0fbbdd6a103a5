"""Pipelines to whose pads libraries are attached."""

from __future__ import annotations

CAPS = "video/x-raw,format=RGBA,width=64,height=48,framerate=30/1"
SOURCE = f"videotestsrc num-buffers=5 ! {CAPS}"
COUNTS = """\
calls = 0


def process_ip(io_buffer, in_meta, options):
    global calls
    calls += 1
    frame = in_meta["frame"][0]
    return {"frame": {"calls": calls, "n": frame["frame_num"], "pts": frame["buf_pts"], "o": options}}
"""
RAISES = "def process_ip(b, m, o):\n    if m['frame'][0]['frame_num'] == 2:\n        raise ValueError('two')\n"
FINDS = {"frame": [{"new_object": [{"obj_label": "dog", "rect_params": {"left": 1, "top": 2, "width": 3, "height": 4}}]}]}


def pad_of(pipeline, place):
    name, pad = place.split(".")
    return pipeline.get_by_name(name).get_static_pad(pad)


def attributes(frames):
    return [frame.get("emcustom") for frame in frames]
