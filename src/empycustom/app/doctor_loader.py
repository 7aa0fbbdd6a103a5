"""Checks of ``empycustom doctor``: what gst-launch-1.0 and other programs need to find the elements.

GStreamer's loader of Python elements is asked itself: a child process makes it import a small file that reports what it finds
after the steps of our own loader files, with its own registry. The user's registry is checked in a copy.
"""

from __future__ import annotations

import codecs
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from empycustom.app.commands import plugin_path
from empycustom.app.doctor_python import install
from empycustom.packages import (
    OK,
    PROBLEM,
    SYSTEM_PYTHON,
    WARNING,
    Finding,
    Fix,
    Output,
    apt,
    can_import,
    own_command,
    python_version,
    run,
    same_folder,
)

_PLUGIN_PATH = "GST_PLUGIN_PATH"
_ANSWER = "EMPYCUSTOM_DOCTOR_ANSWER"
_PACKAGES = ("numpy", "cffi", "orjson", "gi", "empycustom")
_LOADER = "gstreamer1.0-python3-plugin-loader"
_TRACEBACK = "Traceback (most recent call last):"
_ACTIVATE = f"source {sys.prefix}/bin/activate"
_NEW_ENVIRONMENT = f"{SYSTEM_PYTHON} -m venv --system-site-packages .venv"
_QUESTION = f"""\
import json, locale, os, sys
sys.path.append({str(plugin_path().parents[1])!r})
from empycustom.loading import use_environment
use_environment()
def error(name):
    try:
        __import__(name)
    except BaseException as error:
        return f"{{type(error).__name__}}: {{error}}"
answer = {{"version": "%d.%d" % sys.version_info[:2], "prefix": sys.prefix, "errors": {{n: error(n) for n in {_PACKAGES}}}}}
answer["encoding"] = locale.getpreferredencoding(False)
with open(os.environ["{_ANSWER}"], "w") as file:
    json.dump(answer, file)
"""


@dataclass(frozen=True)
class Loader:
    """Results with a new registry: whether the loader works, the answer of its Python (None: nothing), and the element."""

    works: bool
    answer: dict[str, Any] | None
    element: Output


def check_loader() -> Iterator[Finding]:
    """Check that the loader works, its Python has the packages, and it loads the element."""
    if run("gst-inspect-1.0", "--version").code is None:
        yield Finding(
            PROBLEM, "gst-inspect-1.0 is missing, so that the other checks are not possible.", apt("gstreamer1.0-tools")
        )
        return
    loader = _ask_loader()
    if not loader.works:
        yield (
            _broken_loader(loader)
            if _is_beside_plugins("libgstpython.so")
            else Finding(PROBLEM, "GStreamer has no loader for elements in Python.", apt(_LOADER))
        )
        return
    yield Finding(OK, "The loader for elements in Python is installed.")
    yield from _about_its_python(loader)
    yield from _about_path()
    if loader.element.code == 0 or not _lacking(loader):  # else it follows from what is above
        yield from _about_element(loader)


def _ask_loader() -> Loader:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "python").mkdir()
        (folder / "python" / "empycustom_doctor_question.py").write_text(_QUESTION, encoding="utf-8")
        answer = folder / "answer.json"
        fresh = {"GST_REGISTRY": str(folder / "registry.bin"), _ANSWER: str(answer)}
        path = os.pathsep.join([name, str(plugin_path())])
        element = run("gst-inspect-1.0", "empycustom", **fresh, **{_PLUGIN_PATH: path})
        works = run("gst-inspect-1.0", "--plugin", "python", **fresh, **{_PLUGIN_PATH: path}).code == 0
        return Loader(works, json.loads(answer.read_text()) if answer.exists() else None, element)


def _is_beside_plugins(name: str) -> bool:
    """Return whether a file is in the folder of GStreamer's own plugins, as that of the loader is."""
    core = re.search(r"Filename\s+(\S+)", run("gst-inspect-1.0", "coreelements").stdout)
    return core is not None and (Path(core[1]).parent / name).exists()


def _broken_loader(loader: Loader) -> Finding:
    first = shutil.which("python3") or "none"
    if can_import(first, "gi"):
        text = "some versions of it need libpython's development package: {}"
        fix = apt(f"libpython{python_version(first)}-dev", text=text)
    else:
        fix = Fix(f"{first} cannot import gi; put an environment first on PATH that can: {_NEW_ENVIRONMENT}")
    text = f"The loader for elements in Python is installed, but does not work with the first python3 on PATH, {first}."
    return Finding(PROBLEM, text, fix, loader.element.stderr.strip())


def _about_its_python(loader: Loader) -> Iterator[Finding]:
    if loader.answer is None:
        yield Finding(PROBLEM, "The loader does not run any Python file.", apt("--reinstall", _LOADER), loader.element.stderr)
        return
    version, prefix = loader.answer["version"], loader.answer["prefix"]
    first = shutil.which("python3") or "no python3"
    yield Finding(OK, f"The loader runs Python {version} with the packages of {prefix}.")
    on_path = python_version(first)
    if on_path != version:
        yield Finding(
            PROBLEM,
            f"The first python3 on PATH ({first}) is {on_path or 'not usable'}, the loader's {version}: their packages differ.",
            f"put an environment first on PATH that was made by {SYSTEM_PYTHON}: {_NEW_ENVIRONMENT}",
        )
    yield from _about_its_encoding(loader.answer["encoding"])
    yield from _about_its_packages(prefix, _lacking(loader))


def _lacking(loader: Loader) -> dict[str, str]:
    """Return which packages the loader's Python cannot import, each with the error."""
    return {name: error for name, error in loader.answer["errors"].items() if error} if loader.answer else {}


def _about_its_encoding(encoding: str) -> Iterator[Finding]:
    """Check the locale: in the C locale GStreamer's Python, unlike others, uses ASCII."""
    if codecs.lookup(encoding).name == "ascii":
        yield Finding(
            WARNING,
            "The locale is C, in which the loader's Python reads and writes text files as ASCII: open() in a library fails with "
            "other text. Paths, documents and the output of libraries are UTF-8 in any case.",
            'export LC_ALL=C.UTF-8\nor: write open(path, encoding="utf-8") in the library',
        )


def _about_its_packages(prefix: str, lacking: dict[str, str]) -> Iterator[Finding]:
    """Check that they can be imported; what one command repairs is one finding."""
    if not lacking:
        yield Finding(OK, f"The loader's Python has {', '.join(_PACKAGES)}.")
    if "gi" in lacking:
        yield Finding(PROBLEM, f"The loader's Python cannot import gi: {lacking['gi']}.", apt("python3-gi"))
    others = [name for name in lacking if name != "gi"]
    if not others:
        return
    first = f"{', '.join(others)} ({lacking[others[0]]})"
    if sys.prefix != sys.base_prefix and not same_folder(prefix, sys.prefix):
        text = f"The loader does not use this virtual environment, {sys.prefix}, because it is not active; it lacks {first}."
        yield Finding(PROBLEM, text, _ACTIVATE)
    else:
        fix = install(*others, executable=f"{prefix}/bin/python3", prefix=prefix)
        yield Finding(PROBLEM, f"The loader's Python cannot import {first}.", fix)


def _about_path() -> Iterator[Finding]:
    folders = os.environ.get(_PLUGIN_PATH, "").split(os.pathsep)
    if any(folder and same_folder(folder, plugin_path()) for folder in folders):
        yield Finding(OK, f"{_PLUGIN_PATH} contains {plugin_path()}")
    elif sys.prefix == sys.base_prefix and _is_beside_plugins("python/gstempycustom.py"):  # the Debian package
        yield Finding(OK, f"Every program that uses GStreamer finds the elements, without {_PLUGIN_PATH}.")
    else:
        text = f"{_PLUGIN_PATH} does not contain {plugin_path()}. Only gst-launch-1.0 needs it; `empycustom` does not."
        yield Finding(WARNING, text, f"export {_PLUGIN_PATH}=$({own_command()} plugin-path)${{{_PLUGIN_PATH}:+:${_PLUGIN_PATH}}}")


def _about_element(loader: Loader) -> Iterator[Finding]:
    if loader.element.code != 0:
        yield Finding(
            PROBLEM,
            "gst-inspect-1.0 does not find the element empycustom.",
            "fix the other problems, then run the doctor again",
            _traceback(loader),
        )
        return
    yield Finding(OK, "gst-inspect-1.0 finds the element empycustom.")
    path, registry = os.environ.get(_PLUGIN_PATH, ""), registry_file()
    if not path or not registry.exists():
        return
    with TemporaryDirectory() as name:
        copy = shutil.copy2(registry, Path(name, "registry.bin"))
        found = run("gst-inspect-1.0", "empycustom", GST_REGISTRY=str(copy)).code == 0
    if found:
        yield Finding(OK, f"It also does with your registry, {registry}.")
    elif any(folder and same_folder(folder, plugin_path()) for folder in path.split(os.pathsep)):
        text = f"Your registry remembers that the element could not be loaded once: {registry}."
        fix = Fix(f"rm {registry}\nor: touch {plugin_path()}/python", "rm", str(registry))
        yield Finding(PROBLEM, text, fix)


def _traceback(loader: Loader) -> str:
    """Return the output of gst-inspect-1.0; of several tracebacks, the one of our element."""
    parts = loader.element.stderr.split(_TRACEBACK)
    ours = [part for part in parts if "gstempycustom.py" in part]
    return _TRACEBACK + ours[-1].rstrip() if ours else (loader.element.stderr or loader.element.stdout).strip()


def registry_file() -> Path:
    """Return the registry that GStreamer uses in this environment."""
    for variable in ("GST_REGISTRY_1_0", "GST_REGISTRY"):
        if os.environ.get(variable):
            return Path(os.environ[variable])
    home = os.path.expanduser("~")
    cache = os.environ.get("XDG_CACHE_HOME") or Path("/" if home == "~" else home, ".cache")  # as GLib does without a home
    return Path(cache, "gstreamer-1.0", f"registry.{platform.machine()}.bin")
