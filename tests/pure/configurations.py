"""What the tests of configurations share: a library, options, and what is said of a configuration."""

from __future__ import annotations

import pytest

from empycustom.errors import ConfigurationError

LIB = {"custom-lib": "lib.py", "in-place": True}
OPTIONS = [
    {"key": {"element": "aimeta", "property": "signal-interval"}, "option_type": "gstreamer", "value_type": "number", "value": 7},
    {"key": {"element": "empycustom", "property": "options"}, "option_type": "gstreamer", "value_type": "object"},
    {"key": "speed", "option_type": "callback", "value_type": "number", "min-value": 20, "max-value": 30},
    {"key": "colour", "option_type": "callback", "value_type": "string", "value_list": ["red", "10"], "value": "red"},
    {"key": "polygon", "option_type": "callback", "value_type": "list"},
]


def gstreamer(element, name, **more):
    return {"key": {"element": element, "property": name}, "option_type": "gstreamer", **more}


def complaint(call, *arguments, **named):
    with pytest.raises(ConfigurationError) as raised:
        call(*arguments, **named)
    return str(raised.value)
