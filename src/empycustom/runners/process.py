"""One process of a pool: starting it, what it says, how it ended; and what its library prints."""

from __future__ import annotations

import logging
import os
import pickle
import resource
import select
import signal
import socket
import subprocess
import sys
import sysconfig
from contextlib import ExitStack, suppress
from time import monotonic, sleep
from typing import Any

from empycustom.native.shared import core
from empycustom.runners.board import SIZE, Board
from empycustom.runners.messages import WHERE, at_parent, receive, send, to_worker
from empycustom.runners.relay import LOG, Relay, encoding_of
from empycustom.runners.worker import BOOT
from empycustom.text import working_folder

_DONTWAIT = int(socket.MSG_DONTWAIT)
_ABORT_S = 0.5  # at most, for the traceback of a process that is to end
_WHERE_S, _GLANCE_S = 0.5, 0.002  # at most, for the traceback of one that goes on
_LONGEST_NOTE = 1 << 18
_OUTERMOST = ('  File "<string>"', "  ...")  # the last line of a traceback: where a worker begins, or there are too many frames


def interpreter() -> str:
    """Return the Python that workers run in: this one, also where it is embedded and ``sys.executable`` is another."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}{getattr(sys, 'abiflags', '')}"
    places = [f"{sys.prefix}/bin/{name}", f"{sysconfig.get_config_var('BINDIR')}/{name}", sys.executable]
    return next(place for place in places if os.access(place, os.X_OK) or place == sys.executable)


class Process:
    """A process with a library. ``library``, ``in_place``, ``options`` and ``events`` are its own and its pool's.

    ``has_ended`` is set when somebody saw that it has. ``file`` can be read when it says something, ``pidfd`` when it has ended.
    """

    def __init__(self, relay: Relay, **library: Any) -> None:
        self.has_ended = self.is_aborted = False
        self._kill_at = 0.0
        with ExitStack() as on_failure:
            self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            on_failure.callback(self.control.close)
            self._notes = os.memfd_create("empycustom notes")
            on_failure.callback(os.close, self._notes)
            os.truncate(self._notes, SIZE)
            os.lseek(self._notes, 0, os.SEEK_END)
            self.board = Board(self._notes)
            self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_SEMAPHORE)
            on_failure.callback(os.close, self._bell)
            lifeline, kept = os.pipe()
            on_failure.callback(os.close, kept)
            self._folder = working_folder()
            self._popen = self._started(relay, theirs, lifeline)
            self.pid = self._popen.pid
            on_failure.callback(self._popen.wait)
            on_failure.callback(self.kill)
            self.pidfd = os.pidfd_open(self.pid)
            on_failure.pop_all()
        self.file, self._files = self.control.fileno(), (kept, self._notes, self._bell, self.pidfd)
        self._introduce(lifeline, library)

    def _started(self, relay: Relay, theirs: socket.socket, lifeline: int) -> subprocess.Popen[bytes]:
        (out, out_end), (err, err_end), (log, self._log) = os.pipe(), os.pipe(), os.pipe()
        for file, name in ((out, "stdout"), (err, "stderr"), (log, LOG)):
            relay.add(file, name)
        try:
            return subprocess.Popen(
                [interpreter(), "-c", BOOT, str(theirs.fileno())],
                pass_fds=(theirs.fileno(), self._notes, self._bell, lifeline, self._log),
                stdin=subprocess.DEVNULL,
                stdout=out_end,
                stderr=err_end,
                cwd="/" if self._folder else None,  # where it is gone, it is gone for the worker, too
                start_new_session=True,
            )
        finally:
            theirs.close()
            for file in (lifeline, out_end, err_end, self._log):
                os.close(file)

    def _introduce(self, lifeline: int, library: dict[str, Any]) -> None:
        """Send what it has to know; the files have the same numbers there."""
        level = logging.root.level if logging.root.handlers else None
        encodings = {name: encoding_of(name) for name in ("stdout", "stderr")}
        about = {"log": self._log, "log_level": level, "argv": sys.argv, "folder": self._folder, "encodings": encodings}
        setup = {"notes": self._notes, "bell": self._bell, "lifeline": lifeline, **about, **library}
        with suppress(EOFError):  # whoever reads will see it
            send(self.control, pickle.dumps((sys.version, sys.path), 5))
            send(self.control, to_worker(setup))

    # While it lives.

    def send(self, message: bytes, files: list[int]) -> bool:
        """Send a message without waiting; return False where it has to wait, or has ended."""
        try:
            send(self.control, message, files, flags=_DONTWAIT)
            self.board.core = core()
            os.eventfd_write(self._bell, 1)
        except BlockingIOError:
            return False
        except EOFError:
            self.has_ended = True
            return False
        return True

    def message(self) -> Any:
        """Return the next message, None: there is none."""
        try:
            return at_parent(receive(self.control, flags=_DONTWAIT)[0])
        except BlockingIOError:
            return None
        except EOFError:
            self.has_ended = True
            return None

    def is_gone(self) -> bool:
        """Return whether it has ended, whoever has seen that."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(0))

    def where(self) -> str:
        """Return the traceback of where its main thread is, and let it go on; "" where it does not answer in half a second.

        Nothing is asked of one that does not catch the signal, which would end it.
        """
        if not self._catches(WHERE):
            return ""
        signal.pidfd_send_signal(self.pidfd, WHERE)
        note, until = "", monotonic() + _WHERE_S
        while not note.rpartition("\n")[2].startswith(_OUTERMOST) and monotonic() < until:
            sleep(_GLANCE_S)
            note = self.note()
        os.truncate(self._notes, SIZE)  # a crash comes at the beginning again
        os.lseek(self._notes, SIZE, os.SEEK_SET)
        return note

    def _catches(self, number: int) -> bool:
        with open(f"/proc/{self.pid}/status") as status:
            caught = next((line.split()[1] for line in status if line.startswith("SigCgt:")), "0")  # none: it has ended
        return bool(int(caught, 16) >> (number - 1) & 1)

    # Its end.

    def abort(self) -> None:
        """Let it end with a traceback of where it is."""
        self.is_aborted, self._kill_at = True, monotonic() + _ABORT_S
        with suppress(OSError):
            resource.prlimit(self.pid, resource.RLIMIT_CORE, (0, 0))
        self._popen.send_signal(signal.SIGABRT)

    def patience(self) -> float | None:
        """End it where it was aborted and is still there; return how many seconds that is ahead, None: it was not."""
        if not self.is_aborted:
            return None
        left = self._kill_at - monotonic()
        if left <= 0:
            self.kill()
        return max(left, 0.0)

    def kill(self) -> None:
        """End it, and all processes that it has started, unless they left its group."""
        if self._popen.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def wait(self, grace_s: float = 0.5) -> int:
        """Let nothing be left of it, and return its exit code, or its signal with a minus. It has so long to end by itself."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        poll.poll(grace_s * 1000)
        self.kill()  # also those that it has started; the number of the group is taken until the next line
        return self._popen.wait()

    def note(self) -> str:
        """Return what the faulthandler has written."""
        return os.pread(self._notes, _LONGEST_NOTE, SIZE).decode("utf-8", "backslashreplace").rstrip()

    def close(self) -> None:
        """Close what connects to it; it has ended."""
        self.control.close()
        self.board.close()
        for file in self._files:
            os.close(file)
