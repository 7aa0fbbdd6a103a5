"""How a callback ends its stream well: it raises EndOfStream, or somebody leaves a debugger that stopped in it."""

from __future__ import annotations

import sys

from empycustom.errors import CallbackError, DebuggerLeftError, EmPyCustomError, EndOfStream, LibraryError, StreamEndedError
from empycustom.library.blame import Blame, blame, is_kind, traceback_of
from empycustom.library.imports import file_of_library

_DEBUGGER = ("pdb", "bdb", "cmd")  # modules


def ending(error: BaseException, found: Blame, callback: str, *, frame: str | None) -> LibraryError | None:
    """Return what is to be said where ``error``, which ``callback`` raised, ends the stream; None where it is a mistake.

    ``frame``: what becomes of the frame, as the rest of a sentence; None where the callback is not called for frames.
    """
    library, line = found.file, found.line
    if is_kind(error, EndOfStream):
        text = found.what.partition(": ")[2]
        said = f": {text}" if text else ""
        if frame is None:
            return LibraryError(
                f"{found.place}: {callback} raised EndOfStream{said}, but only process_ip and process can end a stream; raise it "
                "there",
                library=library,
                line=line,
                callback=callback,
                details=found.traceback,
            )
        return StreamEndedError(
            f"{found.place}: {callback} ended the stream", f"{frame}{said}", library=library, line=line, callback=callback
        )
    if is_debugger_left(error):
        message = f"{found.place}: the debugger was left in {callback}"
        return DebuggerLeftError(message, "; the stream ends", library=library, line=line, callback=callback)
    return None


def is_debugger_left(error: BaseException) -> bool:
    """Whether somebody left pdb, or a debugger made of it.

    That is BdbQuit, or what the debugger itself raises: on Python 3.14 SystemExit, or an error when ``exit()`` has closed stdin.
    """
    if is_kind(error, getattr(sys.modules.get("bdb"), "BdbQuit", type(None))):
        return True
    last = traceback_of(error)
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and last.tb_frame.f_globals.get("__name__") in _DEBUGGER


def at_fault(error: BaseException) -> BaseException:
    """Return what is to be said of an exception that came out of our own work.

    It is our fault, unless somebody left a debugger there, or code of a library raised it that Python runs besides the
    callbacks.
    """
    if isinstance(error, EmPyCustomError):
        return error
    if is_debugger_left(error):
        return DebuggerLeftError("The debugger was left", "; the stream ends")
    path = file_of_library(traceback_of(error))
    if not path:
        return error
    found = blame(error, path)
    return CallbackError(
        f"{found.place}: {found.what}, raised by what Python calls besides the callbacks (given to sys.settrace, sys.setprofile, "
        "sys.addaudithook); fix the library (the traceback is below)",
        library=path,
        line=found.line,
        details=found.traceback,
    )
