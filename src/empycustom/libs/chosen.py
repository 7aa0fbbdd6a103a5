"""Which objects a library works on: those with certain labels, shared by all libraries that have such an option."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_MOST_SEEN = 100  # labels that are remembered


class Chosen:
    """Objects with certain labels, whatever their case, or numbers of classes; ``"*"`` is every object."""

    def __init__(self, labels: Sequence[Any]) -> None:
        self.labels = labels
        self._labels = {str(label).casefold() for label in labels}
        self._seen: set[str] = set()
        self._any = False

    def has(self, obj: Mapping[str, Any]) -> bool:
        """Return whether an object is one of them."""
        label, number = str(obj.get("obj_label") or ""), str(obj.get("class_id"))
        if len(self._seen) < _MOST_SEEN:
            self._seen.add(label or number)
        chosen = "*" in self._labels or label.casefold() in self._labels or number in self._labels
        self._any |= chosen
        return chosen

    def missed(self, option: str) -> str:
        """Return, where there were objects and none was one of them, what there was in the place of what an option has."""
        if self._any or not self._seen:
            return ""
        wanted, seen = (", ".join(sorted(labels)) for labels in (self._labels, self._seen))
        return f"the option {option} has {wanted}, but the objects were {seen}"
