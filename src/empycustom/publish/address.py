"""The address of a destination: a URI, whose query has the settings. Secrets come from the environment or from files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast
from urllib.parse import parse_qsl, unquote

from empycustom.errors import PathError, PublishError
from empycustom.library.declared import Option
from empycustom.model.arrays import EMBEDDINGS
from empycustom.text import as_path, meant, shown, suggestion, without_password

_MOST = 2**31 - 1

# What every destination has.
SETTINGS: dict[str, Option] = {
    "select": Option("frames", "what a message is about", choices=("frames", "objects", "changes", "gva")),
    "watch": Option("", "with select=changes: the value whose change counts, such as emcustom.count; else the set of objects"),
    "interval": Option(1, "frames from one message to the next", limits=(1, _MOST)),
    "rate": Option(0, "the most frames in a second of the video that are sent; 0: all", limits=(0, _MOST)),
    "key": Option("", "template of the key by which messages are kept in order, such as {source}"),
    "fields": Option("", "the only keys that are sent, with commas between: frame_num,object.obj_label"),
    "without": Option("", "keys that are not sent"),
    "embeddings": Option("list", "how messages have embeddings; with select=gva they are lists", choices=tuple(EMBEDDINGS)),
    "envelope": Option("plain", "what is around the JSON", choices=("plain", "cloudevents")),
    "spool": Option("", "folder that keeps messages until they have arrived; nothing: that of the user's state"),
    "spool-size": Option("1GB", "the most bytes that are kept", unit="bytes"),
    "spool-age": Option(0, "seconds after which a kept message is not sent any more; 0: never", limits=(0, _MOST)),
    "spool-full": Option("oldest", "which messages are given up when it is full", choices=("oldest", "newest", "stop")),
    "drain-timeout": Option(10, "seconds that the end of the stream waits for what was not sent", limits=(0, _MOST)),
}
# What destinations over a network have, in the same words.
CREDENTIALS: dict[str, Option] = {
    "user": Option("", "name for the login"),
    "password": Option("", "password for the login; @FILE: it is in a file"),
}
TLS: dict[str, Option] = {
    "ca": Option("", "file of certificates (PEM) that the server's is checked with; nothing: those of the system"),
    "cert": Option("", "file of our own certificate (PEM)"),
    "cert-key": Option("", "file of its key (PEM)"),
}
_SECRETS = ("password", "secret", "token")  # a value @FILE of these is read from the file
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(?:\?(.*))?(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]*)?)\s*([KMGT]?)(I?)B?")
_LOCAL = ("", "localhost", "127.0.0.1", "::1")  # hosts that are this machine
_POWERS = ("", "K", "M", "G", "T")


def scheme_of(uri: str) -> str:
    """Return the scheme of a URI, in lower case. Raises PublishError where it has none."""
    found = _URI.match(uri)
    if not found:
        raise PublishError(
            f"{shown(without_password(uri))} is not a URI; write one such as mqtt://localhost/results or file:///tmp/results.jsonl"
        )
    return found[1].lower()


class Address:
    """A URI in parts, with ``${NAME}`` and files of secrets read, and settings in their types. Raises PublishError.

    Attributes
    ----------
    scheme : str
        In lower case.
    user, password : str
        ``""``: none.
    hosts : list of (str, int)
        Names and ports, the port 0: the usual one. One, except for clusters.
    path : str
        Without the first slash.
    settings : dict
        Every setting, those of all destinations and ``own``, in the types of their defaults.
    name : str
        For messages and file names: the URI without settings and without the user.
    """

    def __init__(self, uri: str, own: Mapping[str, Option], given: Mapping[str, Any] = {}) -> None:
        self.scheme: str = scheme_of(uri)
        found = _URI.fullmatch(uri)
        assert found, "it has a scheme"
        at, path, query = found[2], found[3], found[4] or ""
        if "#" in uri or (at and "@" not in at and "@" in path + query.partition("=")[0]):
            raise PublishError(  # what is shown of it might be a password
                f"a URI of {self.scheme}:// has a # or a misplaced @; write #, ?, / and @ as %23, %3F, %2F and %40, "
                "or the password as ${NAME}"
            )
        user, _, hosts = at.rpartition("@")
        name, _, password = user.partition(":")
        self.name: str = f"{self.scheme}://{hosts}{path}"
        typed_user, typed_password = (self._expanded(unquote(each)) for each in (name, password))
        self.hosts: list[tuple[str, int]] = [self._host(each) for each in hosts.split(",")]
        self.path: str = self._expanded(unquote(path)).removeprefix("/")
        self.settings: dict[str, Any] = self._settings(query, {**SETTINGS, **own}, given)
        self.user: str = self.settings.get("user") or typed_user
        self.password: str = self.settings.get("password") or typed_password

    @property
    def host(self) -> str:
        """The name of the only host, ``localhost`` where there is none."""
        return self.hosts[0][0] or "localhost"

    @property
    def netloc(self) -> str:
        """The hosts and their ports, as a URI has them."""
        return ",".join((f"[{host}]" if ":" in host else host) + (f":{port}" if port else "") for host, port in self.hosts)

    @property
    def is_local(self) -> bool:
        """True where nothing leaves this machine."""
        return all(host in _LOCAL for host, _ in self.hosts)

    def port(self, usual: int) -> int:
        """Return the port of the only host."""
        return self.hosts[0][1] or usual

    def error(self, what: str) -> PublishError:
        """Return an exception about this address."""
        return PublishError(f"{self.name}: {what}")

    def reason(self, error: BaseException) -> str:
        """Return the message of an exception of a client, on one line, without secrets."""
        text = " ".join(str(error).split()) or type(error).__name__
        for secret in filter(None, (self.password, *(self.settings.get(name) for name in _SECRETS))):
            text = text.replace(secret, "***")
        return text

    def _expanded(self, text: str) -> str:
        def variable(found: re.Match[str]) -> str:
            value = os.environ.get(found[1])
            if value is None:
                raise self.error(f"the environment has no variable {found[1]}; set it, or write the value in its place")
            return value

        return _VARIABLE.sub(variable, text)

    def _host(self, text: str) -> tuple[str, int]:
        found = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::([0-9]+))?", self._expanded(text))
        if not found or int(found[2] or 0) > 65535:
            raise self.error(f"{shown(text)} is not a host; write host or host:port")
        return found[1].strip("[]"), int(found[2] or 0)

    def _settings(self, query: str, known: dict[str, Option], given: Mapping[str, Any]) -> dict[str, Any]:
        made = {name: option.default for name, option in known.items()}
        made |= given
        for name, text in parse_qsl(query, keep_blank_values=True):
            if name not in known:
                raise self.error(f"there is no setting {name}; {suggestion(name, list(known))}")
            made[name] = self._secret(name, text) if name in _SECRETS else self._typed(name, known[name], self._expanded(text))
        for name, option in known.items():
            if option.unit == "bytes":
                made[name] = self._bytes(name, made[name])
        return made

    def _typed(self, name: str, option: Option, text: str) -> Any:
        """Return the value of a setting that is written as text."""
        kind, made = type(option.default), cast("Any", text)
        if kind is bool:
            made = {"true": True, "1": True, "": True, "false": False, "0": False}.get(text.lower(), text)
        elif kind in (int, float):
            with suppress(ValueError):
                made = kind(text)
        if problem := option.problem(made):
            raise self.error(f"{name} {problem}, not {shown(text)}{meant(text, map(str, option.choices))}")
        return option.value_of(made)

    def _bytes(self, name: str, text: str) -> int:
        found = _SIZE.fullmatch(text.strip().upper())  # nobody means a millibyte
        if not found:
            raise self.error(f"{name} must be a size, such as 500kB, 100MB or 2GiB, not {shown(text)}")
        return int(float(found[1]) * (1024 if found[3] else 1000) ** _POWERS.index(found[2]))

    def _secret(self, name: str, text: str) -> str:
        value = self._expanded(text)
        if not text.startswith("@"):
            return value
        try:
            return as_path(value[1:]).read_text("utf-8").rstrip("\r\n")
        except (OSError, ValueError, PathError) as error:
            why = "it is not UTF-8" if isinstance(error, UnicodeError) else getattr(error, "strerror", None) or str(error)
            raise self.error(f"the file of {name}, {value[1:]}, cannot be read ({why})") from error
