"""MQTT: ``mqtt://host/topic``, ``mqtts://`` with TLS, by paho-mqtt."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from empycustom.errors import AwayError, MessageRefusedError
from empycustom.library.declared import Option
from empycustom.publish.address import CREDENTIALS, TLS, Address
from empycustom.publish.destinations import TRANSPORT_S, Destination, client
from empycustom.publish.messages import Message
from empycustom.publish.tls import distrust, tls_context

_LONGEST_TOPIC, _LONGEST = 65_535, 268_000_000  # bytes in MQTT; the second, less its head, of a message
_HEAD = 16  # bytes of a message beside the topic and the body, at most
# Numbers of MQTT for what lasts until somebody changes something, and for what is wrong with a message.
_LOGIN = (133, 134, 135, 138, 140)  # client identifier not valid, bad user or password, not authorized, banned, bad method
_UNDER_WAY = 100  # messages that every broker takes at a time, unless it says that it takes fewer
_OLD_BROKER = 132  # unsupported protocol version
_LOOK_EVERY_MS = 1000  # whether a silent connection is to be tested
_GOODBYE_S = 1.0  # for the last message to a broker
_REFUSED = (144, 149, 153)  # topic name invalid, packet too large, payload format invalid


class Mqtt(Destination):
    """A topic of a broker. A message has arrived when the broker has it; whether it keeps it is the broker's to know."""

    settings: ClassVar[Mapping[str, Option]] = {
        **CREDENTIALS,
        **TLS,
        "qos": Option(1, "0: not acknowledged, 1: at least once, 2: exactly once, while the connection lasts", limits=(0, 2)),
        "version": Option("5", "of MQTT; with 3.1.1 a broker cannot say that it refuses a message", choices=("5", "3.1.1")),
        "retain": Option(False, "the broker hands the last message of a topic to who subscribes later"),
        "client-id": Option("", "name of this client, nothing: another one each time"),
        "will": Option("", "topic of a message that the broker sends when this client is gone without a word"),
        "will-message": Option('{"state":"gone"}', "that message"),
        "keepalive": Option(60, "seconds after which a silent connection is tested", limits=(1, 65535), unit="seconds"),
    }
    most = 500  # the end of each batch waits for the slow acknowledgements of TCP

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._paho = client("paho.mqtt.client", address.scheme, "mqtt")
        if not address.path:
            raise address.error(f"no topic is named: write {address.scheme}://host/topic, such as results/{{source}}")
        if "+" in address.path or "#" in address.path:
            raise address.error("+ and # are for those who subscribe; name one topic")
        if any(each in address.settings["will"] for each in "+#\0"):
            raise address.error("will is the name of one topic, without + and #")
        self.topic = address.path
        self._tls = tls_context(address) if address.scheme == "mqtts" else None
        self._client: Any = None
        self._thread: threading.Thread | None = None
        self._wake = -1  # an eventfd, while there is a connection
        self._heard = threading.Condition()
        self._acknowledged: dict[int, Any] = {}  # the reason of each
        self._state, self._code = "", 0  # "", "connected", or why it is not
        self._window = self._taken = _UNDER_WAY  # messages that are on their way, and that the broker takes at a time
        self._largest = _LONGEST

    def clean(self, text: str) -> str:
        """Return a value without what means something in a topic, and without control characters: brokers hang up on them."""
        return "".join("_" if each in "+#/" or not each.isprintable() else each for each in text)

    def connect(self) -> None:
        """Connect, and wait for the broker's answer."""
        self.close()
        self._client = made = self._made()
        address = self.address
        try:
            made.connect(address.host, address.port(8883 if self._tls else 1883), address.settings["keepalive"])
        except (OSError, ValueError) as error:
            self._client = None
            why = f"{address.name} cannot be reached ({address.reason(error)})"
            raise distrust(address, error) or AwayError(why) from error
        self._wake = wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        made.on_socket_register_write = lambda *_: os.eventfd_write(wake, 1)  # there is something to write
        self._thread = threading.Thread(target=self._work, args=(made, wake), name="empycustom mqtt", daemon=True)
        self._thread.start()
        with self._heard:
            self._heard.wait_for(lambda: self._state, TRANSPORT_S)
        if self._state != "connected":
            why = self._state or "it does not answer"
            self.close()
            if self._code == _OLD_BROKER:
                raise address.error(f"the broker does not have MQTT {address.settings['version']}; set version=3.1.1")
            if self._code in _LOGIN:
                raise address.error(f"the broker refuses the login ({why}); check user and password")
            raise AwayError(f"{address.name} cannot be reached ({why})")
        if self._taken < self._window:  # which paho cannot be told while it is connected
            self._window = self._taken
            self.connect()

    def _made(self) -> Any:
        paho, settings = self._paho, self.address.settings
        version = paho.MQTTv5 if settings["version"] == "5" else paho.MQTTv311
        made = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id=settings["client-id"], protocol=version, reconnect_on_failure=False
        )
        made.max_inflight_messages_set(self._window)
        if self.address.user:
            made.username_pw_set(self.address.user, self.address.password or None)
        if self._tls:
            made.tls_set_context(self._tls)
        if settings["will"]:
            made.will_set(settings["will"], settings["will-message"].encode(), settings["qos"], settings["retain"])
        made.on_connect, made.on_disconnect, made.on_publish = self._on_connect, self._on_disconnect, self._on_publish
        self._state, self._code = "", 0
        self._acknowledged.clear()
        return made

    # In a thread of its own.

    def _work(self, made: Any, wake: int) -> None:
        """Read and write what a client has, until its connection ends. The loops of paho end at a file number above 1,023."""
        until = float("inf")
        while (connection := made.socket()) and time.monotonic() < until:
            poll = select.poll()
            poll.register(wake, select.POLLIN)
            poll.register(connection, select.POLLIN | (select.POLLOUT if made.want_write() else 0))
            is_read = hasattr(connection, "pending") and connection.pending()  # by TLS, so the file has nothing more
            ready = dict(poll.poll(0 if is_read else _LOOK_EVERY_MS))
            if ready.pop(wake, 0):
                os.eventfd_read(wake)
            if is_read or any(events & ~select.POLLOUT for events in ready.values()):
                made.loop_read()
            made.loop_write()
            made.loop_misc()
            if self._client is not made:
                until = min(until, time.monotonic() + _GOODBYE_S)
        if connection:
            connection.close()

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, properties: Any) -> None:
        # What the broker takes at a time, and of one message; paho does not look at it.
        self._taken = getattr(properties, "ReceiveMaximum", _UNDER_WAY)
        self._largest = getattr(properties, "MaximumPacketSize", _LONGEST)
        self._code = reason.value
        self._tell(str(reason) if reason.is_failure else "connected")

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if self._state in ("", "connected"):
            self._tell(f"the connection ended: {reason}")

    def _tell(self, state: str) -> None:
        with self._heard:
            self._state = state
            self._heard.notify_all()

    def _on_publish(self, _client: Any, _data: Any, number: int, reason: Any, _properties: Any) -> None:
        with self._heard:
            self._acknowledged[number] = reason
            self._heard.notify_all()

    def send(self, messages: Sequence[Message]) -> None:
        """Publish messages, and wait until the broker has acknowledged them."""
        settings, numbers = self.address.settings, list[int]()
        for message in messages:
            topic = len(message.topic.encode())
            if not 0 < topic <= _LONGEST_TOPIC or topic + len(message.body) + _HEAD > self._largest:
                raise MessageRefusedError(
                    f"{self.address.name}: the topic of the message {message.id} is empty, or they are too long for the broker"
                )
        for message in messages:
            sent = self._client.publish(message.topic, message.body, settings["qos"], settings["retain"])
            if sent.rc not in (self._paho.MQTT_ERR_SUCCESS, self._paho.MQTT_ERR_QUEUE_SIZE):
                raise AwayError(f"{self.address.name} is gone ({self._paho.error_string(sent.rc)})")
            numbers.append(sent.mid)
        self._wait_for(len(numbers))
        with self._heard:
            reasons = [self._acknowledged.pop(number) for number in numbers]
        if wrong := next((reason for reason in reasons if reason.is_failure), None):
            kind = MessageRefusedError if wrong.value in _REFUSED else AwayError
            raise kind(f"{self.address.name} refuses the message {messages[0].id} ({wrong})")

    def _wait_for(self, count: int) -> None:
        """Wait until so many of the messages of a batch are acknowledged, as long as there is progress."""
        seen, until = -1, 0.0
        with self._heard:
            while len(self._acknowledged) < count:
                if len(self._acknowledged) != seen:
                    seen, until = len(self._acknowledged), time.monotonic() + TRANSPORT_S
                if self._state != "connected" or time.monotonic() > until:
                    why = "it does not answer" if self._state == "connected" else self._state
                    raise AwayError(f"{self.address.name} is gone ({why})")
                self._heard.wait(until - time.monotonic())

    def close(self) -> None:
        """Say goodbye, and end the connection."""
        made, self._client = self._client, None
        if made:
            made.disconnect()
        if self._thread:
            os.eventfd_write(self._wake, 1)
            self._thread.join()
            os.close(self._wake)
            self._thread = None
