"""``empycustom doctor --fix``: do what the findings advise, where that is a command, after asking."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from empycustom.errors import EmPyCustomError
from empycustom.packages import OK, Finding, Fix
from empycustom.session.console import print_error, show
from empycustom.text import for_people, shell_word

Command = tuple[str, ...]


@dataclass
class Plan:
    """What is done, in this order, and the findings whose fix is left to the user."""

    commands: list[Command] = field(default_factory=list)
    by_hand: list[Finding] = field(default_factory=list)


def plan_of(findings: Iterable[Finding], *, is_root: bool, has: Callable[[str], object]) -> Plan:
    """Return what can be done about findings. ``has`` says whether there is a program of a name; it decides between sudo and apt.

    Packages of pip wait where a virtual environment is changed: the system's packages that it sees then may be enough.
    """
    plan, packages, others = Plan(), dict[str, None](), dict[Command, None]()
    modules: dict[str, dict[str, None]] = {}
    may_apt = bool(has("apt-get") and (is_root or has("sudo")))
    for finding in findings:
        if finding.level == OK or not finding.fix:
            continue
        repair = finding.fix.repair if isinstance(finding.fix, Fix) else ()
        if not repair or (repair[0] == "apt" and not may_apt):
            plan.by_hand.append(finding)
        elif repair[0] == "apt":
            packages |= dict.fromkeys(repair[1:])
        elif repair[0] == "pip":
            modules.setdefault(repair[1], {}).update(dict.fromkeys(repair[2:]))
        else:
            others[repair] = None
    if packages:
        root = () if is_root else ("sudo",)
        install = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "--no-install-recommends")
        plan.commands += [(*root, "apt-get", "update"), (*root, *install, *packages)]
    plan.commands += others
    if not any("pyvenv.cfg" in command[-1] for command in others):
        plan.commands += [(python, "-m", "pip", "install", *names) for python, names in modules.items()]
    return plan


def fix(findings: Iterable[Finding], *, yes: bool) -> bool:
    """Show what is to be done, ask, and do it; return whether anything was done. Raises EmPyCustomError."""
    plan = plan_of(findings, is_root=os.geteuid() == 0, has=shutil.which)
    if not plan.commands:
        show(
            "\n--fix can do nothing of it: what is behind -> is to be done by hand."
            if plan.by_hand
            else "\nNothing is to be fixed."
        )
        return False
    if plan.by_hand:
        show("\nTo be done by hand:")
        for text in dict.fromkeys(finding.fix for finding in plan.by_hand):
            show(for_people("\n".join(f"  -> {line}" for line in text.splitlines()), lines=True))
    show("\n--fix does this:")
    for command in plan.commands:
        show(f"  {_typed(command)}")
    if not yes and not _agreed():
        show("Nothing is changed.")
        return False
    for command in plan.commands:
        _do(command)
    return True


def _agreed() -> bool:
    """Ask on the terminal. Raises EmPyCustomError where there is none."""
    if not sys.stdin.isatty():
        raise EmPyCustomError("Nothing is changed: --fix asks, and stdin is not a terminal; --yes does it without a question.")
    print("Do it? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _do(command: Command) -> None:
    """Run a command; its output is on stderr. Raises EmPyCustomError where it fails: the next ones may need it."""
    show(f"\n$ {_typed(command)}")
    try:
        code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=2, check=False).returncode
    except OSError as error:
        raise EmPyCustomError(f"{command[0]} cannot be started: {error.strerror}.") from error
    if code:
        raise EmPyCustomError(f"`{_typed(command)}` ended with exit code {code}; what was to be done after it is not done.")


def _typed(command: Command) -> str:
    return for_people(" ".join(map(shell_word, command)))


def check_again() -> int:
    """Run the doctor anew, in a process that finds what is installed now; return its exit code."""
    command = [sys.executable, "-m", "empycustom", "doctor"]
    done = subprocess.run(command, cwd="/", stdout=subprocess.PIPE, text=True, check=False)  # -m takes modules of its folder
    show("\nAfter it:\n")
    show(done.stdout.rstrip("\n"))
    if done.returncode:
        print_error("not all is fixed, see above; --fix can sometimes do more when it runs again")
    return done.returncode
