"""What ``empycustom batch`` gives and costs: ``python -m benchmarks.batch`` prints times, memory and their ratios.

What is compared is measured in turns of one run. Load of others makes ratios of times worse; CPU is that of all processes.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

LIBRARIES = {
    "nothing": "def process_ip(buffer, in_meta, options):\n    return None\n",
    "busy": """\
import time


def process_ip(buffer, in_meta, options):
    ends = time.thread_time() + 0.01
    while time.thread_time() < ends:
        pass
    return {"frame": {"seen": True}}
""",
    "objects": """\
BOX = {"left": 1, "top": 2, "width": 3, "height": 4}
FOUND = [{"obj_label": "ball", "confidence": 0.5, "rect_params": BOX, "emcustom": {"score": n / 4}} for n in range(100)]


def process_ip(buffer, in_meta, options):
    return {"frame": [{"new_object": FOUND}]}
""",
}
PLAIN = "filesrc location={path} ! decodebin ! video/x-raw ! {convert}fakesink sync=false"
RGBA = "videoconvert ! video/x-raw,format=RGBA ! "
IN_ONE_PROCESS = """\
import resource, sys
import gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst
Gst.init(None)
spent = []
for number in range(int(sys.argv[2]) + 20):
    if number == 20:
        used = resource.getrusage(resource.RUSAGE_SELF)
    pipeline = Gst.parse_launch(sys.argv[1])
    pipeline.set_state(Gst.State.PLAYING)
    pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
now = resource.getrusage(resource.RUSAGE_SELF)
print((now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime) / int(sys.argv[2]))
"""


@dataclass
class Ran:
    """One run: seconds of wall and of CPU, and the memory in MB of the parent and of its largest worker, as it went on."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    parent: list[float] = field(default_factory=list)
    worker: list[float] = field(default_factory=list)


def play(folder: Path, videos: str, library: str, jobs: int, *options: str) -> Ran:
    """Run the command over the videos in a folder."""
    path = folder / f"{library}.py"
    path.write_text(LIBRARIES[library])
    command = [sys.executable, "-m", "empycustom", "batch", str(folder / videos), "--lib", str(path)]
    command += [] if "--ray" in options else ["--jobs", str(jobs)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    with TemporaryDirectory(dir=folder) as out:
        ran, began = Ran(), time.monotonic()
        process = subprocess.Popen([*command, "--out", out, "--quiet", *options], env=env)
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            _sample(process.pid, ran)
            time.sleep(0.2)
    if ended[1]:
        raise RuntimeError(f"{' '.join(command)} has failed")
    ran.wall_s, ran.cpu_s = time.monotonic() - began, ended[2].ru_utime + ended[2].ru_stime
    return ran


def _sample(pid: int, ran: Ran) -> None:
    workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ran.parent.append(_memory(str(pid)))
    ran.worker.append(max(map(_memory, workers), default=0.0))


def _memory(pid: str) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except FileNotFoundError:  # it has just ended
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def growth(samples: Sequence[float]) -> float:
    """Return by how much the last tenth of the samples is above the third one: when it has settled."""
    tenth = max(1, len(samples) // 10)
    return median(samples[-tenth:]) - median(samples[2 * tenth : 3 * tenth] or samples)


def make(path: Path, frames: int, size: str, encoder: str, pattern: str = "ball") -> None:
    """Write a video."""
    path.parent.mkdir(exist_ok=True)
    caps = f"video/x-raw,{size},framerate=30/1"
    line = f"videotestsrc pattern={pattern} num-buffers={frames} ! {caps} ! {encoder} ! matroskamux ! filesink location={path}"
    subprocess.run(["gst-launch-1.0", "-q", *line.split()], check=True)


def copies(path: Path, count: int) -> None:
    """Give a video so many names in its folder."""
    for number in range(1, count):
        os.link(path, path.with_name(f"{number:05}{path.suffix}"))


def decoders(folder: Path, jobs: int, convert: str) -> Ran:
    """Play all videos in a folder with so many plain decoders side by side."""

    def decode(path: Path) -> None:
        subprocess.run(["gst-launch-1.0", "-q", *PLAIN.format(path=path, convert=convert).split()], check=True)

    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(decode, sorted(folder.iterdir())))
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Ran(time.monotonic() - began, now.ru_utime + now.ru_stime - before.ru_utime - before.ru_stime)


def cores(folder: Path, jobs: int, rounds: int, scale: float) -> dict[str, float]:
    """16 videos, 10 ms of CPU in the library for each frame."""
    make(folder / "busy" / "00000.mkv", max(4, round(300 * scale)), "width=320,height=240", "jpegenc")
    copies(folder / "busy" / "00000.mkv", 16)
    one, more = _in_turns(rounds, lambda: play(folder, "busy", "busy", 1), lambda: play(folder, "busy", "busy", jobs))
    return {
        "16 videos, 10 ms of CPU a frame, one job [s]": median(ran.wall_s for ran in one),
        f"the same, {jobs} jobs [s]": median(ran.wall_s for ran in more),
        f"{jobs} jobs, to one [times]": median(a.wall_s / b.wall_s for a, b in zip(one, more, strict=True)),
        f"CPU of {jobs} jobs, to that of one [times]": median(b.cpu_s / a.cpu_s for a, b in zip(one, more, strict=True)),
    }


def decode(folder: Path, jobs: int, rounds: int, scale: float) -> dict[str, float]:
    """Compare a library that does nothing with plain decoders."""
    # As much to decode as a camera makes: 4 Mbit/s, and all of the picture moves.
    encoder, pattern = "x264enc bitrate=4000 speed-preset=veryfast", "zone-plate kx2=20 ky2=20 kt=1"
    make(folder / "h264" / "00000.mkv", max(4, round(1800 * scale)), "format=I420,width=1280,height=720", encoder, pattern)
    copies(folder / "h264" / "00000.mkv", 16)
    found = {}
    for name, pixels, convert in (("as decoded", "I420", ""), ("RGBA", "RGBA", RGBA)):
        plain, ours = _in_turns(
            rounds,
            lambda convert=convert: decoders(folder / "h264", jobs, convert),
            lambda pixels=pixels: play(folder, "h264", "nothing", jobs, "--pixel-format", pixels),
        )
        found[f"16 videos of 720p, {name}: {jobs} gst-launch-1.0 side by side [s]"] = median(ran.wall_s for ran in plain)
        found[f"16 videos of 720p, {name}: batch with {jobs} jobs [s]"] = median(ran.wall_s for ran in ours)
        pairs = [*zip(plain, ours, strict=True)]
        found[f"speed of batch, to that of gst-launch-1.0, {name} [times]"] = median(a.wall_s / b.wall_s for a, b in pairs)
        found[f"CPU of gst-launch-1.0, to that of batch, {name} [times]"] = median(a.cpu_s / b.cpu_s for a, b in pairs)
    return found


def tiny(folder: Path, jobs: int, _rounds: int, scale: float) -> dict[str, float]:
    """Many videos of ten frames."""
    count = round(10_000 * scale)
    path = folder / "tiny" / "00000.mkv"
    make(path, 10, "width=64,height=48", "jpegenc")
    copies(path, count)
    ran = play(folder, "tiny", "nothing", jobs)
    line = PLAIN.format(path=path, convert=RGBA)
    alone = subprocess.run([sys.executable, "-c", IN_ONE_PROCESS, line, "200"], capture_output=True, text=True, check=True)
    return {
        f"{count} videos of 10 frames, each [ms]": 1000 * ran.wall_s / count,
        "CPU of each [ms]": 1000 * ran.cpu_s / count,
        "CPU of decoding one in a process that goes on [ms]": 1000 * float(alone.stdout),
        "CPU beyond decoding [ms]": 1000 * (ran.cpu_s / count - float(alone.stdout)),
        **_memory_of(ran),
    }


def rows(folder: Path, _jobs: int, _rounds: int, scale: float) -> dict[str, float]:
    """Write a million rows of one video."""
    frames = round(10_000 * scale)
    make(folder / "rows" / "00000.mkv", frames, "width=64,height=48", "jpegenc")
    ran = play(folder, "rows", "objects", 1)
    count = frames * 101
    return {f"{count} rows of one video [s]": ran.wall_s, "CPU of a row [µs]": 1e6 * ran.cpu_s / count, **_memory_of(ran)}


def ray(folder: Path, jobs: int, rounds: int, scale: float) -> dict[str, float]:
    """Compare a Ray on this machine with processes: what 32 more videos take, when each has started and played 8."""
    for name, count in (("few", 8), ("many", 40)):
        make(folder / name / "00000.mkv", max(4, round(100 * scale)), "width=320,height=240", "jpegenc")
        copies(folder / name / "00000.mkv", count)
    on_ray = ("--ray", "local", "--cpus-per-video", str((os.cpu_count() or 1) / jobs))

    def more(*options: str) -> Ran:
        few, many = (play(folder, name, "busy", jobs, *options) for name in ("few", "many"))
        return Ran(many.wall_s - few.wall_s)

    local, clustered = _in_turns(rounds, more, lambda: more(*on_ray))
    return {
        f"32 more videos, 10 ms of CPU a frame, {jobs} jobs [s]": median(ran.wall_s for ran in local),
        "the same with --ray on this machine [s]": median(ran.wall_s for ran in clustered),
        "speed of --ray, to that of jobs [times]": median(a.wall_s / b.wall_s for a, b in zip(local, clustered, strict=True)),
    }


def _memory_of(ran: Ran) -> dict[str, float]:
    return {
        "memory of the parent [MB]": max(ran.parent),
        "its growth [MB]": growth(ran.parent),
        "memory of the largest worker [MB]": max(ran.worker),
        "growth of that [MB]": growth(ran.worker),
    }


def _in_turns(rounds: int, one: Callable[[], Ran], other: Callable[[], Ran]) -> tuple[list[Ran], list[Ran]]:
    """Return what two functions return, called in turns."""
    found: tuple[list[Ran], list[Ran]] = [], []
    for number in range(rounds):
        for which in (0, 1) if number % 2 else (1, 0):
            found[which].append((one, other)[which]())
    return found


PARTS = {"cores": cores, "decode": decode, "tiny": tiny, "rows": rows, "ray": ray}
_USUAL = [name for name in PARTS if name != "ray"]  # which is an extra


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch", description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="*", choices=[[], *PARTS], help=f"{', '.join(PARTS)} (default: all but ray)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="less than 1 is quick, and no measurement")
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name in args.part or _USUAL:
        with TemporaryDirectory() as folder:
            found = PARTS[name](Path(folder), args.jobs, args.rounds, args.scale)
        for text, value in found.items():
            print(f"{value:10.2f}  {text}", flush=True)
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
