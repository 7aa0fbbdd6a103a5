"""Real pipelines for the tests: in this process, and by gst-launch as a user types it.

The tests run in several processes beside each other (pytest-xdist). What is made once for all of them lies in the folder that they
share, and tests that share what one process made run in that process.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import resource
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from about_time import is_about_time

pytest_plugins = ["browser"]

PACKAGE = Path(__file__).parents[1] / "src" / "empycustom"
PLUGIN_PATH = PACKAGE / "gstreamer-1.0"
TIMEOUT_S = 60
NO_PREROLL = "want to preroll"
HUNG_S, TRIES = 10, 5  # of gst-launch, see _launched
# One process runs all of a folder, or all of a file, whose tests share what takes long to make; all other tests go to whoever is free.
SHARING = (
    "tests/batch/test_executors.py",  # one Ray
    "tests/docs/test_site.py",  # one site
    "tests/examples/",
    "tests/test_benchmarks.py",
    "tests/test_types.py",
    "tests/gst/test_installed.py",
    "tests/libs/test_networks.py",
)
QUICK = ("tests/pure/", "tests/native/")  # by file, because handing out takes longer than such a test
INSTALL = "install it into this Python with tools/setup.sh dev"

# A machine that does other things as well is slow; what fails in CI has to fail again.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("any machine")


@pytest.fixture
def many_files() -> Iterator[Callable[[], None]]:
    """Return a function that opens more files than `select` takes, whose numbers have to be below 1,024."""
    held: list[int] = []

    def open_many() -> None:
        while not held or held[-1] < 1100:
            held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))

    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    yield open_many
    for file in held:
        os.close(file)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


def pytest_sessionstart() -> None:
    """Refuse to test another package than the one of this checkout."""
    try:
        import empycustom
    except ImportError:
        pytest.exit(f"the tests run in an environment without empycustom: {INSTALL}", returncode=4)
    found = Path(empycustom.__file__).parent
    if found != PACKAGE:
        pytest.exit(f"{sys.executable} finds {found}, not {PACKAGE}: {INSTALL}", returncode=4)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return who hands out the tests. (The mark xdist_group, which is for this, does nothing with pytest 9.2 and pytest-xdist 3.8.)"""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            if nodeid.startswith(QUICK):
                return nodeid.split("::")[0]
            return next((place for place in SHARING if nodeid.startswith(place)), nodeid)

    return Scheduling(config, log)


# Libraries run in so many workers, in all pipelines that tests describe; tools/test.sh sets it.
WORKERS = os.environ.get("EMPYCUSTOM_TEST_WORKERS", "")


def with_workers(description: str) -> str:
    """Return a description of a pipeline whose libraries run in WORKERS processes, if that is set."""
    if not WORKERS:
        return description
    # What stands in upstream/ writes metadata of its own, as other elements do, which a library in a worker cannot.
    element = r"\bempycustom (?=[^!]*\bcustom-lib=)(?![^!]*(\bworkers=|/upstream/))"
    return re.sub(element, f"empycustom workers={WORKERS} ", description)


@pytest.fixture(autouse=bool(WORKERS))
def _workers(monkeypatch: pytest.MonkeyPatch) -> None:
    from empycustom.gstreamer import Gst

    parse = Gst.parse_launch
    monkeypatch.setattr(Gst, "parse_launch", lambda description: parse(with_workers(description)))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse names of tests that are others in each process, such as the address in the repr of an object."""
    unstable = [item.nodeid for item in items if re.search(r" at 0x[0-9a-f]+", item.nodeid)]
    if unstable:
        raise pytest.UsageError(f"give an id to the parameters of {unstable[0]}: its address is another one in each process")
    inline = [item for item in items if WORKERS and item.get_closest_marker("inline")]
    if inline:
        config.hook.pytest_deselected(items=inline)
        items[:] = [item for item in items if item not in inline]


@dataclass
class Launched:
    """How a gst-launch process ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The JSON documents that aimeta printed."""
        return [json.loads(line) for line in self.out.splitlines() if line.startswith('{"schema_version"')]

    def complaints(self) -> list[str]:
        """Return the warnings of GLib, GStreamer or Python, but for those about slow calls."""
        marks = ("CRITICAL", "WARNING", "Warning", "Traceback", "ERROR", "Exception ignored")
        return [line for line in self.text.splitlines() if any(mark in line for mark in marks) and not is_about_time(line)]


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all processes of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def env_with(common: Path):
    """Return the environment of a user whose GST_PLUGIN_PATH names these folders; without any it is not set.

    Each of them has a registry of its own: one that served two would be made anew at each change from one to the other. The first
    process to ask makes it, and looks whether it is the package of this checkout that is found there.
    """

    def environment(*plugin_path: Path) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith(("GST_", "PYTHON"))}
        if plugin_path:
            env["GST_PLUGIN_PATH"] = os.pathsep.join(map(str, plugin_path))
        registry = common / f"registry-{hashlib.sha256(repr(plugin_path).encode()).hexdigest()[:8]}"
        env["GST_REGISTRY"] = str(registry)
        env["GST_DEBUG_NO_COLOR"] = "1"
        env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
        with registry.with_suffix(".checked").open("a") as checked:
            fcntl.flock(checked, fcntl.LOCK_EX)
            if checked.tell() == 0:
                _check_package(env, common)
                checked.write("yes\n")
        return env

    return environment


TELLS = "import empycustom\nprint(empycustom.__file__)\n"
LAUNCH = "gst-launch-1.0 -q videotestsrc num-buffers=1 ! empycustom in-place=true custom-lib={} ! fakesink"


def _check_package(env: dict[str, str], folder: Path) -> None:
    """Fail unless Python, and the Python inside of gst-launch, finds the package of this checkout in that environment."""
    library = folder / "tells.py"
    library.write_text(f"{TELLS}def process_ip(b, m, o):\n    pass\n")
    commands = [[sys.executable, str(library)]]
    if "GST_PLUGIN_PATH" in env:
        commands.append(LAUNCH.format(library).split())
    for command in commands:
        done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        if done.stdout.strip() != str(PACKAGE / "__init__.py"):
            pytest.fail(f"{command[0]} finds {done.stdout}{done.stderr}, not {PACKAGE}: {INSTALL}", pytrace=False)


@pytest.fixture(scope="session")
def gst_env(env_with) -> dict[str, str]:
    """The environment of a user who has set GST_PLUGIN_PATH, with its own registry."""
    return env_with(PLUGIN_PATH)


@pytest.fixture
def gst_launch(gst_env: dict[str, str], tmp_path: Path):
    """Run a gst-launch command line, written as in a shell, in a folder of the test's own; a hang fails the test."""

    def launch(line: str, *, tool: str = "gst-launch-1.0", cwd: Path | None = None, **extra: str) -> Launched:
        command = [tool, *shlex.split(with_workers(line))]
        for _ in range(TRIES):
            done = _launched(command, env={**gst_env, **extra}, cwd=cwd or tmp_path)
            if done:
                return done
        pytest.fail(f"{shlex.join(command)} hung {TRIES} times, after it had reported that it does not preroll")

    return launch


def _launched(command: list[str], **more: Any) -> Launched | None:
    """Run a command line of gst-launch; None: it reported an error and hung.

    That of GStreamer 1.22 does so now and then where the first buffer fails, whatever the element, and more often on a busy machine.
    """
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
    failed_s = 0
    for _ in range(TIMEOUT_S):
        try:
            out, err = process.communicate(timeout=1)
            return Launched(process.returncode, out, err)
        except subprocess.TimeoutExpired as waiting:  # noqa: PERF203 - one second after the other
            failed_s += NO_PREROLL in str(waiting.stderr)
            if failed_s >= HUNG_S:
                break
    process.kill()
    out, err = process.communicate()
    if failed_s:
        return None
    raise subprocess.TimeoutExpired(command, TIMEOUT_S, out, err)


@dataclass
class Played:
    """What a pipeline in this process did: samples of its appsink ``out``, and messages on the bus.

    ``about_time`` are the warnings about slow calls, ``warnings`` all others.
    """

    samples: list[Any] = field(default_factory=list)
    errors: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    about_time: list[tuple[str, str]] = field(default_factory=list)
    ended: bool = False

    @property
    def error(self) -> str:
        """The text of the first error."""
        assert self.errors, "the pipeline ended without an error"
        return self.errors[0][0]


@pytest.fixture
def play():
    """Play a pipeline (a description, or one that was parsed) to its end and collect what came out."""
    import empycustom
    from empycustom.gstreamer import Gst

    empycustom.register()

    def run(description: Any, *, timeout_s: int = TIMEOUT_S) -> Played:
        pipeline = Gst.parse_launch(description) if isinstance(description, str) else description
        played = Played()
        sink = pipeline.get_by_name("out")
        if sink is not None:
            sink.set_property("emit-signals", True)
            sink.set_property("sync", False)
            sink.connect("new-sample", lambda sink: played.samples.append(sink.emit("pull-sample")) or Gst.FlowReturn.OK)
        pipeline.set_state(Gst.State.PLAYING)
        bus = pipeline.get_bus()
        wanted = Gst.MessageType.EOS | Gst.MessageType.ERROR | Gst.MessageType.WARNING
        message = bus.timed_pop_filtered(timeout_s * Gst.SECOND, wanted)
        while message is not None and message.type == Gst.MessageType.WARNING:
            text = _texts(message.parse_warning())
            (played.about_time if is_about_time(text[0]) else played.warnings).append(text)
            message = bus.timed_pop_filtered(timeout_s * Gst.SECOND, wanted)
        assert message is not None, "the pipeline hangs"
        if message.type == Gst.MessageType.ERROR:
            played.errors.append(_texts(message.parse_error()))
        played.ended = message.type == Gst.MessageType.EOS
        pipeline.set_state(Gst.State.READY)
        message = bus.pop_filtered(wanted)
        while message is not None:
            if message.type == Gst.MessageType.ERROR:
                played.errors.append(_texts(message.parse_error()))
            message = bus.pop_filtered(wanted)
        pipeline.set_state(Gst.State.NULL)
        return played

    return run


def _texts(parsed: tuple[Any, str]) -> tuple[str, str]:
    return parsed[0].message, parsed[1] or ""


@pytest.fixture
def library(tmp_path: Path):
    """Write a custom library and return its path."""

    def write(source: str, name: str = "lib.py") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        return path

    return write


ENDS = """\
import empycustom

calls = 0


def process_ip(io_buffer, in_meta, options):
    global calls
    calls += 1
    if WHEN:
        raise empycustom.EndOfStream(options.get("why", "enough"))
    return {"frame": {"calls": calls}}


def process(in_buffer, in_meta, options):
    return in_buffer, process_ip(in_buffer, in_meta, options)


def stop(options):
    print(f"stopped after {calls} calls")
"""


@pytest.fixture
def ends(library):
    """Write a library that raises EndOfStream, in line 10, behind ``options["frames"]`` calls (3); return its path."""

    def write(name: str = "lib.py", *, when: str = "calls > options.get('frames', 3)") -> Path:
        return library(ENDS.replace("WHEN", when), name)

    return write


@pytest.fixture
def regions(library):
    """Write a library that puts regions of interest on each buffer as other elements do, by GStreamer's own functions.

    Each region is (label, x, y, w, h) and, if wanted, an id and a dict of parameter structures.
    """

    def write(*wanted: Any) -> Path:
        return library(
            f"""
import gi
gi.require_version("GstVideo", "1.0")
from gi.repository import Gst, GstVideo

def process_ip(buffer, in_meta, options):
    for label, x, y, w, h, *more in {wanted!r}:
        meta = GstVideo.buffer_add_video_region_of_interest_meta(buffer, label, x, y, w, h)
        meta.id = more[0] if more else 0
        for name, fields in (more[1] if len(more) > 1 else {{}}).items():
            text = ", ".join(f"{{key}}=({{type(value).__name__.replace('float', 'double').replace('str', 'string')}}){{value}}"
                             for key, value in fields.items())
            meta.add_param(Gst.Structure.from_string(f"{{name}}, {{text}}")[0])
""",
            "upstream/regions.py",
        )

    return write


THEIRS = """
class Theirs:
    batch_bytes = 1
    made = []

    def __init__(self, location):
        self.name = location
        self.made.append(self)

    def open(self):
        if "refused" in self.name:
            raise ValueError("not today")
        if "nobody" in self.name:
            raise ConnectionRefusedError(111, "Connection refused")
        self.file = open("theirs.jsonl", "wb")

    def write(self, lines):
        if "fails" in self.name:
            raise ConnectionResetError(104, "Connection reset by peer")
        assert len(lines) == 1
        self.file.writelines(lines)

    def close(self):
        self.file.close()
"""


@pytest.fixture
def theirs(tmp_path):
    """Install a package with an output, theirs://; return the folder, which has to be on sys.path."""
    (tmp_path / "their_package.py").write_text(THEIRS)
    info = tmp_path / "their_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[empycustom.outputs]\ntheirs = their_package:Theirs\n")
    return tmp_path
