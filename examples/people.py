"""Find people by OpenCV's HOG detector and follow them: a custom library that is the detector.

It returns ``new_object``, and the next element gets these objects as if a neural network had found them::

    empycustom run street.mp4 --lib examples/people.py --out people.jsonl

Searching a frame takes about 0.1 s, so only every 6th is searched. In the frames between, each box follows its person: the
picture of the upper body is searched near its last place. A person keeps the ``object_id`` as long as the next search finds
somebody in about the same place; two people who cross may exchange theirs. Frames have to be RGBA.

The detector is in OpenCV 4 (``opencv-python-headless<5``). Of OpenCV 5, only ``opencv-contrib-python-headless`` has it.

Options, all of them optional:

``interval`` (6)
    Search every n-th frame. 1 is the most accurate and the slowest.
``scale``
    Search the frame at this scale. The detector finds people of about 100 pixels and more; by default every frame is scaled to
    800 lines, so that people from an eighth of the picture's height are found.
``min_confidence`` (0.62)
    Ignore detections with less confidence, from 0 to 1. It grows with the detector's score and is not a probability.
"""

from dataclasses import dataclass

import cv2
import numpy as np

import empycustom

PERSON_CLASS_ID = 2
SEARCHED_LINES = 800
MOST_MISSES = 2

if not hasattr(cv2, "HOGDescriptor"):
    raise ImportError(
        f"OpenCV {cv2.__version__} has no people detector (HOG), which is not in the main package of OpenCV 5; "
        "pip install 'opencv-python-headless<5' (opencv-contrib-python-headless also has it), or use empycustom.libs.detect"
    )
hog = cv2.HOGDescriptor()
hog.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())


def start(options):
    """Start without people: an element that is started again may get another video."""
    global crowd
    crowd = Crowd()


def process_ip(io_buffer, in_meta, options):
    """Return the people in this frame as new objects."""
    global crowd
    source = in_meta["frame"][0].get("source")
    if source != crowd.source:  # another video, or the next picture
        crowd = Crowd(source, crowd.last_id)
    with empycustom.map_frame(io_buffer, in_meta) as frame:
        picture = cv2.cvtColor(frame.rgba, cv2.COLOR_RGBA2RGB)
    crowd.follow(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
    if crowd.frames % int(options.get("interval", 6)) == 0:
        scale = float(options.get("scale", SEARCHED_LINES / picture.shape[0]))
        crowd.match(search(picture, scale, float(options.get("min_confidence", 0.62))))
    crowd.frames += 1
    people = [describe(person, *picture.shape[:2]) for person in crowd.people]
    return {"frame": [{"new_object": people}]}


@dataclass(eq=False)
class Person:
    """A person; ``box`` is left, top, width, height in pixels and may extend outside the picture."""

    box: np.ndarray
    confidence: float
    object_id: int = -1
    seen: int = 1
    missed: int = 0


class Crowd:
    """All people in the picture, and the picture."""

    def __init__(self, source=None, last_id=0):
        self.source, self.last_id = source, last_id
        self.people, self.gray, self.frames = [], np.empty((0, 0), np.uint8), 0

    def follow(self, gray):
        """Move each box to the new place of its person."""
        if gray.shape != self.gray.shape:
            self.people = []
        for person in self.people:
            person.box[:2] += movement(self.gray, gray, person.box)
        self.gray = gray

    def match(self, found):
        """Match detections with known people, the best matches first, and add the others."""
        missing, new_people = list(self.people), list(found)
        pairs = ((union_share(old.box, new.box), old, new) for old in self.people for new in found)
        for share, old, new in sorted(pairs, key=lambda pair: pair[0], reverse=True):
            if share > 0.3 and old in missing and new in new_people:
                missing.remove(old)
                new_people.remove(new)
                recognise(old, new)
        for person in missing:
            person.missed += 1
        # People who were found twice may be hidden for a moment; one who was found once only was a false detection.
        self.people = [p for p in self.people if p.missed < min(p.seen, MOST_MISSES)]
        for person in new_people:
            self.last_id += 1
            person.object_id = self.last_id
        self.people += new_people


def recognise(old, new):
    """Keep the number, take what was found; half of the way, because the detector's boxes jump by a few pixels."""
    old.box, old.confidence = (old.box + new.box) / 2, new.confidence
    old.seen, old.missed = old.seen + 1, 0


def search(picture, scale, min_confidence):
    """Return the people in an RGB picture, surest first; each once, though the detector sees some in two sizes."""
    scaled = cv2.resize(picture, None, fx=scale, fy=scale)
    boxes, scores = hog.detectMultiScale(scaled, winStride=(8, 8), padding=(8, 8), scale=1.2, groupThreshold=1)
    found = [Person(tight(np.array(box) / scale), 1 / (1 + np.exp(-score))) for box, score in zip(boxes, scores, strict=True)]
    people = []
    for person in sorted(found, key=lambda p: p.confidence, reverse=True):
        if person.confidence >= min_confidence and all(smaller_share(person.box, p.box) < 0.65 for p in people):
            people.append(person)
    return people


def tight(box):
    """Take the margin off that the detector's window has around the person."""
    left, top, width, height = box
    return np.array([left + 0.15 * width, top + 0.07 * height, 0.7 * width, 0.86 * height])


def movement(before, now, box):
    """Return how far (x, y) the upper body in the box went, at most a third of its width to the sides."""
    left, top, width, height = box.astype(int)
    x, y = max(left + width // 5, 0), max(top + height // 20, 0)
    right, bottom = max(left + width * 4 // 5, 0), max(top + height * 3 // 5, 0)
    body = before[y:bottom, x:right]
    if min(body.shape) < 8:
        return 0, 0
    x_from, y_from = max(x - width // 3, 0), max(y - height // 20, 0)
    near = now[y_from : bottom + height // 20, x_from : right + width // 3]
    _, _, _, best = cv2.minMaxLoc(cv2.matchTemplate(near, body, cv2.TM_CCOEFF_NORMED))
    return x_from + best[0] - x, y_from + best[1] - y


def shared_area(a, b):
    """Return how many square pixels two boxes have in common."""
    width, height = np.minimum(a[:2] + a[2:], b[:2] + b[2:]) - np.maximum(a[:2], b[:2])
    return max(width, 0) * max(height, 0)


def union_share(a, b):
    """Return the intersection over the union of two boxes."""
    shared = shared_area(a, b)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def smaller_share(a, b):
    """Return how much of the smaller box lies in the other."""
    return shared_area(a, b) / min(a[2] * a[3], b[2] * b[3])


def describe(person, height, width):
    """Write a person as an object of in_meta, with the part of the box that lies in the picture."""
    corners = np.append(person.box[:2], person.box[:2] + person.box[2:]).round().astype(int)
    left, top, right, bottom = np.clip(corners, 0, [width, height] * 2).tolist()
    return {
        "class_id": PERSON_CLASS_ID,
        "obj_label": "person",
        "object_id": person.object_id,
        "confidence": round(float(person.confidence), 3),
        "rect_params": {"left": left, "top": top, "width": right - left, "height": bottom - top},
    }
