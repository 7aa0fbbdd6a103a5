"""The rows of docs/errors.md, and comparing messages with them."""

import re

from blocks import DOCS

PAGE = (DOCS / "errors.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def rows(section):
    return re.findall(r"^\| `(.*?)`(?:, and [^|]*)? \| .*\|$", SECTIONS[section], re.MULTILINE)


def fits(row, message):
    return re.fullmatch(".*".join(map(re.escape, row.split("…"))), message, re.DOTALL)


def compare(section, messages):
    """Check that each message is that of a row, of the longest that fits, and that no row is left."""
    found = set()
    for message in messages:
        fitting = [row for row in rows(section) if fits(row, message)]
        assert fitting, f"no row of {section!r} is {message!r}"
        found.add(max(fitting, key=len))
    assert sorted(set(rows(section)) - found) == [], "these were not provoked"
