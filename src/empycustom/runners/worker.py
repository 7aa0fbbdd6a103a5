"""The beginning of a worker's process: it becomes like its parent, and ends with it. ``serving.py`` goes on."""

from __future__ import annotations

import faulthandler
import fcntl
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

from empycustom.runners.messages import at_worker, pack_error, receive, send, to_parent

# What the process runs. Nothing of this package can be found before its first message is here.
BOOT = """
import marshal, pickle, socket, sys
control = socket.socket(fileno=int(sys.argv[1]))
version, path = pickle.loads(control.recv(1 << 20))
if version == sys.version:
    sys.path[:] = path
    from empycustom.runners.worker import main
    main(control)
else:
    control.send(marshal.dumps(("version", sys.version), 2))
"""


def main(control: socket.socket) -> None:
    """Load the library, and work until the pool has had enough of it."""
    with suppress(EOFError):  # the parent has ended, or does not want to hear more
        (setup,) = at_worker(receive(control)[0])
        _end_with_parent(setup["lifeline"])
        for file in (control.fileno(), setup["lifeline"], setup["notes"]):
            os.set_inheritable(file, False)  # the library's own processes have no part in it
        faulthandler.enable(setup["notes"])
        _be_like_parent(setup)
        setup["sources"] = {}  # gets the files of the library that were run
        try:
            from empycustom.runners.serving import Worker

            worker = Worker(control, setup)
        except BaseException as error:  # noqa: BLE001 - it is the parent's to report
            send(control, to_parent("failed", pack_error(error), setup["sources"]))
        else:
            worker.serve()


def _end_with_parent(lifeline: int) -> None:
    """Let the kernel end this process and those that it starts when the parent closes a pipe, or ends in whatever way.

    A thread that waits for it would not run while a library holds the GIL, and PR_SET_PDEATHSIG is about the thread of the parent
    that started this process.
    """
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(lifeline, 0)
    if poll.poll(0):  # it has ended already
        os.killpg(0, signal.SIGKILL)


def _be_like_parent(setup: dict[str, Any]) -> None:
    sys.argv = setup["argv"]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    if setup["folder"]:
        with suppress(OSError):  # it is gone
            os.chdir(setup["folder"])
