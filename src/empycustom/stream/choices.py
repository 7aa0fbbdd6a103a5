"""Kinds of several shapes: the shape of a value decides which of them it is checked and read as."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from empycustom.stream.kinds import Kind, Problem, shown


def is_named(value: Any) -> bool:
    """Whether a stage names its elements, as in ``{"nvinfer": {…}}``: an object that holds objects and nothing else."""
    return isinstance(value, dict) and bool(value) and all(isinstance(item, dict) for item in value.values())


@dataclass(frozen=True)
class Shapes:
    """The first of ``kinds`` (a test of the shape, and the kind) that fits."""

    kinds: tuple[tuple[Callable[[Any], bool], Kind], ...]
    words: str

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        """Yield the problems of the kind that fits."""
        kind = self._of(value)
        if kind is None:
            yield Problem(path, f"{shown(value)} must be {self.words}")
        else:
            yield from kind.problems(value, path)

    def read(self, value: Any) -> Any:
        """Return the value in its plain form."""
        kind = self._of(value)
        return kind.read(value) if kind else value

    def json_schema(self) -> dict[str, Any]:
        """Return what accepts any of the shapes."""
        return {"anyOf": [kind.json_schema() for _, kind in self.kinds]}

    def _of(self, value: Any) -> Kind | None:
        return next((kind for fits, kind in self.kinds if fits(value)), None)


def is_list(value: Any) -> bool:
    """Whether the value is a list."""
    return isinstance(value, list)


def is_object(value: Any) -> bool:
    """Whether the value is an object."""
    return isinstance(value, dict)


def is_text(value: Any) -> bool:
    """Whether the value is text."""
    return isinstance(value, str)
