"""Publishes documents to one destination: a queue, a spool and two threads, so that neither the stream nor a message is stopped.

``put`` queues a document. The first thread makes messages of documents and keeps them in the spool; the second one sends what is
in the spool, in batches, and removes what has arrived. So a message that was kept arrives at least once, also where its
destination is away for a while, or the process is killed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from empycustom.errors import AwayError, MessageRefusedError, PublishError
from empycustom.outputs.queued import QueuedOutput, Waiter
from empycustom.publish.address import Address
from empycustom.publish.destinations import Destination, destination_class, selection_of
from empycustom.publish.messages import Draft, Message, Selection
from empycustom.publish.spool import Spool, open_spools, spool_folder

FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 15.0  # between two attempts to connect; it doubles
_BATCH_BYTES = 1 << 18  # of documents that are kept with one commit
_END_S = 2.0  # for a batch that is under way when the publisher is closed
_LOOK_EVERY_S, _ORPHANS_S = 0.02, 10.0
CONNECTED, AWAY = "connected", "away"
COUNTS = ("queued", "spooled", "sent", "repeated", "dropped", "delay-ms")
_DROPPED = "they were older than spool-age, or spool-size had no room for more (reported once; the property stats counts them)"


class _SpoolOutput:
    """What the queue writes to: makes messages of documents, and keeps them."""

    batch_bytes = _BATCH_BYTES

    def __init__(self, name: str, selection: Selection, keep: Callable[[list[Draft]], None]) -> None:
        self.name, self._selection, self._keep = name, selection, keep

    def open(self) -> None:
        """Do nothing: the spool is open."""

    def write(self, lines: Sequence[bytes]) -> None:
        """Keep the messages of documents."""
        drafts = [draft for line in lines for draft in self._selection.drafts(line)]
        if drafts:
            self._keep(drafts)

    def close(self) -> None:
        """Do nothing: whoever sends closes it."""


class Publisher:
    """Publishes documents to the destination at a URI. All methods may be called in any thread, none waits but those that say so.

    Parameters
    ----------
    uri : str
        The destination.
    given : mapping
        Settings that do not stand in the query of the URI.
    on_state : function
        It is called in a thread with ``"away"`` and an exception when the destination cannot be reached, and with ``"connected"``
        and None when it is reached again.
    on_warning : function
        It is called in a thread with an exception when messages are given up for the first time, for each reason once.
    on_error : function
        It is called once, in a thread, when nothing can be kept or sent any more.

    Raises
    ------
    PublishError
        An unknown scheme, a missing package, a setting, a login, a topic, a table that is wrong. A destination that cannot be
        reached is none: messages are kept until it can.
    """

    def __init__(
        self,
        uri: str,
        given: Mapping[str, Any] = {},
        *,
        on_state: Callable[[str, PublishError | None], None],
        on_warning: Callable[[PublishError], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        kind = destination_class(uri)
        address = Address(uri, kind.settings, given)
        self.settings, self.name = address.settings, address.name
        self._on_state, self._on_warning, self._on_error = on_state, on_warning, on_error
        self._destination: Destination = kind(address)
        selection = selection_of(self._destination)
        self.state, self.last_error, self.delay_s = "", "", 0.0
        self.sent = self.repeated = self.refused = 0
        self._is_closing = self._is_connected = self._has_failed = False
        self._wait_s, self._warned = FIRST_WAIT_S, set[str]()
        self._has_work = threading.Event()
        self._folder = spool_folder(self.settings["spool"])
        self._spools = self._open_spools()
        self._done: list[Spool] = []  # those that are empty and closed
        try:
            self._connect_first()
        except BaseException:
            for spool in self._spools:
                spool.close()
            raise
        self._queue = QueuedOutput(_SpoolOutput(self.name, selection, self._keep), on_error=on_error)
        self._thread = threading.Thread(target=self._run, name="empycustom publish", daemon=True)
        self._thread.start()

    def _open_spools(self, *, are_left: bool = False) -> list[Spool]:
        settings = self.settings
        how = {"most_bytes": settings["spool-size"], "most_age_s": settings["spool-age"], "full": settings["spool-full"]}
        return open_spools(self._folder, self.name, self._destination.place, are_left=are_left, **how)

    def _keep(self, drafts: list[Draft]) -> None:
        try:
            self._spools[-1].add(drafts)
        finally:
            self._has_work.set()
        self._look_at_dropped()

    def _look_at_dropped(self) -> None:
        if self._dropped_by_spools():
            self._warn("dropped", PublishError(f"messages to {self.name} that had not arrived were given up: {_DROPPED}"))

    def _warn(self, cause: str, error: PublishError) -> None:
        if cause not in self._warned:
            self._warned.add(cause)
            self._on_warning(error)

    def _dropped_by_spools(self) -> int:
        # A set: one that is done is in both for a moment, and never in neither.
        return sum(spool.dropped for spool in {*self._spools, *self._done})

    def _connect_first(self) -> None:
        try:
            self._destination.connect()
            self._is_connected, self.state = True, CONNECTED
        except AwayError as error:
            self._is_away(error)

    @property
    def waiting(self) -> int:
        """All messages, and documents that are not messages yet, which have not arrived."""
        return self._queue.waiting + self._kept()

    def _kept(self) -> int:
        return sum(spool.count for spool in self._spools)

    @property
    def failed(self) -> bool:
        """True where nothing can be kept or sent any more."""
        return self._has_failed or self._queue.failed is not None

    def put(self, document: bytes, waiter: Waiter) -> bool:
        """Publish a document, as a line of JSON; return False if it is dropped, as :meth:`QueuedOutput.put` does."""
        return self._queue.put(document, waiter)

    def counts(self) -> dict[str, int]:
        """Return numbers of messages since the start, and how long the last one took to arrive, in milliseconds."""
        dropped = self._queue.dropped + self._dropped_by_spools() + self.refused
        delay_ms = round(self.delay_s * 1000)
        return dict(zip(COUNTS, (self._queue.waiting, self._kept(), self.sent, self.repeated, dropped, delay_ms), strict=True))

    def drain(self, is_stopping: Callable[[], bool] = lambda: False) -> int:
        """Wait until all has arrived, at most ``drain-timeout`` seconds; return how many messages have not."""
        until = time.monotonic() + self.settings["drain-timeout"]
        self._queue.drain(lambda: is_stopping() or time.monotonic() > until)
        while self.waiting and not self.failed and self._thread.is_alive() and not is_stopping() and time.monotonic() < until:
            time.sleep(_LOOK_EVERY_S)
        return self.waiting

    def close(self) -> int:
        """Keep what is queued, and end; return how many messages have not arrived. They are sent when the next one begins.

        It waits for the disk, and for a batch that is under way.
        """
        self._queue.close()
        self._is_closing = True
        self._has_work.set()
        self._thread.join(_END_S)
        return self._kept()  # a thread that is still under way closes the spools when it has ended

    # The thread that sends.

    def _run(self) -> None:
        try:
            while not self._is_closing:
                if self._is_connected:
                    self._send_next()
                else:
                    self._connect_again()
        except BaseException as error:  # noqa: BLE001 - a destination of somebody else's may raise anything
            self._has_failed = True
            self._on_error(error)
        finally:
            self._queue.close()  # nobody keeps messages any more
            for spool in self._spools:
                spool.close()
            self._destination.close()

    def _connect_again(self) -> None:
        """Wait, longer each time, and connect."""
        self._pause(self._wait_s)
        self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)
        if self._is_closing:
            return
        try:
            self._destination.connect()
        except PublishError as error:
            self._is_away(error)
        else:
            self._is_connected = True
            if not self._kept():  # else it is back when something has arrived
                self._is_back()

    def _is_back(self) -> None:
        if self.state != CONNECTED:
            self._wait_s, self.state = FIRST_WAIT_S, CONNECTED
            self._on_state(CONNECTED, None)

    def _is_away(self, error: PublishError) -> None:
        self._is_connected, self.last_error = False, str(error)
        if self.state != AWAY:
            self.state = AWAY
            self._on_state(AWAY, error)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._is_closing and (left := until - time.monotonic()) > 0:
            self._has_work.wait(left)  # new messages are no reason to hurry; being closed is
            if not self._is_closing:
                self._has_work.clear()

    def _send_next(self) -> None:
        """Send a batch, or wait for one."""
        self._has_work.clear()  # before looking
        spool = self._first_spool()
        messages, added_at = spool.first(self._destination.most)
        if not messages:
            if not (self._is_closing or self._has_work.wait(_ORPHANS_S)):
                self._take_over()
        elif self._send(spool, messages):
            self.delay_s = time.time() - added_at
        self._look_at_dropped()

    def _take_over(self) -> None:
        """Open what a process has left that has died meanwhile."""
        try:
            self._spools = [*self._open_spools(are_left=True), *self._spools]
        except PublishError as error:
            self._warn("spool", error)  # of somebody else's; one of our own would not have been opened at the start

    def _send(self, spool: Spool, messages: list[Message]) -> bool:
        """Send messages, and remove those that have arrived, or are refused for good; return whether all are."""
        try:
            self._destination.send(messages)
        except MessageRefusedError as error:
            if half := len(messages) // 2:  # which one it is has to be found
                self.repeated += len(messages)
                return all(not self._is_closing and self._send(spool, each) for each in (messages[:half], messages[half:]))
            self._is_back()
            self._refuse(error)
        except PublishError as error:
            self.repeated += len(messages)
            self._destination.close()
            self._is_away(error)
            return False
        else:
            self._is_back()
            self.sent += len(messages)
        spool.remove(messages[-1].number)
        return True

    def _first_spool(self) -> Spool:
        while len(self._spools) > 1 and not self._spools[0].count:
            self._done.append(self._spools[0])
            self._spools = self._spools[1:]  # a new list: others count at the same time
            self._done[-1].close()
        return self._spools[0]

    def _refuse(self, error: MessageRefusedError) -> None:
        self.refused += 1
        self.last_error = str(error)
        self._warn("refused", PublishError(f"{error}; it was given up (reported once; the property stats counts them)"))
