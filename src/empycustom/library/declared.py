"""Options that a library declares, as its ``OPTIONS``: their defaults, and what their values may be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from empycustom.text import shown

# By the type of the default: what values are, and what they may be instead, which is made that type.
_KINDS: dict[type, tuple[str, tuple[type, ...]]] = {
    bool: ("true or false", ()),
    int: ("a whole number", ()),
    float: ("a number", (int,)),
    str: ("a text", ()),
    list: ("a list", (tuple,)),
    tuple: ("a list", (list,)),
    dict: ("an object", ()),
    type(None): ("anything", ()),
}


@dataclass(frozen=True)
class Option:
    """An option of a library, which declares its options as ``OPTIONS = {"size": empycustom.Option(640, "width of the input")}``.

    Its type is that of its default; where that is None, every value is taken. Where the default is a float, an int is taken too.

    Parameters
    ----------
    default : bool, int, float, str, list, dict or None
        Value of the option where it is not set.
    description : str, optional
        What it does, in a few words: ``empycustom check`` lists it.
    limits : tuple of two numbers, optional
        The lowest and the highest value, None: no limit. Of a list of numbers: those of each of them.
    choices : sequence, optional
        The values that there are.
    unit : str, optional
        Unit of the value, such as ``"pixels"``.

    Raises
    ------
    TypeError
        The default has another type, or there are limits of something that is not a number.
    ValueError
        The default is not one of its own choices, or not within its own limits.
    """

    default: Any
    description: str = ""
    limits: tuple[float | None, float | None] | None = None
    choices: tuple[Any, ...] = ()
    unit: str = ""

    def __post_init__(self) -> None:
        if type(self.default) not in _KINDS:
            raise TypeError(f"the default of an option is a number, a text, a list, a dict or None, not {shown(self.default)}")
        object.__setattr__(self, "choices", tuple(self.choices))
        if self.limits is not None:
            self._check_limits()
        problem = self.default is not None and self.problem(self.default)
        if problem:
            raise ValueError(f"the default {shown(self.default)} {problem}")

    def _check_limits(self) -> None:
        if not isinstance(self.limits, (tuple, list)) or len(self.limits) != 2 or type(self.default) in (bool, str, dict):
            raise TypeError(f"limits are two numbers, (lowest, highest), of an option that is a number, not {shown(self.limits)}")
        object.__setattr__(self, "limits", tuple(self.limits))

    @property
    def kind(self) -> str:
        """What values are, in words: ``"a whole number"``."""
        return _KINDS[type(self.default)][0]

    def problem(self, value: Any) -> str:
        """Return what is wrong with a value, as the rest of a sentence that begins with it; ``""`` where nothing is."""
        if self.choices:
            return "" if value in self.choices else f"is not one of {', '.join(map(shown, self.choices))}"
        if value is None and self.default is None:
            return ""
        kind, others = _KINDS[type(self.default)]
        if self.default is not None and type(value) not in (type(self.default), *others):
            return f"must be {kind}"
        if type(value) is float and not math.isfinite(value):
            return "must be a finite number"
        return self._beyond_limits(value) if self.limits else ""

    def _beyond_limits(self, value: Any) -> str:
        lowest, highest = self.limits or (None, None)
        for number in value if isinstance(value, (list, tuple)) else [value]:
            if type(number) not in (int, float):
                return "must be a number" if number is value else f"must have numbers, not {shown(number)}"
            if (lowest is not None and number < lowest) or (highest is not None and number > highest) or number != number:
                return f"must be {self.range}" if number is value else f"must have numbers {self.range}, not {shown(number)}"
        return ""

    @property
    def range(self) -> str:
        """The limits, in words: ``"0 to 1"``, ``"0 or more"``; ``""`` where there are none."""
        lowest, highest = self.limits or (None, None)
        if lowest is None:
            return "" if highest is None else f"{highest} or less"
        return f"{lowest} or more" if highest is None else f"{lowest} to {highest}"

    def value_of(self, value: Any) -> Any:
        """Return a value that has no problem, in the type of the default."""
        made = type(self.default)
        return value if self.default is None or type(value) is made or value in self.choices else made(value)
