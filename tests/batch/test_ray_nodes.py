"""A node of a cluster that goes away in the middle. It is a minute of waiting at most: the death of a node is noticed late."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import duckdb
import pytest
from ray_helpers import environment, home_of_ray, wait_for

# A head that plays nothing, and two nodes with a CPU each, one of which goes away at the first line on stdin, and a file says so.
CLUSTER = """
import sys
from ray.cluster_utils import Cluster
checks = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 500, "health_check_failure_threshold": 3}
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, "_system_config": checks})
first, _ = cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
with open(sys.argv[1], "w") as file:
    file.write(cluster.address)
sys.stdin.readline()
cluster.remove_node(first, allow_graceful=False)
open(sys.argv[2], "w").close()
sys.stdin.readline()
cluster.shutdown()
"""

# It waits in each video, so that a node goes away in the middle of one.
WAITS = """
import os, time
def process_ip(buffer, in_meta, options):
    frame = in_meta["frame"][0]
    if frame["frame_num"] == 2:
        with open(options["began"], "a") as file:
            file.write(frame["source"][-5:] + "\\n")
        while not os.path.exists(options["go"]):
            time.sleep(0.02)
    return {"frame": {"number": frame["frame_num"]}}
"""


@pytest.fixture
def nodes(tmp_path):
    """Yield the environment of two nodes, the address, and what takes one of them away."""
    with home_of_ray() as home:
        env, place, gone = environment(home), home / "address", home / "gone"
        command = [sys.executable, "-c", CLUSTER, str(place), str(gone)]
        log = (home / "log").open("w")
        with subprocess.Popen(command, env=os.environ | env, stdin=subprocess.PIPE, stdout=log, stderr=log, text=True) as process:

            def say():
                process.stdin.write("\n")
                process.stdin.flush()

            def take_one_away():
                say()
                wait_for(gone.exists, 60)

            wait_for(lambda: place.exists() and place.read_text(), 60)
            yield env, place.read_text(), take_one_away
            say()
            process.wait(60)
        log.close()


def test_a_node_that_goes_away_changes_nothing(nodes, env_with, library, videos, tmp_path):
    env, address, take_one_away = nodes
    began, go, out = tmp_path / "began", tmp_path / "go", tmp_path / "results"
    command = [sys.executable, "-m", "empycustom", "batch", str(videos(6)), "--lib", str(library(WAITS)), "--out", str(out)]
    command += ["--options", json.dumps({"began": str(began), "go": str(go)}), "--ray", address]
    with subprocess.Popen(
        command, env=env_with() | env, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(lambda: began.exists() and len(began.read_text().split()) == 2, 60)
        take_one_away()
        go.touch()
        printed, errors = process.communicate(timeout=90)
    assert process.returncode == 0, errors
    assert printed == ""
    assert "2 nodes" in errors or "3 nodes" in errors
    tried = began.read_text().split()
    assert len(tried) > len({*tried}) == 6, "one was tried again"
    query = f"SELECT right(video, 5), list(number ORDER BY frame_num) FROM '{out}/frames/*.parquet' GROUP BY 1"
    assert dict(duckdb.sql(query).fetchall()) == {f"{video}.mkv": [*range(10)] for video in range(6)}
