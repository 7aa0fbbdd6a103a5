"""Kafka: ``kafka://broker:9092,broker:9092/topic``, by confluent-kafka, idempotent and acknowledged by all replicas."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from empycustom.errors import AwayError, MessageRefusedError
from empycustom.library.declared import Option
from empycustom.publish.address import CREDENTIALS, TLS, Address
from empycustom.publish.destinations import TRANSPORT_S, Destination, client
from empycustom.publish.messages import Message
from empycustom.publish.tls import distrust
from empycustom.text import shown

_PORT = 9092
_NO_TLS = "; security=SASL_PLAINTEXT logs in without TLS"
_TOPIC = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")
_LOG = logging.getLogger(__name__)


class _DebugLog:
    """Where librdkafka logs. It repeats what our own warning has once, so all of it is for debugging."""

    def log(self, _level: int, text: str, *values: Any) -> None:
        """Log a line, whatever its level."""
        _LOG.debug(text, *values)


class Kafka(Destination):
    """A topic of a cluster. Messages with the same key stay in order; without one the source is it, as long as it is known."""

    settings: ClassVar[Mapping[str, Option]] = {
        **CREDENTIALS,
        **TLS,
        "security": Option(
            "",
            "security.protocol of Kafka; nothing: SASL_SSL for a login at another machine",
            choices=("", "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
        ),
        "mechanism": Option("PLAIN", "sasl.mechanism of Kafka, for the login"),
        "compression": Option("none", "of batches", choices=("none", "gzip", "snappy", "lz4", "zstd")),
    }
    key = "{source}"  # so that a camera keeps its partition, whichever process publishes
    most = 1000
    is_cluster = True

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._kafka = client("confluent_kafka", "kafka", "kafka")
        if not address.path:
            raise address.error("no topic is named: write kafka://host:9092/topic")
        self.topic = address.path
        if "{" not in self.topic and not _TOPIC.fullmatch(self.topic):
            raise address.error(f"a topic of Kafka has letters, digits, ., _ and -, at most 249, not {shown(self.topic)}")
        self._producer: Any = None
        self._failure: Any = None
        self._why = ""  # the last error of a broker

    def clean(self, text: str) -> str:
        """Return a value without what a topic may not have."""
        return "".join(each if each.isascii() and (each.isalnum() or each in "._-") else "_" for each in text)

    def connect(self) -> None:
        """Connect, and look whether the topic is there, or the cluster makes it."""
        kafka, address = self._kafka, self.address
        self._failure, self._why = None, ""
        try:
            self._producer = kafka.Producer(self._configuration(), logger=_DebugLog())
        except (kafka.KafkaException, ValueError) as error:  # a file that is not there, a mechanism that is not known
            raise address.error(f"Kafka cannot be set up so ({address.reason(error)})") from error
        try:
            known = (
                self._producer.list_topics(timeout=TRANSPORT_S)
                if "{" in self.topic
                else self._producer.list_topics(self.topic, TRANSPORT_S)
            )
        except kafka.KafkaException as error:
            self.close()
            raise self._error(error.args[0]) from error
        found = known.topics.get(self.topic)
        if (
            found is not None
            and found.error
            and found.error.code()
            in (
                kafka.KafkaError.UNKNOWN_TOPIC_OR_PART,
                kafka.KafkaError.TOPIC_EXCEPTION,
                kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED,
            )
        ):
            self.close()
            raise address.error(f"the topic {self.topic} cannot be used ({found.error.str()}); make it, or name another one")

    def _configuration(self) -> dict[str, Any]:
        address, settings = self.address, self.address.settings
        hosts = ",".join(f"{f'[{host}]' if ':' in host else host or 'localhost'}:{port or _PORT}" for host, port in address.hosts)
        made = {
            "bootstrap.servers": hosts,
            "enable.idempotence": True,  # with it, acks=all
            "linger.ms": 5,
            "compression.type": settings["compression"],
            "message.timeout.ms": int(TRANSPORT_S * 1000) * 2,
            "error_cb": self._on_error,
        }
        if address.user:
            made |= {"sasl.username": address.user, "sasl.password": address.password, "sasl.mechanism": settings["mechanism"]}
        names = {"ssl.ca.location": "ca", "ssl.certificate.location": "cert", "ssl.key.location": "cert-key"}
        made |= {name: settings[own] for name, own in names.items() if settings[own]}
        secure = bool(settings["ca"] or settings["cert"] or (address.user and not address.is_local))
        usual = {(False, False): "PLAINTEXT", (True, False): "SSL", (False, True): "SASL_PLAINTEXT", (True, True): "SASL_SSL"}
        made["security.protocol"] = settings["security"] or usual[secure, bool(address.user)]
        return made

    def _on_error(self, error: Any) -> None:
        if error.code() != self._kafka.KafkaError._ALL_BROKERS_DOWN:
            self._why = error.str()
        if error.code() in (self._kafka.KafkaError._AUTHENTICATION, self._kafka.KafkaError._SSL):
            self._failure = error

    def _error(self, error: Any) -> Exception:
        failure, address = self._failure, self.address
        if failure is None:
            way = _NO_TLS if "SSL_HANDSHAKE" in self._why and not address.settings["security"] else ""
            return AwayError(f"{address.name} cannot be reached ({address.reason(ValueError(self._why or error.str()))}{way})")
        if failure.code() == self._kafka.KafkaError._SSL:
            why = address.reason(self._kafka.KafkaException(failure))
            return distrust(address, failure) or AwayError(f"{address.name} cannot be reached ({why})")
        return address.error(f"Kafka refuses the login ({failure.str()}); check user, password and mechanism")

    def send(self, messages: Sequence[Message]) -> None:
        """Produce messages, and wait until all replicas have them."""
        kafka, failed = self._kafka, list[Any]()
        if wrong := next((each for each in messages if not _TOPIC.fullmatch(each.topic)), None):
            raise MessageRefusedError(
                f"{self.address.name}: {shown(wrong.topic)} of the message {wrong.id} cannot be a topic of Kafka"
            )

        def delivered(error: Any, _message: Any) -> None:
            if error is not None:
                failed.append(error)

        try:
            for message in messages:
                key = message.key or message.stream
                self._producer.produce(message.topic, message.body, key=key, headers={"id": message.id}, on_delivery=delivered)
                self._producer.poll(0)
        except kafka.KafkaException as error:
            failed.append(error.args[0])
        except BufferError as error:
            raise AwayError(f"{self.address.name} is gone ({self.address.reason(error)})") from error
        left = self._producer.flush(TRANSPORT_S * 3)
        refusals = (kafka.KafkaError.MSG_SIZE_TOO_LARGE, kafka.KafkaError.TOPIC_EXCEPTION)
        for why in failed:
            if why.code() in refusals:
                raise MessageRefusedError(f"{self.address.name} refuses the message {messages[0].id} ({why.str()})")
        if failed or left:
            raise AwayError(f"{self.address.name} is gone ({failed[0].str() if failed else 'it does not answer'})")

    def close(self) -> None:
        """Forget the connection, and what it has not sent."""
        made, self._producer = self._producer, None
        if made:
            made.purge()
            made.flush(0.1)
