"""docs/errors.md: each message about publishing is provoked, and each that is provoked stands there."""

from __future__ import annotations

import socket
import sqlite3
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "publish"))

from error_rows import compare
from servers import Http, Mqtt, Redis, wait_for

import empycustom
from empycustom.gstreamer import Gst
from empycustom.outputs.queued import QueuedOutput
from empycustom.publish.spool import Spool
from ports import free_port

SOURCE = "videotestsrc num-buffers={} ! video/x-raw,format=RGBA,width=64,height=48,framerate=30/1"
LIVE = "videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=30/1"
AT_START = (
    "",
    "uri=results",
    "uri=mqtt://a:b/c@localhost/x",
    "uri=mqt://localhost/x",
    "uri=file:///tmp/x.jsonl?selct=objects",
    "uri=file:///tmp/x.jsonl?select=all",
    "uri=mqtt://localhost:99999/x",
    "uri=mqtt://one,two/x",
    "uri=mqtt://localhost",
    "uri=file:///dev/null",
    "uri=file:///proc/x.jsonl",
    "uri=sqlite:///x.db",
    "uri=file:///tmp/nothing/x.jsonl",
    'uri="redis://${NOT_THERE}/x"',
    "uri=redis://localhost/x?password=@/proc/nothing",
    "uri=file:///tmp/x.jsonl fields=frame_nun",
    "uri=file:///tmp/x.jsonl fields=object.obj_lable",
    "uri=file:///tmp/x.jsonl select=changes watch=object.obj_label",
    'uri="mqtt://localhost/{sorce_id}"',
    'uri="mqtt://localhost/{obj_label}"',
    'uri="file:///tmp/{source}.jsonl"',
    "uri=file:///tmp/x.jsonl watch=emcustom.n",
    "uri=mqtts://localhost/x?ca=/proc/nothing",
    "uri=kafka://localhost/x?ca=/proc/nothing",
    "uri=file:///tmp/x.jsonl spool=/proc/nothing",
    "uri=sqlite:///tmp/x.db?select=gva",
    "uri=file://host/x.jsonl",
    "uri=mqtt://localhost/a/+/b",
    "uri=mqtt://localhost/x?will=a/%23",
    "uri=kafka://localhost/a%20b",
    "uri=http://localhost/x?query=%0A",
    "uri=http://localhost/x?token=a%20b",
    "uri=http://localhost/x?secret=whsec_!",
)


@pytest.fixture
def server(tmp_path):
    made = []

    def start(kind):
        folder = tmp_path / f"{kind.__name__}{len(made)}"
        folder.mkdir()
        made.append(kind(folder))
        made[-1].start()
        return made[-1]

    yield start
    for each in made:
        each.stop()


def texts(played):
    return [text for text, _ in (*played.errors, *played.warnings)]


def test_messages_are_not_published(play, gst_launch, server, tmp_path, monkeypatch, library):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def said(given, frames=5):
        return texts(play(f"{SOURCE.format(frames)} ! metapublish drain-timeout=1 {given} ! fakesink"))

    messages = [said(given)[0] for given in AT_START]

    redis = server(Redis)
    with redis.client() as client:
        client.set("text", "text")
        messages += said(f"uri={redis.uri.replace('results', 'text')}")
        client.execute_command("ACL", "SETUSER", "bob", "on", ">x", "~*", "+ping")
        messages += said(f"uri={redis.uri.replace('://', '://bob:x@')}")
        client.config_set("requirepass", "x")
    messages += said(f"uri={redis.uri}")

    messages += [said(f"uri=postgresql://0.0.0.0:{answering(byte)}/x?ca=/proc/nothing")[0] for byte in (b"N", b"S")]

    web = server(Http)
    web.answers = [500, 400]
    messages += said(f"uri={web.uri}")

    with closing(sqlite3.connect(tmp_path / "results.db")) as db:
        db.execute("CREATE TABLE results (id TEXT PRIMARY KEY)")
    messages += said(f"uri=sqlite://{tmp_path}/results.db")
    (tmp_path / "text.db").write_text("no database " * 1000)
    messages += said(f"uri=sqlite://{tmp_path}/text.db")
    file = f"uri=file://{tmp_path}/results.jsonl"
    messages += said(f"{file} ! metapublish {file}")[:1]

    gone = f"uri=redis://127.0.0.1:{free_port()}/x"
    messages += said(f"{gone} spool-size=2000", 20)
    messages += said(f"{gone} spool-size=2000 spool-full=stop", 20)
    for path in (tmp_path / "state" / "empycustom" / "spool").glob("*.sqlite"):
        path.write_text("no database " * 1000)
    messages += said(gone)

    messages += not_trusted(web, tmp_path)
    messages += away_and_back(server(Redis))
    mqtt, path = server(Mqtt), tmp_path / "deleted.jsonl"
    messages += [in_the_middle(mqtt.uri, mqtt.kill), in_the_middle(f"file://{path}", path.unlink)]
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "paho.py").write_text("raise ModuleNotFoundError('no')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "without"))
    for name in [name for name in sys.modules if name.startswith("paho")]:
        monkeypatch.delitem(sys.modules, name)
    messages += said("uri=mqtt://localhost/x")
    add = Spool.add
    monkeypatch.setattr(Spool, "add", lambda self, drafts: (time.sleep(2), add(self, drafts)))
    monkeypatch.setitem(QueuedOutput.__init__.__kwdefaults__, "most", 5)
    messages += texts(play(f"{LIVE.replace('true', 'true num-buffers=60')} ! metapublish {file} ! fakesink"))
    compare("Messages are not published", messages)


def answering(byte):
    """Return the port of a server that answers a byte, once: of PostgreSQL N means that it has no TLS, S that it has."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer():
        with listener, listener.accept()[0] as line:
            line.recv(8)
            line.sendall(byte)
            line.recv(1)  # until it hangs up

    threading.Thread(target=answer, daemon=True).start()
    return listener.getsockname()[1]


def not_trusted(web, folder):
    import ssl
    import subprocess

    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        folder / "key",
        "-out",
        folder / "cert",
        "-subj",
        "/CN=x",
    ]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    web.kill()
    web.start()
    web._server.socket = context.wrap_socket(web._server.socket, server_side=True)
    pipeline = Gst.parse_launch(f"{LIVE} ! metapublish uri={web.uri.replace('http', 'https')} ! fakesink")
    pipeline.set_state(Gst.State.PLAYING)
    text = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.WARNING).parse_warning()[0].message
    pipeline.set_state(Gst.State.NULL)
    return [text.removesuffix("; messages are kept until it is back")]


def in_the_middle(uri, end):
    """Return the warning about a destination that ends while messages are sent."""
    pipeline = Gst.parse_launch(f"{LIVE} ! metapublish name=m uri={uri} ! fakesink")
    element = pipeline.get_by_name("m")
    pipeline.set_state(Gst.State.PLAYING)
    wait_for(lambda: element.get_property("stats").get_value("sent"), "a message")
    end()
    text = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.WARNING).parse_warning()[0].message
    pipeline.set_state(Gst.State.NULL)
    return text


def away_and_back(redis):
    redis.kill()
    empycustom.register()
    pipeline = Gst.parse_launch(f"{LIVE} ! metapublish name=m uri={redis.uri} ! fakesink")
    element, bus = pipeline.get_by_name("m"), pipeline.get_bus()
    pipeline.set_state(Gst.State.PLAYING)
    found = [bus.timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.WARNING).parse_warning()[0].message]
    redis.start()
    found += [bus.timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.INFO).parse_info()[0].message]
    wait_for(lambda: element.get_property("state") == "connected", "it to be back")
    pipeline.set_state(Gst.State.NULL)
    return found
