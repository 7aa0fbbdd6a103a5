"""Redis: ``redis://host/stream``, ``rediss://`` with TLS: an entry of a stream for each message, by redis-py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from empycustom.errors import AwayError, MessageRefusedError
from empycustom.library.declared import Option
from empycustom.publish.address import CREDENTIALS, TLS, Address
from empycustom.publish.destinations import TRANSPORT_S, Destination, client
from empycustom.publish.messages import Message
from empycustom.publish.tls import distrust

# Adds the entries that are not there: the number of the last one of each sender is kept beside the stream.
_ADD_ONCE = """
for i = 1, #KEYS, 2 do
  local stream, sent, at = KEYS[i], KEYS[i + 1], 2 * i
  local sender, number, key, message = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local last = redis.call('HGET', sent, sender)
  if not last or tonumber(number) > tonumber(last) then
    local entry = {'*', 'id', sender .. '-' .. number, 'key', key, 'message', message}
    if tonumber(ARGV[1]) > 0 then
      redis.call('XADD', stream, 'MAXLEN', '~', ARGV[1], unpack(entry))
    else
      redis.call('XADD', stream, unpack(entry))
    end
    redis.call('HSET', sent, sender, number)
    redis.call('EXPIRE', sent, 2592000)
  end
end
"""
_COMMANDS = "PING, TYPE, EVAL, HGET, HSET, EXPIRE and XADD"


class Redis(Destination):
    """A stream, with entries of ``id``, ``key`` and ``message``. Each message stands there once."""

    settings: ClassVar[Mapping[str, Option]] = {
        **CREDENTIALS,
        **TLS,
        "db": Option(0, "number of the database", limits=(0, None)),
        "maxlen": Option(0, "about how many entries the stream keeps; 0: all", limits=(0, None)),
    }
    places = ("db",)

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._redis = client("redis", address.scheme, "redis")
        if not address.path:
            raise address.error(f"no stream is named: write {address.scheme}://host/stream")
        self.topic = address.path
        self._client: Any = None

    def connect(self) -> None:
        """Connect, and check that there may be such a stream."""
        address, redis, settings = self.address, self._redis, self.address.settings
        more: dict[str, Any] = {}
        if address.scheme == "rediss":
            own = {"ssl_ca_certs": settings["ca"], "ssl_certfile": settings["cert"], "ssl_keyfile": settings["cert-key"]}
            more = {"ssl": True, "ssl_check_hostname": True, **{name: value for name, value in own.items() if value}}
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
        except (redis.RedisError, OSError) as error:
            self.close()
            raise self._error(error, at_start=True) from error
        if kind not in ("", "none", "stream"):
            self.close()
            raise address.error(f"{self.topic} is there, and is not a stream but a {kind}; name another one")

    def _error(self, error: Exception, *, at_start: bool = False) -> Exception:
        address, redis, why = self.address, self._redis, self.address.reason(error)
        if isinstance(error, redis.AuthenticationError):
            return address.error(f"Redis refuses the login ({why}); check user and password")
        if isinstance(error, redis.exceptions.NoPermissionError):
            return address.error(f"Redis does not allow it ({why}); give the user {_COMMANDS}")
        if isinstance(error, redis.ResponseError):  # it is full, a replica, or has no such database
            return address.error(f"Redis refuses it ({why})") if at_start else AwayError(f"{address.name} refuses it ({why})")
        return distrust(address, error) or AwayError(f"{address.name} cannot be reached ({why})")

    def send(self, messages: Sequence[Message]) -> None:
        """Add entries, those that are not there yet."""
        names = [name for each in messages for name in (each.topic, f"{each.topic}:sent")]
        given = [value for each in messages for value in (each.stream, each.number, each.key, each.body)]
        try:
            self._client.eval(_ADD_ONCE, len(names), *names, self.address.settings["maxlen"], *given)
        except self._redis.RedisError as error:
            if "WRONGTYPE" in str(error):
                raise MessageRefusedError(f"{self.address.name}: {messages[0].topic} is not a stream") from error
            raise self._error(error) from error

    def close(self) -> None:
        """End the connection."""
        made, self._client = self._client, None
        if made:
            made.close()
