"""A process whose working directory is gone, that has many files open, or may write nowhere: libraries run in workers there, too."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys

import pytest

SOURCE = "gst-launch-1.0 -q videotestsrc num-buffers=3 ! video/x-raw,format=RGBA,width=16,height=16"
WRITES = """\
import os, tempfile

def process_ip(buffer, in_meta, options):
    try:
        with tempfile.TemporaryFile(dir=os.environ.get("TMPDIR", "/nowhere")):
            can_write = True
    except OSError:
        can_write = False
    return {"frame": {"is_worker": os.getsid(0) == os.getpid(), "can_write": can_write}}
"""
UNSHARE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
READ_ONLY = "mount --bind {0} {0} && mount -o remount,bind,ro {0} && cd {0}/work && ! touch there 2> /dev/null && "


@pytest.fixture
def shell(gst_env, tmp_path):
    """Run a line in a shell, in a folder of its own; variables that are None are not set."""

    def run(line, *, around=(), **variables):
        env = {**gst_env, **variables}
        env = {name: value for name, value in env.items() if value is not None}
        return subprocess.run(
            [*around, "bash", "-c", line], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False
        )

    return run


def commands(lib, workers):
    """Return lines that play three frames and print their documents."""
    lib, run = shlex.quote(str(lib)), f"{shlex.quote(sys.executable)} -m empycustom run"
    return [
        f"{SOURCE} ! empycustom in-place=true custom-lib={lib} workers={workers} ! aimeta silent=false ! fakesink",
        f"{run} test --frames 3 --quiet --lib {lib} --workers {workers}",
    ]


def played(done):
    """Return what the library said about each frame."""
    assert done.returncode == 0, done.stdout + done.stderr
    assert not any(mark in done.stderr for mark in ("CRITICAL", "Traceback", "ERROR")), done.stderr
    return [json.loads(line)["frame"][0]["emcustom"] for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("command", [0, 1], ids=["gst-launch-1.0", "empycustom run"])
@pytest.mark.parametrize("home", ["/proc/nowhere", None], ids=["that does not exist", "that is not set"])
def test_home(shell, library, home, command):
    line = commands(library(WRITES), 2)[command]
    found = played(shell(line, HOME=home, GST_REGISTRY=None, XDG_CACHE_HOME=None))
    assert [each["is_worker"] for each in found] == [True] * 3


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("command", [0, 1], ids=["gst-launch-1.0", "empycustom run"])
def test_a_working_directory_that_is_gone(shell, library, tmp_path, command, workers):
    (tmp_path / "gone").mkdir()
    done = shell(f"cd gone && rmdir ../gone && {commands(library(WRITES), workers)[command]}")
    assert [each["is_worker"] for each in played(done)] == [workers > 0] * 3


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("command", [0, 1], ids=["gst-launch-1.0", "empycustom run"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lib.py", "lib.py does not exist: the working directory is gone; give an absolute path"),
        ("no.module", "no.module is neither a file in the working directory, which is gone, nor a module that Python finds"),
    ],
)
def test_a_library_in_a_working_directory_that_is_gone_is_refused(shell, tmp_path, command, workers, name, text):
    (tmp_path / "gone").mkdir()
    done = shell(f"cd gone && rmdir ../gone && {commands(name, workers)[command]}")
    assert done.returncode != 0
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_a_module_is_found_where_the_working_directory_is_gone(shell, library, tmp_path):
    (tmp_path / "gone").mkdir()
    library(WRITES, "found/inner.py")
    for workers in (0, 2):
        for line in commands("found.inner", workers):
            (tmp_path / "gone").mkdir(exist_ok=True)
            assert len(played(shell(f"cd gone && rmdir ../gone && {line}", PYTHONPATH=str(tmp_path)))) == 3


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("command", [0, 1], ids=["gst-launch-1.0", "empycustom run"])
def test_a_program_that_has_many_files_open(shell, library, command, workers):
    """File numbers above 1,023 are not for `select`."""
    opening = "ulimit -n $(ulimit -Hn) && for n in $(seq 1100); do exec {kept}</dev/null; done && "
    done = shell(opening + commands(library(WRITES), workers)[command])
    assert [each["is_worker"] for each in played(done)] == [workers > 0] * 3


@pytest.mark.parametrize("command", [0, 1], ids=["gst-launch-1.0", "empycustom run"])
def test_folders_in_which_nothing_can_be_written(shell, library, tmp_path, command):
    """The library's, the working directory, HOME with GStreamer's cache, and TMPDIR."""
    tried = subprocess.run([*UNSHARE, "mount", "--bind", tmp_path, tmp_path], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"nothing can be mounted read-only here: {tried.stderr.strip()}")
    library(WRITES, "work/lib.py")
    line = READ_ONLY.format(shlex.quote(str(tmp_path))) + commands("lib.py", 2)[command]
    home = str(tmp_path)
    done = shell(line, around=UNSHARE, HOME=home, TMPDIR=home, GST_REGISTRY=None, XDG_CACHE_HOME=None)
    found = played(done)
    assert found == [{"is_worker": True, "can_write": False}] * 3
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["lib.py", "work"]
