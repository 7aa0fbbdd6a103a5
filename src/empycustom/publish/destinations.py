"""Protocol and table of the destinations of messages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from empycustom.errors import PublishError
from empycustom.library.declared import Option
from empycustom.publish.address import Address, scheme_of
from empycustom.publish.messages import Message, Selection
from empycustom.text import meant

# The class for each scheme of a URI, imported when it is needed. Other packages add rows by entry points of the group.
DESTINATIONS = {
    "mqtt": "empycustom.publish.mqtt:Mqtt",
    "mqtts": "empycustom.publish.mqtt:Mqtt",
    "kafka": "empycustom.publish.kafka:Kafka",
    "redis": "empycustom.publish.redis:Redis",
    "rediss": "empycustom.publish.redis:Redis",
    "http": "empycustom.publish.http:Http",
    "https": "empycustom.publish.http:Http",
    "postgresql": "empycustom.publish.postgresql:PostgreSql",
    "sqlite": "empycustom.publish.files:Sqlite",
    "file": "empycustom.publish.files:Lines",
}
ENTRY_POINTS = "empycustom.destinations"
TRANSPORT_S = 5.0  # for a connection, or an answer
_FIELD = re.compile(r"(?<!\$)\{([^{}]*)\}")  # and not ${NAME}


class Destination:
    """Base of the destinations. All methods are called in one thread, where they may wait.

    Attributes
    ----------
    settings : dict of str to Option
        What may be set in the query of the URI, beside what all destinations have.
    most : int
        The most messages that one call of :meth:`send` gets.
    topic : str
        Template of the topic of messages, ``""``: there are no topics.
    key : str
        Template of the key of messages where the setting ``key`` is not there.
    path : Path or None
        The file that messages are written to, if it is one.
    is_exclusive : bool
        True where only one can write to this file at a time.
    places : tuple of str
        The settings that say, beside the URI, where messages go.
    is_cluster : bool
        True where an address may have several hosts.
    """

    settings: ClassVar[Mapping[str, Option]] = {}
    most = 200
    topic = ""
    key = ""
    path: Path | None = None
    is_exclusive = False
    places: ClassVar[tuple[str, ...]] = ()
    is_cluster = False

    def __init__(self, address: Address) -> None:
        """Read the address. Nothing is connected yet. Raises PublishError."""
        self.address = address
        if len(address.hosts) > 1 and not self.is_cluster:
            raise address.error("there are several hosts; name one")

    @property
    def place(self) -> str:
        """The name of what kept messages belong to: where they go, and what shape they have."""
        address, names = self.address, ("select", "envelope", *self.places)
        return repr([address.scheme, address.hosts, address.path, *(address.settings[name] for name in names)])

    def clean(self, text: str) -> str:
        """Return ``text``, the value of a field of ``topic``, as it may stand there."""
        return text

    def connect(self) -> None:
        """Connect. Raises AwayError where that may work later, PublishError where something has to be changed first."""
        raise NotImplementedError

    def send(self, messages: Sequence[Message]) -> None:
        """Send messages, and return when all of them have arrived, so that they are forgotten here.

        Raises AwayError where that is not known: all of them are sent again, when there is a new connection.
        Raises MessageRefusedError where one of them never will arrive: they are sent again, one by one.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End the connection, if there is one."""


def destination_class(uri: str) -> type[Destination]:
    """Return the class for the scheme of a URI. Raises PublishError."""
    scheme = scheme_of(uri)
    if scheme in DESTINATIONS:
        module, _, name = DESTINATIONS[scheme].partition(":")
        return getattr(import_module(module), name)  # type: ignore[no-any-return]
    from importlib.metadata import entry_points  # it takes its time

    offered = {entry.name.lower(): entry for entry in entry_points(group=ENTRY_POINTS)}
    if scheme in offered:
        return offered[scheme].load()  # type: ignore[no-any-return]
    known = sorted({*DESTINATIONS, *offered})
    raise PublishError(
        f"nothing publishes to {scheme}://{meant(scheme, known)}; there are {', '.join(f'{name}://' for name in known)}"
    )


def check_uri(uri: str, given: Mapping[str, Any] = {}) -> Destination:
    """Return the destination at a URI, which is not connected.

    Raises PublishError if nothing can be sent there, as far as that can be seen without a connection.
    """
    kind = destination_class(uri)
    destination = kind(Address(uri, kind.settings, given))
    selection_of(destination)
    return destination


def refuse_fields(address: Address) -> None:
    """Raise PublishError where the path of an address has a ``{field}`` and is not a topic, where messages fill it in."""
    if found := _FIELD.search(address.name):
        raise address.error(
            f"{{{found[1]}}} can stand in a topic only, not here; in a stream configuration {{stream_id}} is the name of each "
            "stream. If the braces are meant as they are, write them as %7B and %7D"
        )


def selection_of(destination: Destination) -> Selection:
    """Return what makes messages for a destination, as the settings of its address say. Raises PublishError."""
    address = destination.address
    try:
        return Selection(address.settings, destination.topic, destination.key, clean=destination.clean)
    except PublishError as error:
        raise address.error(str(error)) from error


def client(module: str, scheme: str, extra: str) -> Any:
    """Import the module of a client. Raises PublishError where it is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise PublishError(
            f'{scheme}:// needs the Python package {module.partition(".")[0]} ({error}): pip install "empycustom[{extra}]"'
        ) from error
