"""Objects of a batch of DeepStream: as in_meta has them, as NvDsObjectMeta holds them, and whose parts they are.

NvDsObjectMeta has a mask, an angle (from 9.0 on), and a pointer to a parent. Mask and angle are there alone: whoever changes them
changes what elements of ours see. The pointer is lost in most copies of a batch; our own number is beside it, see Family.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import degrees, radians
from types import MappingProxyType
from typing import Any

from empycustom.carriers.events import Event
from empycustom.carriers.protocol import free_numbers
from empycustom.model import values as model
from empycustom.model.arrays import EMBEDDING, MASK, PARENT_ID, ROTATION, UNIQUE_ID, embedding_of
from empycustom.model.carried import pack, scaled_object
from empycustom.model.keys import BOX, LABEL, PACKED, TEXT
from empycustom.model.turns import within_a_turn
from empycustom.model.values import NOTHING
from empycustom.model.wire import box_dict, clean_box, detection_of, object_dict, usable
from empycustom.native.deepstream import LABEL_SIZE, Layout
from empycustom.native.deepstream_changes import set_parent
from empycustom.native.deepstream_outputs import Array
from empycustom.native.deepstream_read import BatchMeta, ClassifierMeta, FrameMeta, LabelMeta, MaskMeta, ObjectMeta
from empycustom.native.deepstream_write import place_object, scale_object
from empycustom.native.loading import single

_DEFAULT_COMPONENT = 0  # of an object that a library found and gave none


def holds(layout: Layout) -> frozenset[str]:
    """Return what NvDsObjectMeta of these versions holds beside the box, of the keys that an object need not have."""
    return frozenset((MASK, ROTATION)) if layout.angle else frozenset((MASK,))


def fields_of(found: ObjectMeta, event: Event, warnings: list[str], vectors: Mapping[int, Array] = MappingProxyType({})) -> Any:
    """Return what is known of an object, with its attributes; ``warnings`` grows by what had to be cleaned.

    ``vectors`` are tensors at objects.
    """
    value = model.Detection(
        found.label,
        clean_box(found.left, found.top, found.width, found.height, warnings),
        found.class_id,
        found.object_id,
        usable(single(found.confidence), "a confidence", warnings),
        found.display_text,
        tuple(_classification(classifier, warnings) for classifier in found.classifiers),
        found.unique_component_id,
        usable(single(found.tracker_confidence), "a confidence", warnings),
    )
    read: Any = object_dict(value, event.about(found.key) if found.key else NOTHING)
    if found.angle and (angle := usable(found.angle, "an angle", warnings)):
        read[ROTATION] = single(within_a_turn(radians(angle)))
    if found.mask and (mask := _mask(found.mask, warnings)) is not None:
        read[MASK] = mask
    if found.tensors in vectors and (vector := _vector(vectors[found.tensors], warnings)) is not None:
        read[EMBEDDING] = vector
    if found.key:
        event.complete(found.key, read)
    return read


def _mask(found: MaskMeta, warnings: list[str]) -> Any:
    """Return a mask: confidences if they are cut at 0.5, as everywhere else, and else what is above its threshold."""
    import numpy as np

    numbers = np.frombuffer(found.numbers, np.float32)
    if not numbers.size or numbers.size != found.width * found.height:
        warnings.append(f"a mask of {found.width}x{found.height} was left out: its size in bytes is another one")
        return None
    numbers = numbers.reshape(found.height, found.width)
    above = numbers > found.threshold
    if found.threshold == _THRESHOLD and numbers.min() >= 0 and numbers.max() <= 1 and not (numbers == above).all():
        return numbers.copy()
    return above.astype(np.uint8)


def _vector(found: Array, warnings: list[str]) -> Any:
    import numpy as np

    numbers = np.ndarray(found.shape, found.code, found.data)
    if numbers.size != max(numbers.shape, default=0):
        return None  # it is not a vector, but something else that a network says about an object
    try:
        return embedding_of(numbers)
    except ValueError as error:
        warnings.append(f"the tensor of an object is not its embedding: it {error}")
        return None


def _classification(found: ClassifierMeta, warnings: list[str]) -> model.Classification:
    labels = (
        model.Label(
            label.label,
            usable(single(label.probability), "a confidence", warnings),
            label.class_id,
            label.label_id,
            label.num_classes,
        )
        for label in found.labels
    )
    return model.Classification(tuple(labels), found.unique_component_id)


def meta_of(new: Mapping[str, Any], layout: Layout, warnings: list[str]) -> ObjectMeta:
    """Return what the metadata of a new object is to hold."""
    if len(new[LABEL].encode()) >= LABEL_SIZE:
        warnings.append(_CUT)
    return _with_shape(_meta_of(detection_of(new)), new, layout)


def _with_shape(meta: ObjectMeta, found: Mapping[str, Any], layout: Layout) -> ObjectMeta:
    """Return what the metadata of an object is to hold, with its mask and its angle."""
    mask, angle = found.get(MASK), found.get(ROTATION) or 0.0
    if mask is not None:
        import numpy as np

        numbers = np.ascontiguousarray(mask, np.float32)
        mask = MaskMeta(numbers.shape[1], numbers.shape[0], _THRESHOLD, numbers.tobytes())
    return meta._replace(mask=mask, angle=degrees(angle) if layout.angle else 0.0)


def _meta_of(new: model.Detection) -> ObjectMeta:
    classifiers = [
        ClassifierMeta(
            each.component_id,
            [
                LabelMeta(label.num_classes, label.name, label.class_id, label.label_id, label.probability)
                for label in each.labels
            ],
        )
        for each in new.classifications
    ]
    return ObjectMeta(
        unique_component_id=_DEFAULT_COMPONENT if new.component_id is None else new.component_id,
        class_id=new.class_id,
        object_id=new.track_id,
        confidence=new.confidence,
        tracker_confidence=new.tracker_confidence or 0.0,
        left=new.box.left,
        top=new.box.top,
        width=new.box.width,
        height=new.box.height,
        angle=0.0,
        display_text=new.text or new.label,
        label=new.label,
        key=0,
        classifiers=classifiers,
    )


def changed_meta(
    found: ObjectMeta,
    read: Mapping[str, Any],
    whole: Mapping[str, Any],
    change: Mapping[str, Any],
    layout: Layout,
    warnings: list[str],
) -> ObjectMeta:
    """Return what the metadata of an object that was ``read`` is to hold as a ``whole``; what no ``change`` names is as there."""
    before, after = (_meta_of(detection_of(each))._asdict() for each in (read, whole))
    after["display_text"] = before["display_text"]  # which may be the label
    if LABEL in change and len(change[LABEL].encode()) >= LABEL_SIZE:
        warnings.append(_CUT)
    made = found._replace(**{name: value for name, value in after.items() if value != before[name]})
    if TEXT in change:
        made = made._replace(display_text=change[TEXT]["display_text"])
    shape = _with_shape(made, whole, layout) if not _SHAPE.isdisjoint(change) else made
    return made._replace(
        mask=shape.mask if MASK in change else found.mask, angle=shape.angle if ROTATION in change else found.angle
    )


_CUT = f"the label of an object was cut to the {LABEL_SIZE - 1} bytes that DeepStream has for it"
_SHAPE = frozenset((MASK, ROTATION))
_THRESHOLD = 0.5
_DEFAULT_COMPONENT = 0  # of an object that a library found and gave none


def scale_objects(batch: BatchMeta, frame: FrameMeta, layout: Layout, factors: tuple[float, float], time: str) -> None:
    """Scale the objects of a frame by two factors; it is one of a copy that nobody else has yet. ``time`` is its timestamp."""
    turns = factors[0] != factors[1] and any(found.angle for found in frame.objects)
    event = Event(batch, frame, layout) if turns else None
    repacked = False
    for found in frame.objects:
        scale_object(found.address, layout, *factors)
        if event and found.angle:
            repacked |= _turn(found, event, layout, factors)
    if event and repacked:
        event.attach(NOTHING, time)


def _turn(found: ObjectMeta, event: Event, layout: Layout, factors: tuple[float, float]) -> bool:
    """Turn an object whose box was scaled as if it were upright, as the picture was; return whether its record is another one."""
    box = box_dict(*clean_box(found.left, found.top, found.width, found.height, []))
    turned = scaled_object({BOX: box, ROTATION: radians(usable(found.angle, "", []))}, factors)
    place_object(found.address, layout, turned[BOX].values(), degrees(turned[ROTATION]))
    record = event.records.get(found.key, {})
    if PACKED not in record:
        return False
    whole: dict[str, Any] = {BOX: scaled_object({BOX: box}, factors)[BOX]}
    event.complete(found.key, whole)  # in parts of the upright box, which becomes the turned one
    record[PACKED] = pack({**whole, BOX: turned[BOX]})
    return True


class Family:
    """Whose parts the objects of a frame are: by our own numbers in their records, and by NVIDIA's pointers.

    A pointer to an object that is there says it, unless our own number says that the parent is gone: its memory may be another
    object's by now. Parents without a number of ours get one, the same in every copy of the batch. Indices are those of the
    objects.
    """

    def __init__(self, found: Sequence[ObjectMeta], event: Event) -> None:
        at = {each.address: index for index, each in enumerate(found)}
        recorded = [event.records.get(each.key, {}) if each.key else {} for each in found]
        numbers = {index: record[UNIQUE_ID] for index, record in enumerate(recorded) if UNIQUE_ID in record}
        named = {record[PARENT_ID] for record in recorded if PARENT_ID in record}
        gone = named.difference(numbers.values())
        self.parents = {
            index: at[each.parent]
            for index, (each, record) in enumerate(zip(found, recorded, strict=True))
            if each.parent in at and record.get(PARENT_ID) not in gone
        }
        free = free_numbers(named | set(numbers.values()))
        nameless = set(self.parents.values()) - numbers.keys()
        self.given = {index: next(free) for index in sorted(nameless, key=lambda index: found[index][:13])}
        self.numbers = numbers | self.given

    def complete(self, objects: Sequence[Any]) -> None:
        """Add the numbers to objects of in_meta."""
        for index, number in self.given.items():
            objects[index][UNIQUE_ID] = number
        for index, parent in self.parents.items():
            objects[index][PARENT_ID] = self.numbers[parent]

    def recorded(self, changes: Mapping[int, dict[str, Any]], new: Iterable[Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
        """Return what a library changes of objects, and beside it the numbers given here that it goes by."""
        made = dict(changes)
        used = {each[PARENT_ID] for each in (*changes.values(), *new) if PARENT_ID in each}
        for index, number in self.given.items():
            if number in used:
                made[index] = {UNIQUE_ID: number, **made.get(index, {})}
        return made

    def tie(
        self,
        frame: int,
        batch: int,
        objects: Sequence[ObjectMeta | None],
        changes: Mapping[int, Mapping[str, Any]],
        new: Mapping[int, Mapping[str, Any]],
        *,
        anew: bool,
    ) -> None:
        """Let the pointers to parents be as the numbers say: of changed objects, by their indices, and of new ones, by address.

        ``anew``: the frame is one of a copy, in which they are lost.
        """
        places = {index: each.address for index, each in enumerate(objects) if each}
        numbers = {self.numbers[index]: place for index, place in places.items() if index in self.numbers}
        numbers |= {changes[index][UNIQUE_ID]: place for index, place in places.items() if UNIQUE_ID in changes.get(index, {})}
        numbers |= {each[UNIQUE_ID]: place for place, each in new.items() if UNIQUE_ID in each}
        parents = {places[child]: places.get(parent, 0) for child, parent in self.parents.items() if anew and child in places}
        for place, each in (*((place, changes.get(index, {})) for index, place in places.items()), *new.items()):
            if PARENT_ID in each:
                parents[place] = numbers.get(each[PARENT_ID], 0)
        for place, parent in parents.items():
            set_parent(frame, batch, place, parent if parent != place else 0)
