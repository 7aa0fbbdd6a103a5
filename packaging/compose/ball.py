"""Find the white ball of GStreamer's test picture."""

import numpy as np

import empycustom


def process_ip(io_buffer, in_meta, options):  # noqa: ARG001 - it has none
    """Return the ball as an object, if there is one."""
    with empycustom.map_frame(io_buffer, in_meta) as frame:
        rows, columns = np.nonzero(frame.rgb[..., 1] > 128)
    if not rows.size:
        return None
    left, top = int(columns.min()), int(rows.min())
    box = {"left": left, "top": top, "width": int(columns.max()) - left + 1, "height": int(rows.max()) - top + 1}
    return {"frame": [{"new_object": [{"obj_label": "ball", "class_id": 0, "confidence": 1.0, "rect_params": box}]}]}
