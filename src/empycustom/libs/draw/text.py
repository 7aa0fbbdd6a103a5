"""What is written on a frame: templates that are filled in, attributes as lines, and lines as pixels."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from string import Formatter
from typing import Any

import numpy as np

from empycustom.libs.shapes import Array

_log = logging.getLogger(__name__)
_LONGEST, _MOST_LINES = 80, 12  # characters of a line, lines of an object; more would hide the picture
_KEYS = (
    "object_id",
    "obj_label",
    "class_id",
    "confidence",
    "rect_params",
    "text_params",
    "classifier",
    "rotation",
    "unique_id",
    "parent_id",
)
Word = list[tuple[str, str, str, str]]  # literal text, then path, format and conversion of the field behind it


class Template:
    """A text with fields, such as ``"{obj_label} {confidence:.0%}"``; words whose value an object lacks are left out.

    Attributes
    ----------
    missing : set of str
        The fields that are not keys of objects, and that no object has had so far as an attribute.

    Raises
    ------
    ValueError
        Where braces do not match, or a field has no name.
    """

    def __init__(self, text: str) -> None:
        try:
            self._lines = [list(_words(line)) for line in text.split("\n")]
        except ValueError as error:  # Python's own say nothing about where
            raise ValueError(f"the option text cannot be read: {error}") from error
        fields = {path for words in self._lines for word in words for _, path, _, _ in word if path}
        self.missing = {path for path in fields if re.split(r"[.\[]", path)[0] not in _KEYS}

    def fill(self, obj: Mapping[str, Any]) -> list[str]:
        """Return the lines for an object, without empty ones."""
        filled = (" ".join(text for word in words if (text := self._fill(word, obj))) for words in self._lines)
        return [line for line in filled if line]

    def _fill(self, word: Word, obj: Mapping[str, Any]) -> str:
        text = ""
        for literal, path, spec, conversion in word:
            text += literal
            if path:
                value = _value(obj, path)
                if value is None:
                    return ""
                self.missing.discard(path)
                text += _formatted(value, spec, conversion)
        return text


def _words(line: str) -> Iterator[Word]:
    """Split a line into words, at blanks that are not in a field."""
    word: Word = []
    for literal, field, spec, conversion in Formatter().parse(line):
        *before, last = re.split(r"\s+", literal)
        for text in before:
            yield [*word, (text, "", "", "")]
            word = []
        if field is not None and not field.strip("[]. "):
            raise ValueError(f"a field of the text has no name: write {{obj_label}}, not {{{field}}}, in {line!r}")
        word.append((last, field or "", spec or "", conversion or ""))
    yield word


def _value(obj: Mapping[str, Any], path: str) -> Any:
    """Return what an object has at a path, ``classifier[0].label_info``; None where it has nothing, or says so (-1 and "")."""
    keys = [key for key in re.split(r"[.\[\]]+", path) if key]
    if keys[0] in ("object_id", "unique_id", "parent_id") and (obj.get(keys[0]) or 0) < 0:
        return None
    if keys[0] == "obj_label":
        return obj.get("obj_label") or obj.get("class_id")
    if keys == ["classifier"]:
        return (
            ", ".join(_at(info, ["result_label"]) or "" for each in obj.get(keys[0]) or () for info in each["label_info"]) or None
        )
    value = _at(obj, keys)
    if value is None and keys[0] not in obj:
        value = _at(obj.get("emcustom"), keys)
    return None if isinstance(value, str) and not value else value


def _at(value: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, (list, tuple, np.ndarray)) and key.lstrip("-").isdigit() and -len(value) <= int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def _formatted(value: Any, spec: str, conversion: str) -> str:
    if conversion:
        value = ascii(value) if conversion == "a" else repr(value) if conversion == "r" else str(value)
    try:
        return format(value, spec)
    except (TypeError, ValueError):  # a number's format for a text: the text says what it is
        return str(value)


def attribute_lines(attributes: Any, patterns: Sequence[str]) -> list[str]:
    """Return attributes as lines, ``key value``: those whose key, or path as ``a.b``, matches one of the patterns.

    Texts, numbers, and short lists of them have a line; what ``*`` matches and is none of these has not.
    """
    if attributes is None or not patterns:
        return []
    if not isinstance(attributes, Mapping):
        return [str(attributes)] if "*" in patterns else []
    found = (_line(path, value, patterns) for path, value in _leaves(attributes, ""))
    return [line for line in found if line][:_MOST_LINES]


def _leaves(attributes: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for key, value in attributes.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _line(path: str, value: Any, patterns: Sequence[str]) -> str:
    if not any(fnmatchcase(path, pattern) for pattern in patterns):
        return ""
    values = value if isinstance(value, (list, tuple)) else [value]
    if path not in patterns and (len(values) > 4 or not all(isinstance(each, (str, int, float)) for each in values)):
        return ""
    texts = [f"{each:.4g}" if isinstance(each, float) else str(each) for each in values]
    return f"{path.replace('_', ' ')} {', '.join(texts)}".rstrip()


class Writer:
    """Make pixels of text, by Pillow.

    Parameters
    ----------
    font : str
        The file of a TrueType or OpenType font; ``""``: the one that Pillow brings along, and for texts that are not ASCII
        DejaVu Sans, where it is installed.

    Raises
    ------
    ImportError
        Where Pillow is missing.
    OSError
        Where the font cannot be read.
    """

    def __init__(self, font: str) -> None:
        try:
            from PIL import Image, ImageDraw, ImageFont
        except ImportError as error:
            raise ImportError('Writing on frames needs Pillow: pip install "empycustom[libs]"') from error
        self._image, self._draw, self._fonts = Image, ImageDraw, ImageFont
        self._file = font
        self._warned = False
        self._font = lru_cache(maxsize=32)(self._open)
        self._word = lru_cache(maxsize=2048)(self._pixels)  # most words come again in the next frame
        try:
            self._font(12, False)
        except OSError as error:
            raise OSError(f"the option font: {font} cannot be read: {error}") from error

    def _open(self, size: int, is_ascii: bool) -> Any:
        if self._file:
            return self._fonts.truetype(self._file, size)
        if not is_ascii:
            try:
                return self._fonts.truetype("DejaVuSans.ttf", size)
            except OSError:
                pass  # what the other font lacks is reported by _warn
        return self._fonts.load_default(size)

    def shades(self, lines: Sequence[str], step: int) -> Array:
        """Return lines of text as uint8 (height, width), both even, 0 the ground and 255 the ink; a line is ``step`` high."""
        margin = max(step // 6, 2)
        rows = [
            self._row("".join(char if char.isprintable() else " " for char in line)[:_LONGEST], step)
            for line in lines[:_MOST_LINES]
        ]
        wide = max(sum(word.shape[1] for word in row) for row in rows) + 2 * margin
        shades = np.zeros(((step * len(rows) + 1) // 2 * 2, (wide + 1) // 2 * 2), np.uint8)
        for top, row in zip(range(0, step * len(rows), step), rows, strict=True):
            left = margin
            for word in row:
                shades[top : top + step, left : left + word.shape[1]] = word
                left += word.shape[1]
        return shades

    def _row(self, line: str, step: int) -> list[Array]:
        """Return the words of a line with the blanks behind them; of other scripts, which may go leftwards, the whole line."""
        return [self._word(word, step) for word in (re.findall(r"\s*\S+", line) if line.isascii() else [line])]

    def _pixels(self, text: str, step: int) -> Array:
        font = self._font(max(step * 3 // 4, 10), text.isascii())
        self._warn(font, text)
        picture = self._image.new("L", (max(round(font.getlength(text)), 1), step))
        self._draw.Draw(picture).text((0, step * 3 // 4), text, fill=255, font=font, anchor="ls")
        return np.asarray(picture)

    def _warn(self, font: Any, text: str) -> None:
        """Warn once of characters that are drawn as a frame, since the font lacks them."""
        if self._warned or text.isascii():
            return
        nothing = bytes(font.getmask("\uffff"))
        lacking = [char for char in text if not char.isascii() and bytes(font.getmask(char)) == nothing]
        if lacking:
            self._warned = True
            name = " ".join(font.getname())
            _log.warning("the font %s has no character %r: set the option font to the file of one that has it", name, lacking[0])
