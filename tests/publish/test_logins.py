"""Logins that are refused, what a user may not do, certificates, and secrets that nobody sees."""

from __future__ import annotations

import gc
import os
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from sent import Told, put, with_query
from servers import PostgreSql, Server, wait_for

import empycustom
from empycustom.errors import PublishError
from empycustom.gstreamer import Gst
from ports import free_port

Serve = Callable[[str], Server]
PASSWORD = "hunter2-S3cr3t"


def refused(uri: str) -> str:
    with pytest.raises(PublishError) as told:
        Told().publisher(uri)
    assert PASSWORD not in str(told.value)
    return str(told.value)


def arrives(uri: str) -> None:
    publisher = Told().publisher(uri)
    put(publisher, 0, 20)
    assert publisher.drain() == 0, publisher.last_error
    publisher.close()


def again(server: Server, *more: str) -> None:
    if isinstance(server, PostgreSql):
        server.stop()  # one that is killed has children, which take their time on a busy machine
    server.kill()
    server.more = list(more)
    server.process = subprocess.Popen(server.command(), cwd=server.folder, **server.as_whom(), stderr=subprocess.DEVNULL)
    wait_for(lambda: Server.is_ready(server), "it to start again")


def of(uri: str, user: str, password: str) -> str:
    return uri.replace("postgres@", "").replace("://", f"://{user}:{password}@")


def test_mosquitto_with_passwords_and_rights(serve: Serve) -> None:
    server = serve("mqtt")
    server._subscriber.disconnect()  # type: ignore[attr-defined]
    secret, rights = server.folder / "passwords", server.folder / "rights"
    subprocess.run(
        [
            "mosquitto_passwd" if shutil.which("mosquitto_passwd") else "/usr/bin/mosquitto_passwd",
            "-b",
            "-c",
            secret,
            "anna",
            PASSWORD,
        ],
        check=True,
    )
    rights.write_text("user anna\ntopic write mine/#\n")
    again(server, f"password_file {secret}", f"acl_file {rights}", "allow_anonymous false")
    uri = f"mqtt://127.0.0.1:{server.port}/mine/x"
    for wrong in (uri, of(uri, "anna", "wrong"), of(uri, "bob", PASSWORD)):
        assert "the broker refuses the login (Not authorized); check user and password" in refused(wrong)
        assert "refuses the login" in refused(with_query(wrong, "version=3.1.1"))
    arrives(of(uri, "anna", PASSWORD))
    told = Told()
    publisher = told.publisher(of(uri, "anna", PASSWORD).replace("mine", "theirs"))
    put(publisher, 0, 20)
    wait_for(lambda: publisher.state == "away", "the broker to say no")
    assert publisher.last_error.endswith("(Not authorized)"), told
    assert publisher.waiting == 20  # nothing is lost: somebody may allow it
    publisher.close()


def test_redis_with_passwords_and_rights(serve: Serve) -> None:
    server = serve("redis")
    again(server, "--requirepass", PASSWORD)
    assert "Redis refuses the login (" in refused(server.uri)
    assert "Redis refuses the login (" in refused(with_query(server.uri, "password=wrong"))
    arrives(with_query(server.uri, f"password={PASSWORD}"))
    with redis.Redis(port=server.port, password=PASSWORD) as client:
        client.execute_command(
            "ACL",
            "SETUSER",
            "anna",
            "on",
            f">{PASSWORD}",
            "~results*",
            "+ping",
            "+type",
            "+eval",
            "+hget",
            "+hset",
            "+expire",
            "+xadd",
        )
        client.execute_command("ACL", "SETUSER", "bob", "on", f">{PASSWORD}", "~results*", "+ping", "+type")
        client.delete("results")
    arrives(of(server.uri, "anna", PASSWORD))
    assert "Redis does not allow it (" in refused(of(server.uri, "anna", PASSWORD).replace("/results", "/other"))
    publisher = Told().publisher(of(server.uri, "bob", PASSWORD))
    put(publisher, 0, 20)
    wait_for(lambda: publisher.state == "away", "Redis to say no")
    assert "give the user PING, TYPE, EVAL, HGET, HSET, EXPIRE and XADD" in publisher.last_error
    publisher.close()


@pytest.mark.parametrize("language", ["", "de_DE.UTF-8"])
def test_postgresql_with_passwords_and_rights(serve: Serve, language: str, tmp_path: Path, monkeypatch: Any) -> None:
    server = serve("postgresql")
    assert isinstance(server, PostgreSql)
    server.query(f"CREATE ROLE anna LOGIN PASSWORD '{PASSWORD}'")
    server.query("CREATE ROLE bob LOGIN PASSWORD 'x'")
    (server.folder / "data/pg_hba.conf").write_text(
        "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
    )
    if language:
        made = subprocess.run(
            ["localedef", "-i", "de_DE", "-f", "UTF-8", server.folder / language], capture_output=True, text=True, check=False
        )
        if not (server.folder / language).is_dir():
            pytest.skip(f"there is no German here: {made.stderr}")
        monkeypatch.setenv("LOCPATH", str(server.folder))
        again(server, "-c", f"lc_messages={language}")
    else:
        again(server)
    wait_for(server.is_ready, "it to answer")
    for wrong in (of(server.uri, "anna", "wrong"), of(server.uri, "nobody", PASSWORD), of(server.uri, "anna", "")):
        assert "PostgreSQL refuses the login (" in refused(wrong)
    text = refused(of(server.uri, "anna", PASSWORD).replace("/postgres", "/nowhere"))
    assert "; check user, password and database" in text
    if language:
        assert "existiert nicht" in text
    text = refused(of(server.uri, "anna", PASSWORD))
    assert "the table results cannot be made, or has another shape (" in text
    server.query("GRANT CREATE ON SCHEMA public TO anna")
    arrives(of(server.uri, "anna", PASSWORD))
    assert len(server.received()) == 20
    assert "the table results cannot be made, or has another shape (" in refused(of(server.uri, "bob", "x"))


def test_web_servers_with_passwords(serve: Serve) -> None:
    server = serve("http")
    server.answers = [401] * 2  # type: ignore[attr-defined]
    told = Told()
    publisher = told.publisher(of(server.uri, "anna", PASSWORD))
    put(publisher, 0, 20)
    assert publisher.drain() == 0
    publisher.close()
    assert told.states == ["away", "connected"]
    assert str(told[0][1]).endswith("answers 401 Unauthorized: check user, password, token or secret")
    assert PASSWORD not in str(told)
    headers, _ = server.requests[0]  # type: ignore[attr-defined]
    assert headers["authorization"].startswith("Basic ")


# TLS.


class Authority:
    """An own CA, and certificates that it has signed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = self._run("ca", "-x509", "-subj", "/CN=our CA", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self.server, self.client = self._signed("server"), self._signed("client")

    def _run(self, name: str, *more: str) -> Path:
        to = self.folder / f"{name}.pem"
        command = [
            "openssl",
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            self.folder / f"{name}.key",
            "-days",
            "2",
            "-out",
            to,
            *more,
        ]
        subprocess.run(command, check=True, capture_output=True)
        for path in (to, self.folder / f"{name}.key"):
            path.chmod(0o644)
        if name == "client":
            path.chmod(0o600)
        return to

    def _signed(self, name: str) -> Path:
        return self._run(
            name,
            "-CA",
            str(self.ca),
            "-CAkey",
            str(self.folder / "ca.key"),
            "-x509",
            "-subj",
            f"/CN={name}",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        )

    def key(self, certificate: Path) -> Path:
        return certificate.with_suffix(".key")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("authority")
    for each in (folder, folder.parent, folder.parent.parent):
        each.chmod(0o755)
    return Authority(folder)


def mqtt_tls(server: Server, own: Authority, mutual: bool) -> str:
    server._subscriber.disconnect()  # type: ignore[attr-defined]
    again(
        server,
        f"cafile {own.ca}",
        f"certfile {own.server}",
        f"keyfile {own.key(own.server)}",
        f"require_certificate {str(mutual).lower()}",
    )
    return f"mqtts://127.0.0.1:{server.port}/results"


def redis_tls(server: Server, own: Authority, mutual: bool) -> str:
    port, server.port = server.port, free_port()
    server.kill()
    server.more = ["--port", "0", "--tls-port", str(server.port), "--tls-cert-file", str(own.server), "--tls-key-file", str(own.key(own.server)), "--tls-ca-cert-file", str(own.ca), "--tls-auth-clients", "yes" if mutual else "no"]  # fmt: skip
    again(server, *server.more)
    assert port
    return f"rediss://127.0.0.1:{server.port}/results"


def postgresql_tls(server: Server, own: Authority, mutual: bool) -> str:
    for name, path in (("server.crt", own.server), ("server.key", own.key(own.server)), ("root.crt", own.ca)):
        to = server.folder / "data" / name
        to.write_bytes(path.read_bytes())
        to.chmod(0o600)
        if os.getuid() == 0:
            shutil.chown(to, "postgres", "postgres")
    how = "trust clientcert=verify-ca" if mutual else "trust"
    (server.folder / "data/pg_hba.conf").write_text(f"hostssl all all 127.0.0.1/32 {how}\n")
    again(server, "-c", "ssl=on", "-c", "ssl_ca_file=root.crt")
    return with_query(server.uri, "sslmode=verify-full")


def http_tls(server: Server, own: Authority, mutual: bool) -> str:
    server.kill()
    server.start()
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(own.server, own.key(own.server))
    made.load_verify_locations(own.ca)
    made.verify_mode = ssl.CERT_REQUIRED if mutual else ssl.CERT_NONE
    inner = server._server  # type: ignore[attr-defined]
    inner.socket = made.wrap_socket(inner.socket, server_side=True)
    return server.uri.replace("http:", "https:")


TLS = {"mqtt": mqtt_tls, "redis": redis_tls, "postgresql": postgresql_tls, "http": http_tls}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # clients leave the socket to the collector
@pytest.mark.parametrize("name", TLS)
def test_certificates(serve: Serve, authority: Authority, name: str) -> None:
    uri = TLS[name](serve(name), authority, False)
    if name == "http":  # nothing is tried before the first message
        publisher = Told().publisher(uri)
        put(publisher, 0, 1)
        wait_for(lambda: publisher.state == "away", "it to be seen")
        text = publisher.last_error
        publisher.close()
    else:
        text = refused(uri)
    assert "the certificate of the server is not trusted (" in text
    assert text.endswith("); name its CA with ca=FILE")
    arrives(with_query(uri, f"ca={authority.ca}"))
    if name != "http":
        assert refused(with_query(uri, f"ca={authority.client}"))
    gc.collect()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", TLS)
def test_certificates_of_clients(serve: Serve, authority: Authority, name: str) -> None:
    uri = with_query(TLS[name](serve(name), authority, True), f"ca={authority.ca}")
    publisher = Told().publisher(uri) if name != "postgresql" else None
    if publisher:
        put(publisher, 0, 1)
        wait_for(lambda: publisher.state == "away", "it to be seen")
        publisher.close()
    arrives(with_query(uri, f"cert={authority.client}&cert-key={authority.key(authority.client)}"))
    gc.collect()


# Another machine. 127.0.0.2 and 0.0.0.0 are this one, too, but not by their names.


def test_postgresql_of_another_machine_is_verified(serve: Serve, authority: Authority) -> None:
    server = serve("postgresql")
    uri = server.uri.replace("127.0.0.1", "127.0.0.2")
    (server.folder / "data/pg_hba.conf").write_text("host all all 127.0.0.0/8 trust\n")
    again(server, "-c", "listen_addresses=127.0.0.1,127.0.0.2")
    arrives(server.uri)
    assert "PostgreSQL has no TLS (" in (text := refused(uri))
    assert text.endswith("set sslmode=disable where nobody listens in the network")
    arrives(with_query(uri, "sslmode=prefer"))
    postgresql_tls(server, authority, False)
    (server.folder / "data/pg_hba.conf").write_text("host all all 127.0.0.0/8 trust\n")
    again(server, *server.more, "-c", "listen_addresses=127.0.0.1,127.0.0.2")
    assert "the certificate of the server is not trusted (" in refused(uri)
    assert "does not match host name" in refused(with_query(uri, f"ca={authority.ca}"))  # it is for 127.0.0.1
    arrives(with_query(uri, f"ca={authority.ca}&sslmode=verify-ca"))


def test_a_login_at_a_kafka_of_another_machine_has_tls(serve: Serve) -> None:
    server = serve("kafka")
    other = ",".join(host.replace("127.0.0.1", "0.0.0.0") for host in server.uri.split("/")[2].split(","))
    arrives(f"kafka://{other}/results")
    publisher = Told().publisher(f"kafka://anna:{PASSWORD}@{other}/results")
    publisher.close()
    assert publisher.state == "away"
    assert "SSL" in publisher.last_error
    assert publisher.last_error.endswith("security=SASL_PLAINTEXT logs in without TLS)")


# Secrets.


def test_nobody_sees_a_secret(serve: Serve, gst_launch: Any, tmp_path: Path, state: Path) -> None:
    """Not in the debug log, on the bus, in notifications of properties or in files; wrong and right ones alike."""
    server = serve("redis")
    again(server, "--requirepass", PASSWORD)
    (tmp_path / "secret").write_text(PASSWORD + "\n")
    source = "videotestsrc num-buffers=3 ! video/x-raw,width=64,height=48"
    web = f"http://127.0.0.1:{free_port()}/x"
    for uri, extra in {
        f"{server.uri}?password=${{BROKER_PASSWORD}}": {},
        f"{server.uri}?password=@{tmp_path}/secret": {},
        server.uri.replace("://", "://anna:${BROKER_PASSWORD}@"): {},
        f"{server.uri}?password=${{BROKER_PASSWORD}}x": {},
        f"{web}?token=${{BROKER_PASSWORD}}&secret=${{BROKER_PASSWORD}}&user=anna&password=${{BROKER_PASSWORD}}": {},
        f"{web}?token=${{WITH_LINE_FEED}}": {"WITH_LINE_FEED": PASSWORD + "\n"},
        f"{web}?secret=${{BAD}}": {"BAD": f"whsec_{PASSWORD}"},
        "redis://localhost/x?password=${AT}": {"AT": f"@{PASSWORD}"},
        f"mqtt://localhost:{free_port()}/x?user=a&password=${{BROKER_PASSWORD}}": {},
        f"postgresql://a:${{BROKER_PASSWORD}}@localhost:{free_port()}/x": {},
        f"kafka://a:${{BROKER_PASSWORD}}@localhost:{free_port()}/x?mechanism=${{BROKER_PASSWORD}}": {},
    }.items():
        done = gst_launch(
            f"-v -m {source} ! metapublish drain-timeout=0 uri={uri} ! fakesink",
            **{
                "GST_DEBUG": "*:5",
                "GST_DEBUG_NO_COLOR": "1",
                "BROKER_PASSWORD": PASSWORD,
                "XDG_STATE_HOME": str(tmp_path / "state"),
                **extra,
            },
        )
        assert "metapublish" in done.text
        lines = [line for line in done.text.splitlines() if PASSWORD in line]
        assert lines == [], uri
    for path in state.iterdir():
        assert PASSWORD.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    "uri",
    [
        f"mqtt://anna:{PASSWORD}@127.0.0.1:1/x",
        f"mqtt://anna:{PASSWORD}/x@127.0.0.1/x",
        f"mqtt://anna:{PASSWORD}?x@127.0.0.1/x",
        f"mqtt://anna:{PASSWORD}#x@127.0.0.1/x",
        f"mqtt:anna:{PASSWORD}@127.0.0.1/x",
        f"anna:{PASSWORD}@127.0.0.1/x",
        f"mqt://anna:{PASSWORD}@127.0.0.1/x",
        f"mqtt://127.0.0.1/x?password={PASSWORD}&qos=7",
        f"http://127.0.0.1/x?token={PASSWORD}%20&secret={PASSWORD}",
    ],
)
def test_a_secret_in_the_pipeline_itself_is_in_no_message(play: Any, uri: str) -> None:
    played = play(
        f'videotestsrc num-buffers=3 ! video/x-raw,width=64,height=48 ! metapublish drain-timeout=0 uri="{uri}" ! fakesink'
    )
    assert played.errors or played.warnings
    assert PASSWORD not in str((played.errors, played.warnings))


@pytest.mark.parametrize(
    ("uri", "read"),
    [
        ("mqtt://anna:pa%40ss@host/a/{source}?qos=2", "mqtt://anna:***@host/a/{source}?qos=2"),
        ("https://host/x?token=abc&secret=whsec_x&batch=5", "https://host/x?token=***&secret=***&batch=5"),
        ("postgresql://host/db?user=anna&password=abc", "postgresql://host/db?user=anna&password=***"),
        ("file:///tmp/x.jsonl", "file:///tmp/x.jsonl"),
        ("anna:pass@host", "anna:***@host"),
        (None, None),
    ],
)
def test_the_property_uri_is_read_without_secrets(uri: str | None, read: str | None) -> None:
    empycustom.register()
    element = Gst.ElementFactory.make("metapublish")
    element.set_property("uri", uri)
    assert element.get_property("uri") == read


def test_secrets_that_are_missing(tmp_path: Path) -> None:
    assert "the environment has no variable NOT_THERE; set it" in refused("redis://localhost/x?password=${NOT_THERE}")
    (tmp_path / "secret").write_bytes(b"\xff\xfe")
    assert "cannot be read (it is not UTF-8)" in refused(f"redis://localhost/x?password=@{tmp_path}/secret")
    assert f"the file of password, {tmp_path}, cannot be read (Is a directory)" in refused(
        f"redis://localhost/x?password=@{tmp_path}"
    )
