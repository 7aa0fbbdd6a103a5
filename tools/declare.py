"""Turn ``native/declared.h`` into ``native/_declared.py``: cffi's compact form, which needs no parser when it is imported.

python tools/declare.py            writes the file
python tools/declare.py --check    checks whether it is up to date
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
import tempfile
from pathlib import Path

from cffi import FFI

NATIVE = Path(__file__).parents[1] / "src" / "empycustom" / "native"
TARGET = NATIVE / "_declared.py"
HEAD = '"""The declarations of declared.h, as cffi reads them fastest. Made by tools/declare.py; not to be edited."""\n'


def declared() -> str:
    """Return the content of ``_declared.py``."""
    source = (NATIVE / "declared.h").read_text(encoding="utf-8")
    ffi = FFI()
    ffi.cdef(re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL))
    ffi.set_source("empycustom.native._declared", None)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "_declared.py")
        with contextlib.redirect_stdout(io.StringIO()):  # cffi prints progress
            ffi.emit_python_code(str(made))
        return HEAD + made.read_text(encoding="utf-8")


def main() -> int:
    """Write or check, according to the arguments."""
    if "--check" not in sys.argv:
        TARGET.write_text(declared(), encoding="utf-8")
        return 0
    if TARGET.read_text(encoding="utf-8") == declared():
        return 0
    print(f"{TARGET.name} does not match declared.h: run `make format`.")  # noqa: T201 - a script prints
    return 1


if __name__ == "__main__":
    sys.exit(main())
