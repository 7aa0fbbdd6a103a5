"""Webhooks: ``http://`` and ``https://``: messages are posted, by httpx, and signed as Standard Webhooks says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from empycustom.errors import AwayError, MessageRefusedError
from empycustom.library.declared import Option
from empycustom.publish.address import CREDENTIALS, TLS, Address
from empycustom.publish.destinations import TRANSPORT_S, Destination, client, reason_of
from empycustom.publish.messages import Message
from empycustom.publish.tls import tls_context

_LATER = (408, 425, 429)  # and all of the server's own (5xx)
_LOGIN = (401, 403, 407)
_KINDS = {
    ("plain", False): "application/json",
    ("plain", True): "application/json",
    ("cloudevents", False): "application/cloudevents+json",
    ("cloudevents", True): "application/cloudevents-batch+json",
}


class Http(Destination):
    """A web server that gets a POST for each message, or with ``batch`` for several in one JSON array.

    A message has arrived with a status of 2xx. 408, 425, 429 and 5xx are tried again, other statuses refuse it for good.
    """

    settings: ClassVar[Mapping[str, Option]] = {
        **CREDENTIALS,
        **TLS,
        "batch": Option(1, "messages in one request; with more than 1 it is an array", limits=(1, 1000)),
        "secret": Option("", "secret that requests are signed with (HMAC-SHA256); @FILE: it is in a file"),
        "token": Option("", "token for the header Authorization: Bearer"),
        "query": Option("", "query string of the requests, escaped: a%3D1%26b%3D2"),
        "timeout": Option(TRANSPORT_S, "seconds that an answer may take", limits=(0.1, 600), unit="seconds"),
    }

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._httpx, settings = client("httpx", address.scheme, "http"), address.settings
        if not address.hosts[0][0]:
            raise address.error(f"no host is named: write {address.scheme}://host/path")
        self.most, self._batch = settings["batch"], settings["batch"] > 1
        query = address.settings["query"]
        self._url = f"{address.scheme}://{address.netloc}/{quote(address.path)}{f'?{query}' if query else ''}"
        self._verify = tls_context(address) if address.scheme == "https" else True
        self._kind = _KINDS[settings["envelope"], self._batch]
        self._client: Any = None
        self._wait_until = 0.0

    def connect(self) -> None:
        """Wait as long as the server has asked for. There is nothing to try: a request is a message."""
        if (left := self._wait_until - time.monotonic()) > 0:
            raise AwayError(f"{self.address.name} asked to wait {left:.0f} s longer")
        address = self.address
        headers = {"authorization": f"Bearer {address.settings['token']}"} if address.settings["token"] else {}
        auth = (address.user, address.password) if address.user else None
        self._client = self._httpx.Client(
            verify=self._verify, timeout=address.settings["timeout"], headers=headers, auth=auth, follow_redirects=False
        )

    def send(self, messages: Sequence[Message]) -> None:
        """Post messages."""
        body = b"[%b]" % b",".join(each.body for each in messages) if self._batch else messages[0].body
        headers = {"content-type": self._kind, **self._signature(messages[0].id, body)}
        try:
            answer = self._client.post(self._url, content=body, headers=headers)
        except self._httpx.HTTPError as error:
            raise AwayError(f"{self.address.name} cannot be reached ({reason_of(error)})") from error
        status = answer.status_code
        if 200 <= status < 300:
            return
        why = f"{self.address.name} answers {status} {answer.reason_phrase}"
        if status in _LOGIN:
            raise AwayError(f"{why}: check user, password, token or secret")
        if status >= 500 or status in _LATER:
            self._wait_until = time.monotonic() + _seconds(answer.headers.get("retry-after", ""))
            raise AwayError(why)
        raise MessageRefusedError(f"{why}, which refuses the message {messages[0].id}")

    def _signature(self, message_id: str, body: bytes) -> dict[str, str]:
        now = str(int(time.time()))
        made = {"webhook-id": message_id, "webhook-timestamp": now}
        if secret := self.address.settings["secret"]:
            signed = f"{message_id}.{now}.".encode() + body
            digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
            made["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
        return made

    def close(self) -> None:
        """End the connections."""
        made, self._client = self._client, None
        if made:
            made.close()


def _seconds(text: str) -> float:
    return min(float(text), 3600.0) if text.isdecimal() else 0.0
