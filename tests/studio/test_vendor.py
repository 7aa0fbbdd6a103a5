"""What the page has from others: the files are those that were fetched, and their licenses lie beside them."""

import dataclasses
import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def tool(tmp_path):
    """tools/vendor.py as a module, which looks at a copy of the folder."""
    spec = importlib.util.spec_from_file_location("vendor", PROJECT / "tools/vendor.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    shutil.copytree(module.FOLDER, tmp_path / "vendor")
    module.FOLDER = tmp_path / "vendor"
    return module


def test_the_files_are_as_fetched(tool):
    assert tool.main(["--check"]) is None


def test_a_changed_a_missing_and_a_foreign_file_are_told(tool):
    script, license_, foreign = (tool.FOLDER / "uplot" / name for name in ("uPlot.esm.js", "LICENSE", "more.js"))
    script.write_text(script.read_text().replace("1.6.32", "1.6.33"))
    license_.unlink()
    foreign.write_text("")
    told = tool.main(["--check"]).splitlines()
    assert len(told) == 3
    assert f"{foreign}: nothing here asks for it" in told
    assert f"{license_}: it is missing" in told
    assert any(line.startswith(f"{script}: uplot: dist/uPlot.esm.js has the SHA-256 ") for line in told)


def test_each_has_its_license_and_says_which_version_it_is(tool):
    for package in tool.PACKAGES:
        folder = tool.FOLDER / package.name
        assert "MIT License" in (folder / "LICENSE").read_text()
        assert any(f"(v{package.version})" in path.read_text()[:500] for path in folder.glob("*.js"))


def test_an_archive_that_is_another_one_is_refused(tool, monkeypatch):
    """npm is stood in for by tar: it packs something else under that name."""

    def pack(command, **options):
        folder = Path(command[command.index("--pack-destination") + 1])
        subprocess_run(["tar", "-czf", folder / "uplot.tgz", "-C", tool.FOLDER, "uplot"], check=True)

    subprocess_run = subprocess.run
    monkeypatch.setattr(tool.subprocess, "run", pack)
    before = (tool.FOLDER / "uplot/uPlot.esm.js").read_bytes()
    tool.PACKAGES = [dataclasses.replace(tool.PACKAGES[0], version="9.9.9")]
    assert tool.main([]).startswith("vendor.py: the archive of uplot 9.9.9 has the SHA-512 ")
    assert (tool.FOLDER / "uplot/uPlot.esm.js").read_bytes() == before


def test_an_unknown_argument_is_answered_with_how_to_use_it(tool):
    assert "--check" in tool.main(["--chek"])
