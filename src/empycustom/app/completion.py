"""``empycustom completion``: the script with which a shell completes our commands, made by shtab from the parser.

The shell reads it once. Completion starts no Python then, and our own start knows nothing of it.
"""

from __future__ import annotations

import argparse
from pkgutil import iter_modules
from typing import Any

from empycustom import libs
from empycustom.errors import EmPyCustomError
from empycustom.session.console import show

# What an argument may be, for each shell: words, and files with some endings. $1 is what is typed so far.
_NO_LIBRARIES = ("batching", "chosen", "network", "refusals", "shapes", "sources")  # modules that our libraries share
_LIBS = " ".join(f"empycustom.libs.{each.name}" for each in iter_modules(libs.__path__) if each.name not in _NO_LIBRARIES)
_BASH = f"""
_empycustom_file() {{
  # Bash takes @ for the beginning of a word, and of a part of it that is replaced.
  if [[ $1 == @* || ${{COMP_WORDS[COMP_CWORD-1]}} == @ ]]; then compgen -P @ -f -- "${{1#@}}"; else compgen -f -- "$1"; fi
}}
_empycustom_file_dir() {{ compgen -d -- "$1"; }}
_empycustom_file_library() {{
  compgen -W "{_LIBS}" -- "$1"; compgen -f -X '!*.py' -- "$1"; compgen -f -X '!*.so' -- "$1"; compgen -d -- "$1"
}}
_empycustom_file_checked() {{ _empycustom_file_library "$1"; compgen -f -X '!*.json' -- "$1"; }}
_empycustom_file_source() {{ compgen -W "test camera" -- "$1"; _empycustom_file "$1"; }}
"""
_ZSH = f"""
_empycustom_file() {{ compset -P @; _files }}
_empycustom_file_dir() {{ _files -/ }}
_empycustom_file_library() {{ _alternative 'modules:module:({_LIBS})' 'files:library:_files -g "*.(py|so)"' }}
_empycustom_file_checked() {{ _alternative 'modules:module:({_LIBS})' 'files:file:_files -g "*.(py|so|json)"' }}
_empycustom_file_source() {{ _alternative 'words:source:(test camera)' 'files:file:_empycustom_file' }}
"""
# The function above that completes an argument, by where its value goes, or else by its metavar.
_BY_DEST = {"libraries": "_library", "library": "_checked", "source": "_source", "sources": "_source"}
_BY_METAVAR = {"FILE": "", "FOLDER": "_dir"}


def main(args: argparse.Namespace) -> int:
    """Print the script; return 0. Raises EmPyCustomError where shtab is not installed."""
    try:
        import shtab
    except ImportError as error:
        raise EmPyCustomError(f"{error}. Scripts for shells are made by shtab: pip install 'empycustom[completion]'.") from error
    from empycustom.app.arguments import make_parser

    preamble: Any = {"bash": _BASH, "zsh": _ZSH}
    show(shtab.complete(_plain(make_parser()), shell=args.shell, preamble=preamble))
    return 0


def _plain(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Return a parser with the same arguments in argparse's own classes, by which shtab sees what may come again."""
    made = argparse.ArgumentParser(parser.prog)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            commands = made.add_subparsers(metavar="COMMAND")
            for choice in action._choices_actions:
                command = _plain(action.choices[choice.dest])
                commands.add_parser(choice.dest, help=choice.help, description=choice.help, parents=[command], add_help=False)
        elif action.dest not in ("help", "version"):
            _add(made, action)
    return made


def _add(made: argparse.ArgumentParser, action: argparse.Action) -> None:
    settings: dict[str, Any] = {"help": ((action.help or "") % vars(action)).partition(";")[0].replace("%", "%%")}
    if action.nargs == 0:
        settings["action"] = "store_true"
    else:
        settings |= {"metavar": action.metavar, "choices": action.choices, "nargs": action.nargs}
        if action.option_strings and (action.dest == "libraries" or isinstance(action, argparse._AppendAction)):
            settings["action"] = "append"  # those of libraries come again behind each --lib
    added = made.add_argument(*(action.option_strings or [action.dest]), **settings)
    kind = _BY_METAVAR.get(str(action.metavar))
    if "--lib" in action.option_strings or not action.option_strings or action.dest == "sources":
        kind = _BY_DEST.get(action.dest, kind)
    if kind is not None:
        added.complete = {"bash": f"_empycustom_file{kind}", "zsh": f"_empycustom_file{kind}"}  # type: ignore[attr-defined]
