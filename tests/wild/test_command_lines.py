"""Command lines that are never typed on purpose end in a sentence, and with an exit code that is documented.

A generator with a seed for each makes them; child processes run many each. Which ones is fixed, unless ``make wild`` asks for more.
``python tests/wild/test_command_lines.py --show SEED`` prints the line of a seed.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"
WANTED = int(os.environ.get("EMPYCUSTOM_WILD") or 0)
LINES = WANTED or 320
CHILDREN = 4
CODES = {0, 1, 2, 130}
CTRL_C_S, TOO_LONG_S = 4, 40

FILES = {
    "lib.py": "def process_ip(b, m, o):\n    return [{'a': o}]\n",
    "new_frames.py": "def process(b, m, o):\n    return b.copy_deep(), None\n",
    "raises.py": "def process_ip(b, m, o):\n    raise ValueError('on purpose')\n",
    "broken.py": "def process_ip(b, m, o)\n",
    "exits.py": "raise SystemExit(7)\n",
    "bytes.py": "# \xff\ndef process_ip(b, m, o): pass\n",
    "conf.json": '{"pipeline_configuration": {"empycustom": {"custom-lib": "lib.py", "in-place": true}, "aimeta": {}}, "options": ['
    '{"key": "level", "option_type": "callback", "value": 1}, '
    '{"key": {"element": "aimeta", "property": "location"}, "option_type": "gstreamer"}, '
    '{"key": {"element": "empycustom", "property": "options"}, "option_type": "gstreamer"}]}',
    "many.json": '{"pipeline_configuration": {}, "streams": [{"stream_id": "a", "location": "test"}, {"stream_id": "..", "location": "~x"}]}',
    "deep.json": "[" * 100_000,
    "empty.json": "",
    "900.json": '{"a": ' + "[" * 900 + "]" * 900 + "}",
    "half.json": '{"a": \n',
    "list.json": "[1]",
}
# fmt: off
ODD = [
    "", " ", ".", "..", "/", "~", "~/x", "~nosuchuser", "~nosuchuser/x.py", "~~", "-", "--", "---", "@", "@~nosuchuser/x", "@dir",
    "@deep.json", "dir", "dir/", "dir/x", "./lib.py/x", "/nowhere/x", "/dev/null", "/dev/full", "/dev/zero/x", "x" * 300, "ü", "ü.py",
    "a b.py", "caf\udce9", "caf\udce9.py", "@caf\udce9", "a\nb", "\x1b[31m", "\x9b", "\u202ex", "\u2028", "\udced\udca0\udcbd", "😀.mp4",
    "{stream_id}", "{stream_id}/x.png", "%s", "%", "%00", "$HOME", "`x`", "'", '"', "\\", "a=b", "=", "a=", ":", "a:b", "a:b=c", "!",
    "! !", "file:///%00", "file://", "://", "a://b", "file:///nowhere.mp4", "rtsp://me:SECRET@[", "foo://me:SECRET@x", "NaN", "inf",
    "-inf", "1e999", "-1", "0", "1", "2", "9" * 5000, "٣", "1_0", "0x10", "2147483648", "3.5", "[" * 5000, '{"a":' * 2000,
    "[" * 900 + "]" * 900, "@900.json", "{}", "[]", "null", '{"a": 1}', '{"a": "\\ud800"}', '{"a": 1', "{'a': 1}", '"x"',
]
PATHS = [
    *FILES, "@half.json", "@empty.json", "@list.json", "@lib.py", "video.avi", "x.mp4", "x.png", "x.webm", "out/x.mkv", "x.gif", "os",
    "os.path", "no.such",
]
NUMBERS = ["1", "2", "3", "0", "-1", "x", "1.5", "nan", "9" * 30, ""]
FORMATS = ["RGBA", "I420", "NV12", "rgba", "YUY2", "Y41B", "x,y", "RGBA ! fakesink", "{RGBA,NV12}", ""]
SETTINGS = [
    "level=3", "level", "level=", "=3", "aimeta.location=x.jsonl", "a:level=1", "level=" + "[" * 5000, "level=" + "[" * 300 + "]" * 300,
    "level=" + "9" * 5000, "-", "x=1",
]
WORDS = [
    "!", "empycustom", "in-place=true", "custom-lib=lib.py", "custom-lib=~nosuchuser/x.py", "aimeta", "location=~nosuchuser/x",
    "location=dir", "location=x.jsonl", "options=@half.json", 'options={"a": 1}', "perf", "nosuch", "x.", "name=x",
    "process-interval=0", "process-interval=x", "video/x-raw,format=I420", "video/x-raw,", "(", ")", "bin.(", "silent=false",
    "events=@deep.json", "on-error=drop", "on-error=x",
]
OPTIONS: dict[str, list[str] | None] = {
    "--lib": PATHS, "--options": PATHS, "--every": NUMBERS, "--out": PATHS, "--save": PATHS, "--frames": NUMBERS, "--format": FORMATS,
    "--grace": ["0", "1", "2"], "--source": ["test", "video.avi", "nowhere.mp4"], "--set": SETTINGS, "--events": PATHS,
    "--show": None, "--dry-run": None, "--quiet": None, "--verbose": None, "--allow-outside": None, "--help": None, "--nonsense": None,
}
OFTEN = ["--lib", "--options", "--save", "--out", "--set"]
OF_CHECK = {
    "--options": PATHS, "--format": FORMATS, "--size": ["1x1", "3x2", "0x0", "x", "99999x1"], "--objects": NUMBERS,
    "--repeat": ["1", "0"],
}
SOURCES = [
    "test", "test", "video.avi", "conf.json", "conf.json", "many.json", "deep.json", "900.json", "half.json", "camera", "dir",
]
# fmt: on


def pick(choose: random.Random, usual: list[str], share: float = 0.5) -> str:
    return choose.choice(usual if choose.random() < share else ODD)


def options_of(choose: random.Random) -> list[str]:
    found = []
    for _ in range(choose.choice([0, 0, 1, 1, 2, 3, 5])):
        name = choose.choice([*OPTIONS, *OFTEN])
        usual = OPTIONS[name]
        value = [] if usual is None else [pick(choose, usual)]
        found += [f"{name}={value[0]}"] if value and choose.random() < 0.1 else [name, *value]
    return found


def run_line(choose: random.Random) -> list[str]:
    source = pick(choose, SOURCES, 0.8)
    lib = ["--lib", choose.choice(["lib.py", "lib.py", "new_frames.py", "raises.py"])]
    needed = ["--source", "test"] if source.endswith(".json") else lib
    return ["run", source, *(needed if choose.random() < 0.85 else []), "--frames", "1", *options_of(choose)]


def launch_line(choose: random.Random) -> list[str]:
    middle = [pick(choose, WORDS, 0.9) for _ in range(choose.randrange(6))]
    words = ["videotestsrc", "num-buffers=1", "!", *middle, "!", "fakesink"]
    return [
        "launch",
        *([" ".join(words)] if choose.random() < 0.3 else words),
        *(["--grace", "1"] if choose.random() < 0.5 else []),
    ]


def check_line(choose: random.Random) -> list[str]:
    names = choose.sample(list(OF_CHECK), choose.randrange(3))
    library = pick(choose, [*PATHS, "lib.py", "new_frames.py"], 0.8)
    return ["check", library, *(word for name in names for word in (name, pick(choose, OF_CHECK[name])))]


def other_line(choose: random.Random) -> list[str]:
    usual = ["new", "new", "new", "schema", "plugin-path", "--version", "--help", "nosuch", "doctor"]
    first = pick(choose, usual, 0.9)
    more = [pick(choose, PATHS, 0.3) for _ in range(choose.randrange(3))]
    kinds = ["detector", "draw", "sink", "process", "config", "kind"]  # a project would be written to / as well
    kind = ["--kind", choose.choice(kinds)] if first == "new" and choose.random() < 0.5 else []
    return [first, *(more or ["x"] if first == "doctor" else more), *kind, *(["--force"] if choose.random() < 0.2 else [])]


def line(seed: int) -> list[str]:
    choose = random.Random(seed)
    make = choose.choice([run_line, run_line, run_line, launch_line, check_line, other_line])
    return make(choose)


# In the child.


def one(words: list[str]) -> dict[str, object]:
    """Run a command line in this process; its standard streams go into files."""
    from empycustom.app.main import main

    saved = [os.dup(1), os.dup(2)]
    streams = [os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC) for name in ("../stdout", "../stderr")]
    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
    presses = iter([1.0, 1.0, 1.0])

    def press(*_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, next(presses, 0))
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGALRM, press)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, CTRL_C_S)
    began, raised = time.monotonic(), ""
    try:
        code: object = main(words)
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException as error:  # noqa: BLE001 - this is what must not happen
        code, raised = None, repr(error)
    signal.setitimer(signal.ITIMER_REAL, 0)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    texts = [os.pread(stream, 1 << 20, 0).decode("utf-8", "replace") for stream in streams]
    for number, copy in enumerate(saved, 1):
        os.dup2(copy, number)
    for number in (*saved, *streams):
        os.close(number)
    return {"words": words, "code": code, "raised": raised, "out": texts[0], "err": texts[1], "s": time.monotonic() - began}


def child(first: int, count: int) -> None:
    with open("../results.jsonl", "a") as results:
        for seed in range(first, first + count):
            Path("../now").write_text(ascii(line(seed)))
            results.write(json.dumps({"seed": seed, **one(line(seed))}) + "\n")
            results.flush()


# In the test.


def complaint(result: dict[str, object]) -> str:
    """What is wrong with how a line ended, or ""."""
    err = str(result["err"])
    ours = re.findall(r'File "[^"]*/src/empycustom/[^"]*", line', err)
    by_library = re.search(r"\.py:\d+: \w+ raised ", err)
    on_purpose = by_library or re.search(r"(raises|broken|bytes|exits)\.py", err)
    sentence = re.search(r"^(empycustom[\w -]*: error: .*\w{4}.*|ERROR: from element .*: .*\w{4}.*)$", err, re.MULTILINE)
    wrong = {
        f"it raised {result['raised']}": result["raised"],
        f"its exit code is {result['code']}": result["code"] not in CODES,
        "it hangs": float(str(result["s"])) > TOO_LONG_S,
        "a traceback of ours": ours and not by_library,
        "a traceback": "Traceback" in err and not on_purpose,
        "a defect": "defect of empycustom" in err,
        "an exception of Python as a message": re.search(r"error: .*(\w+Error: |\[Errno)", err) and not on_purpose,
        "no sentence": result["code"] in (1, 2) and not sentence,
        "something raw": re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e]", err.replace("\r", "")),
        "a password": "SECRET" in err,
        "a complaint of GLib's or GStreamer's": re.search(r"CRITICAL|GLib-|GStreamer-W", err),
    }
    return ", ".join(what for what, is_so in wrong.items() if is_so)


@pytest.fixture
def folder(tmp_path):
    from empycustom.gstreamer import Gst

    work = tmp_path / "work"
    (work / "dir").mkdir(parents=True)
    for name, text in FILES.items():
        (work / name).write_bytes(text.encode("latin-1"))
    pipeline = Gst.parse_launch(f'videotestsrc num-buffers=3 ! jpegenc ! avimux ! filesink location="{work}/video.avi"')
    pipeline.set_state(Gst.State.PLAYING)
    assert pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    return work


@pytest.mark.parametrize("part", range(CHILDREN))
def test_every_line_ends_in_a_sentence(folder, part, gst_env):
    count = LINES // CHILDREN
    env = {name: value for name, value in gst_env.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY", "GST_PLUGIN_PATH")}
    env |= {"HOME": str(folder.parent / "home"), "PYTHONPATH": str(SRC), "EMPYCUSTOM_WILD": ""}
    limit_s = 120 + 2 * count
    first = random.SystemRandom().randrange(1 << 40) if WANTED else 1 + part * count
    command = [sys.executable, __file__, str(first), str(count)]
    done = subprocess.run(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=limit_s,
        check=False,
    )
    now = (folder.parent / "now").read_text() if (folder.parent / "now").exists() else ""

    assert done.returncode == 0, (now, done.stdout, done.stderr)
    results = [json.loads(each) for each in (folder.parent / "results.jsonl").read_text().splitlines()]
    assert len(results) == count
    found = [
        f"{result['seed']}: {result['words']!a}: {wrong}\n{result['err']}" for result in results if (wrong := complaint(result))
    ]
    assert not found, "\n".join([f"{len(found)} of {count} lines", *found])


if __name__ == "__main__" and sys.argv[1] == "--show":
    print(ascii(line(int(sys.argv[2]))))
elif __name__ == "__main__":
    child(int(sys.argv[1]), int(sys.argv[2]))
