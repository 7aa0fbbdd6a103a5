"""docs/errors.md: the messages of ``empycustom batch``."""

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from error_rows import compare

LIB = """
import ctypes
def process_ip(buffer, in_meta, options):
    if options.get("crash"):
        ctypes.string_at(0)
"""


def test_messages_of_batch(tmp_path, env_with):
    line = "videotestsrc num-buffers=3 ! video/x-raw,width=64,height=48 ! jpegenc ! matroskamux ! filesink location=whole.mkv"
    subprocess.run(["gst-launch-1.0", "-q", *line.split()], cwd=tmp_path, check=True, timeout=60)
    content = (tmp_path / "whole.mkv").read_bytes()
    files = {
        "cut.mkv": content[:-200],
        "lib.py": LIB.encode(),
        "a.json": b"{}",
        "list.txt": b"whole.mkv\ncut.mkv\nmissing.mkv\n",
        "empty.txt": b"",
    }
    for name, written in files.items():
        (tmp_path / name).write_bytes(written)

    def batch(*given, out="out"):
        command = [sys.executable, "-m", "empycustom", "batch", "--out", out, "--json", given[0], "--lib", "lib.py", *given[1:]]
        ended = subprocess.run(command, cwd=tmp_path, env=env_with(), capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode == 1, ended.stderr
        if ended.stdout:
            return [each["error"] for each in json.loads(ended.stdout)["failures"]]
        return [ended.stderr.partition("error: ")[2].strip()]

    messages = [
        *batch("nothing.mkv"),
        *batch("test"),
        *batch("a.json"),
        *batch("@none.txt"),
        *batch("@empty.txt"),
        *batch("@list.txt"),
        *batch("whole.mkv", "--every", "2"),
        *batch("whole.mkv", "--options", '{"crash": 1}', out="crashed"),
        *batch("whole.mkv", out="."),
    ]
    assert len(messages) == 10
    compare("Batches", messages)
