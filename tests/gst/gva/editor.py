"""Messages that are edited: each is removed, and added again with more in it; or left out where nothing is of interest."""

import json

from gstgva import VideoFrame


def add_site(frame: VideoFrame) -> bool:
    for message in list(frame.messages()):
        content = json.loads(message)
        content["tags"] = {"site": "north"}
        for found in content.get("objects", []):
            found["big"] = found["w"] * found["h"] > 127
        frame.remove_message(message)
        frame.add_message(json.dumps(content))
    return True


def only_cars(frame: VideoFrame) -> bool:
    for region in list(frame.regions()):
        if region.label() != "car":
            frame.remove_region(region)
    for message in frame.messages():
        frame.remove_message(message)
    return True
