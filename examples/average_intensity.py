"""The average intensity of each person, from 0 (black) to 255 (white).

It speaks about objects that somebody upstream found, here ``people.py``::

    empycustom run street.mp4 --lib examples/people.py --lib examples/average_intensity.py --out meta.jsonl

Options: ``person_class_id`` (2), the class whose objects are measured.
"""

import empycustom

PERSON_CLASS_ID = 2


def process_ip(io_buffer, in_meta, options):
    """Return one dict for each object, in their order; ``{}`` says nothing about an object."""
    person = int(options.get("person_class_id", PERSON_CLASS_ID))
    with empycustom.map_frame(io_buffer, in_meta) as frame:
        return [say(frame, obj) if obj["class_id"] == person else {} for obj in in_meta["frame"][0]["object"]]


def say(frame, obj):
    """Measure the part of the box that lies in the picture; a box outside of it has no intensity."""
    crop = frame.crop(obj)
    # The fourth channel is transparency, which is not light.
    return {"average_intensity": round(float(crop[..., :3].mean()), 1)} if crop.size else {}
