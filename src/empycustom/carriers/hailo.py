"""Objects of Hailo (TAPPAS): the detections in the HailoROI of a buffer, with what is in them.

Copies of a buffer share one ROI, as behind a ``tee``: what is written in one branch is there in all, as is
what Hailo's own elements write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from empycustom.carriers.hailo_changes import Changes
from empycustom.carriers.hailo_module import Numbers, load
from empycustom.carriers.hailo_objects import (
    Seen,
    bbox_of,
    classifications_of,
    detections_in,
    landmarks_from,
    new_detection,
    read,
    rounded_in,
    track_of,
)
from empycustom.carriers.protocol import NATIVE_NUMBERS, Box, Change, Handle, Place, Size, number_parents
from empycustom.errors import MetadataError
from empycustom.model import values as model
from empycustom.model.arrays import PARENT_ID
from empycustom.model.keys import BOX, CLASS_ID, CLASSIFIERS, CONFIDENCE, LABEL, TRACK_ID
from empycustom.model.serialize import encode
from empycustom.model.values import Important
from empycustom.model.wire import box_of_object
from empycustom.native import hailo as native

_UNREAD = "Hailo's objects on the buffers are not read and not written: "
numbers = Numbers()
_WHOLE = (1, 1)  # a size, where boxes do not matter


class Hailo:
    """See :class:`~empycustom.carriers.protocol.ObjectSource`. The state of a detection is itself."""

    kind = "hailo"
    kept = frozenset((LABEL, BOX, CLASS_ID, CONFIDENCE))
    fixed = 1
    can_add = False  # unless a buffer has a ROI
    is_shared = True

    @property
    def api(self) -> int:
        """The type of the API, which is registered when Hailo's first element is used."""
        return native.api()

    @property
    def takes_new(self) -> bool:
        """True if new objects on a buffer with a ROI become detections."""
        return load()[0] is not None

    def decode(self, metas: Sequence[int], size: Size, objects: list[Any], handles: list[Handle], warnings: list[str]) -> None:
        """Add the detections of the ROI."""
        begin, parents = len(objects), set()
        hailo, why_not = load()
        if hailo is None:
            warnings.append(Important(f"{_UNREAD}{why_not}"))
            return
        for seen in _seen(hailo, metas[0], size):
            found: Any = read(hailo, seen, warnings)
            lost = {TRACK_ID: found[TRACK_ID]} if found[TRACK_ID] != model.UNTRACKED else {}
            if found[CLASSIFIERS]:
                lost[CLASSIFIERS] = encode(found[CLASSIFIERS])  # the library may change the other one
            if seen.parent is not None:
                parents.add(numbers.of(seen.parent))
                found[PARENT_ID] = NATIVE_NUMBERS + numbers.of(seen.parent)
            objects.append(found)
            handles.append((self, numbers.of(seen.detection), (seen.detection,), found[LABEL], lost or None))
        if parents:
            number_parents(objects[begin:], handles[begin:], parents)

    def locate(self, metas: Sequence[int]) -> list[Place]:
        """Return where the detections are; from now on they keep their numbers."""
        hailo, _ = load()
        if hailo is None:
            return []
        return [((seen.detection,), self, metas[0], numbers.hold(seen.detection)) for seen in _seen(hailo, metas[0], _WHOLE)]

    def key(self, number: int) -> str:
        """Return the key of a detection by its number."""
        return f"hailo/{number}"

    def claim(self, meta: int, number: int, free: Iterator[int]) -> int:  # noqa: ARG002 - the protocol has it
        """Return the number: those of a process are unique."""
        return number

    def add(self, address: int, found: model.Object, size: Size, free: Iterator[int], warnings: list[str]) -> tuple[str, Box]:  # noqa: ARG002 - the protocol has it
        """Add an object to the ROI."""
        hailo, area = load()[0], (0, 0, *size)
        meta = native.meta_on(address)
        roi = _roi(hailo, meta) if meta else None
        if roi is None:
            raise MetadataError(
                "the GstHailoMeta of the buffer has no HailoROI for new objects; find the element that attached it"
            )
        detection = new_detection(hailo, found, bbox_of(hailo, box_of_object(found), area), warnings)
        parts = [*track_of(hailo, found, warnings), *classifications_of(hailo, found, warnings)]
        box = rounded_in(detection, area)
        for part in (*parts, *landmarks_from(hailo, found, None, box)):
            detection.add_object(part)
        roi.add_object(detection)
        return self.key(numbers.hold(detection)), box

    def change(
        self,
        address: int,  # noqa: ARG002 - the protocol has it
        meta: int,
        changes: Mapping[int, Change | None],
        size: Size,
        warnings: list[str],
    ) -> dict[int, Box]:
        """Change detections of a ROI, or remove them; what is a part of one stays."""
        hailo, _ = load()
        roi = _roi(hailo, meta)
        boxes: dict[int, Box] = {}
        for number, change in changes.items():
            made = Changes(hailo, roi, size, numbers, warnings)
            if change is None:
                made.remove(number)
            elif box := made.change(number, change):
                boxes[number] = box
        return boxes

    def relate(self, meta: int, number: int, parent: int) -> None:
        """Let a detection be a part of another one."""
        hailo, _ = load()
        Changes(hailo, _roi(hailo, meta), _WHOLE, numbers, []).relate(number, parent)


def _seen(hailo: Any, meta: int, size: Size) -> Iterator[Seen]:
    roi = _roi(hailo, meta)
    return iter(()) if roi is None else detections_in(hailo, roi, size)


def _roi(hailo: Any, meta: int) -> Any:
    """Return the HailoROI in the meta at an address; None: it has none."""
    address = native.main_object_at(meta)
    found = hailo.access_HailoMainObject_from_desc(address) if address else None
    return found if isinstance(found, hailo.HailoROI) else None
