"""The tables of settings in docs/publishing.md, made from their declarations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tables import table

from empycustom.library.declared import Option
from empycustom.publish.address import SETTINGS
from empycustom.publish.destinations import DESTINATIONS, destination_class

PAGE = Path(__file__).parents[2] / "docs" / "publishing.md"
BEGIN = "<!-- Made by tools/pages/publishing.py from the settings; not to be edited. -->\n"


def made() -> dict[str, str]:
    """Return the page, with new tables at its end; nothing where there is no page."""
    if not PAGE.exists():
        return {}
    before, begin, _ = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return {"publishing.md": before + "\n".join([begin, *_tables()]) if begin else before}


def _tables() -> Iterator[str]:
    yield "Of all destinations:\n"
    yield from _table(SETTINGS)
    seen = set()
    for scheme in DESTINATIONS:
        kind = destination_class(f"{scheme}://")
        if kind in seen:
            continue
        seen.add(kind)
        names = [f"`{name}://`" for name in DESTINATIONS if DESTINATIONS[name] == DESTINATIONS[scheme]]
        yield f"{', '.join(names)}:\n"
        yield from _table(kind.settings)


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _table(settings: Mapping[str, Option]) -> list[str]:
    rows = [
        [
            f"`{name}`",
            option.kind,
            f"`{_written(option.default)}`" if option.default != "" else "",
            option.range,
            option.description,
        ]
        for name, option in settings.items()
    ]
    return table(["setting", "type", "default", "values", "meaning"], rows)
