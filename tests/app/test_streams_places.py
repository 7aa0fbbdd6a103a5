"""A stream configuration writes where its user decides: names of streams in names of files, and its own location."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from command_helpers import LIB

UNFIT = ["..", ".", "a/b", "/etc/x", "../x", "-rf", "a\u202eb", "\u2066x", "x" * 300, "ü" * 101]


def everything_in(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


@pytest.mark.parametrize("name", UNFIT)
def test_the_name_of_a_stream_that_is_none_of_a_file_is_refused(cli, configured, tmp_path, name):
    configured({"empycustom": LIB}, streams=[{"stream_id": name, "location": "test"}])
    (tmp_path / "out").mkdir()
    before = everything_in(tmp_path)
    ended = cli("run", "emi_stream_config.json", "--frames", 1, "--save", "out/{stream_id}/x.png")

    assert ended.code == 1
    assert ended.err.startswith("empycustom: error: --save out/{stream_id}/x.png: the stream_id ")
    assert "cannot be in the name of a file" in ended.err
    assert everything_in(tmp_path) == before


def test_a_stream_with_such_a_name_plays_where_it_is_in_no_name(cli, configured):
    configured({"empycustom": LIB}, streams=[{"stream_id": "../x", "location": "test"}])

    assert cli("run", "emi_stream_config.json", "--frames", 1, "--save", "x.png", "-q").code == 0


def test_a_stream_is_no_home_folder(cli, configured, tmp_path):
    """~root is a folder of that name here, not root's own."""
    configured({"empycustom": LIB}, streams=[{"stream_id": "~root", "location": "test"}])
    ended = cli("run", "emi_stream_config.json", "--frames", 1, "--save", "{stream_id}/x.png", "-q")

    assert ended.code == 0, ended.err
    assert (tmp_path / "~root" / "x.png").exists()


@pytest.fixture
def elsewhere(tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "precious.txt").write_text("precious")
    return folder / "precious.txt"


@pytest.mark.parametrize("way", ["absolute", "relative", "link", "home", "option"])
def test_a_location_outside_is_refused(cli, configured, tmp_path, elsewhere, way):
    location = str(elsewhere)
    if way == "relative":
        location = os.path.relpath(elsewhere, tmp_path)
    elif way == "link":
        (tmp_path / "inside").symlink_to(elsewhere.parent)
        location = f"inside/{elsewhere.name}"
    elif way == "home":
        location = f"~/{elsewhere.name}"
    if way == "option":
        key = {"element": "aimeta", "property": "location"}
        options = [{"key": key, "option_type": "gstreamer"}]
        stream = {"stream_id": "a", "location": "test", "options": [{"key": key, "value": location}]}
        configured({"empycustom": LIB, "aimeta": {}}, options=options, streams=[stream])
        place = "$.streams[0].options[0].value"
    else:
        stream = {"stream_id": "a", "location": "test"}
        configured({"empycustom": LIB, "aimeta": {"location": location}}, streams=[stream])
        place = "$.pipeline_configuration.aimeta.location"
    home = {"HOME": str(elsewhere.parent)}
    refused = cli("run", "emi_stream_config.json", "--frames", 1, **home)
    printed = cli("run", "emi_stream_config.json", "--frames", 1, "--dry-run", **home)

    assert (refused.code, printed.code, refused.out, printed.out) == (1, 1, "", "")
    assert refused.err == printed.err
    assert refused.err.startswith(
        f"empycustom: error: emi_stream_config.json: {place}: {location} lies outside of the configuration's folder and of the "
    )
    assert elsewhere.read_text() == "precious"
    allowed = cli("run", "emi_stream_config.json", "--frames", 1, "-q", "--allow-outside", **home)
    assert allowed.code == 0, allowed.err
    assert json.loads(elsewhere.read_text())["frame"]


def test_a_location_that_is_typed_is_taken(cli, configured, elsewhere):
    options = [{"key": {"element": "aimeta", "property": "location"}, "option_type": "gstreamer"}]
    configured({"empycustom": LIB, "aimeta": {}}, options=options)
    ended = cli("run", "emi_stream_config.json", "--source", "test", "--frames", 1, "-q", "--set", f"aimeta.location={elsewhere}")

    assert ended.code == 0, ended.err
    assert json.loads(elsewhere.read_text())["frame"]


@pytest.mark.parametrize("folder", ["", "conf"])
def test_a_location_inside_is_taken(cli, configured, tmp_path, folder):
    """In the working directory, and beside the configuration."""
    configured({"empycustom": LIB, "aimeta": {"location": f"{tmp_path}/{folder}/out.jsonl"}})
    (tmp_path / "conf").mkdir()
    for name in ("lib.py", "emi_stream_config.json"):
        (tmp_path / name).rename(tmp_path / "conf" / name)
    ended = cli("run", "conf/emi_stream_config.json", "--source", "test", "--frames", 1, "-q")

    assert ended.code == 0, ended.err
    assert json.loads((tmp_path / folder / "out.jsonl").read_text())["frame"]


def test_the_switch_is_for_configurations(cli, library):
    ended = cli("run", "test", "--lib", library("def process_ip(b, m, o): pass\n"), "--allow-outside")

    assert ended.code == 2
    assert "--allow-outside is for a stream configuration" in ended.err
