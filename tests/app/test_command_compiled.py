"""Compiled libraries in `run` and `check`, and in stream configurations."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "emcustom"))

from compiling import WHY_NOT, build

pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
CUSTOM = {"custom-lib": "libecho.so", "options": {"vehicle_class_id": 0}}


@pytest.fixture
def echo(tmp_path):
    return build("echo", tmp_path / "libecho.so")


def attributes(ended):
    assert ended.code == 0, ended.err
    return [document["frame"][0]["emcustom"] for document in ended.documents]


@pytest.mark.parametrize("workers", [[], ["--workers", "1"]])
def test_run(cli, echo, workers):
    ended = cli("run", "test", "--lib", echo.name, *workers, "--options", '{"a": 1}', "--frames", "2")
    assert [each["options"] for each in attributes(ended)] == [{"a": 1}] * 2
    assert "libecho.so  2 calls" in ended.err


def test_check(cli, echo):
    ended = cli("check", echo.name, "--options", '{"a": 1}')
    assert ended.code == 0, ended.err
    assert "  start(options)\n  process_ip(io_buffer, in_meta, options, events)\n  stop(options)\n" in ended.out
    assert '"options": {"a": 1}' in ended.out


@pytest.mark.parametrize("key", ["emcustom", "empycustom"])
def test_a_configuration(cli, configured, echo, key):
    name = configured({key: {**CUSTOM, "format": "I420"}})
    checked = cli("check", name, "--source", "test")
    assert checked.code == 0, checked.err
    assert "/libecho.so: process_ip, I420\n" in checked.out

    (found,) = attributes(cli("run", name, "--source", "test", "--frames", "1"))
    assert found["options"] == {"vehicle_class_id": 0}
    assert found["in_meta"]["buffer"]["format"] == "I420"


def test_the_interface_in_a_configuration(cli, configured, tmp_path):
    build("echo", tmp_path / "libecho.so", "-DINTERFACE=1")
    (found,) = attributes(cli("run", configured({"emcustom": {**CUSTOM, "interface": 1}}), "--source", "test", "--frames", "1"))
    assert set(found) == {"in_meta"}


def test_what_crashes_in_check_is_reported(cli, tmp_path):
    build("wrong", tmp_path / "lib.so", "-DACTION=*(volatile int *) 0 = 1")
    ended = cli("check", "lib.so")
    assert ended.code == 1
    said = "empycustom: error: lib.so ended the process that loads and calls it (killed by SIGSEGV); a debugger shows where: "
    assert ended.err.startswith(said)
    as_json = cli("check", "lib.so", "--json")
    assert json.loads(as_json.out)["error"]["message"].startswith(said.removeprefix("empycustom: error: "))
