"""Webhooks: ``http://`` and ``https://``: messages are posted, by httpx, and signed as Standard Webhooks says."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar
from urllib.parse import quote

from empycustom.errors import AwayError, MessageRefusedError
from empycustom.library.declared import Option
from empycustom.publish.address import CREDENTIALS, TLS, Address
from empycustom.publish.destinations import TRANSPORT_S, Destination, client, refuse_fields
from empycustom.publish.messages import Message
from empycustom.publish.tls import distrust, tls_context

_REFUSED = (400, 409, 411, 413, 415, 422)  # what is wrong with the message; others are about the server or the address
_HINTS = {
    **dict.fromkeys((401, 403, 407), ": check user, password, token or secret"),
    **dict.fromkeys((301, 302, 303, 307, 308, 404, 405, 410), ": check the URI"),
}
_LONGEST_WAIT_S = 3600.0
_KINDS = {
    ("plain", False): "application/json",
    ("plain", True): "application/json",
    ("cloudevents", False): "application/cloudevents+json",
    ("cloudevents", True): "application/cloudevents-batch+json",
}


class Http(Destination):
    """A web server that gets a POST for each message, or with ``batch`` for several in one JSON array.

    A message has arrived with a status of 2xx. Statuses about the message refuse it for good; after others it is sent again.
    """

    settings: ClassVar[Mapping[str, Option]] = {
        **CREDENTIALS,
        **TLS,
        "batch": Option(1, "messages in one request; with more than 1 it is an array", limits=(1, 1000)),
        "secret": Option("", "secret that requests are signed with: whsec_ and Base64, or any text; @FILE: it is in a file"),
        "token": Option("", "token for the header Authorization: Bearer; @FILE: it is in a file"),
        "query": Option("", "query string of the requests, escaped: a%3D1%26b%3D2"),
        "timeout": Option(TRANSPORT_S, "seconds that an answer may take", limits=(0.1, 600), unit="seconds"),
    }
    places = ("query",)

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        refuse_fields(address)
        self._httpx, settings = client("httpx", address.scheme, "http"), address.settings
        if not address.hosts[0][0]:
            raise address.error(f"no host is named: write {address.scheme}://host/path")
        if not re.fullmatch(r"[!-~]*", settings["token"]):
            raise address.error("the token has a character that a header cannot have, such as a space or a line feed")
        self.most, self._batch = settings["batch"], settings["batch"] > 1
        query = settings["query"]
        self._url = f"{address.scheme}://{address.netloc}/{quote(address.path)}{f'?{query}' if query else ''}"
        try:
            self._httpx.URL(self._url)
        except (ValueError, self._httpx.InvalidURL) as error:
            raise address.error(f"is no URL ({address.reason(error)})") from error
        self._secret = _key_of(address)
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
        # The same messages have the same id; those that are sent again with others have another one.
        name = messages[0].id if not self._batch else f"{messages[0].id}-{messages[-1].number}"
        headers = {"content-type": self._kind, **self._signature(name, body)}
        try:
            answer = self._client.post(self._url, content=body, headers=headers)
        except self._httpx.HTTPError as error:
            why = f"{self.address.name} cannot be reached ({self.address.reason(error)})"
            raise distrust(self.address, error) or AwayError(why) from error
        status = answer.status_code
        if 200 <= status < 300:
            return
        why = f"{self.address.name} answers {status} {answer.reason_phrase}"
        if status in _REFUSED:
            raise MessageRefusedError(f"{why}, which refuses the message {messages[0].id}")
        self._wait_until = time.monotonic() + _seconds(answer.headers.get("retry-after", ""))
        raise AwayError(f"{why}{_HINTS.get(status, '')}")

    def _signature(self, name: str, body: bytes) -> dict[str, str]:
        now = str(int(time.time()))
        made = {"webhook-id": name, "webhook-timestamp": now}
        if self._secret:
            digest = hmac.new(self._secret, f"{name}.{now}.".encode() + body, hashlib.sha256).digest()
            made["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
        return made

    def close(self) -> None:
        """End the connections."""
        made, self._client = self._client, None
        if made:
            made.close()


def _key_of(address: Address) -> bytes:
    """Return the bytes of the secret, which Standard Webhooks writes as ``whsec_`` and Base64."""
    text: str = address.settings["secret"]
    if not text.startswith("whsec_"):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise address.error("the secret begins with whsec_, and no Base64 follows") from None


def _seconds(text: str) -> float:
    """Return how long Retry-After asks to wait: it is a number of seconds, or a date."""
    wait = 0.0
    if text.isascii() and text.isdecimal():
        wait = float(text)
    elif text:
        try:
            wait = parsedate_to_datetime(text).timestamp() - time.time()
        except ValueError:
            wait = 0.0  # neither: as if it were not there
    return min(max(wait, 0.0), _LONGEST_WAIT_S)
