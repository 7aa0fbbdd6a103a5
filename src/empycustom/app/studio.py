"""``empycustom studio``: the arguments of ``run``, and a page in the browser."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import replace
from functools import partial

from empycustom.app.run import options_of, read_any
from empycustom.elements import add_elements
from empycustom.session.console import reserve_stdout
from empycustom.studio.program import Address, Studio, check_packages
from empycustom.text import shell_word, without_password


def main(args: Namespace) -> int:
    """Play SOURCE, and serve the page, until Ctrl-C; return the exit code."""
    reserve_stdout()
    check_packages()
    add_elements()
    options = replace(options_of(args), preview=True, reconnect=True)
    command = " ".join(["empycustom", *(without_password(shell_word(each)) for each in sys.argv[1:])])
    read = partial(read_any, args, options)
    return Studio(read, options, Address(args.host, args.port, opens=args.open), command).play()
