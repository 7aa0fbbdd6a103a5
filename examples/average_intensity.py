"""Measure the average intensity of each person, from 0 (black) to 255 (white).

The objects come from an element upstream, here ``people.py``::

    empycustom run street.mp4 --lib examples/people.py --lib examples/average_intensity.py --out meta.jsonl

Options: ``person_class_id`` (2), the class of the objects to measure.
"""

import empycustom

PERSON_CLASS_ID = 2


def process_ip(io_buffer, in_meta, options):
    """Return a dict for each object, in their order; ``{}`` adds nothing to an object."""
    person = int(options.get("person_class_id", PERSON_CLASS_ID))
    with empycustom.map_frame(io_buffer, in_meta) as frame:
        return [measure(frame, obj) if obj["class_id"] == person else {} for obj in in_meta["frame"][0]["object"]]


def measure(frame, obj):
    """Measure the part of the box inside the picture; a box outside it has no intensity."""
    crop = frame.crop(obj)
    # The fourth channel is opacity, not light.
    return {"average_intensity": round(float(crop[..., :3].mean()), 1)} if crop.size else {}
