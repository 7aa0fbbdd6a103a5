"""stdout of `empycustom run` holds documents and nothing else, in UTF-8, whoever writes there and whatever the locale."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from command_helpers import SAYS, TIMEOUT_S, words

CHATTY = """\
import atexit
import ctypes
import logging
import os
import subprocess
import sys

print("imported")
os.write(1, b"by descriptor\\n")
print("before any replacement", file=sys.__stdout__)
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
ctypes.CDLL(None).puts(b"from C")
subprocess.run(["echo", "from a child"])
atexit.register(print, "at the end")


def start(options):
    print("started")


def process_ip(io_buffer, in_meta, options):
    logging.info("a frame")
    subprocess.run(["echo", "a child in a frame"])
    return [{"a": 1}]


def stop(options):
    print("stopped")
"""
SAID = [
    *("imported", "by descriptor", "before any replacement", "from C", "from a child", "started", "INFO:root:a frame"),
    *("a child in a frame", "stopped", "at the end"),
]
ONE_EVENT = "def update(signal):\n    return [{'a': 1}], ''\n"
CITY = "def process_ip(io_buffer, in_meta, options):\n    return [{'city': 'Zürich'}]\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_documents_alone(cli, library, unbuffered):
    ended = cli("run", "test", "--frames", 2, "--lib", library(CHATTY), "-q", PYTHONUNBUFFERED=unbuffered)

    assert ended.code == 0, ended.err
    assert words(ended.documents) == [{"a": 1}] * 2
    assert [text for text in SAID if text not in ended.err] == []


@pytest.mark.parametrize("options", [["--out", "out.jsonl"], ["--save", "x.png"], ["--out", "-", "--save", "x.png"]])
def test_so_it_is_whatever_is_written(cli, library, options):
    ended = cli("run", "test", "--frames", 2, "--lib", library(CHATTY), "-q", *options)

    assert len(ended.documents) == (2 if "-" in options else 0), ended.out
    assert [text for text in SAID if text not in ended.err] == []


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_stdout_by_a_name_of_the_system(cli, library, configured, name):
    ended = cli("run", "test", "--frames", 2, "--lib", library(CHATTY), "-q", "--out", name)
    assert words(ended.documents) == [{"a": 1}] * 2

    config = configured({"empycustom": {"custom-lib": "lib.py", "in-place": True}}, callback=ONE_EVENT)
    ended = cli("run", config, "--source", "test", "--frames", 2, "-q", "--events", name)
    assert ended.out == '{"a":1}\n' * 2


def test_a_printed_line_is_alone(cli, library):
    ended = cli("run", "test", "--lib", library(CHATTY), "--dry-run")

    assert ended.out.startswith("gst-launch-1.0 ")
    assert ended.out.count("\n") == 1
    assert "imported" in ended.err


def test_events_are_alone(cli, configured):
    callback = "import os\nos.write(1, b'imported\\n')\ndef update(signal):\n    print('called')\n    return [{'a': 1}], ''\n"
    config = configured(
        {"empycustom": {"custom-lib": "lib.py", "in-place": True}, "aimeta": {"silent": False}}, callback=callback
    )
    ended = cli("run", config, "--source", "test", "--frames", 2, "-q")

    assert ended.out == '{"a":1}\n' * 2
    assert "imported" in ended.err
    assert ended.err.count("called\n") == 2
    assert ended.err.count('{"schema_version":') == 2, "what the element itself prints is beside the events"


def test_children_do_not_hold_it(env, library, tmp_path):
    """Whoever reads the documents sees the end although a child of the library lives on."""
    source = "import subprocess\nchild = subprocess.Popen(['sleep', '600'], stderr=subprocess.DEVNULL, close_fds=False)\n"
    source += "print(child.pid, file=open('pid', 'w'))\n" + SAYS
    command = [sys.executable, "-m", "empycustom", "run", "test", "--frames", "1", "-q", "--lib", library(source)]
    child = subprocess.Popen(command, env=env, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert len(child.communicate(timeout=TIMEOUT_S)[0].splitlines()) == 1
    finally:
        os.kill(int((tmp_path / "pid").read_text()), 9)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16", "ascii:strict"])
def test_documents_are_utf_8_whatever_the_encoding_of_stdout(env, library, tmp_path, encoding):
    command = [
        sys.executable,
        "-m",
        "empycustom",
        "run",
        "test",
        "--frames",
        "3",
        "-q",
        "--lib",
        library(CITY + "print('Zürich')\n"),
    ]
    done = subprocess.run(
        command, env={**env, "PYTHONIOENCODING": encoding}, cwd=tmp_path, capture_output=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["frame"][0]["emcustom"] for line in done.stdout.decode().splitlines()] == [{"city": "Zürich"}] * 3
    assert b"Traceback" not in done.stderr


def test_in_the_c_locale(cli, library, tmp_path):
    (tmp_path / "ö").mkdir()
    lib = library(CITY, "ö/stadt_ü.py").relative_to(tmp_path)
    ended = cli("run", "test", "--frames", 2, "--lib", lib, "-q", "--out", "ö/ü.jsonl", "--save", "ö/é.mp4", LC_ALL="C", LANG="")

    assert (ended.code, ended.text) == (0, "")
    assert (tmp_path / "ö/ü.jsonl").read_text().count('{"city":"Zürich"}') == 2
    assert (tmp_path / "ö/é.mp4").stat().st_size > 1000


def test_where_python_keeps_to_ascii(cli, library, tmp_path):
    """As in the C locale of a Python that does not switch to UTF-8."""
    lib = library(CITY, "stadt_ü.py").name
    ascii_ = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    (tmp_path / "o_ü.json").write_text("{}")
    ended = cli("run", "test", "--frames", 2, "--lib", lib, "-q", "--options", "@o_ü.json", "--out", "ü.jsonl", **ascii_)

    assert (ended.code, ended.text) == (0, "")
    assert (tmp_path / "ü.jsonl").read_text().count('{"city":"Zürich"}') == 2


def test_an_exception_while_a_document_is_handed_on_ends_the_run(cli, tmp_path, library):
    """Whatever it is: here what is written to is closed by the library."""
    closes = "import os\ndef process_ip(b, m, o):\n    for number in range(3, 30):\n        try:\n"
    closes += "            if os.readlink(f'/proc/self/fd/{number}').startswith('pipe'): os.close(number)\n"
    closes += "        except OSError: pass\n"
    ended = cli("run", "test", "--frames", 3, "--lib", library(closes), "-q")

    assert ended.code == 1
    assert "cannot be written (Bad file descriptor)" in ended.err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["test", "--lib", "caf\udce9.py"], 'custom-lib="caf\\xe9.py" is not UTF-8 text, and the properties of elements hold '),
        (["test", "--lib", "lib.py", "--save", "caf\udce9.mp4"], 'location="caf\\xe9.mp4" is not UTF-8 text, '),
        (["test", "--lib", "lib.py", "--options", "@caf\udce9"], 'options="@caf\\xe9" is not UTF-8 text, '),
    ],
)
def test_names_that_gstreamer_cannot_have_are_refused_in_a_sentence(cli, library, tmp_path, words, complaint):
    library(SAYS)
    library(SAYS, "caf\udce9.py")
    ended = cli("run", *words, "--frames", 1)

    assert ended.code == 1
    assert ended.err.startswith(f"empycustom: error: {complaint}")
    assert ended.err.count("\n") == 1


def test_other_names_that_are_not_utf_8_are_taken(cli, library, video, tmp_path):
    library(SAYS)
    name = "caf\udce9"
    os.rename(video, tmp_path / f"{name}.avi")
    picture = ["--save", f"{name}.png", "--out", f"{name}.jsonl"]
    ended = cli("run", f"{name}.avi", "--lib", "lib.py", "--frames", 2, *picture)
    uri = cli("run", f"file://{tmp_path}/caf%E9.avi", "--lib", "lib.py", "--frames", 2)

    assert (ended.code, uri.code, len(uri.documents)) == (0, 0, 2), ended.err
    assert "written: caf\\xe9.jsonl, caf\\xe9.png" in ended.err
    assert (tmp_path / f"{name}.png").exists()


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_closed_streams_get_into_no_file(env, library, tmp_path, closed):
    """A file that is opened gets the lowest number that is free; it is not to be one that C or a child writes to."""
    lib = library(CHATTY)
    line = f"{sys.executable} -m empycustom run test --frames 2 --lib {lib} --out o.jsonl --save v.avi --save p.png {closed}"
    done = subprocess.run(["sh", "-c", line], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    assert [json.loads(each)["frame"][0]["emcustom"] for each in (tmp_path / "o.jsonl").read_text().splitlines()] == [
        {"a": 1}
    ] * 2
    assert (tmp_path / "v.avi").read_bytes()[:4] == b"RIFF"
    assert b"child" not in (tmp_path / "v.avi").read_bytes()


@pytest.mark.parametrize(
    "code",
    [
        "os.close(1)",
        "os.close(2)",
        "os.close(1); os.close(2)",
        "sys.stdout.close()",
        "sys.stderr.close()",
        "sys.stdout = sys.stderr = None",
    ],
)
@pytest.mark.parametrize("when", ["", "def start(options):\n    "])
def test_a_library_may_close_the_standard_streams(cli, library, when, code):
    ended = cli("run", "test", "--frames", 2, "--lib", library(f"import os, sys\n{when}{code}\n\n{SAYS}"))

    assert (ended.code, len(ended.documents)) == (0, 2), ended.err
    assert "Traceback" not in ended.err
    assert "2 documents" in ended.err or "os.close(2)" in code


@pytest.mark.parametrize("reader", ["2>&1 | true", "2>/dev/full"])
def test_nobody_needs_to_read_stderr(env, library, tmp_path, reader):
    """The stream goes on, beyond the first line of progress, and the exit code is that of the stream."""
    source = "import time\n" + SAYS.replace("    return", "    time.sleep(0.4)\n    return")
    line = f"({sys.executable} -m empycustom run test --frames 10 --lib {library(source)} --out o.jsonl; echo $? > code) {reader}"
    subprocess.run(["sh", "-c", line], env=env, cwd=tmp_path, capture_output=True, timeout=60, check=False)

    assert (tmp_path / "code").read_text() == "0\n"
    assert len((tmp_path / "o.jsonl").read_text().splitlines()) == 10
