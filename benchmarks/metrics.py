"""What ``run --metrics`` costs a stream: ``python -m benchmarks.metrics`` prints microseconds a frame, and their ratios.

The same stream is played in turns without metrics, with metrics that nobody asks for, asked once a second, and without a pause.
CPU is that of the thread that calls the library; the work of the server is in the wall time alone.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from contextlib import suppress
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

LIBRARY = """\
import json, time
begun = ended = None
frames = 0


def process_ip(io_buffer, in_meta, options):
    global begun, ended, frames
    begun = begun or (time.perf_counter_ns(), time.thread_time_ns())
    ended = time.perf_counter_ns(), time.thread_time_ns()
    frames += 1
    return {"frame": {"number": frames}}


def stop(options):
    with open("measured.json", "w") as file:
        json.dump([(end - begin) / 1000 / (frames - 1) for begin, end in zip(begun, ended)], file)
"""
MODES = {"without": None, "not asked": 0.0, "asked once a second": 1.0, "asked without a pause": 0.001}


def free_port() -> int:
    """Return a port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def measure(pause_s: float | None, frames: int) -> tuple[float, float, int]:
    """Return µs a frame of wall and of CPU, and how many answers there were."""
    with TemporaryDirectory() as folder:
        Path(folder, "lib.py").write_text(LIBRARY)
        command = [sys.executable, "-m", "empycustom", "run", "test", "--lib", "lib.py", "--frames", str(frames), "--quiet"]
        port, answers, over = free_port(), 0, threading.Event()
        metrics = [] if pause_s is None else ["--metrics", str(port)]
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
        with subprocess.Popen([*command, "--out", "/dev/null", *metrics], cwd=folder, env=env) as process:

            def ask() -> None:
                nonlocal answers
                while pause_s and not over.wait(pause_s):
                    with (
                        suppress(OSError),  # it has not begun, or has ended
                        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer,
                    ):
                        answers += bool(answer.read())

            asking = threading.Thread(target=ask)
            asking.start()
            code = process.wait()
            over.set()
            asking.join()
        if code:
            raise SystemExit(f"the run ended with {code}")
        wall, cpu = json.loads(Path(folder, "measured.json").read_text())
    return wall, cpu, answers


def main() -> None:
    """Play in turns, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.metrics", description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=30_000, help="of each run (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=7, help="runs of each (default: %(default)s)")
    options = parser.parse_args()
    found: dict[str, list[tuple[float, float, int]]] = {mode: [] for mode in MODES}
    for _ in range(options.repeats):
        for mode, pause_s in MODES.items():
            found[mode].append(measure(pause_s, options.frames))
    print("| metrics | wall [µs] | times | CPU of the stream [µs] | times | answers |\n|---|---:|---:|---:|---:|---:|")
    for mode, runs in found.items():
        walls, cpus, answers = zip(*runs, strict=True)
        ratios = [
            median(one[index] / other[index] for one, other in zip(runs, found["without"], strict=True)) for index in (0, 1)
        ]
        times = " | ".join(f"{median(each):.1f} | {ratio:.3f}" for each, ratio in zip((walls, cpus), ratios, strict=True))
        print(f"| {mode} | {times} | {round(median(answers))} |")


if __name__ == "__main__":
    main()
