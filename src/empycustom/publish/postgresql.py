"""PostgreSQL: ``postgresql://user@host/db?table=NAME``: a row for each message, by psycopg, with COPY in batches."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Timer
from typing import Any, ClassVar

from empycustom.errors import AwayError, MessageRefusedError
from empycustom.library.declared import Option
from empycustom.publish.address import CREDENTIALS, TLS, Address
from empycustom.publish.destinations import TRANSPORT_S, Destination, client, refuse_fields
from empycustom.publish.messages import Message
from empycustom.publish.rows import SAMPLE, columns_of, row_of
from empycustom.publish.tls import distrust
from empycustom.text import shown

_LATER = ("08", "40", "53", "57", "58")  # classes of errors that are about the connection, or the server's state
_SYSTEM_CA = 160000  # the version of libpq that takes the certificates of the system
_ANSWER_S = 30.0  # for a batch of rows
_NO_TLS = "switch it on there, or set sslmode=disable where nobody listens in the network"
_TABLE = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]*\.)?[A-Za-z_][A-Za-z0-9_]*")


class PostgreSql(Destination):
    """A table, made if it is missing: ``id``, typed columns, and ``message`` as JSONB. Each message is one row."""

    settings: ClassVar[Mapping[str, Option]] = {
        **CREDENTIALS,
        **TLS,
        "table": Option("results", "name of the table, or schema.table"),
        "sslmode": Option(
            "",
            "as libpq has it; nothing: verify-full for another machine, or with ca, else prefer",
            choices=("", "disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
        ),
    }
    most = 1000
    places = ("table",)

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        refuse_fields(address)
        self._psycopg = client("psycopg", "postgresql", "postgresql")
        table = address.settings["table"]
        if not _TABLE.fullmatch(table):
            raise address.error(f"table must be a name of letters, digits and _, not {shown(table)}")
        self._table = ".".join(f'"{part}"' for part in table.split("."))
        self._columns = columns_of(address.settings["select"])
        self._names = ", ".join(f'"{name}"' for name in ("id", *(column.name for column in self._columns), "message"))
        self._connection: Any = None

    def connect(self) -> None:
        """Connect, and make or check the table."""
        self.close()
        psycopg, address, settings = self._psycopg, self.address, self.address.settings
        given = {
            "host": address.host,
            "port": address.hosts[0][1],
            "dbname": address.path,
            "user": address.user,
            "password": address.password,
        }
        try:
            self._connection = psycopg.connect(
                connect_timeout=int(TRANSPORT_S),
                autocommit=True,
                application_name="empycustom",
                **{name: value for name, value in (given | self._tls()).items() if value},
            )
        except psycopg.Error as error:
            raise self._unreachable(error) from error
        try:
            with self._limited():
                self._prepare()
        except psycopg.Error as error:
            self.close()
            if (error.sqlstate or "08")[:2] in _LATER:
                raise AwayError(f"{address.name} cannot be reached ({address.reason(error)})") from error
            raise address.error(
                f"the table {settings['table']} cannot be made, or has another shape ({address.reason(error)}); name another one "
                "with table=NAME, which is made then"
            ) from error

    def _tls(self) -> dict[str, str]:
        """Return what libpq is to do about TLS. A password may be in a file of its own, so that only the host decides."""
        settings, version = self.address.settings, self._psycopg.pq.version()
        usual = "prefer" if self.address.is_local and not settings["ca"] else "verify-full"
        mode, ca = settings["sslmode"] or usual, settings["ca"]
        own = os.environ.get("PGSSLROOTCERT") or os.path.exists(os.path.expanduser("~/.postgresql/root.crt"))
        if mode == "verify-full" and not ca and not own and version >= _SYSTEM_CA:
            ca = "system"
        return {"sslmode": mode, "sslrootcert": ca, "sslcert": settings["cert"], "sslkey": settings["cert-key"]}

    @contextmanager
    def _limited(self) -> Iterator[None]:
        """Cut the connection where the server does not answer: libpq itself waits forever."""
        with socket.socket(fileno=socket.dup(self._connection.fileno())) as line:
            timer = Timer(_ANSWER_S, line.shutdown, (socket.SHUT_RDWR,))
            timer.daemon = True
            timer.start()
            try:
                yield
            finally:
                timer.cancel()

    def _prepare(self) -> None:
        """Make the table, and check that rows fit into it."""
        kinds = ", ".join(f'"{column.name}" {column.kind}' for column in self._columns)
        exists = self._connection.execute("SELECT to_regclass(%s)", (self._table,)).fetchone()[0]
        if exists is None:
            made, errors = f"{self._table} (id text PRIMARY KEY, {kinds}, message jsonb)", self._psycopg.errors
            with suppress(errors.UniqueViolation, errors.DuplicateTable):  # another stream makes it at this moment
                self._connection.execute(f"CREATE TABLE IF NOT EXISTS {made}")
        self._connection.execute(f"CREATE TEMP TABLE arriving AS SELECT {self._names} FROM {self._table} WHERE false")
        with self._connection.transaction(force_rollback=True):
            self._insert([SAMPLE])

    def _insert(self, messages: Sequence[Message]) -> None:
        with self._connection.cursor().copy(f"COPY arriving ({self._names}) FROM STDIN") as copy:
            for each in messages:
                copy.write_row(row_of(each, self._columns))
        self._connection.execute(f"INSERT INTO {self._table} ({self._names}) SELECT * FROM arriving ON CONFLICT (id) DO NOTHING")
        self._connection.execute("TRUNCATE arriving")

    def _unreachable(self, error: Any) -> Exception:
        text, line = self.address.reason(error), error.pgconn
        # Before there is a connection, libpq has no code for what is wrong, only a text in the language of the server.
        asked = line is not None and (line.needs_password or line.used_password)
        refused = ("does not exist", "no pg_hba.conf entry", "permission denied for database", "authentication failed")
        if "does not support SSL" in text:
            return self.address.error(f"PostgreSQL has no TLS ({text}); {_NO_TLS}")
        if "certificate file" in text or "private key file" in text:
            return self.address.error(f"TLS cannot be set up so ({text}); check ca, cert, cert-key and sslmode")
        if asked or any(each in text for each in refused):
            return self.address.error(f"PostgreSQL refuses the login ({text}); check user, password and database")
        return distrust(self.address, error) or AwayError(f"{self.address.name} cannot be reached ({text})")

    def send(self, messages: Sequence[Message]) -> None:
        """Copy rows, those that are not there yet."""
        psycopg = self._psycopg
        try:
            with self._limited(), self._connection.transaction():
                self._insert(messages)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            why = self.address.reason(error)
            raise MessageRefusedError(f"{self.address.name} refuses the message {messages[0].id} ({why})") from error
        except psycopg.Error as error:
            raise AwayError(f"{self.address.name} is gone ({self.address.reason(error)})") from error

    def close(self) -> None:
        """End the connection."""
        made, self._connection = self._connection, None
        if made:
            made.close()
