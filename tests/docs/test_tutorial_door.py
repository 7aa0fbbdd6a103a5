"""docs/tutorials/door.md does what it shows, with its own PostgreSQL and its own MQTT broker; so do the queries of its dashboard."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "publish"))

from blocks import DOCS, Reader, blocks_of, clone, user_env
from servers import Mqtt, PostgreSql

TUTORIALS = DOCS / "tutorials"
# What Grafana makes of these, where all cameras are chosen.
STANDS_FOR = {"$__timeFilter(time)": "time BETWEEN now() - interval '1 hour' AND now()", "($camera)": "('door.mp4')"}


def rows_of_panels(database):
    """Return the first row that each panel of the dashboard shows, as the user of the database sees it."""
    import psycopg

    found = {}
    with psycopg.connect(f"postgresql://door@127.0.0.1:{database.port}/door") as connection:
        for panel in json.loads((TUTORIALS / "door-dashboard.json").read_text(encoding="utf-8"))["panels"]:
            (query,) = [target["rawSql"] for target in panel["targets"]]
            for name, text in STANDS_FOR.items():
                query = query.replace(name, text)
            found[panel["title"]] = connection.execute(query).fetchall()
    return found


def test_what_the_tutorial_shows_is_what_happens(serve, gst_env, tmp_path):
    database, broker = serve(PostgreSql), serve(Mqtt)
    database.query("CREATE ROLE door LOGIN")
    database.query("CREATE DATABASE door OWNER door")
    env = user_env(gst_env, tmp_path / "registry")
    env |= {"PGPORT": str(database.port), "XDG_CONFIG_HOME": str(tmp_path)}  # where libpq and mosquitto_sub find the ports
    (tmp_path / "mosquitto_sub").write_text(f"-p {broker.port}\n")
    reader = Reader(clone(tmp_path / "reader"), env, play=None)
    for block in blocks_of(TUTORIALS / "door.md"):
        # The broker of a reader has the usual port.
        reader.follow(replace(block, text=block.text.replace("mqtt://localhost/", f"mqtt://localhost:{broker.port}/")))
    assert "<b>3</b>came in" in (tmp_path / "reader/door.html").read_text(encoding="utf-8")
    panels = rows_of_panels(database)
    assert (panels["Came in"], panels["Went out"], panels["Inside"]) == ([(3,)], [(3,)], [(0,)])
    assert sum(came for _, came, _ in panels["Crossings each minute"]) == 3
    assert panels["The last crossings"][0][1:] == ("door.mp4", "door", "out")
