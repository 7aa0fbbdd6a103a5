"""What is wrong with options, or with the files that they name, as a sentence: without a traceback of these libraries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from empycustom.errors import OptionError


@contextmanager
def about_options() -> Iterator[None]:
    """Let a ValueError or an OSError be an OptionError: around what reads options, or as its decorator."""
    try:
        yield
    except OptionError:
        raise
    except (ValueError, OSError) as error:
        named = re.search(r"\bthe option (\w+)", str(error))
        raise OptionError(str(error), option=named[1] if named else "") from error
