"""`empycustom doctor --fix`, in environments that really are broken, with the real apt, pip and terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import subprocess
import sys
import termios

import pytest
from command_helpers import SRC

from empycustom.app.commands import plugin_path
from empycustom.app.doctor_fix import plan_of
from empycustom.packages import OK, PROBLEM, WARNING, Finding, Fix, apt

SYSTEM = "/usr/bin/python3"


@pytest.fixture
def poisoned(env, tmp_path):
    """Let a registry remember a failure that is over; return it, and the environment in which it is used."""
    broken, registry = tmp_path / "broken", tmp_path / "poisoned.bin"
    broken.mkdir()
    (broken / "_cffi_backend.py").write_text("raise ImportError('broken for a while')\n")
    setting = {"GST_PLUGIN_PATH": str(plugin_path()), "GST_REGISTRY": str(registry)}
    own = {**env, **setting, "PYTHONPATH": f"{broken}{os.pathsep}{SRC}"}
    assert subprocess.run(["gst-inspect-1.0", "empycustom"], env=own, capture_output=True, check=False).returncode != 0
    return registry, setting


def test_yes_does_what_is_advised(cli, poisoned):
    registry, setting = poisoned
    ended = cli("doctor", "--fix", "--yes", **setting)

    assert (ended.code, ended.err) == (0, "")
    assert f"--fix does this:\n  rm {registry}\n" in ended.out
    before, after = ended.out.split("\nAfter it:\n")
    assert "Your registry remembers" in before
    assert "Your registry remembers" not in after
    assert "no problems" in after


def test_without_a_terminal_it_does_nothing(cli, poisoned):
    registry, setting = poisoned
    content = registry.read_bytes()
    ended = cli("doctor", "--fix", **setting)

    assert ended.code == 1
    assert f"  rm {registry}\n" in ended.out
    assert "Nothing is changed: --fix asks, and stdin is not a terminal; --yes does it without a question." in ended.err
    assert registry.read_bytes() == content


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("", 1), ("no", 1)])
def test_on_a_terminal_it_asks(env, poisoned, answer, code):
    _, setting = poisoned
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    done = subprocess.run(
        [sys.executable, "-m", "empycustom", "doctor", "--fix"], env={**env, **setting}, stdin=theirs, capture_output=True, text=True,
        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), timeout=120, check=False,
    )  # fmt: skip
    os.close(ours)
    os.close(theirs)

    assert done.stderr.startswith("Do it? [y/N] ")
    assert done.returncode == code
    assert ("Nothing is changed." in done.stdout) == (code == 1)
    assert ("After it:" in done.stdout) == (code == 0)


def test_what_is_left_to_the_user_is_not_listed_twice(begin, env, tmp_path):
    """An environment that is not active."""
    subprocess.run([SYSTEM, "-m", "venv", "--system-site-packages", "--without-pip", str(tmp_path / "other")], check=True)
    ended = begin("doctor", "--fix", PATH=f"{tmp_path / 'other' / 'bin'}{os.pathsep}{env['PATH']}").end()

    assert ended.out.count("/bin/activate") == 1
    assert ended.out.endswith("\n--fix can do nothing of it: what is behind -> is to be done by hand.\n")


def test_an_environment_gets_the_systems_packages(begin, tmp_path):
    subprocess.run([SYSTEM, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    ended = begin("doctor", "--fix", "--yes", python=python).end()
    before, after = ended.out.split("\nAfter it:\n")

    assert "PyGObject cannot be imported" in before
    assert "PyGObject cannot be imported" not in after
    assert "with the system's packages." in after
    assert "include-system-site-packages = true" in (tmp_path / "venv" / "pyvenv.cfg").read_text()
    assert "pip install" not in before.partition("--fix does this:")[2], "packages of the system may be enough"


@pytest.mark.skipif(
    os.geteuid() != 0, reason="sudo, without which apt needs root, does not hand on the setting by which apt only simulates"
)
def test_apt_installs_what_is_missing(begin, tmp_path):
    """The real apt simulates, and has no sources, so that nothing is fetched."""
    if shutil.which("apt-get") is None:
        pytest.skip("there is no apt here, whose packages the doctor names")
    (tmp_path / "bin").mkdir()
    for name in ("apt-get", "env", "dpkg", "python3"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    lists = tmp_path / "lists" / "partial"
    lists.mkdir(parents=True)
    settings = {"APT::Get::Simulate": "true", "Dir::Etc::sourcelist": "/dev/null", "Dir::Etc::sourceparts": "/dev/null"}
    settings["Dir::State::lists"] = str(lists.parent)
    (tmp_path / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    ended = begin("doctor", "--fix", "--yes", PATH=str(tmp_path / "bin"), APT_CONFIG=str(tmp_path / "apt.conf")).end()

    lines = [line.strip() for line in ended.out.partition("--fix does this:\n")[2].splitlines()]
    assert lines[0] == "apt-get update"
    assert lines[1].startswith("env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends ")
    assert "gstreamer1.0-tools" in lines[1].split()
    assert "gstreamer1.0-tools is already the newest version" in ended.err, "the output of apt"
    assert ended.code == 1, "it is installed, and not on this PATH"
    assert "not all is fixed" in ended.err


def test_a_command_that_fails_ends_it(begin, tmp_path):
    """This environment sees neither numpy nor pip, and its file is as it should be."""
    subprocess.run([SYSTEM, "-m", "venv", "--without-pip", "--system-site-packages", str(tmp_path / "venv")], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    (tmp_path / "pip.py").write_text("raise SystemExit(3)\n")
    ended = begin("doctor", "--fix", "--yes", python=python, PYTHONPATH=f"{tmp_path}{os.pathsep}{SRC}").end()

    (command,) = [
        line.strip()
        for line in ended.out.splitlines()
        if line.startswith("  ") and " -m pip install " in line and "->" not in line
    ]
    assert ended.code == 1
    assert f"`{command}` ended with exit code 3; what was to be done after it is not done." in ended.err
    assert "After it:" not in ended.out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [(["--yes"], "--yes belongs to --fix, and there is none"), (["--json", "--fix"], "--json only reports; do it without --fix")],
)
def test_what_does_not_go_together(cli, words, complaint):
    ended = cli("doctor", *words)
    assert (ended.code, complaint in ended.err) == (2, True)


def test_what_is_planned():
    hand = Finding(WARNING, "no path", "export GST_PLUGIN_PATH=…")
    findings = [
        Finding(OK, "fine", apt("not-needed")),
        Finding(PROBLEM, "a", apt("python3-gi", "python3-gst-1.0")),
        hand,
        Finding(PROBLEM, "b", apt("python3-gi")),
        Finding(PROBLEM, "c", Fix("pip install numpy", "pip", "/v/bin/python", "numpy")),
        Finding(PROBLEM, "d", Fix("pip install cffi", "pip", "/v/bin/python", "cffi")),
        Finding(PROBLEM, "e", Fix("rm it", "rm", "/registry")),
    ]
    install = (
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "install",
        "--yes",
        "--no-install-recommends",
        "python3-gi",
        "python3-gst-1.0",
    )
    others = [("rm", "/registry"), ("/v/bin/python", "-m", "pip", "install", "numpy", "cffi")]

    root = plan_of(findings, is_root=True, has={"apt-get"}.__contains__)
    user = plan_of(findings, is_root=False, has={"apt-get", "sudo"}.__contains__)
    assert root.commands == [("apt-get", "update"), install, *others]
    assert user.commands == [("sudo", "apt-get", "update"), ("sudo", *install), *others]
    assert root.by_hand == user.by_hand == [hand]
    for nobody in ({"apt-get"}, {"sudo"}):
        plan = plan_of(findings, is_root=False, has=nobody.__contains__)
        assert plan.commands == others
        assert [finding.text for finding in plan.by_hand] == ["a", "no path", "b"]
