"""Files of libraries, and applications that load them."""

import re
import sys
from contextlib import contextmanager
from pathlib import Path

LIBRARY = re.compile(r"empycustom\.library\.[fso]\d")


@contextmanager
def application(folder):
    """An application whose modules are in ``folder``."""
    modules = set(sys.modules)
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))
    for name in set(sys.modules) - modules:
        if not LIBRARY.match(name):
            del sys.modules[name]


def write(path, text=""):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path.absolute()
