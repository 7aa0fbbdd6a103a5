"""Which objects on a buffer of plain GStreamer are the ones that were read, and which repeat one another."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import compress
from typing import Any

from empycustom.carriers.protocol import Handle, ObjectSource, Place
from empycustom.model import keys, wire
from empycustom.model import values as model


def matched(handles: Sequence[Handle], there: Sequence[Place]) -> list[int | None]:
    """Return for each object its index in what is there now, None where it is not; those with one state are in their order."""
    if [handle[2] for handle in handles] == [place[0] for place in there]:
        return [*range(len(there))]
    left = defaultdict(list)
    for index in range(len(there) - 1, -1, -1):
        left[there[index][0]].append(index)
    return [left[handle[2]].pop() if left[handle[2]] else None for handle in handles]


def moved(handle: Handle, there: dict[Any, list[Any]]) -> Handle:
    """Return an object where it is after a scaling; ``there`` has all states, by their sources and what did not change."""
    source, number, state, label, lost = handle
    states = there[source, state[: source.fixed]]
    return source, number, states.pop(0) if states else state, label, lost


def twins(objects: Sequence[Any], handles: Sequence[Handle]) -> list[list[int]]:
    """Return for each object the indices of all that are one with it, itself among them.

    Some elements write an object to metas of two kinds, under the same number.
    """
    same: dict[Any, dict[ObjectSource, int]] = defaultdict(dict)
    twin_of: list[Any] = []
    for index, (found, (source, number, *_)) in enumerate(zip(objects, handles, strict=True)):
        twin: Any = (number, found[keys.LABEL], *rounded(wire.box_of_object(found)))
        if source in same[twin]:
            twin = (twin, index)
        same[twin][source] = index
        twin_of.append(twin)
    return [[*same[twin].values()] for twin in twin_of]


def drop_duplicates(objects: list[Any], handles: list[Handle], order: list[ObjectSource]) -> None:
    """Leave out what repeats an object of an earlier source under the same number: some elements write both."""
    ranks = [
        (order.index(handle[0]), (handle[1], found[keys.LABEL], *rounded(wire.box_of_object(found))))
        for handle, found in zip(handles, objects, strict=True)
    ]
    first = {twin: rank for rank, twin in sorted(ranks, reverse=True)}
    kept = [first[twin] == rank for rank, twin in ranks]
    objects[:], handles[:] = compress(objects, kept), compress(handles, kept)


def rounded(box: model.Box) -> tuple[int, ...]:
    """Return a box of whole pixels: left, top, width and height."""
    left, top = round(box.left), round(box.top)
    return left, top, round(box.left + box.width) - left, round(box.top + box.height) - top


def shared(there: list[Place]) -> set[tuple[Any, ...]]:
    """Return the sources and numbers that more than one object has."""
    numbers = [number for *_, number in there]
    if len(set(numbers)) == len(numbers):
        return set()
    return {each for each, count in Counter((source, number) for _, source, _, number in there).items() if count > 1}
