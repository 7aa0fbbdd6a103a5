"""Contenders: what stands in the place of the element, as small TOML files. The built-in ones are such files, too."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.workloads import WORKLOADS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent
BASELINE, REFERENCE, OURS = "identity", "gst-python", "empycustom"
BUILT_IN = (OURS, REFERENCE, "pad-probe", "appsink-appsrc", BASELINE)
_TEXTS = ("name", "setup", "wire", "launch-plugin-path")
_TABLES = ("environment", "workloads", "left-out")


class ContenderError(ValueError):
    """A contender's file cannot be used; the message names the file, the key, and the fix."""


@dataclass(frozen=True)
class Contender:
    """What one contender puts into a pipeline, workload by workload."""

    name: str
    workloads: dict[str, str]
    """Pipeline text by the name of the workload; ``{stream}`` in it stands for the number of the stream."""
    setup: str = ""
    """``module:function``, called without arguments in the worker before any pipeline is made."""
    wire: str = ""
    """``module:function``, called with each pipeline and its workload after parsing."""
    launch_plugin_path: str = ""
    """``GST_PLUGIN_PATH`` for the workload ``start``: gst-launch-1.0 runs no ``setup``."""
    environment: dict[str, str] = field(default_factory=dict)
    path: str = ""
    """The file that describes it."""
    package: str = ""
    """Folder that the package ``empycustom`` has to be loaded from, where several are compared."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Why a workload is missing, by its name."""

    def reason(self, workload: str) -> str:
        """Return why the contender leaves the workload out."""
        return self.left_out.get(workload, "its file has no pipeline for it")

    def to_json(self) -> dict[str, Any]:
        """Return what a worker needs to know."""
        return asdict(self)


def built_in() -> list[Contender]:
    """Return this project and what it is compared with."""
    return [read_contender(HERE / "builtin" / f"{name}.toml") for name in BUILT_IN]


def read_contender(path: Path) -> Contender:
    """Read a contender's file. Raises ContenderError, naming the file, what is wrong in it, and what to write instead."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ContenderError(f"{path} cannot be read ({error.strerror}); give the path of a TOML file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ContenderError(f"{path} is not TOML: {error}; fix that place.") from error
    _check(path, content)
    here = str(path.resolve().parent)

    def text(key: str) -> str:
        return str(content.get(key, "")).replace("{here}", here)

    def table(key: str) -> dict[str, str]:
        return {name: value.replace("{here}", here) for name, value in content.get(key, {}).items()}

    return Contender(
        name=content["name"],
        workloads=table("workloads"),
        setup=text("setup"),
        wire=text("wire"),
        launch_plugin_path=text("launch-plugin-path"),
        environment=table("environment"),
        path=str(path),
        left_out=table("left-out"),
    )


def _check(path: Path, content: dict[str, Any]) -> None:
    known = (*_TEXTS, *_TABLES)
    for key in content:
        if key not in known:
            raise ContenderError(f"{path}: the key {key!r} is unknown; known are {', '.join(known)}. Remove or rename it.")
    for key in ("name", "workloads"):
        if not content.get(key):
            example = 'name = "my-element"' if key == "name" else '[workloads], and below it nothing = "my-element"'
            raise ContenderError(f"{path}: the key {key!r} is missing or empty; write, for example, {example}.")
    for key in _TEXTS:
        _check_text(path, key, content.get(key, ""))
    for key in _TABLES:
        _check_table(path, key, content.get(key, {}))
    for key in ("setup", "wire"):
        if content.get(key, ":").count(":") != 1:
            raise ContenderError(f"{path}: {key} = {content[key]!r} is not the name of a function; write it as module:function.")


def _check_text(path: Path, key: str, value: Any) -> None:
    if not isinstance(value, str):
        raise ContenderError(f"{path}: {key} = {value!r} is not a string; put it in quotes.")


def _check_table(path: Path, key: str, table: Any) -> None:
    if not isinstance(table, dict):
        raise ContenderError(f"{path}: {key} is not a table; write [{key}] on a line of its own and its entries below it.")
    for name, value in table.items():
        _check_text(path, f"{key}.{name}", value)
        if key != "environment" and name not in WORKLOADS:
            raise ContenderError(
                f"{path}: there is no workload {name!r} (in [{key}]); known are {', '.join(WORKLOADS)}. Rename or remove it."
            )
