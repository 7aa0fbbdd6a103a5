"""What the tests of empycustom.process share: a library, a function, and arrays."""

from __future__ import annotations

import numpy as np

COUNTS = "calls = 0\ndef process_ip(b, m, o):\n    global calls\n    calls += 1\n    return {'frame': {'calls': calls, 'o': o}}\n"


def mean(_buffer, _in_meta, _options, *, image):
    return {"frame": {"mean": round(float(image.pixels.mean()), 3)}}


def gray(count, value=lambda index: index, size=(6, 7)):
    """Arrays of one value each."""
    return [np.full(size, value(index), np.uint8) for index in range(count)]
