"""Make a release from the last commit, into ``dist/``: check it, build it twice, install it, try it, list its parts.

    python3 tools/release.py           # everything but the tag
    python3 tools/release.py --check   # only look whether the tree is clean and the versions are equal
    python3 tools/release.py --tag     # the date has to be in the changelog then; the tag is made here, and not pushed

Source distribution and wheel are built in two folders, with other permissions and times of files; their bytes have to be equal.
The time in them is that of the last commit (SOURCE_DATE_EPOCH). The SBOM is in the form of CycloneDX: the packages of Python that
every installation has, and what the wheel has from others (tools/vendor.py).
"""

# ruff: noqa: T201 - a script prints

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
TOOLS = (
    "build>=1",  # source distribution and wheel
    "hatchling>=1.27",  # what `build` calls; here, so that both builds have the same one
    "twine>=6",  # reads the metadata as the index does
    "cyclonedx-bom>=5",  # the SBOM
)
_VERSION = r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(rc[1-9]\d*)?"
_BRIGHTNESS = """import empycustom
def process_ip(io_buffer, in_meta, options):
    with empycustom.map_frame(io_buffer, in_meta) as frame:
        return {"frame": {"brightness": round(frame.rgb.mean())}}
"""


class ReleaseError(Exception):
    """What keeps a release from being made, with what to do."""


def run(*command: str | Path, cwd: Path = ROOT, **variables: str) -> str:
    """Run a command and return what it prints. Raises ReleaseError with all that it printed."""
    line = [*map(str, command)]
    done = subprocess.run(line, cwd=cwd, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"`{' '.join(line)}` failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def version() -> str:
    """Return the version of the package. Raises ReleaseError where it is not a semantic one."""
    text = (ROOT / "src/empycustom/__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.*)"$', text, re.MULTILINE)
    if not found or not re.fullmatch(_VERSION, found[1]):
        said = found[1] if found else "not there"
        raise ReleaseError(f"src/empycustom/__init__.py: __version__ is {said}; write it as 1.2.3, or 1.2.3rc1")
    return found[1]


def check_changelog(expected: str, *, dated: bool) -> None:
    """Raise ReleaseError where the changelog does not begin with this version, or has no date although it needs one."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = re.search(r"^## (\S+) \((.*)\)$", text, re.MULTILINE)
    if not found or found[1] != expected:
        first = found[0] if found else "no version"
        raise ReleaseError(
            f"CHANGELOG.md begins with `{first}`, but __version__ is {expected}: "
            f"write `## {expected} (YYYY-MM-DD)`, or `(unreleased)`"
        )
    if dated and not re.fullmatch(r"\d{4}-\d\d-\d\d", found[2]):
        raise ReleaseError(f"CHANGELOG.md: `{found[0]}` has no date: write it in the place of `{found[2]}`, and commit that")


def check_tree() -> None:
    """Raise ReleaseError where the tree differs from the last commit."""
    if changed := run("git", "status", "--porcelain").rstrip():
        raise ReleaseError(f"the tree is not clean; commit this, or remove it:\n{changed}")


def check_no_tag(tag: str) -> None:
    """Raise ReleaseError where the tag exists."""
    if run("git", "tag", "--list", tag).strip():
        raise ReleaseError(f"the tag {tag} exists: raise __version__")


def environment(folder: Path, *packages: str | Path, system: bool = False) -> Path:
    """Make a new virtual environment with these packages; return the folder of its commands."""
    run("/usr/bin/python3", "-m", "venv", *(["--system-site-packages"] if system else []), folder)
    run(folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages)
    return folder / "bin"


def unpack(archive: Path, folder: Path, *, mask: int, time: int) -> None:
    """Unpack the last commit, with permissions and times that differ from those of another unpacking."""
    trusted = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}  # there since Python 3.11.4
    with tarfile.open(archive) as files:
        for member in files:
            member.mtime = time
            member.mode &= ~mask
            files.extract(member, folder, **trusted)


def build(tools: Path, scratch: Path, commit: str) -> list[Path]:
    """Build a commit twice, compare, and return the two files in ``dist/``."""
    archive, epoch = scratch / "commit.tar", run("git", "log", "-1", "--format=%ct", commit).strip()
    run("git", "archive", "--output", archive, commit)
    made = []
    for name, mask, time in (("one", 0o022, 1_000_000_000), ("another/and deeper", 0o077, 1_600_000_000)):
        source, out = scratch / name / "source", scratch / name / "dist"
        unpack(archive, source, mask=mask, time=time)
        line = f'umask {mask:03o} && exec "$@"'
        command = (tools / "python", "-m", "build", "--no-isolation", "--outdir", out, source)
        run("sh", "-c", line, "sh", *command, cwd=scratch, SOURCE_DATE_EPOCH=epoch)
        made.append(sorted(out.iterdir()))
    for one, other in zip(*made, strict=True):
        if one.read_bytes() != other.read_bytes():
            raise ReleaseError(f"two builds of {one.name} differ; compare them with diffoscope: {one} {other}")
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    return [Path(shutil.copy(file, DIST)) for file in made[0]]


def try_out(wheel: Path, scratch: Path) -> None:
    """Install the wheel as a user does, let the doctor look, make a video, and play it through a library."""
    commands = environment(scratch / "user", wheel, system=True)
    command = commands / "empycustom"
    (scratch / "brightness.py").write_text(_BRIGHTNESS)
    # What activating the environment sets: GStreamer's loader takes the first python3 on PATH.
    variables = {"PATH": f"{commands}:{os.environ['PATH']}", "VIRTUAL_ENV": str(commands.parent)}
    variables["GST_REGISTRY"] = str(scratch / "registry")
    variables["GST_PLUGIN_PATH"] = run(command, "plugin-path", cwd=scratch, **variables).strip()
    print(run(command, "doctor", cwd=scratch, **variables).splitlines()[-1])
    run(command, "run", "test", "--frames", "30", "--save", "ball.mp4", cwd=scratch, **variables)
    documents = run(command, "run", "ball.mp4", "--lib", "brightness.py", cwd=scratch, **variables).splitlines()
    if len(documents) != 30 or not all("brightness" in json.loads(line)["frame"][0]["emcustom"] for line in documents):
        raise ReleaseError(f"30 documents with a brightness were expected, not:\n{documents}")


def vendored() -> list[dict[str, object]]:
    """Return what the wheel has from others, as components of CycloneDX."""
    spec = importlib.util.spec_from_file_location("vendor", ROOT / "tools/vendor.py")
    assert spec
    assert spec.loader
    vendor = sys.modules["vendor"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(vendor)
    if wrong := vendor.problems():
        raise ReleaseError("\n".join(wrong))
    return [
        {
            "type": "library",
            "bom-ref": f"pkg:npm/{package.name}@{package.version}",
            "purl": f"pkg:npm/{package.name}@{package.version}",
            "name": package.name,
            "version": package.version,
            "licenses": [{"license": {"id": package.license}}],
            "components": [
                {"type": "file", "name": name, "hashes": [{"alg": "SHA-256", "content": found}]}
                for name, found in package.files.items()
            ],
        }
        for package in vendor.PACKAGES
    ]


def bill_of_materials(tools: Path, wheel: Path, scratch: Path) -> Path:
    """Write the SBOM: what pip installs with the wheel, and what is in it."""
    installed = environment(scratch / "plain", wheel)
    run(installed / "python", "-m", "pip", "uninstall", "--quiet", "--yes", "pip", "setuptools")
    made = scratch / "sbom.json"
    run(
        tools / "cyclonedx-py", "environment", installed / "python", "--pyproject", ROOT / "pyproject.toml",
        "--output-reproducible", "--output-file", made,
    )  # fmt: skip
    content = json.loads(made.read_text(encoding="utf-8"))
    content["metadata"]["component"] |= {"version": version(), "components": vendored()}
    # The wheel was installed from a file, whose path here concerns nobody.
    content["components"] = [part for part in content["components"] if part["name"] != "empycustom"]
    path = DIST / f"empycustom-{version()}.cdx.json"
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def write_hashes(files: list[Path]) -> None:
    """Write SHA256SUMS, which ``sha256sum --check`` reads."""
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(files)]
    (DIST / "SHA256SUMS").write_text("".join(lines))
    print("".join(lines), end="")


BY_HAND = ("make deb", "make container", "make walk-tutorials")  # each takes many minutes, and makes root file systems


def release(arguments: argparse.Namespace) -> None:
    """Do what the command line asks for. Raises ReleaseError."""
    number = version()
    check_changelog(number, dated=arguments.tag)
    check_tree()
    commit = run("git", "rev-parse", "HEAD").strip()  # others may follow while this one is tried
    if arguments.tag:
        check_no_tag(f"v{number}")
    if arguments.check:
        return
    with tempfile.TemporaryDirectory(prefix="empycustom-release-") as folder:
        scratch = Path(folder)
        tools = environment(scratch / "tools", *TOOLS)
        files = build(tools, scratch, commit)
        print(f"two builds of {number} have the same bytes")
        run(tools / "python", "-m", "twine", "check", "--strict", *files)
        wheel = next(file for file in files if file.suffix == ".whl")
        try_out(wheel, scratch)
        files.append(bill_of_materials(tools, wheel, scratch))
    write_hashes(files)
    print(f"neither this nor CI has tried the following, do so before you publish: {', '.join(BY_HAND)}")
    if arguments.tag:
        run("git", "tag", "--annotate", f"v{number}", "--message", f"empycustom {number}", commit)
        print(f"the tag v{number} is made; `git push origin v{number}` publishes it")


def main() -> str | None:
    """Read the command line; return what is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--check", action="store_true", help="only look whether the tree is clean and the versions are equal")
    chosen.add_argument("--tag", action="store_true", help="make the tag in the end; it is not pushed")
    try:
        release(parser.parse_args())
    except ReleaseError as error:
        return f"release: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main())
