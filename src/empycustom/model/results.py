"""What a callback returned, and about what it speaks.

Two forms (see :func:`deal`): a list, whose n-th entry belongs to the n-th object of the first frame, and an object that speaks
about the batch, each frame and each object, and can add objects. In its short form, ``{"frame": {...}}``, it is the result of the
only frame. All of them as Python values or as text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from empycustom.errors import OutputError
from empycustom.model import values as model
from empycustom.model.serialize import DEEPEST, LONGEST_DIGITS, dumps, parse, plain, shown
from empycustom.model.values import NOTHING, is_nothing, merge
from empycustom.model.wire import check_each, check_keys, check_values, described, new_object, unknown
from empycustom.text import below

_FORMS = (
    'return a list ([{...}, ...], one entry for each object of in_meta), a dict ({"frame": {...}} about the frame, or '
    '{"frame": [{"meta": {...}, "object": [...], "new_object": [...]}]}), or None'
)


@dataclass(slots=True)
class FrameSaid:
    """What was said about one frame: ``objects`` holds one entry an object of in_meta, NOTHING where nothing was said."""

    objects: list[Any]
    words: Any = NOTHING
    new_objects: list[model.Object] = field(default_factory=list)

    @property
    def speaks_of_objects(self) -> bool:
        """Whether anything is said about an object, or a new one is named."""
        return bool(self.new_objects) or any(words is not NOTHING for words in self.objects)


@dataclass(slots=True)
class Said:
    """What a callback said, dealt out: about the batch (``words``), its frames, and what nobody could be found for."""

    frames: list[FrameSaid]
    ignored: list[str]
    words: Any = NOTHING


def read_output(value: Any) -> Any:
    """Return what a callback returned as plain JSON values (a list, or a dict of the object form); None: nothing to say.

    Raises OutputError where it is no meta.
    """
    if value is None:
        return None
    if type(value) is list:
        return plain(value) or None
    if isinstance(value, str):
        meta = parse(value)
    else:
        meta = plain(value) if isinstance(value, (list, dict)) or hasattr(value, "tolist") else value
    if isinstance(meta, dict):
        _check_batch(meta)
    elif meta is not None and not isinstance(meta, list):
        raise OutputError(f"got {_got(value)}, which is not metadata: {_FORMS}")
    return meta or None


# Up to this length a text can neither nest too deeply nor hold a number that is too long.
_SHORT = min(2 * DEEPEST, LONGEST_DIGITS)
_NOTHING = ("{}", '""', "null")  # what says nothing, as JSON


def quick_words(value: Any) -> tuple[str, str] | None:
    """Return as JSON what a callback said about a frame without objects, and all that it returned; None: it has to be read.

    It answers where that is quickly seen: a list has one short entry, or ``{"frame": {...}}`` is short, all of what JSON itself
    knows. The encoder is the only one who looks at it, and nothing is copied.
    """
    try:
        if type(value) is list and len(value) == 1:
            text, form = dumps(value[0]), "[%s]"
        elif type(value) is dict and len(value) == 1 and _is_own(value.get("frame")):
            text, form = dumps(value["frame"]), '{"frame":%s}'
        else:
            return None
    except BaseException:  # noqa: BLE001 - whatever it is, read_output says what is wrong, or reads it all the same
        return None
    if text in _NOTHING or len(text) > _SHORT or not text.isascii() or "NaN" in text or "Infinity" in text:
        return None
    return text, form % text


def _is_own(frame: Any) -> bool:
    """Whether what stands under ``frame`` is the frame's own result, and no entry for it."""
    return type(frame) is dict and _ENTRY.isdisjoint(frame)


def deal(value: Any, object_counts: list[int]) -> Said:
    """Deal out what :func:`read_output` returned over the frames of a buffer with ``object_counts`` objects each.

    A list speaks about the first frame: entries go to its objects in order, what is left over belongs to the frame; without
    objects the first entry is the frame's and the rest is ignored. ``{}`` says nothing.
    """
    said = Said([FrameSaid([NOTHING] * count) for count in object_counts], [])
    if isinstance(value, list):
        _deal_list(value, said)
    elif isinstance(value, dict):
        _deal_batch(value, said)
    return said


def _deal_list(entries: list[Any], said: Said) -> None:
    if not said.frames:
        said.ignored.append(f"{len(entries)} entries were ignored: the buffer has no frame")
        return
    frame = said.frames[0]
    if frame.objects:
        _deal_objects(entries, frame)
        return
    frame.words = _or_nothing(entries[0])
    if len(entries) > 1:
        said.ignored.append(
            f"{len(entries) - 1} of {len(entries)} entries were ignored: the frame has no objects, so only the first one counts"
        )


def _deal_objects(entries: list[Any], frame: FrameSaid) -> None:
    count = len(frame.objects)
    for index, entry in enumerate(entries[:count]):
        frame.objects[index] = _or_nothing(entry)
    for entry in entries[count:]:
        frame.words = merge(frame.words, _or_nothing(entry))


def _deal_batch(batch: dict[str, Any], said: Said) -> None:
    said.words = _or_nothing(batch.get("meta"))
    entries = batch.get("frame") or []
    if isinstance(entries, dict):
        if len(said.frames) > 1:
            raise OutputError(
                f"is the result of one frame, but the buffer has {len(said.frames)}; return a list with an entry for each: "
                '{"frame": [{"meta": {...}}, ...]}',
                path="frame",
            )
        entries = [{"meta": entries}]
    for frame, entry in zip(said.frames, entries, strict=False):
        frame.words = _or_nothing(entry.get("meta"))
        _deal_objects(entry.get("object") or [], frame)
        frame.new_objects = [new_object(item, "new_object") for item in entry.get("new_object") or []]
    if len(entries) > len(said.frames):
        said.ignored.append(f"{len(entries)} frames were described, but the buffer has {len(said.frames)}; the rest was ignored")


def is_padded(entries: list[Any], objects: int) -> bool:
    """Whether a list shows that its author counts the objects: it says nothing about one, or has an entry for each of several."""
    return len(entries) >= max(objects, 2) or any(is_nothing(entry) for entry in entries)


def too_short(entries: int, objects: int, first_label: str) -> str:
    """Return what is said of a list with fewer entries than there are objects."""
    first = f"the first object ({shown(first_label)})" if first_label else "the first object"
    listed, got = ("1 entry", f"{first} got it") if entries == 1 else (f"{entries} entries", f"the first {entries} got them")
    return (
        f"a list of {listed} for {objects} objects: entries belong to the objects, in their order, so {got}, "
        "and the others got nothing. "
        'If it is about the frame, return {"frame": {...}}; if it is about objects, put {} for each that it says nothing of'
    )


def _or_nothing(said: Any) -> Any:
    return NOTHING if is_nothing(said) else said


def _got(value: Any) -> str:
    hint = " (process_ip returns the meta alone; process returns the pair of buffer and meta)" if isinstance(value, tuple) else ""
    return f"{described(value)}{hint}"


# Checks of the object form. Each takes a plain value and the place it stands in.

_ENTRY = frozenset(("meta", "object", "new_object"))
_LONGEST_KEY = 80  # that an example shows


def _check_batch(batch: dict[str, Any]) -> None:
    for key in batch:
        if key not in _BATCH_CHECKS:
            raise OutputError(f"{unknown(key, _BATCH_CHECKS)}. {_advice(key)}", path=below("", key))
    check_values(batch, "", _BATCH_CHECKS)


def _advice(key: str) -> str:
    named = json.dumps(key, ensure_ascii=False) if len(key) < _LONGEST_KEY else '"..."'
    if key in _ENTRY:
        return f'It belongs into an entry for the frame: return {{"frame": [{{{named}: [...]}}]}}'
    return f'For an attribute of the frame return {{"frame": {{{named}: ...}}}}, for one of the first object [{{{named}: ...}}]'


def _check_frames(value: Any, path: str) -> None:
    if not isinstance(value, dict):
        if not isinstance(value, list):
            raise OutputError(
                f"is {described(value)}, but must be a dict (the attributes of the frame) or a list (an entry for each frame)",
                path=path,
            )
        check_each(value, path, _check_frame)
        return
    for key in _FRAME_CHECKS:
        if key in value:
            raise OutputError(
                f'is a dict with the key "{key}", and it cannot be told what is meant; if it is an entry for the frame, '
                'return {"frame": [{...}]}; if these are attributes of the frame, return {"frame": [{"meta": {...}}]}',
                path=path,
            )


def _check_frame(frame: Any, path: str) -> None:
    check_keys(frame, path, _FRAME_CHECKS, f"{path}.meta")
    check_values(frame, path, _FRAME_CHECKS)


_FRAME_CHECKS = {"meta": None, "object": partial(check_each, check=None), "new_object": partial(check_each, check=new_object)}
_BATCH_CHECKS = {"meta": None, "frame": _check_frames}
