"""Compare this checkout with another commit of it, in turns of one run: ``--against COMMIT``."""

from __future__ import annotations

import shutil
import statistics
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.contenders import BASELINE, OURS, REFERENCE, Contender, ContenderError, built_in
from benchmarks.summary import Results, times
from benchmarks.workloads import WORKLOADS

ROOT = Path(__file__).parents[1]
NOT_SLOWER = 1.05  # what differs by less is noise


@dataclass(frozen=True)
class Aim:
    """A ratio that the project has set itself: what this checkout takes at a workload, to what the other commit takes."""

    workload: str
    limit: float
    above: str = ""
    """Workload whose time is subtracted first."""
    reference: str = ""
    """Contender that the ratio is to, where it is not the other commit."""

    @property
    def title(self) -> str:
        """Name the aim in a table."""
        return self.workload + (f", above {self.above}" if self.above else "") + (f", to {self.reference}" * bool(self.reference))


AIMS = (
    Aim("nothing", NOT_SLOWER),
    Aim("nothing", 0.35, reference=REFERENCE),
    Aim("passed", NOT_SLOWER),
    Aim("pixels", NOT_SLOWER),
    Aim("start", NOT_SLOWER),
    Aim("objects-10", 0.8),
    Aim("objects-100", 0.8),
    Aim("json", 0.45, above="nothing"),
    Aim("json-10", 0.25),
    Aim("embeddings", 0.1),
)
COMPARED = tuple(dict.fromkeys(aim.workload for aim in AIMS))


@dataclass(frozen=True)
class Compared:
    """One aim with what was measured: medians in µs a buffer above the baseline (``start``: in all); None: was not run."""

    aim: Aim
    ours: float | None
    other: float | None
    ratio: float | None
    wall_ratio: float | None


def contenders(commit: str, folder: Path) -> tuple[str, list[Contender]]:
    """Unpack ``src`` of a commit into a folder.

    Returns
    -------
    tuple
        The commit's short hash, which is the name of its contender, and the contenders of such a run: this checkout, the commit,
        the element written by hand (at ``nothing``) and the baseline. Each of the first two loads the package from a path of its
        own; libraries and workloads are those of this checkout.

    Raises
    ------
    ContenderError
        If git does not know the commit.

    """
    name = _git("rev-parse", "--short", "--verify", f"{commit}^{{commit}}").strip()
    archive = folder / "other.zip"
    _git("archive", "--format=zip", f"--output={archive}", name, "src")
    shutil.unpack_archive(archive, folder / name)
    known = {contender.name: contender for contender in built_in()}
    ours = known[OURS]
    nothing = {"nothing": known[REFERENCE].workloads["nothing"]}
    reference = replace(
        known[REFERENCE], workloads=nothing, left_out=dict.fromkeys(WORKLOADS, "only nothing is compared with it")
    )
    return name, [_from(ours, OURS, ROOT / "src"), _from(ours, name, folder / name / "src"), reference, known[BASELINE]]


def _from(ours: Contender, name: str, source: Path) -> Contender:
    return replace(
        ours,
        name=name,
        package=str(source / "empycustom"),
        launch_plugin_path=str(source / "empycustom" / "gstreamer-1.0"),
        environment={**ours.environment, "PYTHONPATH": str(source)},
    )


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ContenderError("--against needs git; install it.") from error
    if done.returncode:
        raise ContenderError(f"git {arguments[0]} failed: {done.stderr.strip()}; give --against a commit of this checkout.")
    return done.stdout


def compare(results: Results, commit: str) -> list[Compared]:
    """Return each aim with what was measured. CPU time decides: what else runs on the machine disturbs it less."""
    return [_compared(results, aim, aim.reference or commit) for aim in AIMS]


def _compared(results: Results, aim: Aim, other: str) -> Compared:
    one, two = (_median(results, aim, name, "cpu_ns") for name in (OURS, other))
    wall = _ratio(*(_median(results, aim, name, "wall_ns") for name in (OURS, other)))
    return Compared(aim, one, two, _ratio(one, two), wall)


def _median(results: Results, aim: Aim, name: str, key: str) -> float | None:
    if name not in results.get(aim.workload, {}) or (aim.above and name not in results.get(aim.above, {})):
        return None
    median = statistics.median(times(aim.workload, results[aim.workload], name, key))
    if aim.above:
        median -= statistics.median(times(aim.above, results[aim.above], name, key))
    return median


def _ratio(one: float | None, other: float | None) -> float | None:
    return None if one is None or not other else one / other
