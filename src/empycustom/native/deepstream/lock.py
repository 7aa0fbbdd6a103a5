"""NVIDIA's lock of a batch, and Python's own, the GIL.

Whoever looks at the lists of a batch, or changes them, holds the lock of the batch, as NVIDIA's elements do. With Python in the
process two threads can wait for each other without end: one has the lock and wants the GIL, the other one keeps the GIL while it
waits for the lock. pyds does both: it waits without letting go of the GIL, and is Python while it has the lock. So here

- nobody waits for the lock: it is tried, and between two tries the GIL is free for whoever has the lock and wants it;
- nobody lets go of the GIL while having the lock: whoever waits for it with the GIL finds it free.

The interpreter may give the GIL to another thread between any two instructions of Python's. So there are none while the lock is
held: what is to be done is prepared as :class:`Steps`, iterators over functions of C, and one call of C does all of it.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import accumulate, chain, compress, repeat, starmap, takewhile
from operator import attrgetter
from typing import Any

from empycustom.native.declarations import ffi
from empycustom.native.deepstream.layouts import META_MUTEX
from empycustom.native.memory import fields

_PAUSE_S = 50e-6  # between two tries
# Up to 3.11 memory that is asked for may start Python's collector of garbage, which runs Python and lets go of the GIL.
_COLLECTS_ANYWHERE = sys.version_info < (3, 12)

_Address = ctypes.c_size_t
_glib = ctypes.PyDLL("libglib-2.0.so.0")  # PyDLL keeps the GIL during a call
_try_lock = ctypes.PYFUNCTYPE(ctypes.c_int, _Address)(("g_rec_mutex_trylock", _glib))
_unlock = ctypes.PYFUNCTYPE(None, _Address)(("g_rec_mutex_unlock", _glib))
_find = ctypes.PYFUNCTYPE(_Address, _Address, _Address)(("g_list_find", _glib))
_pointer = fields((0, "Q"))
_list_at, _chars_at = (partial(ffi.cast, ffi.typeof(name)) for name in ("Addresses *", "const char *"))


class Steps:
    """Lists to be filled under the lock of a batch, one after the other, each from an iterator.

    An iterator may go over the lists of earlier steps. It must be of C, as those of itertools and map() are, with functions of C
    that keep the GIL: no generator, no function of Python's, none of cffi's.
    """

    def __init__(self) -> None:
        self._lists: list[list[Any]] = []
        self._sources: list[Iterator[Any]] = []

    def fill(self, source: Iterator[Any]) -> list[Any]:
        """Add a step, and return the list that it will fill."""
        filled: list[Any] = []
        self._lists.append(filled)
        self._sources.append(source)
        return filled

    def run(self, batch: int) -> None:
        """Do the steps, once, with the lock of the batch at an address."""
        while not self._tried(batch + META_MUTEX):
            time.sleep(_PAUSE_S)  # without the GIL

    def _tried(self, mutex: int) -> bool:
        """Do the steps if nobody has the lock; return whether that is so."""
        locked, unlocked = list[int](), list[None]()
        # What comes behind the first of them is reached only if `locked` is not empty by then.
        if_locked = compress([*self._sources, map(_unlock, (mutex,))], chain.from_iterable(map(repeat, locked)))
        sources = chain([filter(None, map(_try_lock, (mutex,)))], if_locked)
        work: Iterable[Any] = map(list.extend, [locked, *self._lists, unlocked], sources)
        collects = _COLLECTS_ANYWHERE and gc.isenabled()
        if collects:
            work = chain(starmap(gc.disable, ((),)), work, starmap(gc.enable, ((),)))
        try:
            deque(work, 0)  # from here to its end no instruction of Python's is run
        except BaseException:
            if collects:
                gc.enable()
            if locked and not unlocked:
                _unlock(mutex)
            raise
        return bool(unlocked)


# Iterators for steps.


flat = chain.from_iterable  # all that is in several lists
_NEXT, _BOOL, _GETATTR, _DATA = repeat(repeat("next")), repeat(bool), repeat(getattr), repeat(attrgetter("data"))


def lists_at(heads: Iterable[int]) -> Iterator[list[int]]:
    """Return the pointers in each of the GLists that begin at addresses; those that are 0 are left out."""
    following = map(chain, zip(map(_list_at, filter(None, heads))), _NEXT)  # head, "next", "next", …
    nodes = map(takewhile, _BOOL, map(accumulate, following, _GETATTR))  # head, head.next, head.next.next, …
    return map(list, map(map, _DATA, nodes))


def texts_at(addresses: Iterable[int]) -> Iterator[bytes]:
    """Return the text at each address; those that are 0 are left out."""
    return map(ffi.string, map(_chars_at, filter(None, addresses)))


def change(batch: int, place: int, member: int, *calls: tuple[Callable[..., Any], tuple[Any, ...]]) -> bool:
    """Call functions of C, each with its arguments, under the lock of a batch, and return whether that was done.

    It is where ``member`` is still in the GList whose beginning is stored at ``place``; ``place`` 0: in any case.
    """
    steps = Steps()
    found = steps.fill(filter(None, map(_find, flat(map(_pointer, (place,))), (member,))) if place else iter((member,)))
    for function, arguments in calls:
        steps.fill(starmap(function, compress((arguments,), found)))
    steps.run(batch)
    return bool(found)
