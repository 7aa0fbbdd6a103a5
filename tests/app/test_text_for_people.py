"""What a person reads, on stderr, on the console or in a report: no passwords, and nothing that a terminal would obey."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest
from command_helpers import LIB, SAYS

OBEYED = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
BAD = "\x1b[31mred\x9b1m\u202e\u2028\x7f"
ESCAPED = "\\u001b[31mred\\u009b1m\\u202e\\u2028\\u007f"
RAISES = f"def process_ip(b, m, o):\n    raise ValueError({BAD + chr(10) + 'next'!r})\n"
URIS = [
    "://user:SECRET@host/x",
    "://user:SEC@RET@host/x",
    "://user:SEC RET@host/x",
    "://user:SEC/RET@host/x",
    "://us/er:SECRET@host/x",
    "://us@er:SECRET@host/x",
    "://us er:SECRET@host/x",
    "://:SECRET@host/x",
    "://user:SECRET#SEC?RET@host/x",
    "://SECRET@host/x",
    "://host/x?password=SECRET",
    "://host/x?user=me&pwd=SEC RET&a=1",
    "://host/x?token=SECRET#part",
    "://host/x?api_key=SEC%20RET",
]


def is_plain(ended):
    assert "Traceback (most recent call last)" not in ended.err or "process_ip" in ended.err
    return OBEYED.search(ended.text) is None


@pytest.mark.parametrize("uri", URIS)
def test_passwords_are_not_printed(capsys, library, uri, configured, tmp_path, monkeypatch):
    """If GStreamer refuses the URI, nothing reads it, or it is in a configuration."""
    from empycustom.app.main import main

    monkeypatch.chdir(tmp_path)
    lib = str(library(SAYS))
    config = configured({"empycustom": LIB})
    for command in (
        ["run", f"foo{uri}", "--lib", lib],
        ["run", config, "--source", f"foo{uri}"],
        ["run", uri.removeprefix("://"), "--lib", lib] if ":" in uri[3:] else ["run", config],
        ["launch", f'filesrc location="rtsp{uri}" ! fakesink'] if "SEC RET" not in uri or "@" in uri else ["run", config],
    ):
        code = main(command)
        said = capsys.readouterr().err
        assert code == 1, command
        assert "SEC" not in said, said
        assert "RET" not in said, said


def test_passwords_are_not_printed_while_it_plays(cli, library):
    """GStreamer's own messages name the URI, in the debug information as well."""
    library(SAYS)
    for uri in ("rtsp://user:SEC@RET@127.0.0.1:1/x", "http://127.0.0.1:1/x?token=SECRET"):
        for command in (["run", uri, "--lib", "lib.py"], ["launch", "uridecodebin", f"uri={uri}", "!", "fakesink"]):
            ended = cli(*command)
            assert ended.code == 1
            assert "SEC" not in ended.text, ended.text
            assert "RET" not in ended.text, ended.text


def test_passwords_in_exceptions_and_reports_are_not_printed(cli, library, gst_launch):
    library("def process_ip(b, m, o):\n    raise OSError('no answer of rtsp://me:SEC@RET@camera/x?key=SECRET')\n")
    for ended in (
        cli("run", "test", "--lib", "lib.py"),
        cli("check", "lib.py"),
        gst_launch("videotestsrc num-buffers=1 ! empycustom custom-lib=lib.py in-place=true ! fakesink"),
    ):
        assert ended.code != 0
        assert "rtsp://me:***@camera/x" in ended.text
        assert "SEC" not in ended.text.replace("raise OSError", ""), ended.text


def test_exceptions_do_not_reach_the_terminal_raw(cli, library, gst_launch):
    library(RAISES)
    launched = gst_launch("videotestsrc num-buffers=1 ! empycustom custom-lib=lib.py in-place=true ! fakesink")
    for ended in (cli("run", "test", "--lib", "lib.py"), cli("check", "lib.py"), launched):
        assert ended.code != 0
        assert f"process_ip raised ValueError: {ESCAPED} …" in ended.text
        assert is_plain(ended), ascii(ended.text)
    logged = gst_launch(
        "videotestsrc num-buffers=1 ! empycustom custom-lib=lib.py in-place=true on-error=pass ! fakesink",
        GST_DEBUG="*empycustom*:6",
    )
    assert ESCAPED in logged.err
    assert is_plain(logged), ascii(logged.err)


def test_documents_on_the_console_are_plain_and_mean_the_same(cli, library, gst_launch):
    library(f"def process_ip(b, m, o):\n    return [{{'label': {BAD!r}}}]\n")
    ended = cli("run", "test", "--lib", "lib.py", "--frames", 1, "--out", "-", "-q")
    launched = gst_launch(
        "-q videotestsrc num-buffers=1 ! empycustom custom-lib=lib.py in-place=true ! aimeta silent=false location=o.jsonl ! fakesink",
        GST_DEBUG="*aimeta*:6",
    )
    for found in (ended.documents, launched.documents):
        assert found[0]["frame"][0]["emcustom"] == {"label": BAD}
    assert is_plain(ended)
    assert is_plain(launched)


def test_reports_of_check_are_plain(cli, library):
    library(f"def process_ip(b, m, o):\n    return [{{'label': {BAD!r}}}]\n")
    ended = cli("check", "lib.py", "--options", json.dumps({BAD: BAD}, ensure_ascii=False))

    assert ended.code == 0
    assert ESCAPED in ended.out
    assert is_plain(ended), ascii(ended.text)


@pytest.mark.parametrize(
    "command",
    [
        ["run", f"{BAD}\n.mp4", "--lib", "lib.py"],
        ["run", "test", "--lib", f"{BAD}\n.py"],
        ["run", "test", "--lib", "lib.py", "--save", f"{BAD}\n"],
        ["run", "test", "--lib", "lib.py", "--format", f"{BAD}\n"],
        ["run", "test", "--lib", "lib.py", "--options", f'{{"a": {BAD}\n'],
        ["run", "test", "--lib", "lib.py", "--every", f"{BAD}\n"],
        [f"{BAD}\n"],
        ["run", f"{BAD}\n.json", "--source", "test"],
        ["run", "emi_stream_config.json", "--source", "test", "--set", f"{BAD}\n=1"],
        ["launch", "videotestsrc", "!", f"{BAD}\nx"],
        ["launch", f'filesrc location="{BAD}" ! fakesink'],
        ["check", f"{BAD}\n.py"],
        ["new", f"{BAD}\n"],
    ],
)
def test_what_is_typed_is_shown_plainly(cli, configured, command):
    configured({"empycustom": LIB})
    ended = cli(*command)

    assert ended.code in (1, 2)
    assert is_plain(ended), ascii(ended.text)
    ours = [line for line in ended.err.splitlines() if line.startswith(("empycustom", "ERROR: from"))]
    assert len(ours) == 1
    assert "red" in ended.err or "syntax error in the description" in ended.err


def test_configurations_are_shown_plainly(cli, tmp_path):
    name = f"{BAD}\nc.json"
    (tmp_path / name).write_text(json.dumps({"pipeline_configuration": {BAD + "\n": BAD, "input": BAD}}, ensure_ascii=False))
    ended = cli("run", name)

    assert ended.code == 1
    assert ended.err.startswith(f"empycustom: error: {ESCAPED}\\nc.json: 2 problems\n")
    assert len(ended.err.splitlines()) == 3
    assert is_plain(ended), ascii(ended.err)


def test_a_printed_line_is_plain_and_can_be_pasted(cli, library, tmp_path, gst_env):
    name = f"{BAD}'\n.py"
    library(SAYS, name)
    printed = cli("run", "test", "--frames", 1, "--lib", name, "--dry-run")

    assert printed.code == 0, printed.err
    assert printed.out.count("\n") == 1
    assert is_plain(printed), ascii(printed.out)
    done = subprocess.run(
        ["bash", "-c", printed.out], env=gst_env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert '{"said":"hello"}' in done.stdout


@pytest.mark.parametrize(
    "name", [f"{BAD}.py", "a\nb.py", 'a"""\nraise SystemExit(9)\n""".py', "a\\N{no}.py", "caf\udce9.py", "{x}.py"]
)
def test_a_new_library_runs_whatever_its_name(cli, tmp_path, name):
    ended = cli("new", name)
    checked = cli("check", name)

    assert (ended.code, checked.code) == (0, 0), checked.err
    assert is_plain(ended), ascii(ended.out)
    assert OBEYED.search((tmp_path / name).read_text()) is None
    assert os.path.exists(tmp_path / name)


def test_infos_of_a_launched_pipeline_are_plain(cli):
    """perf has the name of the element."""
    ended = cli("launch", "videotestsrc", "num-buffers=3", "!", "perf", f"name=p{BAD}", "!", "fakesink")

    assert ended.code == 0
    assert ESCAPED in ended.out
    assert is_plain(ended), ascii(ended.out)
