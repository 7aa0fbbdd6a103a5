"""Lines that tracked objects cross: a class with arguments by name, and a message for each event."""

import json

from gstgva import VideoFrame


class LineCrossing:
    def __init__(self, x=30, labels=()):
        self.x, self.labels, self.before = x, labels, {}

    def process_frame(self, frame: VideoFrame) -> bool:
        for region in frame.regions():
            number = region.object_id()
            if number is None or region.label() not in self.labels:
                continue
            left, _, width, _ = region.rect()
            centre = left + width / 2
            if number in self.before and self.before[number] < self.x <= centre:
                frame.add_message(json.dumps({"event": "crossing", "id": number, "label": region.label()}))
            self.before[number] = centre
        return True
