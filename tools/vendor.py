"""Fetch the JavaScript libraries of the studio's page, or look whether they still are as they were fetched.

    python3 tools/vendor.py           # needs npm and a network
    python3 tools/vendor.py --check   # needs neither

Each is a package of npm in one version, whose archive must have the hash that is given here (what npm calls its integrity). A few
of its files are kept in ``src/empycustom/studio/static/vendor``, its license among them, so that the page loads nothing from
elsewhere and nobody needs npm to use it. For a newer version change the row, run this, and write down the hashes that it prints.
"""

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "src/empycustom/studio/static/vendor"


@dataclass(frozen=True)
class Package:
    """A package of npm: its archive's SHA-512 in base64, and by their places in it the SHA-256 of the files that are kept."""

    name: str
    version: str
    license: str  # its name in SPDX
    sha512: str
    files: dict[str, str]

    def place(self, member: str) -> Path:
        """Return where a file of the archive is kept."""
        return FOLDER / self.name.lower() / Path(member).name


PACKAGES = [
    Package(  # lines over time on a canvas, 50 KB: draws thousands of points in a few milliseconds; MIT, no dependencies
        "uplot",
        "1.6.32",
        "MIT",
        "KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==",
        {
            "dist/uPlot.esm.js": "5dd9b3281aa64b461b42d9945f6adb2649d346502b12281a9ae0d46599a80eba",
            "dist/uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
            "LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
        },
    ),
]


def fetch(package: Package) -> dict[str, bytes]:
    """Return the files of a package that are kept, from npm. Raises ValueError where they are not what is written down here."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, f"{package.name}@{package.version}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("*.tgz")
        found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if found != package.sha512:
            raise ValueError(f"the archive of {package.name} {package.version} has the SHA-512 {found}, not {package.sha512}")
        with tarfile.open(archive) as members:
            files = {name: members.extractfile(f"package/{name}").read() for name in package.files}
    if problems := [problem for name in files if (problem := problem_of(package, name, files[name]))]:
        raise ValueError("\n".join(problems))
    return files


def problem_of(package: Package, name: str, content: bytes) -> str:
    """Return what is wrong with the content of a file that is kept; ``""``: nothing."""
    found = hashlib.sha256(content).hexdigest()
    expected = package.files[name]
    return "" if found == expected else f"{package.name}: {name} has the SHA-256 {found}, not {expected or 'none'}"


def problems() -> list[str]:
    """Return what is wrong with the files as they lie here."""
    places = {package.place(name): (package, name) for package in PACKAGES for name in package.files}
    wrong = [f"{path}: nothing here asks for it" for path in sorted(FOLDER.rglob("*")) if path.is_file() and path not in places]
    for path, (package, name) in places.items():
        problem = problem_of(package, name, path.read_bytes()) if path.is_file() else "it is missing"
        wrong += [f"{path}: {problem}"] if problem else []
    return wrong


def write() -> None:
    """Fetch all packages, then replace the files that are kept."""
    fetched = [(package.place(name), content) for package in PACKAGES for name, content in fetch(package).items()]
    for path, content in fetched:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def main(arguments: list[str]) -> str | None:
    """Do what the command line asks for; return what is wrong."""
    if arguments not in ([], ["--check"]):
        return __doc__
    try:
        if not arguments:
            write()
    except (ValueError, OSError, subprocess.CalledProcessError) as error:
        return f"vendor.py: {error}"
    return "\n".join(problems()) or None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
