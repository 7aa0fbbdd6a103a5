"""``empycustom studio``: the arguments of ``run``, and a page in the browser."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import replace
from functools import partial
from importlib.util import find_spec

from empycustom.app.run import options_of, read_any
from empycustom.elements import add_elements
from empycustom.errors import LaunchError
from empycustom.session.console import reserve_stdout
from empycustom.text import shell_word, without_password

_NEEDED = ("starlette", "uvicorn", "websockets", "watchfiles")


def main(args: Namespace) -> int:
    """Play SOURCE, and serve the page, until Ctrl-C; return the exit code."""
    reserve_stdout()
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise LaunchError(f'studio needs {", ".join(missing)}: pip install "empycustom[studio]"')
    from empycustom.studio.program import Address, Studio

    add_elements()
    options = replace(options_of(args), preview=True, reconnect=True)
    command = " ".join(["empycustom", *(without_password(shell_word(each)) for each in sys.argv[1:])])
    read = partial(read_any, args, options)
    return Studio(read, options, Address(args.host, args.port, opens=args.open), command).play()
