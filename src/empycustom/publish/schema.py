"""JSON Schemas of messages, made of the declarations of documents in :mod:`empycustom.model.keys`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from empycustom.model import keys
from empycustom.model.fields import PIXELS, Key
from empycustom.model.gva import KEYS
from empycustom.model.schema import ANYTHING, JSON_OBJECT, Array, Field, Object, OneOf, Schema, Text, json_schema

CHANGE, OBJECT = "change", "object"  # keys of messages about a change, and about an object
MESSAGE = "message"  # key of one of DL Streamer's messages that is not a JSON object, or has an id of its own
_ID = {"id": Key(Text(), "the same when the message is sent again; no other message has it")}
_COME_OR_GONE = Array(
    Object({name: keys.OBJECT_DICT.fields[name] for name in (keys.LABEL, keys.TRACK_ID)}, name="Named", others=ANYTHING)
)
_OF_OBJECTS = Object(
    {
        "appeared": Key(_COME_OR_GONE, "objects that the frame before did not have"),
        "gone": Key(_COME_OR_GONE, "objects that the frame before had"),
    },
    name="ObjectsChange",
)
_OF_VALUE = Object(
    {
        "from": Key(ANYTHING, "the value that `watch` names, before; null: there was none"),
        "to": Key(ANYTHING, "the value now"),
    },
    name="ValueChange",
)
_CHANGE = OneOf(((lambda value: "to" in value, _OF_VALUE), (dict, _OF_OBJECTS)), "a change")
_FRAME_FIELDS = {name: its for name, its in keys.FRAME_DICT.fields.items() if name != keys.OBJECTS}
_SIZE = Object({side: Key(PIXELS, f"{side} of the frame", unit="pixels") for side in ("width", "height")}, name="Resolution")
_OF_GVA: dict[str, Schema] = dict(zip(KEYS, (Array(JSON_OBJECT), _SIZE, ANYTHING, ANYTHING), strict=True))
# What a message has, and what the type of its event says that it is about.
MESSAGES: dict[str, tuple[str, Mapping[str, Field]]] = {
    "frames": ("frame", keys.DOCUMENT_DICT.fields),
    "objects": (
        "object",
        {
            keys.VERSION: keys.DOCUMENT_DICT.fields[keys.VERSION],
            **_FRAME_FIELDS,
            OBJECT: Key(keys.OBJECT_DICT, "the object"),
        },
    ),
    "changes": ("change", {**keys.DOCUMENT_DICT.fields, CHANGE: Key(_CHANGE, "what is different from the frame before")}),
    "gva": (
        "message",
        {
            **{name: Key(schema, f"`{name}` of gvametaconvert", always=False) for name, schema in _OF_GVA.items()},
            keys.ATTRIBUTES: Key(ANYTHING, "attributes that have no place beside these keys", always=False),
            MESSAGE: Key(ANYTHING, "a message of a module that is not a JSON object, or has an id of its own", always=False),
        },
    ),
}


def message_schema(select: str) -> dict[str, Any]:
    """Return the JSON Schema of what is sent with a setting ``select``, plain and as CloudEvents.

    It describes whole messages: with ``fields`` and ``without`` they have fewer keys.
    """
    about, fields = MESSAGES[select]
    kind = about.title()
    plain = Object({**_ID, **fields}, name=f"{kind}Message", description="A message with envelope=plain.")
    event = Object(
        {
            "specversion": Key(Text(("1.0",)), "version of CloudEvents"),
            **_ID,
            "type": Key(Text((f"empycustom.{about}",)), "what it is about"),
            "source": Key(Text(filled=True), "/empycustom/ and where the frame comes from"),
            "time": Key(Text(), "`timestamp` of the frame"),
            "datacontenttype": Key(Text(("application/json",)), "what `data` is"),
            "data": Key(Object(fields, name=f"{kind}Data"), "the message, without its id"),
        },
        name=f"{kind}Event",
        description="A message with envelope=cloudevents.",
    )
    shapes: tuple[tuple[Any, Schema], ...] = tuple((dict, keys.documented(each)) for each in (plain, event))
    return json_schema(OneOf(shapes, "a message"), f"message of metapublish, select={select}")
