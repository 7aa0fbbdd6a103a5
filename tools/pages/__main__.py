"""Write what is made in docs/: pages of the elements and of the command line, pictures, tables of formats and of settings.

python tools/pages            writes them
python tools/pages --check    checks whether they are up to date
"""

from __future__ import annotations

import sys
from pathlib import Path

import commands
import elements
import explained
import model
import pictures
import pixels
import publishing

DOCS = Path(__file__).parents[2] / "docs"


def main() -> int:
    """Write or check, according to the arguments."""
    wrong = []
    modules = (model, elements, commands, pictures, explained, pixels, publishing)
    for name, text in {name: text for module in modules for name, text in module.made().items()}.items():
        path = DOCS / name
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            wrong.append(name)
    if wrong:
        print(f"{', '.join(wrong)} in docs: not as tools/pages makes them; run `make format`.")  # noqa: T201 - a script prints
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
