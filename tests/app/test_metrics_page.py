"""docs/metrics.md and the dashboard beside it say what there is; a real Prometheus asks for it, and evaluates them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from command_helpers import COUNTS, LIB, wait_for
from metrics_helpers import Client

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))

from blocks import DOCS, Reader, blocks_of, clone, user_env

from ports import free_port

PAGE = DOCS / "metrics.md"
NAMES = re.compile(r"\b(?:empycustom|process)_[a-z_]+")
_ROW = re.compile(r"^\| `(empycustom_\w+)` \| (\w+) \| ([\w, ]+) \|", re.MULTILINE)
STANDS_FOR = {"$__rate_interval": "10s", "$instance": ".*", "$stream": ".*", "$job": ".*"}


def dashboard():
    return json.loads((DOCS / "grafana-dashboard.json").read_text(encoding="utf-8"))


def expressions():
    found = [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    for name, text in STANDS_FOR.items():
        found = [each.replace(name, text) for each in found]
    return found


@pytest.fixture
def client(begin, configured, tmp_path):
    """A run with all that has metrics: workers, a signal callback, two streams, outputs, what is published."""
    pipeline = {
        "empycustom": [{**LIB, "workers": 1}, LIB],
        "publish": {"uri": f"sqlite://{tmp_path}/sent.db", "spool": str(tmp_path / "spool")},
    }
    streams = [{"stream_id": name, "location": "test"} for name in ("gate", "yard")]
    name = configured(pipeline, streams=streams, callback=COUNTS)
    found = Client()
    events = ("--events", "events.jsonl", "--out", "out.jsonl")
    running = begin("run", name, "--quiet", *events, "--metrics", found.port)
    found.wait(running)
    found.wait_for_health(200, "ok")
    wait_for(lambda: sends(found), "a message of each stream")
    yield found
    running.interrupt()
    assert running.end().code == 130


def sends(client):
    return len([name for (name, _), value in client.samples().items() if name == "publish_messages_sent_total" and value]) == 2


def test_what_it_shows_is_what_happens(gst_env, tmp_path):
    reader = Reader(clone(tmp_path / "reader"), user_env(gst_env, tmp_path / "registry"), play=None)
    port = str(free_port())
    for block in blocks_of(PAGE):
        reader.follow(replace(block, text=block.text.replace("9464", port)))
    compile((tmp_path / "reader" / "people.py").read_text(), "people.py", "exec")


def test_its_table_is_what_is_served(client):
    rows = {name: (kind, labels.split(", ")) for name, kind, labels in _ROW.findall(PAGE.read_text(encoding="utf-8"))}
    _, text = client.ask("/metrics")
    kinds = dict(re.findall(r"^# TYPE (empycustom_\w+) (\w+)$", text, re.MULTILINE))
    assert {name: kind for name, (kind, _) in rows.items()} == kinds
    for name, labels in client.samples():
        family = re.sub("_(bucket|sum|count)$", "", f"empycustom_{name}")
        assert {label for label, _ in labels} - {"le"} == set(rows[family][1]), name
    assert {re.sub("_(bucket|sum|count)$", "", f"empycustom_{name}") for name, _ in client.samples()} == set(rows)


def test_the_dashboard_and_the_alerts_name_what_is_served(client):
    _, text = client.ask("/metrics")
    served = set(re.findall(r"^(\w+)[{ ]", text, re.MULTILINE))
    alerts = "".join(block.text for block in blocks_of(PAGE) if block.name == "alerts.yml")
    named = NAMES.findall(" ".join(expressions()) + re.sub(r'"[^"]*"', "", alerts))
    assert len(set(named)) > 20
    assert set(named) <= served
    queries = [each["query"]["query"] for each in dashboard()["templating"]["list"] if each["type"] == "query"]
    assert set(NAMES.findall(" ".join(queries))) <= served
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(dashboard()["panels"])


@pytest.fixture
def prometheus(client, tmp_path):
    """A Prometheus with the configuration of the page, which asks every second; return a function that queries it."""
    if not shutil.which("prometheus"):
        pytest.skip("Prometheus is not here: apt install prometheus")
    files = {block.name: block.text for block in blocks_of(PAGE) if block.name.endswith(".yml")}
    files["prometheus.yml"] = files["prometheus.yml"].replace("9464", str(client.port)).replace(": 5s", ": 1s")
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    port = free_port()
    command = ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", f"--web.listen-address=127.0.0.1:{port}"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:

        def query(expression):
            asked = f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
            try:
                with urllib.request.urlopen(asked, timeout=30) as answer:
                    return json.load(answer)["data"]["result"]
            except urllib.error.HTTPError as error:
                with error:
                    said = error.read().decode()
                if error.code != 503:  # it has just begun
                    pytest.fail(f"{expression}: {said}")
                return None
            except OSError:
                assert process.poll() is None, process.stdout.read()
                return None

        yield query
        process.terminate()
        process.communicate(timeout=60)


def test_a_real_prometheus_collects_and_evaluates(client, prometheus, tmp_path):
    found = []

    def finds(expression):
        found[:] = prometheus(expression) or []
        return found

    wait_for(lambda: finds("up == 1 and sum_over_time(up[1m]) >= 4"), "some scrapes")
    assert [each["metric"]["job"] for each in found] == ["empycustom"]
    wait_for(lambda: len(finds("empycustom_stream_frames_total > 0")) == 2, "frames of both")
    before = {each["metric"]["stream"]: float(each["value"][1]) for each in found}
    assert before.keys() == {"gate", "yard"}
    for expression in expressions():  # on a busy machine it may have missed the last seconds
        wait_for(lambda expression=expression: finds(expression), expression)
        assert "NaN" not in str(found) or "quantile" in expression or " / " in expression, expression
    for stream, frames in before.items():
        more = f'empycustom_stream_frames_total{{stream="{stream}"}} > {frames}'
        wait_for(lambda more=more: finds(more), more)
    for words in (["check", "config", "prometheus.yml"], ["check", "rules", "alerts.yml"]):
        done = subprocess.run(["promtool", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    linted = subprocess.run(
        ["promtool", "check", "metrics"], input=client.ask("/metrics")[1], capture_output=True, text=True, check=False
    )
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")
