"""Results of callbacks, read and distributed over frames and objects, as plain values."""

from types import SimpleNamespace

from empycustom.model.results import Result, read_result, value_of
from empycustom.model.serialize import loads

RECT = {"left": 1, "top": 2, "width": 3, "height": 4}


def read_output(value):
    """Return what was returned as plain values, None: nothing."""
    result = read_result(value, [])
    return None if result is None else loads(result.text)


def deal(value, counts):
    """Return the result about frames with so many objects each, with attributes as plain values."""
    result = read_result(value, counts) or Result(counts)
    frames = [
        SimpleNamespace(
            objects=[value_of(attributes) for attributes in frame.objects],
            words=value_of(frame.attributes),
            new_objects=list(frame.new_objects),
        )
        for frame in result.frames
    ]
    return SimpleNamespace(words=value_of(result.attributes), ignored=list(result.ignored), frames=frames)


def dealt(value, *counts):
    return deal(value, list(counts))
