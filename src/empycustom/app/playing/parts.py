"""Pipelines out of text, for the commands that play one: elements that are missing, and what is wrong with a description."""

from __future__ import annotations

import re
from typing import Any

from empycustom.app.health.packages import how_to_get_any
from empycustom.errors import LaunchError
from empycustom.gstreamer import GLib, Gst

_FACTORY = re.compile("[A-Za-z][A-Za-z0-9_-]+")  # a name of a kind of element
_NOT_TEXT = re.compile("\\S*[\ud800-\udfff]\\S*")


def exists(factory: str) -> bool:
    """Whether this GStreamer has the element."""
    return Gst.ElementFactory.find(factory) is not None


def not_text(words: str) -> str:
    """Return what is said of a word that no property can hold, because it is the name of a file of other bytes; else ``""``."""
    found = _NOT_TEXT.search(words)
    return f"{found[0]} is not UTF-8 text, and the properties of elements hold nothing else" if found else ""


def build(description: str) -> Any:
    """The pipeline that ``description`` says. Raises LaunchError, one sentence that names what is wrong."""
    parsed = build_element(description)
    if isinstance(parsed, Gst.Pipeline):
        return parsed
    pipeline = Gst.Pipeline()
    pipeline.add(parsed)
    return pipeline


def build_element(description: str) -> Any:
    """The same where it is one element, without a pipeline around it."""
    if complaint := not_text(description):
        raise LaunchError(f"{complaint}; give the file another name, or, where it is a folder's name, go there first.")
    try:
        return Gst.parse_launch_full(description, None, Gst.ParseFlags.FATAL_ERRORS)
    except GLib.Error as error:
        raise LaunchError(_explain(error)) from error


def _explain(error: Any) -> str:
    text = error.message.strip().rstrip(".")
    if error.matches(Gst.ParseError.quark(), Gst.ParseError.NO_SUCH_ELEMENT):
        name = _named(text)
        if not _FACTORY.fullmatch(name):
            return f"{text}; it is a part of a value with a blank in it, as it seems: put single quotes around the whole value."
        return f"{text}; check its spelling, or {how_to_get_any(name)}."
    if error.matches(Gst.ParseError.quark(), Gst.ParseError.NO_SUCH_PROPERTY):
        return f"{text}; `gst-inspect-1.0 {_named(text)}` lists the properties that it has."
    if error.matches(Gst.ParseError.quark(), Gst.ParseError.SYNTAX):
        return f"{text} in the description; write elements with ! between them, and values with blanks in quotation marks."
    if error.matches(Gst.ParseError.quark(), Gst.ParseError.LINK):
        return f"{text}; their formats do not go together, or a pad of that name is missing."
    return f"{text}."


def _named(text: str) -> str:
    """What the message of an error names last, in quotation marks."""
    return text.rstrip('"').rpartition('"')[2]
