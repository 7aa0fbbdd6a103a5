"""Messages of DL Streamer's elements on a buffer, as the attributes of a frame have them, and back.

What our JSON says of ``messages`` is also on the buffer where DL Streamer is there, so one that is in both is the same one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from empycustom.model.gva import MESSAGES, OWN_MESSAGE, is_own, message_text, message_value
from empycustom.model.keys import ATTRIBUTES
from empycustom.model.results import value_of
from empycustom.model.values import NOTHING, is_nothing
from empycustom.native.gva import add_message, message_api, messages_at, remove_messages
from empycustom.native.own_metas import Runs, metas_on

NOT_READ = "messages of DL Streamer are not in in_meta, because the frame has attributes that are not a JSON object"
HAS_MESSAGES = f'"{MESSAGES}":'.encode()
"""What is in the JSON of attributes with messages."""


def read_messages(frame: Any, metas: Runs, api: int) -> Sequence[str]:
    """Add to the attributes of a frame the messages in metas of an ``api``; return what could not be read, as sentences.

    A frame that has a message of gvametaconvert gets none of its own.
    """
    texts = [text for other, run in metas if other == api for text in messages_at(run)]
    if not texts:
        return ()
    attributes = value_of(frame.get(ATTRIBUTES, NOTHING))
    attributes = {} if is_nothing(attributes) else attributes
    if not isinstance(attributes, dict) or not isinstance(attributes.get(MESSAGES, []), list):
        return (NOT_READ,)
    values = [*map(message_value, texts)]
    own = {OWN_MESSAGE: False} if any(map(is_own, values)) else {}
    frame[ATTRIBUTES] = {**own, **attributes, MESSAGES: [*_less(attributes.get(MESSAGES, ()), values), *values]}
    return ()


def _less(messages: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """Return those messages that are not among others; two that are the same are two."""
    left, rest = Counter(map(message_text, others)), []
    for message in messages:
        text = message_text(message)
        left[text] -= 1
        if left[text] < 0:
            rest.append(message)
    return rest


def write_messages(address: int, attributes: Any) -> None:
    """Let a writable buffer have the ``messages`` of attributes (JSON, or plain values) as DL Streamer's."""
    found = value_of(attributes)
    messages = found.get(MESSAGES) if isinstance(found, dict) else None
    if isinstance(messages, list):
        set_messages(address, messages)


def set_messages(address: int, messages: Sequence[Any]) -> None:
    """Let a writable buffer have these messages, and no others; those that are there in their place stay."""
    api = message_api()
    metas = [meta for other, run in metas_on(address).others if other == api for meta in run]
    wanted, there = [*map(message_text, messages)], [message_text(message_value(text)) for text in messages_at(metas)]
    if len(there) != len(metas) or there != wanted[: len(there)]:
        remove_messages(address, metas)
        there = []
    for text in wanted[len(there) :]:
        add_message(address, text)
