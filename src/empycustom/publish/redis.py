"""Redis: ``redis://host/stream``, ``rediss://`` with TLS: an entry of a stream for each message, by redis-py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from empycustom.errors import AwayError, MessageRefusedError
from empycustom.library.declared import Option
from empycustom.publish.address import CREDENTIALS, TLS, Address
from empycustom.publish.destinations import TRANSPORT_S, Destination, client, reason_of
from empycustom.publish.messages import Message

# Adds an entry unless it is there: the number of the last one of each sender is kept beside the stream.
_ADD_ONCE = """
local last = redis.call('HGET', KEYS[2], ARGV[1])
if last and tonumber(ARGV[2]) <= tonumber(last) then return 0 end
local entry = {'*', 'id', ARGV[1] .. '-' .. ARGV[2], 'key', ARGV[4], 'message', ARGV[5]}
if tonumber(ARGV[3]) > 0 then
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], unpack(entry))
else
  redis.call('XADD', KEYS[1], unpack(entry))
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], 2592000)
return 1
"""


class Redis(Destination):
    """A stream, with entries of ``id``, ``key`` and ``message``. Each message stands there once."""

    settings: ClassVar[Mapping[str, Option]] = {
        **CREDENTIALS,
        **TLS,
        "db": Option(0, "number of the database", limits=(0, None)),
        "maxlen": Option(0, "about how many entries the stream keeps; 0: all", limits=(0, None)),
    }

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._redis = client("redis", address.scheme, "redis")
        if not address.path:
            raise address.error(f"no stream is named: write {address.scheme}://host/stream")
        self.topic = address.path
        self._client: Any = None
        self._add: Any = None

    def connect(self) -> None:
        """Connect, and check that there may be such streams."""
        address, redis, settings = self.address, self._redis, self.address.settings
        more: dict[str, Any] = {}
        if address.scheme == "rediss":
            own = {"ssl_ca_certs": settings["ca"], "ssl_certfile": settings["cert"], "ssl_keyfile": settings["cert-key"]}
            more = {"ssl": True, **{name: value for name, value in own.items() if value}}
        self._client = redis.Redis(
            host=address.host,
            port=address.port(6379),
            db=settings["db"],
            username=address.user or None,
            password=address.password or None,
            socket_timeout=TRANSPORT_S,
            socket_connect_timeout=TRANSPORT_S,
            retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
            **more,
        )
        try:
            self._client.ping()
            kind = "" if "{" in self.topic else self._client.type(self.topic).decode()
        except redis.AuthenticationError as error:
            raise address.error(f"Redis refuses the login ({reason_of(error)}); check user and password") from error
        except redis.RedisError as error:
            raise self._error(error) from error
        if kind not in ("", "none", "stream"):
            raise address.error(f"{self.topic} is there, and is not a stream but a {kind}; name another one")
        self._add = self._client.register_script(_ADD_ONCE)

    def _error(self, error: Exception) -> Exception:
        if isinstance(error, self._redis.exceptions.NoPermissionError):
            return self.address.error(
                f"Redis does not allow it ({reason_of(error)}); give the user XADD, HSET, HGET, EXPIRE, EVALSHA"
            )
        return AwayError(f"{self.address.name} cannot be reached ({reason_of(error)})")

    def send(self, messages: Sequence[Message]) -> None:
        """Add entries, those that are not there yet."""
        pipe, most = self._client.pipeline(transaction=False), self.address.settings["maxlen"]
        for message in messages:
            given = [message.stream, message.number, most, message.key, message.body]
            self._add(keys=[message.topic, f"{message.topic}:sent"], args=given, client=pipe)
        try:
            answers = pipe.execute(raise_on_error=False)
        except self._redis.RedisError as error:
            raise self._error(error) from error
        for message, answer in zip(messages, answers, strict=True):
            if isinstance(answer, Exception):
                if isinstance(answer, self._redis.ResponseError) and "WRONGTYPE" in str(answer):
                    raise MessageRefusedError(f"{self.address.name}: {message.topic} is not a stream") from answer
                raise self._error(answer) from answer

    def close(self) -> None:
        """End the connection."""
        made, self._client = self._client, None
        if made:
            made.close()
