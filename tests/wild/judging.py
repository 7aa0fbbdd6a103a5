"""What every message and every document has to be, whatever was sent."""

from __future__ import annotations

import json
import re
from typing import Any

# Texts of our own defects, or of exceptions of Python without a sentence.
NOT_A_SENTENCE = re.compile(r"defect of empycustom|^\w+(Error|Exception|Interrupt)\b|Traceback|\n")


def strictly(text: str) -> Any:
    """Read JSON as other languages do: without NaN, and without halves of surrogate pairs."""

    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} is not a number of JSON: {text}")

    value = json.loads(text, parse_constant=refuse)
    text.encode()
    return value
