"""What keeps tools/release.py from making a release, and the lists in root files that have to be complete. `.ci/run` makes one."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
NEEDED = ("tools/release.py", "tools/vendor.py", "src/empycustom/__init__.py", "CHANGELOG.md")


def git(folder, *arguments):
    who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path):
    """A repository with what the checks read, all committed; the version in it is 1.2.3, of 1 February 2026."""
    if not shutil.which("git"):
        pytest.skip("git is not installed here, and the release script asks it")
    for name in NEEDED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    replace(tmp_path / NEEDED[2], r'^__version__ = ".*"$', '__version__ = "1.2.3"')
    replace(tmp_path / "CHANGELOG.md", r"^## .*$", "## 1.2.3 (2026-02-01)")
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def replace(path, pattern, text):
    path.write_text(re.sub(pattern, text, path.read_text(), count=1, flags=re.MULTILINE))


def commit(folder):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Change it")


def checked(folder, *arguments):
    """Return what the script says is wrong."""
    line = [sys.executable, "-B", "tools/release.py", *(arguments or ["--check"])]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode == 0) == (done.stderr == ""), done.stderr
    return done.stderr


def test_a_clean_tree_with_equal_versions_can_be_released(repository):
    assert checked(repository) == ""


def test_a_tree_that_is_not_clean_cannot(repository):
    (repository / "more.py").touch()
    assert checked(repository) == "release: the tree is not clean; commit this, or remove it:\n?? more.py\n"


def test_nor_one_whose_changelog_has_another_version(repository):
    replace(repository / "CHANGELOG.md", r"^## .*$", "## 1.2.2 (2026-02-01)")
    commit(repository)
    assert "CHANGELOG.md begins with `## 1.2.2 (2026-02-01)`, but __version__ is 1.2.3" in checked(repository)


@pytest.mark.parametrize("version", ["1.2", "01.2.3", "1.2.3.dev1", "v1.2.3"])
def test_nor_one_whose_version_is_not_semantic(repository, version):
    replace(repository / NEEDED[2], r'^__version__ = ".*"$', f'__version__ = "{version}"')
    commit(repository)
    assert f"__version__ is {version}; write it as 1.2.3" in checked(repository)


def test_a_tag_needs_a_date_and_must_be_new(repository):
    git(repository, "tag", "v1.2.3")
    assert "the tag v1.2.3 exists" in checked(repository, "--tag")
    replace(repository / "CHANGELOG.md", r"^## .*$", "## 1.2.3 (unreleased)")
    commit(repository)
    assert "`## 1.2.3 (unreleased)` has no date" in checked(repository, "--tag")


def test_all_that_is_from_others_is_listed_with_version_and_licence():
    spec = importlib.util.spec_from_file_location("vendor_of_release", ROOT / "tools/vendor.py")
    vendor = sys.modules["vendor_of_release"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(vendor)
    page = (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\S+) \| (\S+) \| \[(\S+)\]\((\S+)\)", page, re.MULTILINE)
    assert {row[:3] for row in listed} == {(package.name, package.version, package.license) for package in vendor.PACKAGES}
    for _, _, license_, path in listed:
        assert (ROOT / path).read_text(encoding="utf-8").startswith(f"The {license_} License"), path
    declared = re.search(r'^license = "(.*?)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert set(declared.split(" AND ")) == {"Apache-2.0", *(package.license for package in vendor.PACKAGES)}


@pytest.mark.parametrize("form", ["bug", "idea", "documentation"])
def test_issue_forms_ask_for_the_doctor(form):
    content = yaml.safe_load((ROOT / f".github/ISSUE_TEMPLATE/{form}.yml").read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(content)
    fields = {field["id"]: field for field in content["body"]}
    assert fields["doctor"]["attributes"]["label"] == "Output of `empycustom doctor --json`"
    assert fields["doctor"]["attributes"]["render"] == "json"
    assert all(field["attributes"]["label"] for field in fields.values())
    assert fields["doctor"].get("validations", {}).get("required", False) == (form == "bug")
