"""A library of ours that stands for detectors and trackers: a car that drives to the right, and a person who stands."""


def process_ip(buffer, in_meta, options):
    number = in_meta["frame"][0]["frame_num"]
    car = {"left": 10 * number, "top": 20, "width": 16, "height": 8}
    person = {"left": 40, "top": 4, "width": 8, "height": 16}
    found = [
        {"obj_label": "car", "class_id": 2, "confidence": 0.75, "object_id": 7, "rect_params": car},
        {"obj_label": "person", "class_id": 0, "confidence": 0.25, "object_id": 8, "rect_params": person},
    ]
    return {"frame": [{"new_object": found}]}
