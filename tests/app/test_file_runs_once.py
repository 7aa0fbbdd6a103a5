"""The file of a library runs once for each element: a model is loaded once, a name is registered once."""

from __future__ import annotations

import pytest
from command_helpers import COUNTS

NOTES = """\
with open("runs.txt", "a") as file:
    print(__file__, file=file)
"""
BOTH = NOTES + (
    "made = []\ndef start(options): made.append('start')\ndef stop(options): made.append('stop'); print(made)\n"
    "def process_ip(b, m, o): made.append('process_ip')\ndef process(b, m, o): made.append('process'); return b, None\n"
)


@pytest.fixture
def runs(tmp_path):
    """Count the runs of files since the last look."""

    def count():
        file = tmp_path / "runs.txt"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return len(lines)

    return count


@pytest.mark.parametrize("callback", ["process_ip", "process"])
@pytest.mark.parametrize("words", [["run", "test", "--frames", "2", "--lib"], ["run", "test", "--dry-run", "--lib"], ["check"]])
def test_by_a_command(cli, library, runs, words, callback):
    returned = "None" if callback == "process_ip" else "b, None"
    ended = cli(*words, library(f"{NOTES}def {callback}(b, m, o):\n    return {returned}\n"))
    assert ended.code == 0, ended.err
    assert runs() == 1


def test_once_for_each_time_it_is_named(cli, library, runs):
    lib = library(
        NOTES + "count = 0\ndef process_ip(b, m, o):\n    global count\n    count += 1\n    return [{o['as']: count}]\n"
    )
    ended = cli("run", "test", "--frames", 2, "--lib", lib, "--options", '{"as": "a"}', "--lib", lib, "--options", '{"as": "b"}')
    assert ended.documents[1]["frame"][0]["emcustom"] == {"a": 2, "b": 2}, ended.err
    assert runs() == 2


def test_a_configuration(cli, configured, library, runs, tmp_path):
    library(NOTES + "def process_ip(b, m, o): pass\n", "noted.py")
    (tmp_path / "emi_signal_callback.py").write_text(NOTES + COUNTS)
    pipeline = {"empycustom": {"custom-lib": "noted.py", "in-place": True}}
    configuration = configured(pipeline, signal_callback_function_name="update")
    assert cli("run", configuration, "--source", "test", "--dry-run").code == 0
    assert runs() == 0
    ended = cli("run", configuration, "--source", "test", "--frames", 2, "--events", "events.jsonl")
    assert ended.code == 0, ended.err
    assert runs() == 2


def test_check_tries_both_callbacks_between_one_start_and_one_stop(cli, library, runs):
    ended = cli("check", library(BOTH), "--repeat", 1)
    assert ended.code == 0, ended.err
    assert "['start', 'process_ip', 'process', 'stop']" in ended.err
    order = [ended.out.index(f"  {name}(") for name in ("start", "process_ip", "process", "stop")]
    assert order == sorted(order)
    assert ended.out.count("of a frame at 30 fps") == 2
    assert runs() == 1


def test_a_file_that_cannot_run_twice_in_a_process(cli, library):
    source = (
        "import builtins\nassert not hasattr(builtins, 'registered')\nbuiltins.registered = 1\ndef process_ip(b, m, o): pass\n"
    )
    ended = cli("run", "test", "--frames", 1, "--lib", library(source))
    assert ended.code == 0, ended.err
