"""Zone counts: a function alone, normalised boxes, one message a frame that also reads the messages before it."""

import json

ZONES = {"left": (0.0, 0.5), "right": (0.5, 1.0)}


def count(frame):
    counts = dict.fromkeys(ZONES, 0)
    for region in frame.regions():
        box = region.normalized_rect()
        for name, (low, high) in ZONES.items():
            counts[name] += low <= box.x + box.w / 2 < high
    events = [json.loads(message).get("event") for message in frame.messages()]
    frame.add_message(json.dumps({"zones": counts, "events": events.count("crossing")}))
    return True
