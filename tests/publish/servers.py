"""Real servers for the tests: each starts on a free port in a folder, is killed and started again, and tells what has arrived."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ports import free_port

KAFKA = """
import sys, time, confluent_kafka
producer = confluent_kafka.Producer({"test.mock.num.brokers": 1, "log_level": 0})
brokers = producer.list_topics().brokers
print(",".join(f"{broker.host}:{broker.port}" for broker in brokers.values()), flush=True)
sys.stdin.read()
"""


def wait_for(is_true: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    until = time.monotonic() + seconds
    while not (found := is_true()):
        assert time.monotonic() < until, f"waited {seconds} s for {what}"
        time.sleep(0.02)
    return found


class Server:
    """A server. ``uri`` is where messages go; ``received`` are those that arrived so far, in order, as dicts."""

    scheme = ""
    needs: tuple[str, ...] = ()  # programs
    is_once = False  # each message arrives once, also when it was sent again

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.more: list[str] = []  # lines of a configuration, or words of a command
        self.process: subprocess.Popen[Any] | None = None

    @property
    def uri(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/results"

    @property
    def key(self) -> str:
        """The name in the parameter of tests."""
        return type(self).__name__.lower()

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        with (self.folder / "log.txt").open("ab") as log:
            self.process = subprocess.Popen(self.command(), cwd=self.folder, stdout=log, stderr=log, **self.as_whom())
        wait_for(self.is_ready, f"{self.key}: {(self.folder / 'log.txt').read_text('utf-8', 'replace')[-500:]}")

    def as_whom(self) -> dict[str, Any]:
        return {}

    def is_ready(self) -> bool:
        assert self.process
        assert self.process.poll() is None, (self.folder / "log.txt").read_text("utf-8", "replace")
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def kill(self) -> None:
        """End it without a word."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        self.kill()

    def received(self) -> list[dict[str, Any]]:
        raise NotImplementedError

    def count(self) -> int:
        return len(self.received())


class Mqtt(Server):
    """mosquitto, which keeps what it has acknowledged, and a subscriber that stays."""

    scheme, needs = "mqtt", ("mosquitto",)

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.more = ["max_queued_messages 0"]  # else it drops what waits for the subscriber
        self._messages: list[tuple[str, dict[str, Any]]] = []
        self._subscriber: Any = None
        self._subscribed = threading.Event()

    def command(self) -> list[str]:
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            *self.more,
            "persistence true",
            f"persistence_location {self.folder}/",
            "autosave_on_changes true",
            "autosave_interval 1",
            *(["user root"] if os.getuid() == 0 else []),
        ]
        (self.folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        return [str(shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")), "-c", "mosquitto.conf"]

    def start(self) -> None:
        self._subscribed.clear()
        super().start()
        if self._subscriber is None:
            import paho.mqtt.client as paho

            self._subscriber = made = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="tests", clean_session=False)
            made.reconnect_delay_set(1, 1)
            made.on_message = lambda _c, _d, message: self._messages.append((message.topic, json.loads(message.payload)))
            made.on_connect = lambda client, *_more: client.subscribe("#", 1)
            made.on_subscribe = lambda *_more: self._subscribed.set()
            made.connect("127.0.0.1", self.port)
            made.loop_start()
        assert self._subscribed.wait(60)

    def stop(self) -> None:
        if self._subscriber:
            self._subscriber.disconnect()
            self._subscriber.loop_stop()
        super().stop()

    def received(self) -> list[dict[str, Any]]:
        return [message for _, message in self._messages]

    def count(self) -> int:
        return len(self._messages)

    def topics(self) -> list[str]:
        return [topic for topic, _ in self._messages]


class Redis(Server):
    scheme, needs, is_once = "redis", ("redis-server",), True

    def command(self) -> list[str]:
        return [
            "redis-server",
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--dir",
            str(self.folder),
            *self.more,
        ]

    def client(self) -> Any:
        import redis

        return redis.Redis(port=self.port)

    def entries(self, stream: str = "results") -> list[dict[bytes, bytes]]:
        import redis

        with redis.Redis(port=self.port) as client:
            return [entry for _, entry in client.xrange(stream)]

    def is_ready(self) -> bool:
        import redis

        if not super().is_ready():
            return False
        with suppress(redis.RedisError), redis.Redis(port=self.port) as client:
            return bool(client.ping())
        return False

    def received(self) -> list[dict[str, Any]]:
        return [json.loads(entry[b"message"]) for entry in self.entries()]


class PostgreSql(Server):
    scheme, is_once = "postgresql", True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._is_made = False

    @staticmethod
    def programs() -> Path | None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        return found[-1].parent if found else None

    @property
    def uri(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def as_whom(self) -> dict[str, Any]:
        return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}

    def command(self) -> list[str]:
        bin = self.programs()
        assert bin
        if not self._is_made:
            self._is_made = True
            if os.getuid() == 0:
                shutil.chown(self.folder, "postgres", "postgres")
            made = [bin / "initdb", "-A", "trust", "-N", "-D", "data", "-U", "postgres"]
            subprocess.run(made, cwd=self.folder, check=True, capture_output=True, **self.as_whom())
        where = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}"]
        return [str(bin / "postgres"), "-D", "data", "-p", str(self.port), *where, *self.more]

    def query(self, text: str) -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(self.uri, autocommit=True) as connection:
            found = connection.execute(text)
            return found.fetchall() if found.description else []

    def is_ready(self) -> bool:
        import psycopg

        if not super().is_ready():
            return False
        with suppress(psycopg.OperationalError):
            return bool(self.query("SELECT 1"))
        return False

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)

    def kill(self) -> None:
        """End it without a word, and wait until its children have seen that: they have the memory that the next one wants."""
        children = self._children()
        super().kill()
        with suppress(OSError):
            (self.folder / "data/postmaster.pid").unlink()
        for child in children:
            ended = select.poll()
            ended.register(child, select.POLLIN)
            assert ended.poll(60_000), "a child of PostgreSQL does not end"
            os.close(child)

    def _children(self) -> list[int]:
        """Return a file descriptor of each child, which can be read once it has ended."""
        if not self.process or self.process.poll() is not None:
            return []
        found = []
        for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            with suppress(ProcessLookupError):  # it has ended meanwhile
                found.append(os.pidfd_open(int(pid)))
        return found

    def received(self) -> list[dict[str, Any]]:
        rows = self.query("SELECT message, split_part(id, '-', 2)::bigint FROM results ORDER BY 2")
        return [message for message, _ in rows]


class Kafka(Server):
    """librdkafka's own cluster, in a process; "gone" is a process that stands still, because its data ends with it."""

    scheme = "kafka"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._messages: list[Any] = []
        self._ends = threading.Event()
        self._reader: threading.Thread | None = None
        self._brokers = ""

    @property
    def uri(self) -> str:
        return f"kafka://{self._brokers}/results"

    def start(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            return
        self.process = subprocess.Popen([sys.executable, "-c", KAFKA], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self._brokers = self.process.stdout.readline().strip()
        assert self._brokers
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        import confluent_kafka

        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": self._brokers, "group.id": "tests", "auto.offset.reset": "earliest", "log_level": 0}
        )
        known: set[tuple[str, int]] = set()
        looked_at = 0.0
        while not self._ends.is_set():
            if time.monotonic() > looked_at + 0.3:
                looked_at = time.monotonic()
                with suppress(confluent_kafka.KafkaException):
                    there = {
                        (name, n) for name, topic in consumer.list_topics(timeout=0.3).topics.items() for n in topic.partitions
                    }
                    new = [confluent_kafka.TopicPartition(*each, confluent_kafka.OFFSET_BEGINNING) for each in there - known]
                    if new:
                        consumer.incremental_assign(new)
                    known |= there
            message = consumer.poll(0.1)
            if message is not None and not message.error():
                self._messages.append(message)
        consumer.close()

    def kill(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def stop(self) -> None:
        self._ends.set()
        if self._reader:
            if self.process:
                self.process.send_signal(signal.SIGCONT)
            self._reader.join(20)
        if self.process and self.process.stdin and self.process.stdout:
            self.process.kill()
            self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait()

    def received(self) -> list[dict[str, Any]]:
        return [json.loads(message.value()) for message in self._messages]

    def count(self) -> int:
        return len(self._messages)

    def keys(self) -> list[bytes]:
        return [message.key() for message in self._messages]


class Http(Server):
    """A web server of the tests' own; ``answers`` are the statuses of the next requests, then 200."""

    scheme = "http"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.delay_s, self.asked = 0.0, 0
        self.refuses: Callable[[bytes], bool] = lambda body: False
        self.retry_after: Callable[[], str] = str
        self.times: list[float] = []
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        own = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                own._connections.append(self.connection)

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                body = self.rfile.read(length)
                if len(body) < length:  # whoever sent it was killed
                    self.close_connection = True
                    return
                own.asked += 1
                time.sleep(own.delay_s)
                own.times.append(time.monotonic())
                status = own.answers.pop(0) if own.answers else 422 if own.refuses(body) else 200
                if status < 300:
                    own.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(status)
                self.send_header("content-length", "0")
                if status == 503 and (wait := own.retry_after()):
                    self.send_header("retry-after", wait)
                self.end_headers()

            def log_message(self, *_given: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_given: Any) -> None:
                pass

        self._server = Quiet(("127.0.0.1", self.port), Handler)
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def kill(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def received(self) -> list[dict[str, Any]]:
        values = [json.loads(body) for _, body in list(self.requests)]
        return [each for value in values for each in (value if isinstance(value, list) else [value])]


class File(Server):
    scheme, is_once = "file", True

    @property
    def uri(self) -> str:
        return f"file://{self.folder}/results.jsonl"

    def start(self) -> None:
        """It is always there."""

    def kill(self) -> None:
        """It cannot be."""

    def received(self) -> list[dict[str, Any]]:
        path = self.folder / "results.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Sqlite(File):
    scheme = "sqlite"

    @property
    def uri(self) -> str:
        return f"sqlite://{self.folder}/results.db"

    def received(self) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.folder / "results.db")) as connection:
            rows = connection.execute("SELECT message FROM results ORDER BY CAST(substr(id, instr(id, '-') + 1) AS INTEGER)")
            return [json.loads(message) for (message,) in rows]


SERVERS: dict[str, type[Server]] = {kind.__name__.lower(): kind for kind in (Mqtt, Kafka, Redis, Http, PostgreSql, Sqlite, File)}
AWAY = [name for name in SERVERS if name not in ("sqlite", "file")]  # those that can be gone
