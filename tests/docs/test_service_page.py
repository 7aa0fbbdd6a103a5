"""The unit of docs/service.md is one that systemd accepts, and its commands start, answer and end as the page says."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from blocks import DOCS, blocks_of, user_env

from ports import free_port

ENVIRONMENT = Path(sys.prefix)


@pytest.fixture
def files(tmp_path):
    """A folder with the files of the page, whose environment and folder of configurations are those of the tests."""
    for block in blocks_of(DOCS / "service.md"):
        if block.name:
            text = block.text.replace("/opt/empycustom", str(ENVIRONMENT)).replace("/etc/empycustom", str(tmp_path))
            (tmp_path / block.name).write_text(text)
    return tmp_path


def command(files, key):
    """Return a command of the unit, as it is for the instance ``entrance``."""
    unit = (files / "empycustom@.service").read_text().replace("\\\n", "")
    found = re.search(rf"^{key}=(.*)$", unit, re.MULTILINE)
    return shlex.split(found[1].replace("%i", "entrance"))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed here: apt install systemd")
def test_systemd_accepts_the_unit(files):
    line = ["systemd-analyze", "verify", "--man=no", files / "empycustom@.service"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "empycustom" in line]
    assert ours == []
    assert done.returncode == 0, done.stderr


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=2).status == 200
    except OSError:  # also where it ends a connection
        return False


def test_its_commands_check_play_answer_and_end(files, gst_env, tmp_path):
    env = user_env(gst_env, tmp_path / "registry")
    subprocess.run(command(files, "ExecStartPre"), env=env, cwd=files, check=True, capture_output=True, timeout=60)
    port = free_port()
    line = [str(port) if part == "9464" else part for part in command(files, "ExecStart")]
    with subprocess.Popen(line, env=env, cwd=files, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as service:
        until = time.monotonic() + 60
        while not answers(f"http://127.0.0.1:{port}/healthz"):
            assert service.poll() is None, service.communicate()
            assert time.monotonic() < until
            time.sleep(0.2)
        service.send_signal(signal.SIGTERM)
        printed = service.communicate(timeout=60)
    assert [str(service.returncode)] == command(files, "SuccessExitStatus"), printed
    assert printed[1] == ""  # what the log would have
