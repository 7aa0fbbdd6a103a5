"""Objects that the libraries of a process share: each is loaded once, and released after the last library that asked for it.

A process that runs libraries one after the other may keep them until its end: :func:`keep`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any, TypeVar

from empycustom.errors import SharedError
from empycustom.library.explain import kind_of

_T = TypeVar("_T")
LOADING, READY, CLOSING = "loading", "ready", "closing"
callers: set[CodeType] = set()  # the methods that call callbacks; their ``self`` has the ``tenant``


class _Entry:
    """An object under a key. ``thread`` is the one that loads or closes it, ``tenants`` are the libraries that have it."""

    def __init__(self, key: Hashable) -> None:
        self.key, self.state, self.thread = key, LOADING, threading.get_ident()
        self.object: Any = None
        self.error: BaseException | None = None
        self.tenants: set[Tenant] = set()


_entries: dict[Hashable, _Entry] = {}
_keepers: list[Tenant] = []  # who have all objects
_changed = threading.Condition()  # also the lock of all that is here
_waits: dict[int, _Entry] = {}  # what threads wait for


class Tenant:
    """A library that was opened, as one that may have shared objects; or who keeps them for others."""

    def __init__(self) -> None:
        self.entries: list[_Entry] = []

    def take(self, entry: _Entry) -> Any:
        """Have an object from now on, and return it."""
        for tenant in (self, *_keepers):
            if tenant not in entry.tenants:
                entry.tenants.add(tenant)
                tenant.entries.append(entry)
        return entry.object

    def release(self) -> None:
        """Give back all objects, and close those that nobody else has. Raises what the first ``close`` that fails raises."""
        with _changed:
            entries, self.entries = self.entries[::-1], []
            for entry in entries:
                entry.tenants.discard(self)
            last = [entry for entry in entries if not entry.tenants]
            for entry in last:
                entry.state, entry.thread = CLOSING, threading.get_ident()
        failures = [failure for entry in last if (failure := _close(entry))]
        if failures:
            raise failures[0]


def _close(entry: _Entry) -> BaseException | None:
    """Close an object; return what that raised: others are to be closed all the same."""
    shared_object, entry.object = entry.object, None
    try:
        close = getattr(shared_object, "close", None)
        if callable(close):
            close()
    except BaseException as error:  # noqa: BLE001 - the caller raises it
        return error
    finally:
        with _changed:
            del _entries[entry.key]
            _changed.notify_all()
    return None


@contextmanager
def keep() -> Iterator[None]:
    """Keep each object that a library asks for, until the end of the context. Raises then what a ``close`` raises."""
    keeper = Tenant()
    with _changed:
        _keepers.append(keeper)
    try:
        yield
    finally:
        with _changed:
            _keepers.remove(keeper)
        keeper.release()


def shared(key: Hashable, load: Callable[[], _T]) -> _T:
    """Return the object that all libraries of this process have under a key; the first one that asks loads it.

    Call it in a callback, best in ``start``::

        def start(options):
            global session
            session = empycustom.shared(("yolo", options["model"]), lambda: load_session(options["model"]))

    Others that ask while it is loaded wait. It is released when the last library that asked for it has stopped; if it has a
    method ``close``, that is called then. With ``workers`` each process has its own. A process of ``empycustom batch`` keeps it
    from video to video, until the process ends, or a video has failed.

    Several threads may use it at the same time.

    Parameters
    ----------
    key : text, tuple, or anything else that a dict takes as a key
        Name of the object, with all that it depends on, such as the file of the model.
    load : function without arguments
        Makes the object. What it raises is raised here, and those who wait get a SharedError; the next one tries again.

    Returns
    -------
    object
        What ``load`` returned, the same for all.

    Raises
    ------
    SharedError
        It is called outside of a callback; ``load`` has failed in another library; ``load`` waits for its own object.
    """
    tenant = _tenant_of_caller(key)
    me = threading.get_ident()
    with _changed:
        while True:
            entry = _entries.get(key)
            if entry is None:
                entry = _entries[key] = _Entry(key)
                break
            if entry.state == READY:
                return tenant.take(entry)  # type: ignore[no-any-return]  # it is what load returned
            _wait_for(entry, me)
    return _load(entry, load, tenant)


def _tenant_of_caller(key: Hashable) -> Tenant:
    """Return the library that is being called in this thread."""
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code in callers:
            return frame.f_locals["self"].tenant  # type: ignore[no-any-return]  # locals of a frame are of any type
        frame = frame.f_back  # type: ignore[assignment]  # the first one is there
    raise SharedError(
        f"empycustom.shared({key!r}) is called outside of a callback, so that nobody knows how long the object is needed; call "
        "it in start, process_ip or process, in the thread in which they are called"
    )


def _wait_for(entry: _Entry, me: int) -> None:
    """Wait until an object is loaded or closed. Raises SharedError where that is never going to be, or has failed."""
    ahead: _Entry | None = entry
    while ahead:
        if ahead.thread == me:
            raise SharedError(
                f"empycustom.shared({entry.key!r}) is called while it is {entry.state}, by what this thread does for it or for "
                "an object that waits for it; let load ask for no object that asks for this one"
            )
        ahead = _waits.get(ahead.thread)
    _waits[me] = entry
    try:
        _changed.wait_for(lambda: entry.state == READY or _entries.get(entry.key) is not entry)
    finally:
        del _waits[me]
    if entry.error is not None:
        what = f"{kind_of(entry.error)}: {entry.error}"
        raise SharedError(f"empycustom.shared({entry.key!r}): loading it has failed, in another library: {what}") from entry.error


def _load(entry: _Entry, load: Callable[[], _T], tenant: Tenant) -> _T:
    try:
        made = load()
    except BaseException as error:
        with _changed:
            entry.error = error
            del _entries[entry.key]
            _changed.notify_all()
        raise
    with _changed:
        entry.object, entry.state = made, READY
        tenant.take(entry)
        _changed.notify_all()
    return made
