"""Declarations of numbers that objects have beside their box: within a range, or as arrays, in all forms that are accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from empycustom.model.schema import Array, Float, Integer, Reader, Schema, Unusual
from empycustom.model.turns import FULL_TURN

if TYPE_CHECKING:
    import numpy as np

    NumPyArray = np.ndarray[Any, np.dtype[Any]]

SUREST: Final = 1.001  # a confidence of 32 or 16 bits that was rounded


def is_empty(value: Any) -> bool:
    """Return whether a value says that there is none: None, or an empty list or array."""
    has_length = isinstance(value, (list, tuple, dict, str)) or bool(getattr(value, "ndim", 0))
    return value is None or (has_length and not len(value))


class Angle(Float):
    """An angle in radians, within a full turn."""

    def problem(self, value: Any) -> str:
        """Return what is wrong with a value."""
        text = super().problem(value)
        is_far = isinstance(value, (int, float)) and type(value) is not bool and abs(value) > FULL_TURN
        return f"{text} radians; degrees may be meant: write math.radians({value})" if text and is_far else text


class Confidence(Float):
    """How sure a library is, 0 to 1; what is a bit more was rounded, and below 0 is what DeepStream writes: unknown.

    Elements upstream may deliver any number, so this is not in the JSON Schema of documents.
    """

    def problem(self, value: Any) -> str:
        """Return what is wrong with a value."""
        text = super().problem(value)
        if text or -1 <= value <= SUREST:
            return text
        advice = f"; percent may be meant: write {value / 100:g}" if 1 < value <= 100 else ""
        return f"{value} must be a number from 0 to 1{advice}"

    def reader(self) -> Reader:
        """Leave what is out of the range to the slower way."""
        read = super().reader()

        def read_confidence(value: Any) -> Any:
            number = read(value)
            if not -1 <= number <= SUREST:
                raise Unusual
            return number

        return read_confidence


class OptionalNumber(Integer):
    """A number of an object; -1: it has none, and none any more."""

    def read(self, value: Any) -> int | None:
        """Return the number; None, which takes away what is there, of -1."""
        return None if value == -1 else int(value)

    def reader(self) -> Reader:
        """Leave what takes away to the slower way."""
        read = super().reader()

        def read_number(value: Any) -> Any:
            if value == -1:
                raise Unusual
            return read(value)

        return read_number


class Names(Array):
    """A list of texts; an empty one takes away those that are there."""

    def read(self, value: Any) -> Any:
        """Return the texts; None, which takes away what is there, of none."""
        return super().read(value) or None

    def reader(self) -> Reader:
        """Leave what takes away to the slower way."""
        read = super().reader()

        def read_names(value: Any) -> Any:
            if not value:
                raise Unusual
            return read(value)

        return read_names


def means_no_number(value: Any) -> bool:
    """Return whether a value says that an object has no number: None or -1."""
    return value is None or (type(value) is int and value == -1)


@dataclass(eq=False, repr=False)
class Numbers(Schema):
    """Numbers that are kept as an array, which ``make`` makes of what is accepted; it raises ValueError for what is not."""

    make: Callable[[Any], Any]
    expected_text: str
    form: dict[str, Any]
    """The JSON Schema of documents."""
    kept: str = "NumPy array"
    """What the value in in_meta is."""

    def problem(self, value: Any) -> str:
        """Return what is wrong with a value."""
        try:
            self.read(value)
        except ValueError as error:
            return str(error)
        return ""

    def read(self, value: Any) -> Any:
        """Return the array; None, which takes away what is there, of an empty one."""
        return None if is_empty(value) else self.make(value)

    def reader(self) -> Reader:
        """Return a function that makes the array; it leaves empty ones to the slower way."""

        def read(value: Any) -> Any:
            if is_empty(value):
                raise Unusual
            try:
                return self.make(value)
            except ValueError:
                raise Unusual from None

        return read

    def json_schema(self, definitions: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - it has none
        """Return the form in documents."""
        return self.form


def as_array(value: Any, what: str) -> NumPyArray:
    """Return numbers as an array, the same where it is one. Raises ValueError."""
    import numpy as np

    try:
        made = np.asarray(value)
    except Exception as error:  # noqa: BLE001 - rows of other lengths, a tensor on a GPU, whatever an object of a library does
        raise ValueError(f"must be {what}; it cannot be made an array: {type(error).__name__}: {error}") from None
    if made.dtype.kind not in "biuf":
        raise ValueError(f"must be {what}, not of {made.dtype if made.dtype.kind != 'O' else 'other values'}")
    return made
