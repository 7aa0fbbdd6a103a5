"""``empycustom new``: write a file, or a folder, to start from. The templates are beside, as code; they are run by the tests."""

from __future__ import annotations

import json
import shutil
import sys
from argparse import Namespace
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from empycustom.errors import LaunchError
from empycustom.packages import own_command, same_folder
from empycustom.session.console import show
from empycustom.text import as_path, as_text, shell_word, visible

TEMPLATES = Path(__file__).with_name("templates")
CONFIGURATION, SCHEMA = "emi_stream_config.json", "emi_stream_config.schema.json"
_LIBRARY = "my_lib.py"  # the name in the templates
_MODULES = {*sys.stdlib_module_names, "cffi", "empycustom", "gi", "numpy", "orjson", "tqdm"}


@dataclass(frozen=True)
class Kind:
    """What ``--kind`` may be.

    ``files`` has the template of each file, by its name; "" is the name that was typed, and the schema has no template. ``after``
    are the commands that come next, with {name} for what was typed. ``kept`` are files that stay as they are where they exist.
    """

    what: str
    files: dict[str, str]
    after: tuple[str, ...]
    ending: str = ".py"
    kept: tuple[str, ...] = ()


_CHECK, _RUN = "{empycustom} check {name}", "{empycustom} run test --lib {name} --frames 3"
_PROJECT = ("my_lib.py", "test_my_lib.py", "README.md")
_EDITOR = ("launch.json", "settings.json", "empycustom.code-snippets")
KINDS = {
    "measure": Kind("a library that measures frames and objects (the default)", {"": "measure.py"}, (_CHECK, _RUN)),
    "detector": Kind("a library that finds objects", {"": "detector.py"}, (_CHECK, _RUN)),
    "draw": Kind(
        "a library that draws into frames",
        {"": "draw.py"},
        (_CHECK, "{empycustom} run test --lib {name} --frames 50 --save drawn.mp4"),
    ),
    "sink": Kind("a library that sends results to where you need them", {"": "sink.py"}, (_CHECK, _RUN)),
    "process": Kind("a program that plays a video and works with the results", {"": "process.py"}, ("{python} {name}",)),
    "config": Kind(
        "a stream configuration, with its schema for editors",
        {"": "config.json", SCHEMA: "", _LIBRARY: "measure.py"},
        (_CHECK, "{empycustom} run {name} --frames 3"),
        ending=".json",
        kept=(_LIBRARY, SCHEMA),
    ),
    "project": Kind(
        "a folder with library, tests, configuration and .vscode",
        {
            **{name: f"project/{name}" for name in _PROJECT},
            CONFIGURATION: "config.json",
            SCHEMA: "",
            **{f".vscode/{name}": f"project/vscode/{name}" for name in _EDITOR},
        },
        ("cd {name}", "{empycustom} check my_lib.py", "{empycustom} check emi_stream_config.json", "{python} -m pytest"),
        ending="",
    ),
}


def main(args: Namespace) -> int:
    """Write the files and print the next commands. Raises LaunchError rather than overwrite a file without --force."""
    kind, typed = KINDS[args.kind], as_path(args.file)
    _check_name(kind, typed)
    if not args.force:
        _refuse_module(kind, typed)
    folder = typed.parent if kind.ending else typed
    texts = {(folder / name if name else typed): _text(template, typed.absolute().name) for name, template in kind.files.items()}
    kept = [folder / name for name in kind.kept if (folder / name).exists()]
    for path in kept:
        show(f"{visible(str(path))} is there already, and stays as it is.")
    _write({path: text for path, text in texts.items() if path not in kept}, force=args.force)
    show(_written([path for path in texts if path not in kept], folder=None if kind.ending else typed))
    name = as_text(typed)
    name = f"./{name}" if name.startswith("-") else name  # which is no option
    places = {"empycustom": own_command(), "python": _own_python(), "name": shell_word(name)}
    for command in kind.after:
        show(f"  {command.format(**places)}")
    return 0


def _write(texts: Mapping[Path, str], *, force: bool) -> None:
    """Write all files, or none. Raises LaunchError, OSError."""
    for path in texts:
        if path.is_dir():
            raise LaunchError(f"{path} is a folder, and a file is to be written there; choose another name.")
        if path.exists() and not force:
            raise LaunchError(f"{path} exists; choose another name, or overwrite it with --force.")
    new = [path for path in texts if not path.exists()]
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError:
        for path in new:
            with suppress(OSError):  # that one was not written
                path.unlink()
        raise


def _refuse_module(kind: Kind, typed: Path) -> None:
    """Raise LaunchError where programs in the folder would take the file for a module that they need: none would start there."""
    if kind.ending == ".py" and typed.stem in _MODULES:
        raise LaunchError(
            f"{typed} has the name of a module, and Python programs in that folder would import it in place of the module; "
            f"try {typed.with_name(f'my_{typed.name}')}, or write it all the same with --force."
        )


def _check_name(kind: Kind, typed: Path) -> None:
    """Raise LaunchError if this cannot be the name of such a file, or of the folder of a project."""
    if kind.ending and typed.suffix != kind.ending:
        example = _LIBRARY if kind.ending == ".py" else CONFIGURATION
        better = typed.with_suffix(kind.ending) if typed.name.strip(".") else typed / example
        language = "Python" if kind.ending == ".py" else "JSON"
        raise LaunchError(f"{typed} must end in {kind.ending}, because it is a {language} file; try {better}.")
    if not kind.ending and typed.suffix in (".py", ".json") and not typed.exists():
        raise LaunchError(f"{typed} would be a folder, because a project is one; try {typed.with_suffix('')}.")
    if kind.ending == ".json" and typed.name == SCHEMA:
        raise LaunchError(f"{typed} is the name of the schema, which is written as well; try {typed.with_name(CONFIGURATION)}.")
    if kind.ending and typed.is_dir():
        raise LaunchError(f"{typed} is a folder; name a file in it.")
    if not kind.ending and typed.exists() and not typed.is_dir():
        raise LaunchError(f"{typed} is a file; a project is a folder: choose another name.")


def _text(template: str, name: str) -> str:
    """Return what is written for a template; "" is the schema of configurations. ``name`` is that of the file or folder."""
    if not template:
        from empycustom.config.schema import json_schema

        return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    if template.startswith("project/"):
        return text.replace("# my_project", f"# {visible(name)}", 1)
    return text.replace(_LIBRARY, _in_docstring(name)) if template.endswith(".py") and name.endswith(".py") else text


def _in_docstring(name: str) -> str:
    """Return the name of a file, quoted for a shell and for a docstring."""
    return shell_word(name).replace("\\", "\\\\").replace('"', '\\"')


def _written(paths: list[Path], folder: Path | None) -> str:
    names = [visible(str(path.relative_to(folder) if folder else path)) for path in paths]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    if folder:
        return f"{visible(str(folder))} is written, with {listed}. Next:"
    return f"{listed} {'is' if len(names) == 1 else 'are'} written. Next:"


def _own_python() -> str:
    """Return how a shell starts this Python."""
    for name in ("python", "python3"):
        found = shutil.which(name)
        if found and sys.prefix != sys.base_prefix and same_folder(Path(found).parent, Path(sys.executable).parent):
            return name
    return shell_word(sys.executable)
