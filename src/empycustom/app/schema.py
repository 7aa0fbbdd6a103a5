"""``empycustom schema``: the JSON Schema of the stream configuration."""

from __future__ import annotations

import json

from empycustom.config.schema import json_schema
from empycustom.session.console import show


def main(_arguments: object = None) -> int:
    """Print it; return 0."""
    show(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return 0
