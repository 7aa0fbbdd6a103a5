"""The server of ``run --metrics``: its address, who is let in, and that it keeps nothing alive."""

from __future__ import annotations

import argparse
import http.client
import os
import socket
import time
from contextlib import ExitStack

import pytest
from command_helpers import SAYS, SRC, wait_for
from metrics_helpers import WAITS, Client

from empycustom.metrics import parse_address

OUT = ("--out", "out.jsonl", "--quiet")


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def running(begin, client, library):
    started = begin("run", "test", "--lib", library(SAYS), *OUT, "--metrics", client.port)
    client.wait(started)
    client.wait_for_health(200, "ok")  # it plays, and goes on to do so
    return started


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("9464", "127.0.0.1", 9464),
        (":9464", "127.0.0.1", 9464),
        ("0.0.0.0:0", "0.0.0.0", 0),
        ("metrics.example:65535", "metrics.example", 65535),
        ("[::1]:9464", "::1", 9464),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
    ],
)
def test_addresses(text, host, port):
    assert parse_address(text) == (host, port)
    assert parse_address(parse_address(text).text) == (host, port)


@pytest.mark.parametrize(
    "text", ["", "host", "host:", "::1:80", "65536", "a b:80", "-1", "http://a:80", "a:80/metrics", "u@a:80", "٣", "1:2:3"]
)
def test_what_is_not_an_address(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not an address; write HOST:PORT, :PORT or PORT: "):
        parse_address(text)


def test_a_wrong_address_is_an_error_before_anything_is_played_or_emptied(cli, library, tmp_path):
    (tmp_path / "out.jsonl").write_text("from before\n")
    lib = library("open('started', 'w').close()\n" + SAYS)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        in_use = cli("run", "test", "--lib", lib, *OUT, "--metrics", port)
    unknown = cli("run", "test", "--lib", lib, *OUT, "--metrics", "no-such-host.invalid:80")
    foreign = cli("run", "test", "--lib", lib, *OUT, "--metrics", "192.0.2.1:80")
    typed = cli("run", "test", "--lib", lib, *OUT, "--metrics", "nonsense")
    printed = cli("run", "test", "--lib", lib, "--dry-run", "--metrics", "0")

    why = "metrics cannot be served there (Address already in use); name another address."
    assert (in_use.code, in_use.err) == (1, f"empycustom: error: --metrics 127.0.0.1:{port}: {why}\n")
    for ended, address in ((unknown, "no-such-host.invalid:80"), (foreign, "192.0.2.1:80")):
        assert (ended.code, ended.out) == (1, "")
        assert ended.err.startswith(f"empycustom: error: --metrics {address}: metrics cannot be served there (")
    assert (typed.code, printed.code) == (2, 2)
    assert "argument --metrics: nonsense is not an address; write HOST:PORT" in typed.err
    assert "--metrics does not go with --dry-run, which plays nothing" in printed.err
    assert (tmp_path / "out.jsonl").read_text() == "from before\n"


def test_the_address_is_printed(cli, library):
    ended = cli("run", "test", "--lib", library(SAYS), "--frames", 3, "--out", "out.jsonl", "--metrics", "0")
    assert ended.code == 0
    first = ended.err.splitlines()[0]
    assert first.startswith("metrics: http://127.0.0.1:")
    assert first.endswith("/metrics")
    assert not first.endswith(":0/metrics")


def test_without_the_package_a_sentence_says_what_to_install(cli, library, tmp_path):
    (tmp_path / "prometheus_client.py").write_text("raise ImportError(\"No module named 'prometheus_client'\")\n")
    path = f"{tmp_path}{os.pathsep}{SRC}"
    ended = cli("run", "test", "--lib", library(SAYS), *OUT, "--metrics", "0", PYTHONPATH=path)
    assert (ended.code, ended.err) == (
        1,
        "empycustom: error: --metrics needs the Python package prometheus-client (No module named 'prometheus_client'): "
        'pip install "empycustom[metrics]"\n',
    )


def test_only_reading_and_only_two_paths(client, running):
    for path in ("/metrics", "/healthz", "/metrics?name=x"):
        whole, text = client.ask(path)
        head, nothing = client.ask(path, "HEAD")
        assert (head.status, nothing) == (whole.status, "")
        assert text
        assert int(head.headers["Content-Length"]) > 0
        assert (whole.headers["Cache-Control"], whole.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
    for path in ("/", "/metrics/", "/../etc/passwd", "/debug"):
        answer, text = client.ask(path)
        assert (answer.status, text) == (404, "there are /metrics and /healthz\n")
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer, _ = client.ask("/metrics", method)
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert client.ask("/metrics", "BREW")[0].status == 501


def test_the_formats_of_prometheus_and_of_openmetrics(client, running):
    plain, text = client.ask("/metrics", Accept="text/plain")
    assert plain.headers["Content-Type"].startswith("text/plain; version=")
    assert "# EOF" not in text
    opened, text = client.ask("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert opened.headers["Content-Type"].startswith("application/openmetrics-text; version=")
    assert text.endswith("# EOF\n")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:{}", "127.0.0.1:{}", "127.1.2.3", "[::1]:{}"])
def test_names_of_this_machine_are_let_in(client, running, host):
    assert client.ask("/metrics", Host=host.format(client.port))[0].status == 200


@pytest.mark.parametrize(
    "host", ["evil.example:{}", "127.0.0.1.evil.example", "localhost.evil.example:{}", "", "evil@127.0.0.1", "10.0.0.1:{}"]
)
def test_a_page_with_another_name_for_this_machine_is_not(client, running, host):
    for path in ("/metrics", "/healthz"):
        answer, text = client.ask(path, Host=host.format(client.port))
        assert (answer.status, text) == (403, "the Host header is not an address of this machine\n")


def test_two_hosts_or_none_are_not_let_in(client, running):
    for lines in (b"", b"Host: localhost\r\nHost: evil.example\r\n"):
        with socket.create_connection(("127.0.0.1", client.port), timeout=10) as peer:
            peer.sendall(b"GET /metrics HTTP/1.0\r\n" + lines + b"\r\n")
            assert peer.recv(100).startswith(b"HTTP/1.0 403 ")


def test_another_host_is_for_all_who_reach_it(begin, client, library):
    running = begin("run", "test", "--lib", library(SAYS), *OUT, "--metrics", f"0.0.0.0:{client.port}")
    client.wait(running)
    assert client.ask("/metrics", Host="camera-7.example")[0].status == 200
    running.interrupt()
    assert running.end().code == 130


def test_ipv6(begin, client, library):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    running = begin("run", "test", "--lib", library(SAYS), *OUT, "--metrics", f"[::1]:{client.port}")

    def answers():
        try:
            connection = http.client.HTTPConnection("::1", client.port, timeout=10)
            connection.request("GET", "/metrics")
            return connection.getresponse().status == 200
        except OSError:
            return False

    wait_for(answers, "an answer")
    running.interrupt()
    assert running.end().code == 130


def test_clients_that_say_nothing_get_no_more_than_their_share(client, running):
    with ExitStack() as peers:

        def connect():
            return peers.enter_context(socket.create_connection(("127.0.0.1", client.port), timeout=60))

        silent = []

        def is_full():
            silent[:] = [connect() for _ in range(16)]  # they have their places for some seconds
            return client_is_refused(client)

        wait_for(is_full, "no room for one more")
        assert all(peer.recv(1) == b"" for peer in silent), "they are cut off"
        wait_for(lambda: not client_is_refused(client), "room for others")
        drips = connect()
        wait_for(lambda: is_cut_off(drips), "the end of a connection that drips")
    running.interrupt()
    assert running.end().code == 130


def client_is_refused(client):
    try:
        client.ask("/healthz")
    except ConnectionError:
        return True
    return False


def is_cut_off(peer):
    """Send one more byte of a request that never ends; return whether nobody takes it."""
    time.sleep(0.5)
    try:
        peer.sendall(b"G")
    except OSError:
        return True
    return False


def until_the_last(begin, client, library):
    """Begin a run whose last frame waits for the file ``go``."""
    waits = ("--lib", library(WAITS), "--options", '{"at": 9}', "--frames", 10)
    running = begin("run", "test", *waits, *OUT, "--metrics", client.port)
    client.wait(running)
    return running


def test_a_client_that_never_reads_keeps_no_run_alive(begin, client, library, tmp_path):
    running = until_the_last(begin, client, library)
    peers = [socket.create_connection(("127.0.0.1", client.port)) for _ in range(8)]
    for index, peer in enumerate(peers):
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        if index % 2:
            peer.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
    (tmp_path / "go").touch()
    ended = running.end()
    assert (ended.code, ended.err) == (0, "")
    for peer in peers:
        peer.close()


def test_metrics_of_a_library_are_there_too_and_one_that_raises_is_reported(begin, client, library, tmp_path):
    text = (
        "import os\nfrom prometheus_client import Gauge\nseen = Gauge('people_seen', 'How many people there are')\n"
        "def process_ip(b, m, o):\n    seen.set(3)\n    if os.path.exists('broken'): seen.set_function(lambda: 1 / 0)\n"
    )
    running = begin("run", "test", "--lib", library(text), *OUT, "--metrics", client.port)
    client.wait(running)
    wait_for(lambda: "\npeople_seen 3.0\n" in client.ask("/metrics")[1], "the number of the library")
    (tmp_path / "broken").touch()
    wait_for(lambda: client.ask("/metrics")[0].status == 500, "the error")
    assert client.ask("/healthz")[0].status == 200
    running.interrupt()
    ended = running.end()
    assert ended.code == 130
    assert ended.err.count("empycustom: warning: --metrics: a request failed: ZeroDivisionError('division by zero')\n") == 1
    assert 'lib.py", line 6, in <lambda>' in ended.err


def test_the_port_is_free_again(begin, client, library, tmp_path):
    go = tmp_path / "go"
    for _ in range(2):
        go.unlink(missing_ok=True)
        running = until_the_last(begin, client, library)
        go.touch()
        assert running.end().code == 0
