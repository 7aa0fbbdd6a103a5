"""Make objects of what a network of the kind SSD puts out.

In the place of the probe at nvinfer of deepstream-ssd-parser: nvinfer attaches the tensors, with ``output-tensor-meta=1`` and
``network-type=100``. What overlaps is left to the network, which has done its own suppression.

Options: ``labels`` ([]), the names of the classes, ``least`` (0.5), of the confidence.
"""

import numpy as np

LAYERS = ("num_detections", "detection_scores", "detection_classes", "detection_boxes")


def process_ip(io_buffer, in_meta, options):
    """Return the objects of each frame of the batch."""
    return {"frame": [{"new_object": objects_in(frame, options)} for frame in in_meta["frame"]]}


def objects_in(frame, options):
    """Return the objects of a frame; none where it has no tensors."""
    layers = {each["name"]: each["data"] for each in frame.get("tensors", [])}
    if not layers:
        return []
    count, scores, classes, boxes = (layers[name] for name in LAYERS)
    width, height = frame["source_frame_width"], frame["source_frame_height"]
    rows = np.clip(boxes.reshape(-1, 4)[: int(count.flat[0])], 0, 1) * [height, width, height, width]
    labels, least = options.get("labels", []), options.get("least", 0.5)
    return [
        {
            "class_id": int(number),
            "obj_label": labels[int(number)] if int(number) < len(labels) else "",
            "confidence": float(score),
            "rect_params": {"left": left, "top": top, "width": right - left, "height": bottom - top},
        }
        for (top, left, bottom, right), number, score in zip(rows.tolist(), classes.flat, scores.flat, strict=False)
        if score >= least and right > left and bottom > top
    ]
