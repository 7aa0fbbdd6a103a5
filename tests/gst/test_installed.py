"""What is distributed: the source, the wheel that is built from it, and that installed in an environment which is not active."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command, **more):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300, check=False, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def distributed(tmp_path_factory):
    """A folder with the source distribution of this checkout, and the wheel that was built from it."""
    place = tmp_path_factory.mktemp("distributed")
    run(sys.executable, "-m", "build", "--outdir", place, ROOT)
    return place


@pytest.fixture(scope="module")
def environment(distributed, tmp_path_factory):
    """A new virtual environment of the system's Python with the wheel in it."""
    place = tmp_path_factory.mktemp("installed")
    run("/usr/bin/python3", "-m", "venv", "--system-site-packages", place / "env")
    (wheel,) = distributed.glob("*.whl")
    run(place / "env" / "bin" / "python", "-m", "pip", "install", "--quiet", wheel)
    return place / "env"


def test_the_source_distribution_has_what_git_has_and_no_more(distributed):
    if not (ROOT / ".git").exists():
        pytest.skip("this is not a git checkout, so the source distribution cannot be compared with one")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    (archive,) = distributed.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        held = {name.partition("/")[2] for name in files.getnames()}
    assert held - {"PKG-INFO"} == {path for path in listed.stdout.splitlines() if (ROOT / path).exists()}


def test_the_wheel_is_pure_python_with_its_metadata(distributed):
    (wheel,) = distributed.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as files:
        names = files.namelist()
        (metadata,) = [files.read(name).decode() for name in names if name.endswith("/METADATA")]
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"empycustom"}
    assert {"empycustom/py.typed", "empycustom/gstreamer-1.0/python/gstempycustom.py"} < set(names)
    page = "src/empycustom/studio/static/"
    shipped = {str(path.relative_to(ROOT / "src")) for path in (ROOT / page).rglob("*") if path.is_file()}
    assert shipped
    assert shipped < set(names)
    licenses = {name.partition("/licenses/")[2] for name in names if "/licenses/" in name}
    assert licenses == {"LICENSE", *(str(path.relative_to(ROOT)) for path in (ROOT / page / "vendor").glob("*/LICENSE"))}
    for field in ("Summary", "Author", "License-Expression: Apache-2.0", "Requires-Python: >=3.10", "Description-Content-Type"):
        assert f"\n{field}" in metadata
    needed = [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert sorted(line.split()[1].split(">")[0] for line in needed) == ["cffi", "numpy", "orjson", "tqdm"]


def test_gst_launch_finds_the_elements_and_the_environments_packages(environment, gst_env, library, tmp_path):
    """As from within the environment: its NumPy and cffi go before those of the system, whose versions may differ."""
    lib = library(
        "import _cffi_backend, empycustom, numpy\n"
        "def process_ip(b, m, o):\n"
        "    with empycustom.map_frame(b, m) as frame:\n"
        "        return [{'mean': frame.pixels.mean(), 'from': [_cffi_backend.__file__, empycustom.__file__, numpy.__file__]}]\n"
    )
    env = {**gst_env, "PATH": "/usr/bin:/bin", "GST_REGISTRY": str(tmp_path / "registry")}
    env["GST_PLUGIN_PATH"] = run(environment / "bin" / "empycustom", "plugin-path", env=env).strip()
    env.pop("VIRTUAL_ENV", None)
    line = f"videotestsrc num-buffers=1 ! video/x-raw,format=RGBA ! empycustom in-place=true custom-lib={lib}"
    printed = run("gst-launch-1.0", "-q", *f"{line} ! aimeta silent=false ! fakesink".split(), env=env, cwd=tmp_path)
    inside = run(
        environment / "bin" / "python",
        "-c",
        "import _cffi_backend, empycustom, numpy as n; print([_cffi_backend.__file__, empycustom.__file__, n.__file__])",
    )
    assert json.loads(printed)["frame"][0]["emcustom"]["from"] == ast.literal_eval(inside)


def test_the_doctor_finds_nothing_wrong_although_it_is_not_active(environment, gst_env, tmp_path):
    """A working installation needs no fix: exit code 0 and no advice."""
    env = {**gst_env, "PATH": "/usr/bin:/bin", "GST_REGISTRY": str(tmp_path / "registry")}
    env.pop("VIRTUAL_ENV", None)
    env["GST_PLUGIN_PATH"] = run(environment / "bin" / "empycustom", "plugin-path", env=env).strip()
    said = run(environment / "bin" / "empycustom", "doctor", env=env, cwd=tmp_path)
    assert said.splitlines()[-1] == "no problems, no warnings."


def test_the_command_knows_its_version(environment):
    import empycustom

    assert run(environment / "bin" / "empycustom", "--version").strip().endswith(empycustom.__version__)
