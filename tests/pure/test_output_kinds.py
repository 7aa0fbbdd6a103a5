"""Files, pipes and the console as outputs, and the table of them."""

from __future__ import annotations

import io
import json
import os
import re
import select
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from output_queues import PATIENCE_S, WAITS, lines, put_all, queue_of

from empycustom.errors import EmPyCustomError, PathError, UnknownOutputError
from empycustom.outputs.queued import QueuedOutput, reason
from empycustom.outputs.table import OUTPUTS, ConsoleOutput, FileOutput, line_of, output_for, path_of


def test_a_file_holds_the_lines_and_can_be_followed(tmp_path):
    (tmp_path / "a b.jsonl").write_text("old\n")
    output = queue_of(output_for(f"file://{tmp_path}/a%20b.jsonl"))
    assert (tmp_path / "a b.jsonl").read_bytes() == b""
    for number in range(1, 4):
        put_all(output, lines(1, number))
        output.drain()
        assert (tmp_path / "a b.jsonl").read_bytes() == b"".join(lines(number, 1))
    output.close()


def test_a_path_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = output_for("x.jsonl")
    assert isinstance(made, FileOutput)
    assert made.path == tmp_path / "x.jsonl"
    monkeypatch.chdir("/")
    made.open()
    made.close()
    assert (tmp_path / "x.jsonl").exists()


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/tmp/x", "/tmp/x"),
        ("x.jsonl", "x.jsonl"),
        ("/tmp/a/c://d.jsonl", "/tmp/a/c://d.jsonl"),
        ("./c://d.jsonl", "c:/d.jsonl"),
        ("file:///tmp/a%20b", "/tmp/a b"),
        ("FILE:///tmp/x", "/tmp/x"),
        ("file://localhost/tmp/x", "/tmp/x"),
        ("File://LocalHost/tmp/x", "/tmp/x"),
        (f"file://{socket.gethostname()}/tmp/x", "/tmp/x"),
        ("file:///~/x", "/~/x"),
        ("console://", None),
        ("CONSOLE://", None),
        ("their-s.v2+x://host/x", None),
    ],
)
def test_the_path_of_a_location(location, path):
    assert path_of(location) == (None if path is None else Path(path))


@pytest.mark.parametrize(("location", "host"), [("file://rel.jsonl", "rel.jsonl"), ("file://a/b", "a"), ("file://", "nothing")])
def test_a_file_of_another_machine_is_refused(location, host):
    with pytest.raises(PathError) as caught:
        output_for(location)
    assert str(caught.value).startswith(
        f"{location}: the text between file:// and the next / is the name of a machine, and {host} is not this one; "
        "write file:///absolute/path, or the path without file://"
    )


def test_schemes_without_case():
    assert isinstance(output_for("FILE:///tmp/x"), FileOutput)
    assert isinstance(output_for("Console://"), ConsoleOutput)


def test_a_full_disk():
    output = queue_of(FileOutput("/dev/full"))
    put_all(output, lines(3))
    output.close()
    assert [reason(error) for error in output.errors] == ["No space left on device"]
    assert output.lost == 3


def test_a_named_pipe_that_nobody_reads_stops_nobody(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    output = queue_of(FileOutput(str(path)))
    put_all(output, lines(3))
    output.close(patience_s=0.2)
    assert output.lost == 3
    with path.open("rb") as reader:  # lets the thread end
        assert reader.read() in (b"", b"".join(lines(3)))


def test_a_reader_of_a_named_pipe_sees_the_end_although_there_is_no_document(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reading, seen = os.open(path, os.O_RDONLY | os.O_NONBLOCK), select.poll()
    seen.register(reading, select.POLLIN)
    output = queue_of(FileOutput(str(path)))
    assert seen.poll(0) == []
    output.close()
    assert seen.poll(0) == [(reading, select.POLLHUP)]  # which is there behind a writer alone
    assert os.read(reading, 1) == b""
    os.close(reading)
    assert (output.written, output.errors) == (0, [])


def test_a_named_pipe_without_a_reader_or_documents_is_closed_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    output = queue_of(FileOutput(str(tmp_path / "fifo")))
    began = time.monotonic()
    output.close(patience_s=10 * PATIENCE_S)
    assert time.monotonic() - began < PATIENCE_S
    assert output.errors == []


def test_what_was_written_before_an_error_is_counted(tmp_path):
    """The limit is in the middle of a batch, and of a line."""
    script = (
        "import resource, signal, sys\nfrom empycustom.outputs.queued import Patient, QueuedOutput\n"
        "from empycustom.outputs.table import output_for\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1005, 1005))\n"
        "output = QueuedOutput(output_for('out'), on_error=lambda error: None)\n"
        "for _ in range(300): output.put(b'x' * 9 + b'\\n', Patient())\noutput.close()\n"
        "print(output.written, output.lost, output.waiting)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "100 200 0\n"
    assert (tmp_path / "out").read_bytes().count(b"\n") == 100


def test_a_reader_that_sleeps_gets_all(tmp_path):
    path, found = tmp_path / "fifo", []
    os.mkfifo(path)
    text = [b"x" * 1000 + b"\n"] * 500

    def read():
        time.sleep(0.3)
        with path.open("rb", buffering=0) as reader:
            while part := reader.read(20_000):
                found.append(part)
                time.sleep(0.01)

    thread = threading.Thread(target=read)
    thread.start()
    output = queue_of(FileOutput(str(path)), most=20)
    put_all(output, text)
    output.close()
    thread.join(PATIENCE_S)
    assert b"".join(found) == b"".join(text)
    assert output.errors == []


def test_a_pipe_gets_small_pieces_so_that_it_is_seen_to_move(tmp_path):
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        output = ConsoleOutput(stream=stream)
        output.open()
        assert output.batch_bytes == 4096
    os.close(reading)
    file = FileOutput(str(tmp_path / "file"))
    file.open()
    assert file.batch_bytes > 100_000
    file.close()


def test_a_descriptor_that_does_not_wait():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with os.fdopen(writing, "w") as stream, os.fdopen(reading, "rb") as reader:
        output = queue_of(ConsoleOutput(stream=stream))
        put_all(output, [b"y" * 9_999 + b"\n"] * 20)
        time.sleep(0.1)
        assert output.waiting
        assert reader.read(200_000).count(b"\n") == 20
        output.close()
        assert output.errors == []


def test_a_console_without_a_descriptor():
    text = io.StringIO()
    output = queue_of(ConsoleOutput(stream=text))
    output.put(line_of({"a": "ü"}), WAITS)
    output.close()
    assert text.getvalue() == '{"a":"ü"}\n'


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16", "utf-8"])
def test_utf_8_whatever_the_stream(encoding):
    data = io.BytesIO()
    output = queue_of(ConsoleOutput(stream=io.TextIOWrapper(data, encoding=encoding)))
    output.put(line_of({"city": "Zürich\x9b"}), WAITS)
    output.close()
    assert output.errors == []
    assert data.getvalue() == '{"city":"Zürich\\u009b"}\n'.encode()


def test_without_a_console(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OSError, match="stdout is closed"):
        QueuedOutput(output_for("console://"), on_error=print)


def test_python_buffers_are_not_locked():
    """A callback that prints does not wait for a document without a reader."""
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    output = queue_of(ConsoleOutput(stream=stream))
    put_all(output, [b"z" * 4095 + b"\n"] * 100)
    time.sleep(0.1)
    assert output.waiting
    callback = threading.Thread(target=print, args=("called",), kwargs={"file": stream})
    callback.start()
    callback.join(PATIENCE_S)
    assert not callback.is_alive()
    os.close(reading)
    output.close()
    assert isinstance(output.failed, BrokenPipeError)
    with pytest.raises(BrokenPipeError):
        stream.close()


def test_a_line_is_json_in_utf_8_that_no_terminal_obeys():
    value = {"a": "Zürich \x9b \u2028 \ud800", "b": [1, 2.5, None]}
    line = line_of(value)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028]", line.decode())
    assert json.loads(line) == value


_EXAMPLES = {"file": "file:///tmp/x"}


@pytest.mark.parametrize("scheme", OUTPUTS)
def test_each_row_of_the_table_is_an_output(scheme):
    output = output_for(_EXAMPLES.get(scheme, f"{scheme}://localhost:9/x"))
    for name in ("name", "batch_bytes", "open", "write", "close"):
        assert hasattr(output, name)


def test_a_scheme_that_nobody_offers():
    with pytest.raises(UnknownOutputError) as caught:
        output_for("fil:///x")
    assert isinstance(caught.value, EmPyCustomError)
    assert str(caught.value) == (
        "there is no output for fil://; file may be meant; give the path of a file, or a URI that begins with "
        f"{' or '.join(f'{scheme}://' for scheme in sorted(OUTPUTS))}, or install the package that has this output"
    )


def test_another_package_adds_an_output(theirs, monkeypatch):
    monkeypatch.chdir(theirs)
    monkeypatch.syspath_prepend(theirs)
    output = queue_of(output_for("theirs://somewhere"))
    put_all(output, lines(2))
    output.close()
    (made,) = sys.modules["their_package"].Theirs.made
    assert (made.name, made.file.closed, (theirs / "theirs.jsonl").read_bytes()) == ("theirs://somewhere", True, b"0\n1\n")
