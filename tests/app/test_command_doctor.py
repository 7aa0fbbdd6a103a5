"""`empycustom doctor`, in environments that really are broken."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import _cffi_backend
import orjson
import pytest
from command_helpers import SRC

import empycustom
from empycustom.app.commands import plugin_path

SYSTEM = "/usr/bin/python3"


@pytest.fixture
def env(env, tmp_path):
    """A registry of each test's own: what fails here may not be remembered where others look."""
    return {**env, "GST_REGISTRY": str(tmp_path / "registry")}


def found(ended, level, text):
    """Return whether there is a line of a level that contains ``text``, with the lines below it."""
    blocks = ended.out.replace("\n         ", " ").splitlines()
    return any(line.startswith(level) and text in line for line in blocks)


def make_venv(folder: Path, *settings: str) -> Path:
    subprocess.run([SYSTEM, "-m", "venv", "--without-pip", *settings, str(folder)], check=True)
    return folder / "bin" / "python"


def test_a_good_machine_has_no_problems(cli, env):
    ended = cli("doctor", GST_PLUGIN_PATH=str(plugin_path()))

    assert ended.code == 0, ended.out
    assert "no problems" in ended.out
    assert found(ended, "ok", "gst-inspect-1.0 finds the element empycustom")
    assert found(ended, "ok", "GST_PLUGIN_PATH contains")
    assert ended.err == ""


SCRIPT = Path(sys.prefix, "bin", "empycustom")


@pytest.mark.skipif(not SCRIPT.exists(), reason="the tests run in a virtual environment without the command")
@pytest.mark.parametrize("way", ["on PATH", "by its path", "as a module", "another on PATH"])
def test_the_commands_that_it_advises_work_as_they_are_printed(env, tmp_path, way):
    (tmp_path / "bin").mkdir()
    (tmp_path / "my env").symlink_to(sys.prefix)
    command = {"by its path": [f"{tmp_path}/my env/bin/empycustom"], "as a module": [sys.executable, "-m", "empycustom"]}
    path = str(SCRIPT.parent) if way == "on PATH" else str(tmp_path / "bin")
    if way == "another on PATH":
        (tmp_path / "bin/empycustom").write_text("#!/bin/sh\necho the wrong one\n")
        (tmp_path / "bin/empycustom").chmod(0o755)
    env = {**env, "PATH": f"{path}{os.pathsep}/usr/bin:/bin", "GST_PLUGIN_PATH": ""}
    words = command.get(way, [str(SCRIPT)] if way == "another on PATH" else ["empycustom"])
    done = subprocess.run([*words, "doctor"], env=env, cwd=tmp_path, capture_output=True, text=True, check=False)

    (advice,) = [line.strip(" ->") for line in done.stdout.splitlines() if "export GST_PLUGIN_PATH=" in line]
    shown = subprocess.run(
        ["bash", "-c", f"{advice}; echo $GST_PLUGIN_PATH"], env=env, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (shown.stdout.strip(), shown.stderr) == (str(plugin_path()), "")
    assert ("$(empycustom plugin-path)" in advice) == (way == "on PATH")


def test_as_json(cli, env):
    ended = cli("doctor", "--json", GST_PLUGIN_PATH="")
    told = cli("doctor", GST_PLUGIN_PATH="")

    assert (ended.code, ended.err) == (0, "")
    whole = json.loads(ended.out)
    assert set(whole) == {"empycustom", "problems", "warnings", "findings"}
    assert whole["empycustom"] == empycustom.__version__
    assert {tuple(finding) for finding in whole["findings"]} == {("check", "level", "text", "fix", "details")}
    assert {"python", "packages", "gi", "bindings", "elements", "nvidia", "loader"} <= {
        each["check"] for each in whole["findings"]
    }
    levels = [finding["level"] for finding in whole["findings"]]
    assert (levels.count("problem"), levels.count("warning")) == (whole["problems"], whole["warnings"]) == (0, 1)
    for finding in whole["findings"]:
        assert f"{finding['level']:8} {finding['text']}\n" in told.out
    (warning,) = [finding for finding in whole["findings"] if finding["level"] == "warning"]
    assert warning["fix"].startswith("export GST_PLUGIN_PATH=")


def test_as_json_where_little_works(begin, tmp_path):
    ended = begin("doctor", "--json", python=str(make_venv(tmp_path / "venv"))).end()

    assert (ended.code, ended.err) == (1, "")
    whole = json.loads(ended.out)
    assert whole["problems"] == sum(finding["level"] == "problem" for finding in whole["findings"]) > 1


def test_whether_a_library_can_have_workers(cli, env, tmp_path):
    assert found(cli("doctor"), "ok", "A library can run in a process of its own (workers=1).")
    command = ["bash", "-c", f"ulimit -n 14; exec {sys.executable} -m empycustom doctor"]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    (line,) = [line for line in done.stdout.splitlines() if "process of its own" in line]
    assert line.startswith("warning  A library cannot run in a process of its own: ")
    assert "Too many open files" in line


def test_whether_libraries_can_be_reloaded(cli, begin, env, tmp_path):
    assert found(cli("doctor"), "ok", "watchfiles ")
    ended = begin("doctor", python=str(make_venv(tmp_path / "venv", "--system-site-packages"))).end()
    assert found(ended, "ok", "watchfiles is not installed, and only reload=true needs it: ")


def test_which_extras_are_there(cli, begin, tmp_path):
    """All of the project that commands and libraries need; what is missing is named once for each, with one command."""
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    names = ("reload", "studio", "metrics", "batch", "ray", "libs", "vision", "completion")
    tables = {name: re.search(rf"^{name} = \[\n(.*?)^\]", project, re.MULTILINE | re.DOTALL)[1] for name in names}
    wanted = {name: set(re.findall(r'^ +"([\w-]+)', text, re.MULTILINE)) - {"empycustom"} for name, text in tables.items()}
    here = cli("doctor").out
    ended = begin("doctor", python=str(make_venv(tmp_path / "venv", "--system-site-packages"))).end()
    for extra, packages in wanted.items():
        assert [name for name in packages if not re.search(rf"\b{name}\b", here)] == [], extra
        assert [name for name in packages if not re.search(rf"\b{name}\b", ended.out)] == [], extra
    assert found(ended, "ok", "supervision is not installed, and only empycustom.to_detections needs it: ")
    assert found(ended, "ok", "and only empycustom.libs needs them: ")
    assert len(re.findall("not installed, and only batch needs", ended.out)) == 1


def test_which_clients_of_publishing_are_there(cli, begin, tmp_path):
    """They are those of the extras of publishing; an interpreter without them names each."""
    (line,) = [line for line in cli("doctor").out.splitlines() if "Clients of metapublish: " in line]
    names = {each.rsplit(" ", 1)[0] for each in line.partition(": ")[2].split(", ")}
    schemes = ("mqtt", "kafka", "redis", "http", "postgresql")
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert names == {re.search(rf'^{scheme} = \[\s*"([\w-]+)', project, re.MULTILINE)[1] for scheme in schemes}
    ended = begin("doctor", python=str(make_venv(tmp_path / "venv", "--system-site-packages"))).end()
    for scheme in schemes:
        assert found(ended, "ok", f" is not installed, and only {scheme}:// needs it: ")


def test_an_environment_without_the_systems_packages(begin, tmp_path):
    python = make_venv(tmp_path / "venv")
    ended = begin("doctor", python=str(python)).end()

    assert ended.code == 1
    assert found(ended, "problem", "does not see the system's packages")
    assert found(ended, "problem", "write include-system-site-packages = true into pyvenv.cfg")
    assert found(ended, "problem", "PyGObject cannot be imported")
    assert found(ended, "problem", "numpy cannot be imported")
    assert ended.err == "", "the doctor works where nothing else does"


def test_every_command_reports_that_gi_is_missing(begin, tmp_path, library):
    python = make_venv(tmp_path / "venv")
    (tmp_path / "packages").mkdir()
    for installed in (Path(orjson.__file__).parent, Path(_cffi_backend.__file__)):  # by pip, as the package needs them
        (tmp_path / "packages" / installed.name).symlink_to(installed)
    path = f"{tmp_path / 'packages'}{os.pathsep}{SRC}"
    run = ("run", "test", "--lib", library("def process_ip(b, m, o): pass\n"))
    ended = begin(*run, python=str(python), PYTHONPATH=path).end()

    assert ended.code == 1
    assert "GStreamer's Python bindings are not there" in ended.err
    assert "empycustom doctor" in ended.err
    assert "Traceback" not in ended.err


def test_another_environment_is_first_on_path(begin, env, tmp_path):
    make_venv(tmp_path / "other", "--system-site-packages")  # of the right version, without NumPy
    path = f"{tmp_path / 'other' / 'bin'}{os.pathsep}{env['PATH']}"
    ended = begin("doctor", PATH=path).end()

    assert sys.prefix != sys.base_prefix, "the tests run in a virtual environment"
    assert found(ended, "ok", f"with the packages of {tmp_path / 'other'}")
    assert found(ended, "problem", "because it is not active; it lacks numpy, cffi, orjson (")
    assert found(ended, "problem", f"-> source {sys.prefix}/bin/activate")
    assert ended.out.count("/bin/activate") == 1, "one finding for what one command repairs"
    assert "Traceback" not in ended.out
    assert ended.out.count("\nproblem ") == 1
    assert found(ended, "warning", "export GST_PLUGIN_PATH=$(")


def test_the_loaders_python_has_no_gi(begin, env, tmp_path):
    make_venv(tmp_path / "other")
    path = f"{tmp_path / 'other' / 'bin'}{os.pathsep}{env['PATH']}"
    ended = begin("doctor", PATH=path).end()

    assert ended.code == 1
    assert found(ended, "problem", f"does not work with the first python3 on PATH, {tmp_path / 'other'}")
    assert found(ended, "problem", "cannot import gi; put an environment first on PATH that can")


def test_a_failure_that_the_registry_remembers(cli, env, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "_cffi_backend.py").write_text("raise ImportError('broken for a while')\n")
    registry = tmp_path / "poisoned.bin"
    setting = {"GST_PLUGIN_PATH": str(plugin_path()), "GST_REGISTRY": str(registry)}
    command = ["gst-inspect-1.0", "empycustom"]
    poison = {**env, **setting, "PYTHONPATH": f"{broken}{os.pathsep}{SRC}"}
    poisoned = subprocess.run(command, env=poison, capture_output=True, text=True, check=False)
    before = registry.read_bytes()
    ended = cli("doctor", **setting)

    assert poisoned.returncode != 0
    assert ended.code == 1
    assert found(ended, "problem", f"Your registry remembers that the element could not be loaded once: {registry}")
    assert found(ended, "problem", f"rm {registry}")
    assert registry.read_bytes() == before, "the doctor changes nothing"

    registry.unlink()
    assert subprocess.run(command, env={**env, **setting}, capture_output=True, check=False).returncode == 0


def test_the_loader_cannot_load_our_code(cli, env, tmp_path):
    (tmp_path / "_cffi_backend.py").write_text("raise ImportError('broken on purpose')\n")
    ended = cli("doctor", PYTHONPATH=f"{tmp_path}{os.pathsep}{SRC}")

    assert ended.code == 1
    assert found(ended, "problem", "cffi cannot be imported: broken on purpose")
    assert found(ended, "problem", "gst-inspect-1.0 does not find the element empycustom")
    assert ended.out.count("Traceback") == 1, "of the three loader files, one traceback is enough"


def test_libgomp_without_room(cli, env, tmp_path):
    text = "/usr/lib/x86_64-linux-gnu/libgomp.so.1: cannot allocate memory in static TLS block"
    (tmp_path / "cv2.py").write_text(f"raise ImportError({text!r})\n")
    ended = cli("doctor", PYTHONPATH=f"{tmp_path}{os.pathsep}{SRC}")

    assert ended.code == 1
    assert found(ended, "problem", "cannot allocate memory in static TLS block")
    assert found(ended, "problem", "export LD_PRELOAD=/")
    path = ended.out.partition("LD_PRELOAD=")[2].splitlines()[0]
    assert Path(path).is_file()


def test_without_gstreamers_tools(begin, env, tmp_path):
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    ended = begin("doctor", PATH=str(bin_folder)).end()

    assert ended.code == 1
    assert found(ended, "problem", "apt install gstreamer1.0-tools")


MUXER = """
from gi.repository import Gst, GstBase

class Muxer(GstBase.BaseTransform):
    __gstmetadata__ = ("Muxer", "Filter", "Is called like DeepStream's", "tests")
    __gsttemplates__ = Gst.PadTemplate.new("sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, Gst.Caps.new_any())

__gstelementfactory__ = ("nvstreammux", Gst.Rank.NONE, Muxer)
"""


def test_deepstream_is_named_where_its_muxer_is(cli, env, tmp_path):
    """An element of that name, which is all that the doctor looks for."""
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "muxer.py").write_text(MUXER)
    with_it = cli("doctor", GST_PLUGIN_PATH=f"{plugin_path()}{os.pathsep}{tmp_path}", GST_REGISTRY=str(tmp_path / "registry"))
    assert found(with_it, "ok", "DeepStream ")
    assert "DeepStream" not in cli("doctor", GST_PLUGIN_PATH=str(plugin_path())).out


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LANG": "C"}, {"LANG": ""}, {"LC_CTYPE": "C"}], ids=str)
def test_the_c_locale(cli, locale, monkeypatch):
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    ended = cli("doctor", **locale)

    assert found(ended, "warning", "The locale is C, in which the loader's Python reads and writes text files as ASCII")
    assert "-> export LC_ALL=C.UTF-8" in ended.out
    assert "The locale is C" not in cli("doctor", LC_ALL="C.UTF-8").out


@pytest.fixture
def fake_driver(tmp_path):
    """Compile the fake driver of the tests of GPU memory; return the environment in which it is NVIDIA's."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc, which compiles the fake driver, is not installed")

    def compiled(*options):
        source = Path(__file__).parents[1] / "nvmm" / "fake_cuda.c"
        command = ["gcc", "-shared", "-fPIC", "-w", *options, "-o", str(tmp_path / "libcuda.so.1"), str(source)]
        subprocess.run(command, check=True)
        return {"LD_LIBRARY_PATH": str(tmp_path)}

    return compiled


def test_the_driver_and_its_gpus(cli, fake_driver):
    ended = cli("doctor", **fake_driver())

    assert ended.code == 0, ended.out
    assert found(ended, "ok", "NVIDIA's driver")
    assert found(ended, "ok", "for CUDA up to 13.2")
    assert found(ended, "ok", "GPU 0: Fake GPU 0, 16.0 GiB")
    assert found(ended, "ok", "GPU 1: Fake GPU 1, 32.0 GiB")
    assert found(ended, "ok", "No DeepStream (nvvideoconvert, nvv4l2decoder, libnvds_meta.so, libnvbufsurface.so)")
    assert ended.err == ""


def test_a_driver_without_a_gpu(cli, fake_driver):
    ended = cli("doctor", **fake_driver(), FAKE_CUDA_FAILS="cuInit")

    assert ended.code == 0, "all else works without one"
    assert found(ended, "warning", "NVIDIA's driver cannot be used: CUDA_ERROR_NO_DEVICE (no CUDA-capable device is detected)")
    assert found(ended, "warning", "--gpus all")


def test_a_driver_that_ends_the_process(cli, fake_driver):
    ended = cli("doctor", **fake_driver("-DBROKEN"))

    assert ended.code == 0, ended.out
    assert found(ended, "warning", "called NVIDIA's driver and loaded NVIDIA's libraries ended by signal 6")
    assert found(ended, "ok", "gst-inspect-1.0 finds the element empycustom"), "the doctor goes on"


def test_deepstream_in_part(cli, tmp_path):
    """A library that is not one stands for one of a version that lacks something."""
    (tmp_path / "libnvbufsurface.so").write_text("broken")
    ended = cli("doctor", LD_LIBRARY_PATH=str(tmp_path))

    assert found(ended, "warning", "DeepStream is incomplete; nvvideoconvert, nvv4l2decoder, libnvds_meta.so, libnvbufsurface.so")
