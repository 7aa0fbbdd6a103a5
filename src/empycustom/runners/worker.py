"""The beginning of a worker's process: it becomes like its parent, and ends with it. ``serving.py`` goes on."""

from __future__ import annotations

import faulthandler
import fcntl
import json
import logging
import os
import select
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from empycustom.library.modules import keep, without_package
from empycustom.runners.messages import WHERE, at_worker, pack_error, receive, reply

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
    with suppress(EOFError):  # the parent has ended, or wants no more messages
        (setup,) = at_worker(receive(control)[0])
        end_with_parent(setup["lifeline"])
        for file in (control.fileno(), setup["lifeline"], setup["notes"], setup["bell"], setup["log"]):
            os.set_inheritable(file, False)  # the library's own processes have no part in it
        os.register_at_fork(after_in_child=control.close)
        faulthandler.enable(setup["notes"])
        faulthandler.register(WHERE, setup["notes"], all_threads=False)
        _be_like_parent(setup)
        setup["sources"] = {}  # gets the files of the library that were run
        try:
            keep(setup["kept"])
            with _environment(GST_REGISTRY_UPDATE="no", GST_DEBUG_FILE=_own_file(os.environ.get("GST_DEBUG_FILE", ""))):
                from empycustom.runners.serving import Worker
            worker = Worker(control, setup)
        except BaseException as error:  # noqa: BLE001 - it is the parent's to report
            reply(control, "failed", pack_error(error), setup["sources"])
        else:
            worker.serve()


def end_with_parent(lifeline: int) -> None:
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


def _refuse_debugger(*_given: Any, **_named: Any) -> None:
    from empycustom.library.explain import NoTerminalError

    raise NoTerminalError("a debugger needs a terminal, and a worker has none")


def _be_like_parent(setup: dict[str, Any]) -> None:
    sys.argv = setup["argv"]
    for name, encoding in setup["encodings"].items():
        getattr(sys, name).reconfigure(encoding=encoding, errors="backslashreplace", line_buffering=True)
    if setup["folder"]:
        with suppress(OSError):  # it is gone
            os.chdir(setup["folder"])
    _log_to_parent(setup["log"], setup["log_level"])
    if not os.environ.get("PYTHONBREAKPOINT"):  # it may name a debugger that needs no terminal
        sys.breakpointhook = _refuse_debugger


def _log_to_parent(file: int, level: int | None) -> None:
    """Let what is logged go the way that it goes in the parent; ``level``: None: nobody has set up `logging` there.

    A library may do it then, and it goes where the library wants it.
    """
    handler = _ToParent(file)
    if level is None:
        logging.lastResort = handler
        handler.setLevel(logging.WARNING)
    else:
        logging.basicConfig(handlers=[handler], level=level)


def _own_file(name: str) -> str:
    """Return where GStreamer's log of this process goes: the parent's file would be emptied."""
    return name if name in ("", "-") or "%p" in name else f"{name}.{os.getpid()}"


@contextmanager
def _environment(**wanted: str) -> Iterator[None]:
    """Have other variables while GStreamer is loaded; the library's own processes are to have those of the parent."""
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update({name: value for name, value in wanted.items() if value})
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


class _ToParent(logging.Handler):
    """Hands what a library logs to the parent, whose ``logging`` deals with it. ``file`` is a pipe."""

    def __init__(self, file: int) -> None:
        super().__init__()
        self._file = os.fdopen(file, "wb", buffering=0)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.format(record)  # which makes the texts
            about = {name: value for name, value in vars(record).items() if isinstance(value, (str, int, float, type(None)))}
            about.update(name=without_package(record.name), msg=record.getMessage())
            self._file.write(json.dumps(about).encode() + b"\n")
        except Exception:  # noqa: BLE001 - as every handler of Python's: the arguments are a library's
            self.handleError(record)
