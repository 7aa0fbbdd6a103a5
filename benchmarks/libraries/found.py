"""Find 100 objects, with as many key points each as the option ``points`` says."""

import numpy as np

POINTS = np.random.default_rng(1).random((100, 17, 3), np.float32)


def process_ip(io_buffer, in_meta, options):
    """Return new objects."""
    objects = [
        {
            "obj_label": "person",
            "confidence": 0.75,
            "object_id": number,
            "rect_params": {"left": number * 2, "top": number, "width": 24, "height": 32},
        }
        for number in range(100)
    ]
    if options["points"]:
        for found, points in zip(objects, POINTS, strict=True):
            found["keypoints"] = points[: options["points"]] * (24, 32, 1)
    return {"frame": [{"new_object": objects}]}
