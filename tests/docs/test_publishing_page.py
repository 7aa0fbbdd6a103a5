"""docs/publishing.md does what it shows, with its own PostgreSQL and its own MQTT broker."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "publish"))

from blocks import DOCS, Reader, blocks_of, clone, user_env
from servers import Mqtt, PostgreSql


def installed(project, folder, site):
    """Return a folder where Python finds the modules of a folder, and the entry points of its package, as pip installs them."""
    name, version = (re.search(rf'^{key} = "(.*)"', project, re.MULTILINE)[1] for key in ("name", "version"))
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    group, points = re.search(r'^\[project\.entry-points\."(.*)"\]\n(.*)', project, re.MULTILINE | re.DOTALL).groups()
    (info / "entry_points.txt").write_text(f"[{group}]\n{points.replace(chr(34), '')}")
    for module in re.findall(r'"(\w+):', points):
        (site / f"{module}.py").symlink_to(folder / f"{module}.py")
    return site


def test_what_the_page_shows_is_what_happens(serve, gst_env, tmp_path):
    database, broker = serve(PostgreSql), serve(Mqtt)
    database.query("CREATE ROLE cameras LOGIN")
    database.query("CREATE DATABASE cameras OWNER cameras")
    env = user_env(gst_env, tmp_path / "registry")
    env |= {"PGPORT": str(database.port), "XDG_CONFIG_HOME": str(tmp_path)}  # where libpq and mosquitto_sub find the ports
    (tmp_path / "mosquitto_sub").write_text(f"-p {broker.port}\n")
    reader = Reader(clone(tmp_path / "reader"), env, play=None)
    blocks = blocks_of(DOCS / "publishing.md")
    (project,) = [block.text for block in blocks if block.name == "pyproject.toml"]
    env["PYTHONPATH"] = str(installed(project, tmp_path / "reader", tmp_path / "site"))
    for block in blocks:
        # The broker of a reader has the usual port.
        reader.follow(replace(block, text=block.text.replace("mqtt://localhost/", f"mqtt://localhost:{broker.port}/")))
    assert list((tmp_path / "state/empycustom/spool").iterdir()) == []  # all has arrived
