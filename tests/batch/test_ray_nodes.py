"""A node of a cluster that goes away in the middle. It is a minute of waiting at most: the death of a node is noticed late."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import duckdb
import pytest
from ray_helpers import environment, home_of_ray, wait_for

# A head that plays nothing, and two nodes with a CPU each, one of which goes away at the first line on stdin.
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
sys.stdin.readline()
cluster.shutdown()
"""

SLOW = """
import time
def process_ip(buffer, in_meta, options):
    frame = in_meta["frame"][0]
    if frame["frame_num"] == 2:
        with open(options["began"], "a") as file:
            file.write(frame["source"][-5:] + "\\n")
    time.sleep(0.2)
    return {"frame": {"number": frame["frame_num"]}}
"""


@pytest.fixture
def nodes(tmp_path):
    """Yield the environment of two nodes, the address, and what takes one of them away."""
    with home_of_ray() as home:
        env, place = environment(home), home / "address"
        command = [sys.executable, "-c", CLUSTER, str(place)]
        log = (home / "log").open("w")
        with subprocess.Popen(command, env=os.environ | env, stdin=subprocess.PIPE, stdout=log, stderr=log, text=True) as process:

            def say():
                process.stdin.write("\n")
                process.stdin.flush()

            wait_for(lambda: place.exists() and place.read_text(), 60)
            yield env, place.read_text(), say
            say()
            process.wait(60)
        log.close()


def test_a_node_that_goes_away_changes_nothing(nodes, env_with, library, videos, tmp_path):
    env, address, take_one_away = nodes
    began, out = tmp_path / "began", tmp_path / "results"
    command = [sys.executable, "-m", "empycustom", "batch", str(videos(6)), "--lib", str(library(SLOW)), "--out", str(out)]
    command += ["--options", json.dumps({"began": str(began)}), "--ray", address]
    with subprocess.Popen(
        command, env=env_with() | env, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(lambda: began.exists() and len(began.read_text().split()) == 2, 60)
        take_one_away()
        printed, errors = process.communicate(timeout=90)
    assert process.returncode == 0, errors
    assert printed == ""
    assert "2 nodes" in errors or "3 nodes" in errors
    tried = began.read_text().split()
    assert len(tried) > len({*tried}) == 6, "one was tried again"
    query = f"SELECT right(video, 5), list(number ORDER BY frame_num) FROM '{out}/frames/*.parquet' GROUP BY 1"
    assert dict(duckdb.sql(query).fetchall()) == {f"{video}.mkv": [*range(10)] for video in range(6)}
