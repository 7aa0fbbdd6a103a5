"""``empycustom.attach``: a library at a pad of a program's own pipeline."""

from __future__ import annotations

import atexit
import logging
from functools import cache
from threading import Thread
from typing import Any

from empycustom.elements.at_pad import AtPad, check_caps, name_of
from empycustom.errors import CallbackMissingError, LibraryNotFoundError, PropertyError
from empycustom.gstreamer import Gst
from empycustom.library.callbacks import works_in_place
from empycustom.session.libraries import Closing, configure, library_of, texts_of

_log = logging.getLogger("empycustom")
_GRACE_S = 10.0  # how long a call may go on when the program ends


def attach(
    pad: Any,
    library: Any,
    *,
    options: Any = None,
    on_error: str = "fail",
    process_interval: int = 1,
    reload: bool = False,
    call: Any = None,
) -> Attachment:
    """Let a library work on every frame at a pad, for a program that does not put an element into its pipeline.

    It takes the place of a buffer probe: frames are read, and results attached, as by the element ``empycustom`` with
    ``in-place=true``, in plain GStreamer and in DeepStream::

        osd = pipeline.get_by_name("osd")
        with empycustom.attach(osd.get_static_pad("sink"), "count.py", options={"least": 2}):
            loop.run()

    ``start`` of the library is called now, and ``stop`` when the attachment is closed, when the pad is freed (in a thread of its
    own), or when the program ends. In between the pipeline may go to NULL and play again; frames are numbered from 0 then.

    A library can be attached in any state of the pipeline. Several at one pad are called in the order in which they were
    attached.

    If somebody else has the same buffer (a branch of a tee, a program that keeps it), the pad passes on a copy of it, with the
    results; pixels are only copied when the library writes them.

    Parameters
    ----------
    pad : Gst.Pad
        A pad that raw video goes through, of any element, sink or source. It may have no caps yet.
    library : str, path, function, or object
        A file, the dotted name of a module, a function ``f(buffer, in_meta, options)``, or an object that has the callbacks as
        methods. It needs ``process_ip``; a library that has ``process`` alone, which makes new frames, is refused.
    options : dict, optional
        What the library gets as ``options``, of JSON values.
    on_error : {"fail", "pass", "drop"}
        What happens when the library raises. fail: an error with the traceback on the bus of the pipeline, and upstream gets
        ``GST_FLOW_ERROR``. pass: the frame goes on as it came. drop: it is left out. Both are reported once, as a warning on
        the bus.
    process_interval : int, from 1
        Call the library for every n-th frame.
    reload : bool
        Load the library anew when its file, or a module beside it, has changed. It needs the package watchfiles.
    call : dict, optional
        How a module of another project is called, as for :func:`empycustom.process`.

    Returns
    -------
    Attachment
        What ends it: a context manager with ``close``.

    Raises
    ------
    LibraryError
        The library cannot be loaded, has no ``process_ip``, or its ``start`` fails.
    FrameError
        What goes through the pad is not raw video in a format that is known. If that is only seen later, it is an error on the
        bus.
    PropertyError
        ``pad`` is not a pad; options are not JSON; another value is not one that it may have.
    """
    if not isinstance(pad, Gst.Pad):
        hint = ": the element has no pad of that name" if pad is None else ""
        raise PropertyError(
            f"attach needs a Gst.Pad, as element.get_static_pad('sink') returns it, not {pad!r}{hint}", name="pad"
        )
    library = library_of(library)
    given = {"options": options, "on_error": on_error, "process_interval": process_interval, "reload": reload, "call": call}
    texts = {name: text for argument, value in given.items() for name, text in texts_of(argument, value).items()}
    caps = pad.get_current_caps()
    if caps:
        check_caps(pad, caps)
    try:
        in_place = works_in_place(library, elsewhere=True)
    except LibraryNotFoundError as error:
        raise error.set_by("library=") from None
    if not in_place:
        what = library if isinstance(library, str) else getattr(library, "__name__", type(library).__name__)
        raise CallbackMissingError(
            f"{what} has process, which makes new frames, but no process_ip, and at a pad frames stay as they are; define "
            "process_ip(io_buffer, in_meta, options), or put the element empycustom into the pipeline",
            library=what,
            callback="process_ip",
        )
    element = AtPad()
    configure(element, library, texts, in_place=True)
    element.start(name_of(pad))
    return Attachment(element, pad)


class Attachment(Closing):
    """A library at a pad. ``element`` is the element that works there: an ``empycustom`` with its properties and signals.

    Its ``options`` and ``process-interval`` can be set, ``stats`` and ``last-meta`` read, and ``new-meta`` connected to, at any
    time::

        attached = empycustom.attach(pad, "count.py")
        attached.element.connect("new-meta", lambda _element, text: print(text))
    """

    def __init__(self, element: Any, pad: Any) -> None:
        self.element: Any = element
        _open.add(self)
        _close_at_exit()
        element.watch(pad, self._let_go)

    def close(self) -> None:
        """Let frames pass from now on, wait for a call that is under way, and call ``stop`` of the library.

        A second call does nothing. Called by the library itself, or in a handler of a signal, it does not wait: ``stop`` is
        called when that has returned, in another thread, and its error is logged.

        Raises
        ------
        LibraryError
            ``stop`` fails.
        """
        if not self._take():
            return
        self.element.leave()
        if self.element.is_called():
            self._end_in_background()
            return
        with self.element.call_lock:
            failure = self.element.stop()
        if failure:
            raise failure

    def _take(self) -> bool:
        """Return whether it was open; from now on it is not."""
        try:
            _open.remove(self)
        except KeyError:
            return False
        return True

    def _let_go(self) -> None:
        """End it: the pad is freed, in whatever thread."""
        if self._take():
            self._end_in_background()

    def _end_in_background(self) -> None:
        ending = Thread(target=self.end, daemon=True)
        ending.start()
        _ending.append(ending)
        _ending[:] = [thread for thread in _ending if thread.is_alive()]

    def end(self, patience_s: float = -1) -> None:
        """Call ``stop`` of the library, and log its error.

        Parameters
        ----------
        patience_s : float
            How long to wait for a call that is under way, in seconds; -1: as long as it takes.
        """
        if not self.element.call_lock.acquire(timeout=patience_s):
            _log.warning("%s: a call does not return, and the program ends without stop", self.element.get_name())
            return
        try:
            failure = self.element.stop()
        finally:
            self.element.call_lock.release()
        if failure:
            _log.error("%s", failure)


_open: set[Attachment] = set()
_ending: list[Thread] = []


@cache
def _close_at_exit() -> None:
    """Close what is open when the program ends.

    It is registered after the elements are, whose own functions at the end have to follow.
    """
    atexit.register(_close_all)


def _close_all() -> None:
    for attachment in tuple(_open):
        if attachment._take():
            attachment.element.leave()
            attachment.end(_GRACE_S)
    for thread in tuple(_ending):
        thread.join(_GRACE_S)
