"""What is sent: the messages of a document. One a frame, one an object, one where something has changed, or DL Streamer's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from empycustom.errors import PublishError
from empycustom.model import keys
from empycustom.model.gva import values_in
from empycustom.model.serialize import assemble, decode
from empycustom.model.values import UNTRACKED
from empycustom.publish.paths import checked_paths, checked_watch, only, value_at, without
from empycustom.publish.schema import CHANGE, MESSAGE, MESSAGES, OBJECT
from empycustom.text import suggestion

_FIELD = re.compile(r"\{([^{}]*)\}")
_DOCUMENTED = [name for name, its in keys.FRAME_DICT.fields.items() if isinstance(its, keys.Key) and its.documented]
_FRAME_FIELDS = [name for name in _DOCUMENTED if name != keys.OBJECTS]
_OBJECT_FIELDS = (keys.LABEL, keys.CLASS_ID, keys.TRACK_ID, keys.CONFIDENCE, keys.FINDER)


class Message(NamedTuple):
    """What goes to a destination.

    ``id`` is the same when it is sent again, and no other message has it; ``stream`` and ``number`` are its parts: numbers of a
    stream rise. ``topic`` and ``key`` are the templates, filled in. ``body`` is JSON in UTF-8, with the id in it.
    """

    stream: str
    number: int
    topic: str
    key: str
    body: bytes

    @property
    def id(self) -> str:
        """The id of the message."""
        return f"{self.stream}-{self.number}"

    def value(self) -> dict[str, Any]:
        """Return the body as a dict."""
        return decode(self.body)  # type: ignore[no-any-return]


class Template:
    """A text with ``{names}`` of facts of the frame, and of the object where messages are about objects. Raises PublishError.

    ``clean`` makes of each value what may stand in this place.
    """

    def __init__(self, text: str, *, of_objects: bool, clean: Callable[[str], str] = str) -> None:
        self.text, self._clean = text, clean
        self.names = _FIELD.findall(text)
        known = [*_FRAME_FIELDS, *(_OBJECT_FIELDS if of_objects else ())]
        for name in self.names:
            if name in _OBJECT_FIELDS and not of_objects:
                raise PublishError(f"{{{name}}} is a fact of an object, and messages are about frames; add select=objects")
            if name not in known:
                raise PublishError(f"there is no {{{name}}}; {suggestion(name, known)}")

    def filled(self, frame: Mapping[str, Any], found: Mapping[str, Any]) -> str:
        """Return the text for a frame, and an object of it."""
        if not self.names:
            return self.text
        return _FIELD.sub(lambda name: self._clean(str(found.get(name[1], frame.get(name[1], "")))), self.text)


Draft = tuple[str, str, bytes]
"""A message without its id: topic, key, body."""


class Selection:
    """Makes messages of documents, as settings say. It remembers what it saw, so one for each stream. Raises PublishError."""

    def __init__(self, settings: Mapping[str, Any], topic: str = "", key: str = "", *, clean: Callable[[str], str] = str) -> None:
        of_objects = settings["select"] == "objects"
        self._topic = Template(topic, of_objects=of_objects, clean=clean)
        self._key = Template(settings["key"] or key, of_objects=of_objects)
        self._each = _SELECTIONS[settings["select"]]
        self.watch = checked_watch(settings["watch"])
        if self.watch and settings["select"] != "changes":
            raise PublishError("watch is for select=changes")
        known = MESSAGES[settings["select"]][1]
        self._only, self._without = (checked_paths(name, settings[name], known) for name in ("fields", "without"))
        if self._only:  # what always is sent, unless `without` has it
            self._only += [(name,) for name in (keys.VERSION, CHANGE) if name in known]
        self._envelope = _ENVELOPES[settings["envelope"]]
        self.seen: dict[Any, Any] = {}  # of each source, what select=changes saw last
        simple = settings["select"] == "frames" and settings["envelope"] == "plain" and not (self._only or self._without)
        self._is_simple = simple and not (self._topic.names or self._key.names)

    def drafts(self, document: bytes) -> Iterator[Draft]:
        """Yield the messages of a document, which is JSON."""
        if self._is_simple and document.count(_FRAME_NUM) == 1:  # else it may be a batch
            yield self._topic.text, self._key.text, document.strip()
            return
        whole = decode(document)
        for frame in whole[keys.FRAMES]:
            for kind, made, found in self._each(self, {**whole, keys.FRAMES: [frame]}, frame):
                made = self._chosen(made)
                body = self._envelope(made, kind, frame)
                yield self._topic.filled(frame, found), self._key.filled(frame, found), assemble(body).strip()

    def _chosen(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return a message with the keys that are wanted."""
        if self._only:
            message = only(message, self._only)
        if self._without:
            message = without(message, self._without)
        return message


_FRAME_NUM = f'"{keys.FRAME_NUM}":'.encode()


def _frames(_selection: Selection, document: dict[str, Any], _frame: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    yield "frame", document, {}


def _objects(_selection: Selection, document: dict[str, Any], frame: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    about = {keys.VERSION: document[keys.VERSION], **{name: value for name, value in frame.items() if name != keys.OBJECTS}}
    for found in frame[keys.OBJECTS]:
        yield OBJECT, {**about, OBJECT: found}, found


def _changes(selection: Selection, document: dict[str, Any], frame: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    source = frame.get(keys.SOURCE), frame.get(keys.SOURCE_ID)
    before = selection.seen.get(source)
    now: Any
    if selection.watch:
        now = value_at(frame, selection.watch)
        change = {"from": before, "to": now}
    else:
        before, now = before or Counter(), Counter(map(_name_of, frame[keys.OBJECTS]))
        change = {"appeared": _listed(now - before), "gone": _listed(before - now)}
    selection.seen[source] = now
    if now != before:
        yield CHANGE, {**document, CHANGE: change}, {}


def _name_of(found: dict[str, Any]) -> tuple[str, Any]:
    """Return what makes an object the same as in another frame: its track, or where there is none its label."""
    track = found.get(keys.TRACK_ID, UNTRACKED)
    return found[keys.LABEL], None if track == UNTRACKED else track


def _listed(objects: Counter[tuple[str, Any]]) -> list[dict[str, Any]]:
    return [{keys.LABEL: label, **({} if track is None else {keys.TRACK_ID: track})} for label, track in objects.elements()]


def _gva(_selection: Selection, document: dict[str, Any], _frame: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for message in values_in(document):
        yield MESSAGE, message if isinstance(message, dict) and "id" not in message else {MESSAGE: message}, {}


_SELECTIONS: dict[str, Callable[[Selection, Any, Any], Iterator[tuple[str, Any, Any]]]] = {
    "frames": _frames,
    "objects": _objects,
    "changes": _changes,
    "gva": _gva,
}


# What is around a message, and its id in it.


def _plain(message: dict[str, Any], _kind: str, _frame: dict[str, Any]) -> dict[str, Any]:
    return message


def _cloud_event(message: dict[str, Any], kind: str, frame: dict[str, Any]) -> dict[str, Any]:
    """Return a message in the envelope of CloudEvents 1.0; its id is added as every message's is."""
    source = frame.get(keys.SOURCE) or frame[keys.SOURCE_ID]
    time = frame[keys.TIMESTAMP]
    return {
        "specversion": "1.0",
        "type": f"empycustom.{kind}",
        "source": f"/empycustom/{quote(str(source))}",
        "time": f"{time[:-2]}:{time[-2:]}",
        "datacontenttype": "application/json",
        "data": message,
    }


_ENVELOPES = {"plain": _plain, "cloudevents": _cloud_event}


def with_id(body: bytes, message_id: str) -> bytes:
    """Return the JSON object of a message with its id as the first key."""
    return b'{"id":"%b"%b%b' % (message_id.encode(), b"" if body == b"{}" else b",", body[1:])
