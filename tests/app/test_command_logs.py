"""``--log-level``: what libraries and elements log, on stderr."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest
from command_helpers import TIMEOUT_S, all_of

from about_time import is_about_time

LOGS = """
import logging
logging.info("module level")
log = logging.getLogger(__name__)
def start(options):
    log.info("loaded \\x1b[31m")
    logging.warning("old weights at %s", "rtsp://me:secret@camera/x")
def process_ip(b, m, o):
    log.debug("frame %d", m["frame"][0]["frame_num"])
    log.error("no disk")
    return [{"a": 1}, {"b": 2}]
"""
OLD = "WARNING my_lib: old weights at rtsp://me:***@camera/x"
IGNORED = (
    "WARNING empycustom0: 1 of 2 entries were ignored: the frame has no objects, so only the first one counts "
    "(first at frame 0 (0:00:00.000))"
)
LINES = {
    "error": ["ERROR my_lib: no disk"],
    "warning": [OLD, "ERROR my_lib: no disk", IGNORED],
    "info": ["INFO my_lib: module level", "INFO my_lib: loaded \\u001b[31m", OLD, "ERROR my_lib: no disk", IGNORED],
}
LINES["debug"] = [
    *LINES["info"][:3],
    "DEBUG my_lib: frame 0",
    *LINES["info"][3:],
    'DEBUG empycustom0: New meta: [{"a":1},{"b":2}]',
]


def logged(text):
    """What is logged, but for what is the same each time, and the warning about slow calls."""
    lines = [line for line in text.splitlines() if re.match(r"(DEBUG|INFO|WARNING|ERROR) ", line)]
    return [
        line for line in lines if not re.search(r": (fast path|transform|Processing)|aimeta", line) and not is_about_time(line)
    ]


@pytest.mark.parametrize("level", LINES)
def test_run_shows_what_is_logged_from_the_level_on_and_stdout_holds_documents(cli, library, level):
    library(LOGS, "my_lib.py")
    ended = cli("run", "test", "--lib", "my_lib.py", "--frames", 1, "--quiet", "--log-level", level)
    assert ended.code == 0
    assert logged(ended.err) == LINES[level]
    assert [document["frame"][0]["frame_num"] for document in ended.documents] == [0]


def test_without_it_warnings_are_shown_with_level_and_name(cli, library):
    library(LOGS, "my_lib.py")
    ended = cli("run", "test", "--lib", "my_lib.py", "--frames", 1, "--quiet")
    assert ended.err.splitlines() == [OLD, "ERROR my_lib: no disk"]


def test_settings_of_a_library_hold_unless_the_command_line_sets_another_level(cli, library):
    library(f"import logging\nlogging.basicConfig(level='INFO', format='mine|%(name)s|%(message)s')\n{LOGS}", "my_lib.py")
    own = cli("run", "test", "--lib", "my_lib.py", "--frames", 1, "--quiet")
    assert [line for line in own.err.splitlines() if "weights" not in line] == [
        "mine|root|module level",
        "mine|my_lib|loaded \x1b[31m",
        "mine|my_lib|no disk",
    ]
    assert (
        logged(cli("run", "test", "--lib", "my_lib.py", "--frames", 1, "--quiet", "--log-level", "error").err) == LINES["error"]
    )


def test_launch_and_check_have_it_too(cli, library):
    library(LOGS, "my_lib.py")
    line = "videotestsrc num-buffers=1 ! empycustom custom-lib=my_lib.py in-place=true ! fakesink"
    assert logged(cli("launch", "-q", "--log-level", "info", line).err) == LINES["info"]
    checked = cli("check", "my_lib.py", "--repeat", 1, "--log-level", "info")
    assert logged(checked.err) == LINES["info"][:4]
    assert logged(checked.out) == []


def test_a_configuration_has_it_too(cli, configured, library):
    library(LOGS, "my_lib.py")
    name = configured({"empycustom": {"custom-lib": "my_lib.py", "in-place": True}})
    ended = cli("run", name, "--source", "test", "--frames", 1, "--quiet", "--out", "meta.jsonl", "--log-level", "warning")
    assert OLD in logged(ended.err)


def test_each_failure_is_logged_and_the_log_of_gstreamer_stays_where_it_is_asked_for(cli, library):
    library("def process_ip(b, m, o):\n    1 / (m['frame'][0]['frame_num'] % 2)\n")
    words = ("run", "test", "--on-error", "pass", "--lib", "lib.py", "--frames", 4, "--out", "meta.jsonl", "--log-level", "error")
    lines = [line for line in cli(*words).err.splitlines() if line.startswith("ERROR ")]
    assert [re.search(r"at frame (\d)", line)[1] for line in lines] == ["0", "2"]
    logged_by_gstreamer = cli(*words, GST_DEBUG="*empycustom*:1").err
    assert "ERROR empycustom0" not in logged_by_gstreamer
    assert logged_by_gstreamer.count("python-empycustom") == 2


def test_a_message_that_cannot_be_made_does_not_end_the_run(cli, library):
    library("import logging\ndef process_ip(b, m, o):\n    logging.error('%d', 'x')\n")
    ended = cli("run", "test", "--lib", "lib.py", "--frames", 2, "--log-level", "error")
    assert ended.code == 0
    assert "--- Logging error ---" in ended.err


def test_the_progress_bar_is_whole_around_a_line(env, library, tmp_path):
    library(
        "import logging, time\ndef process_ip(b, m, o):\n    time.sleep(0.01)\n    logging.info('at %d', m['frame'][0]['frame_num'])\n"
    )
    command = [
        sys.executable,
        "-m",
        "empycustom",
        "run",
        "test",
        "--lib",
        "lib.py",
        "--frames",
        "60",
        "--out",
        "m.jsonl",
        "--log-level",
        "info",
    ]
    terminal, stderr = pty.openpty()
    process = subprocess.Popen(command, cwd=tmp_path, env={**env, "TERM": "xterm"}, stdout=subprocess.DEVNULL, stderr=stderr)
    os.close(stderr)
    text = all_of(terminal)
    os.close(terminal)
    assert process.wait(timeout=TIMEOUT_S) == 0
    assert " frames/s]" in text
    written = [line.rpartition("\r")[2] for line in text.replace("\r\n", "\n").split("\n")]
    assert [line for line in written if "INFO lib: at" in line] == [f"INFO lib: at {number}" for number in range(60)]
