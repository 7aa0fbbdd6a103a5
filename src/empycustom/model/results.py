"""The result of a callback: which attributes it has for the batch, the frames and the objects, and which objects are new.

Two forms: a list, whose n-th entry belongs to the n-th object of the first frame, and a dict about the batch, each frame and each
object, which can add objects. In its short form, ``{"frame": {...}}``, it is the result of the only frame. All of them as Python
values or as text.

Attributes become JSON at once (bytes), each by itself: what is attached to a buffer is put together from these
texts, and a library may go on to change what it returned.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from empycustom.errors import OutputError
from empycustom.model import values as model
from empycustom.model.arrays import UNIQUE_ID, with_changes, without_parent
from empycustom.model.keys import (
    ATTRIBUTES,
    BOX,
    CHANGED_OBJECTS,
    FRAMES,
    LABEL,
    NEW_OBJECTS,
    OBJECTS,
    OUT_BATCH_DICT,
    OUT_FRAME_DICT,
    REMOVED_OBJECTS,
    RESULT_ATTRIBUTES,
    changed_object,
    new_object,
)
from empycustom.model.returned import (
    Dropped,
    Refused,
    check_numbers,
    empty_masks,
    objects_of,
    plain_object,
    read_removed,
    with_own_arrays,
    without_arrays,
)
from empycustom.model.schema import ANYTHING, Array
from empycustom.model.serialize import assemble, decode, encode, has_numbers, parse, plain, shown
from empycustom.model.values import NOTHING
from empycustom.text import below

_FORMS = (
    'return a list ([{...}, ...], one entry for each object of in_meta), a dict ({"frame": {...}} about the frame, or '
    '{"frame": [{"meta": {...}, "object": [...], "new_object": [...]}]}), or None'
)


class FrameResult:
    """The result of one frame.

    ``attributes`` are the frame's own, ``objects`` those of its objects, one entry for each object of in_meta: JSON (bytes), or
    NOTHING. ``new_objects`` are complete. ``changed`` has what becomes different of objects, by their indices; ``removed`` the
    indices of others. ``doubts`` are sentences about new objects that may be meant otherwise.
    """

    attributes: Any = NOTHING
    doubts: Sequence[str] = ()
    new_objects: Sequence[model.Object] = ()
    changed: Mapping[int, dict[str, Any]] = {}
    removed: Collection[int] = ()

    def __init__(self, count: int) -> None:
        self.objects: list[Any] = [NOTHING] * count

    @property
    def is_about_objects(self) -> bool:
        """True where an object gets attributes, is changed or removed, or a new one was found."""
        if self.new_objects or self.changed or self.removed:
            return True
        return any(attributes is not NOTHING for attributes in self.objects)

    def left_of(self, objects: Sequence[Any]) -> list[tuple[Any, Any]]:
        """Return the objects of in_meta as they are afterwards, each with its attributes of here; those removed are left out."""
        gone = {objects[index].get(UNIQUE_ID) for index in self.removed} - {None}
        changed = [with_changes(found, self.changed.get(index, {}), []) for index, found in enumerate(objects)]
        each = enumerate(zip(changed, self.objects, strict=True))
        return [(without_parent(found, gone), attributes) for index, (found, attributes) in each if index not in self.removed]


class Result:
    """The result about a buffer: ``attributes`` of the batch, the results of its frames.

    ``returned`` is all of it, as a list or a dict with JSON (bytes) in it, None: nothing. ``ignored`` are sentences about what
    belongs to nothing or covers nothing. ``image`` is a list with the new frame that ``process`` made, and nothing else, so that
    the references to it can be counted. ``from_frame`` is the number of the frame that it is about, None: the one that has it.
    ``dropped`` is why the frame is to be dropped, None: it goes on.
    """

    attributes: Any = NOTHING
    from_frame: int | None = None
    dropped: str | None = None
    ignored: Sequence[str] = ()
    image: Any = ()

    def __init__(self, object_counts: list[int], returned: Any = None) -> None:
        self.frames = list(map(FrameResult, object_counts))
        self.returned = returned

    @property
    def text(self) -> str:
        """All that was returned, as JSON."""
        return assemble(self.plain).decode().lstrip()

    @property
    def plain(self) -> Any:
        """The value that was returned, with JSON in the place of arrays of objects."""
        frames = self.returned.get(FRAMES) if type(self.returned) is dict else None
        if type(frames) is not list:
            return self.returned
        return {**self.returned, FRAMES: [*map(without_arrays, frames)]}


def read_result(value: Any, object_counts: list[int]) -> Result | None:
    """Return what a callback returned about frames with so many objects each; None: nothing.

    A list is about the first frame: entries go to its objects in order, what is left over belongs to the frame; without objects
    the first entry is the frame's and the rest is ignored. ``{}`` gives nothing to anybody. Raises OutputError where it is not a
    result.
    """
    if value is None:
        return None
    if type(value) is Dropped:
        result = Result(object_counts)
        result.dropped = value.why
        return result
    if type(value) is Refused:
        raise value.error
    meta = value if type(value) is list or type(value) is dict else _opened(value)
    if isinstance(meta, list):
        entries = [_own(entry, index, depth=1) for index, entry in enumerate(meta)]
        return _list_result(entries, object_counts) if entries else None
    if isinstance(meta, dict):
        return _batch_result(meta, object_counts) if meta else None
    if meta is not None:
        raise OutputError(f"got {_got(value)}, which is not metadata: {_FORMS}")
    return None


def _opened(value: Any) -> Any:
    """Return the list or the dict in a value of another type; the value itself where there is none in it."""
    if isinstance(value, str):
        return parse(value)
    return plain(value) if isinstance(value, (list, dict)) or has_numbers(value) else value


def _list_result(entries: list[Any], object_counts: list[int]) -> Result:
    result = Result(object_counts, entries)
    if not result.frames:
        result.ignored = (f"{len(entries)} entries were ignored: the buffer has no frame",)
        return result
    frame = result.frames[0]
    if frame.objects:
        _distribute(entries, frame)
        return result
    frame.attributes = _or_nothing(entries[0])
    if len(entries) > 1:
        result.ignored = (
            f"{len(entries) - 1} of {len(entries)} entries were ignored: the frame has no objects, so only the first one counts",
        )
    return result


def _distribute(entries: list[Any], frame: FrameResult) -> None:
    """Give the entries to the objects of a frame, in their order, and those that are left over to the frame."""
    count = len(frame.objects)
    frame.objects[: len(entries)] = map(_or_nothing, entries[:count])
    for entry in entries[count:]:
        frame.attributes = merged(frame.attributes, _or_nothing(entry))


def merged(earlier: Any, later: Any) -> Any:
    """Return attributes on top of earlier ones (JSON, plain values or NOTHING), as :func:`merge` does."""
    if later is NOTHING or earlier is NOTHING:
        return earlier if later is NOTHING else later
    both = merge(value_of(earlier), value_of(later))
    return assemble(both)


def merge(earlier: Any, later: Any) -> Any:
    """Return ``later`` on top of ``earlier``: dicts key by key, at every depth; anything else replaces.

    Attributes are merged from the left, in pipeline order: a value that is not a dict replaces all before it. Neither argument is
    changed; the result may share parts with both.
    """
    if later is NOTHING:
        return earlier
    if isinstance(earlier, dict) and isinstance(later, dict):
        return {**earlier, **{key: merge(earlier[key], value) if key in earlier else value for key, value in later.items()}}
    return later


def value_of(attributes: Any) -> Any:
    """Return attributes as plain values; NOTHING stays."""
    return decode(attributes) if type(attributes) is bytes else attributes


_NOTHINGS, _LONGEST_NOTHING = (b"{}", b'""', b"null"), 4


def _or_nothing(attributes: Any) -> Any:
    return attributes if len(attributes) > _LONGEST_NOTHING or attributes not in _NOTHINGS else NOTHING


# The dict form. Each function takes what stands in a place, and returns what was returned there, and the results that it makes.

_ENTRIES = Array(ANYTHING)
_LONGEST_KEY = 80  # that an example shows


def _batch_result(batch: dict[str, Any], object_counts: list[int]) -> Result:
    batch = _dict_in(batch, "", 0)
    for key in batch:
        if key not in OUT_BATCH_DICT.fields:
            raise OutputError(f"{OUT_BATCH_DICT.unknown(key)}. {_advice(key)}", path=below("", key))
    result = Result(object_counts, {})
    for key, item in batch.items():
        if key == RESULT_ATTRIBUTES:
            result.returned[key] = whole = encode(item, key, depth=1)
            result.attributes = _or_nothing(whole)
        else:
            result.returned[key] = _read_frames(item, result)
    return result


def _read_frames(value: Any, result: Result) -> Any:
    if type(value) is not list and type(value) is not dict:
        value = plain(value, FRAMES, around=-1)
    if value is None:
        return None
    if isinstance(value, dict):
        returned: Any = _only_frame(value, result.frames)
    elif isinstance(value, list):
        count = len(result.frames)
        frames = [*result.frames, *map(FrameResult, [0] * (len(value) - count))]
        returned = [
            _read_frame(entry, f"frame[{n}]", frame, is_there=n < count)
            for n, (entry, frame) in enumerate(zip(value, frames, strict=False))
        ]
        result.ignored = tuple(dict.fromkeys(doubt for frame in result.frames for doubt in frame.doubts))
    else:
        raise OutputError(OUT_BATCH_DICT.fields[FRAMES].schema.wrong(value), path=FRAMES)
    count = 1 if isinstance(value, dict) else len(value)
    if count > len(result.frames):
        what = f"{count} frames were described, but the buffer has {len(result.frames)}; the rest was ignored"
        result.ignored = (*result.ignored, what)
    return returned


def _only_frame(value: dict[str, Any], frames: list[FrameResult]) -> bytes:
    """Read the attributes of the only frame."""
    for key in value:
        if key in OUT_FRAME_DICT.fields:
            raise OutputError(
                f'is a dict with the key "{key}", and it is not clear what is meant; if it is an entry for the frame, '
                'return {"frame": [{...}]}; if these are attributes of the frame, return {"frame": [{"meta": {...}}]}',
                path=FRAMES,
            )
    attributes = encode(value, FRAMES, depth=1)
    if value and len(frames) > 1:
        raise OutputError(
            f"is the result of one frame, but the buffer has {len(frames)}; return a list with an entry for each: "
            '{"frame": [{"meta": {...}}, ...]}',
            path=FRAMES,
        )
    for frame in frames:
        frame.attributes = _or_nothing(attributes)
    return attributes


def _read_frame(entry: Any, path: str, frame: FrameResult, *, is_there: bool) -> dict[str, Any]:
    """Read the entry for a frame, which the buffer may not have: then it has no objects that could be changed."""
    entry = _dict_in(entry, path, 2)
    if text := OUT_FRAME_DICT.problem(entry):
        raise OutputError(text, path=path)
    for key in entry:
        if key not in OUT_FRAME_DICT.fields:
            advice = f"Attributes of your own belong under {path}.{RESULT_ATTRIBUTES}"
            raise OutputError(f"{OUT_FRAME_DICT.unknown(key)}. {advice}", path=below(path, key))
    returned: dict[str, Any] = {}
    if RESULT_ATTRIBUTES in entry:
        returned[RESULT_ATTRIBUTES] = whole = encode(entry[RESULT_ATTRIBUTES], f"{path}.{RESULT_ATTRIBUTES}", depth=3)
        frame.attributes = _or_nothing(whole)
    for key, read in _LISTS:
        if key in entry:
            returned[key] = _each(entry[key], f"{path}.{key}", read)
    if entries := returned.get(OBJECTS):
        _distribute(entries, frame)
    if found := returned.get(NEW_OBJECTS):
        at = f"{path}.{NEW_OBJECTS}"
        frame.new_objects = [new_object(item, f"{at}[{index}]") for index, item in enumerate(found)]
        check_numbers(frame.new_objects, at)
        frame.doubts = empty_masks(found, frame.new_objects)
        returned[NEW_OBJECTS] = with_own_arrays(found, frame.new_objects)
    if changes := returned.get(CHANGED_OBJECTS):
        at = f"{path}.{CHANGED_OBJECTS}"
        changed = [changed_object(entry, f"{at}[{index}]") for index, entry in enumerate(changes)]
        frame.doubts = (*frame.doubts, *empty_masks(changes, changed))
        returned[CHANGED_OBJECTS] = with_own_arrays(changes, changed)
        if is_there:
            _take_changes(changed, at, frame)
    if is_there and returned.get(REMOVED_OBJECTS):
        frame.removed = read_removed(returned[REMOVED_OBJECTS], path, len(frame.objects), frame.changed)
    return returned


def _take_changes(entries: list[dict[str, Any]], path: str, frame: FrameResult) -> None:
    count = len(frame.objects)
    if len(entries) > count:
        has = "1 entry" if len(entries) == 1 else f"{len(entries)} entries"
        raise OutputError(
            f"has {has}, but the frame has {objects_of(count)}; entries belong to the objects of in_meta, in their order, "
            f"and what the library has found belongs into {NEW_OBJECTS}",
            path=path,
        )
    changed = {}
    for index, change in enumerate(entries):
        if ATTRIBUTES in change:  # an object of in_meta has those that are there already: what `object` says is newer
            frame.objects[index] = merged(encode(change.pop(ATTRIBUTES)), frame.objects[index])
        if change:
            changed[index] = change
    frame.changed = changed


def _each(value: Any, path: str, read: Callable[[Any, str], Any]) -> list[Any] | None:
    value = value if type(value) is list else plain(value, path, around=-3)
    if value is None:
        return None
    if not isinstance(value, list):
        raise OutputError(_ENTRIES.wrong(value), path=path)
    return [read(item, f"{path}[{index}]") for index, item in enumerate(value)]


def _attributes(value: Any, path: str) -> bytes:
    return _own(value, path, depth=4)


def _own(entry: Any, path: str | int, *, depth: int) -> bytes:
    """Return attributes of an object as JSON. Raises OutputError where they are an object of in_meta, or a new one."""
    if type(entry) is dict and LABEL in entry and BOX in entry:
        raise OutputError(
            f"has {LABEL} and {BOX}, so it is an object, and attributes of one are expected; to change what was found return "
            f'{{"frame": [{{"{CHANGED_OBJECTS}": [...]}}]}}, for what you have found {{"frame": [{{"{NEW_OBJECTS}": [...]}}]}}',
            path=f"[{path}]" if type(path) is int else str(path),
        )
    return encode(entry, path, depth=depth)


_LISTS = (
    (OBJECTS, _attributes),
    (NEW_OBJECTS, plain_object),
    (CHANGED_OBJECTS, plain_object),
    (REMOVED_OBJECTS, plain_object),
)


def _dict_in(value: Any, path: str, depth: int) -> Any:
    """Return a dict whose keys are texts as it is, and anything else as plain values."""
    if type(value) is not dict:
        return plain(value, path, around=-depth)
    for key in value:
        if type(key) is not str:
            return plain(value, path, around=-depth)
    return value


def _advice(key: str) -> str:
    named = json.dumps(key, ensure_ascii=False) if len(key) < _LONGEST_KEY else '"..."'
    if key in OUT_FRAME_DICT.fields:
        return f'It belongs into an entry for the frame: return {{"frame": [{{{named}: [...]}}]}}'
    return f'For an attribute of the frame return {{"frame": {{{named}: ...}}}}, for one of the first object [{{{named}: ...}}]'


def is_padded(entries: list[Any], objects: int) -> bool:
    """Return whether a list shows that its author counts the objects: it has an empty entry, or one for each of several."""
    return len(entries) >= max(objects, 2) or any(entry in _NOTHINGS for entry in entries)


def too_short(entries: int, objects: int, first_label: str) -> str:
    """Return the end of the warning about a list with fewer entries than there are objects."""
    first = f"the first object ({shown(first_label)})" if first_label else "the first object"
    listed, got = ("1 entry", f"{first} got it") if entries == 1 else (f"{entries} entries", f"the first {entries} got them")
    return (
        f"a list of {listed} for {objects} objects: entries belong to the objects, in their order, so {got}, "
        "and the others got nothing. "
        'If it is about the frame, return {"frame": {...}}; if it is about objects, put {} for each without a result'
    )


def _got(value: Any) -> str:
    hint = " (process_ip returns the meta alone; process returns the pair of buffer and meta)" if isinstance(value, tuple) else ""
    return f"{type(value).__name__} {shown(value)}{hint}"
