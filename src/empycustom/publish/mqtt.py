"""MQTT: ``mqtt://host/topic``, ``mqtts://`` with TLS, by paho-mqtt."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from empycustom.errors import AwayError, MessageRefusedError
from empycustom.library.declared import Option
from empycustom.publish.address import CREDENTIALS, TLS, Address
from empycustom.publish.destinations import TRANSPORT_S, Destination, client, reason_of
from empycustom.publish.messages import Message
from empycustom.publish.tls import tls_context

_LONGEST_TOPIC, _LONGEST = 65_535, 268_000_000  # bytes in MQTT; the second, less its head, of a message
# Reasons of a broker, as text, that last until somebody changes something.
_REFUSALS = ("not authorized", "bad user name or password", "client identifier not valid", "banned")


class Mqtt(Destination):
    """A topic of a broker. A message has arrived when the broker has it; whether it keeps it is the broker's to know."""

    settings: ClassVar[Mapping[str, Option]] = {
        **CREDENTIALS,
        **TLS,
        "qos": Option(1, "0: not acknowledged, 1: at least once, 2: exactly once", limits=(0, 2)),
        "retain": Option(False, "the broker hands the last message of a topic to who subscribes later"),
        "client-id": Option("", "name of this client, nothing: another one each time"),
        "will": Option("", "topic of a message that the broker sends when this client is gone without a word"),
        "will-message": Option('{"state":"gone"}', "that message"),
        "keepalive": Option(60, "seconds after which a silent connection is tested", limits=(1, 65535), unit="seconds"),
    }
    most = 100

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._paho = client("paho.mqtt.client", address.scheme, "mqtt")
        if not address.path:
            raise address.error(f"no topic is named: write {address.scheme}://host/topic, such as results/{{source_id}}")
        if "+" in address.path or "#" in address.path:
            raise address.error("+ and # are for those who subscribe; name one topic")
        self.topic = address.path
        self._tls = tls_context(address) if address.scheme == "mqtts" else None
        self._client: Any = None
        self._heard = threading.Condition()
        self._acknowledged: set[int] = set()
        self._state = ""  # "", "connected", or why it is not

    def clean(self, text: str) -> str:
        """Return a value without what means something in a topic."""
        return "".join("_" if each in "+#/\0" else each for each in text)

    def connect(self) -> None:
        """Connect, and wait for the broker's answer."""
        self.close()
        self._client = made = self._made()
        address = self.address
        try:
            made.connect(address.host, address.port(8883 if self._tls else 1883), address.settings["keepalive"])
            made.loop_start()
        except (OSError, ValueError) as error:
            self._client = None
            if isinstance(error, ssl.SSLCertVerificationError):
                raise address.error(
                    f"the certificate of the broker is not trusted ({error.verify_message}); name its CA with ca=FILE"
                ) from error
            raise AwayError(f"{address.name} cannot be reached ({reason_of(error)})") from error
        with self._heard:
            self._heard.wait_for(lambda: self._state, TRANSPORT_S)
        if self._state != "connected":
            why = self._state or "it does not answer"
            self.close()
            if why.lower() in _REFUSALS:
                raise address.error(f"the broker refuses the login ({why}); check user and password")
            raise AwayError(f"{address.name} cannot be reached ({why})")

    def _made(self) -> Any:
        paho, settings = self._paho, self.address.settings
        made = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=settings["client-id"], reconnect_on_failure=False)
        made.max_inflight_messages_set(self.most)
        if self.address.user:
            made.username_pw_set(self.address.user, self.address.password or None)
        if self._tls:
            made.tls_set_context(self._tls)
        if settings["will"]:
            made.will_set(settings["will"], settings["will-message"].encode(), settings["qos"], settings["retain"])
        made.on_connect, made.on_disconnect, made.on_publish = self._on_connect, self._on_disconnect, self._on_publish
        self._state = ""
        self._acknowledged.clear()
        return made

    # In the thread of paho's.

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._tell(str(reason) if reason.is_failure else "connected")

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if self._state in ("", "connected"):
            self._tell(f"the connection ended: {reason}")

    def _tell(self, state: str) -> None:
        with self._heard:
            self._state = state
            self._heard.notify_all()

    def _on_publish(self, _client: Any, _data: Any, number: int, _reason: Any, _properties: Any) -> None:
        with self._heard:
            self._acknowledged.add(number)
            self._heard.notify_all()

    def send(self, messages: Sequence[Message]) -> None:
        """Publish messages, and wait until the broker has acknowledged them."""
        settings, numbers = self.address.settings, list[int]()
        for message in messages:
            if not message.topic or len(message.topic.encode()) > _LONGEST_TOPIC or len(message.body) > _LONGEST:
                raise MessageRefusedError(
                    f"{self.address.name}: the topic or the message {message.id} is empty, or longer than MQTT has it"
                )
        for message in messages:
            sent = self._client.publish(message.topic, message.body, settings["qos"], settings["retain"])
            if sent.rc not in (self._paho.MQTT_ERR_SUCCESS, self._paho.MQTT_ERR_QUEUE_SIZE):
                raise AwayError(f"{self.address.name} is gone ({self._paho.error_string(sent.rc)})")
            numbers.append(sent.mid)
        self._wait_for(numbers)

    def _wait_for(self, numbers: Sequence[int]) -> None:
        missing, seen, until = set(numbers), -1, 0.0
        with self._heard:
            while missing := missing - self._acknowledged:
                if len(missing) != seen:  # progress
                    seen, until = len(missing), time.monotonic() + TRANSPORT_S
                if self._state != "connected" or time.monotonic() > until:
                    raise AwayError(
                        f"{self.address.name} is gone ({self._state if self._state != 'connected' else 'it does not answer'})"
                    )
                self._heard.wait(until - time.monotonic())
            self._acknowledged -= set(numbers)

    def close(self) -> None:
        """Say goodbye, and end the connection."""
        made, self._client = self._client, None
        if made:
            made.disconnect()
            made.loop_stop()
