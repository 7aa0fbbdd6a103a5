"""The C locale of docker, cron, systemd and `env -i`: gst-launch's Python is one of ASCII there."""

from __future__ import annotations

import os
import subprocess

import pytest

SOURCE = "-q videotestsrc num-buffers=2 ! video/x-raw,format=RGBA,width=64,height=48"
CITY = """\
import grün.helper as helper
import wärme

def process_ip(io_buffer, in_meta, options, events):
    print("printed in Zürich", options, events, helper.NAME, wärme.NAME, flush=True)
    return [{"city": "Zürich\\u009b"}]
"""


@pytest.fixture
def c_locale(gst_launch):
    """gst-launch in the C locale; what it prints is UTF-8 all the same."""

    def launch(line, **extra):
        return gst_launch(line, LC_ALL="C", **extra)

    return launch


def test_paths_documents_and_prints_are_utf_8(c_locale, library, tmp_path):
    library(CITY, "ö/stadt_ü.py")
    library("NAME = 'é'\n", "ö/grün/helper.py")
    library("NAME = 'è'\n", "ö/wärme.py")
    (tmp_path / "ö/optionen_ü.json").write_text('{"ü": 1}')
    launched = c_locale(
        f"{SOURCE} ! empycustom in-place=true custom-lib=ö/stadt_ü.py options=@ö/optionen_ü.json events=@ö/optionen_ü.json ! "
        "aimeta silent=false location=ö/ausgabe_ü.jsonl ! fakesink"
    )

    assert launched.code == 0, launched.text
    assert launched.complaints() == []
    assert launched.out.count("printed in Zürich {'ü': 1} {'ü': 1} é è\n") == 2
    written = (tmp_path / "ö/ausgabe_ü.jsonl").read_text()
    assert written.count('"emcustom":{"city":"Zürich\\u009b"}') == 2
    assert [line for line in launched.out.splitlines() if line.startswith("{")] == written.splitlines()


def test_home_may_have_any_name(c_locale, library, tmp_path):
    library("def process_ip(b, m, o):\n    return [{'a': 1}]\n", "zuhause_ü/lib.py")
    launched = c_locale(
        f"{SOURCE} ! empycustom in-place=true custom-lib=~/lib.py ! aimeta location=~/out.jsonl ! fakesink",
        HOME=str(tmp_path / "zuhause_ü"),
    )

    assert launched.code == 0, launched.text
    assert len((tmp_path / "zuhause_ü/out.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("properties", "behind", "complaint"),
    [
        ("custom-lib=ö/none.py", "", "none.py does not exist: there is no folder "),
        ("custom-lib=lib.py options=@ö.json", "", ".json cannot be read (No such file or directory)"),
        ("custom-lib=lib.py", "aimeta location=ö/none.jsonl !", "none.jsonl cannot be written (No such file or directory)"),
        ("custom-lib=raises_ü.py", "", ".py:2: process_ip raised ValueError: no "),
    ],
)
def test_what_is_wrong_is_reported_in_a_sentence(c_locale, library, properties, behind, complaint):
    library("def process_ip(b, m, o):\n    pass\n")
    library("def process_ip(b, m, o):\n    raise ValueError('no Zürich')\n", "raises_ü.py")
    launched = c_locale(f"{SOURCE} ! empycustom in-place=true {properties} ! {behind} fakesink")

    assert launched.code != 0
    assert complaint in launched.text
    assert "defect" not in launched.text
    assert "codec" not in launched.text


@pytest.mark.parametrize("workers", [0, 1])
def test_an_encoding_that_is_asked_for_stays(gst_env, library, tmp_path, workers):
    library(
        "import os, sys\n\ndef process_ip(b, m, o):\n    print(sys.stdout.encoding, 'é', flush=True)\n    os.write(1, b'raw \\xe9\\n')\n"
    )
    line = f"gst-launch-1.0 {SOURCE} ! empycustom in-place=true workers={workers} custom-lib=lib.py ! fakesink"
    env = {**gst_env, "LC_ALL": "C", "PYTHONIOENCODING": "latin-1"}
    out = subprocess.run(line.split(), env=env, cwd=tmp_path, stdout=subprocess.PIPE, timeout=60, check=True).stdout

    assert out.decode("latin-1").replace("latin-1 é", "iso8859-1 é").splitlines() == ["iso8859-1 é", "raw é"] * 2


def test_a_closed_stdout_is_reported_in_a_sentence(gst_env, tmp_path):
    line = f"gst-launch-1.0 {SOURCE} ! aimeta silent=false ! fakesink >&-"
    done = subprocess.run(
        ["sh", "-c", line], env=gst_env, cwd=tmp_path, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )

    assert done.returncode != 0
    assert "silent=false: the console cannot be written (stdout is closed); set silent=true" in done.stderr
    assert "defect" not in done.stderr


def test_names_that_are_not_utf_8_come_in_by_the_folder(c_locale, library, tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / "lib.py").write_text("def process_ip(b, m, o):\n    return [{'a': 1}]\n")
    launched = c_locale(f"{SOURCE} ! empycustom in-place=true custom-lib=lib.py ! aimeta location=o.jsonl ! fakesink", cwd=folder)

    assert launched.code == 0, launched.text
    assert len((folder / "o.jsonl").read_text().splitlines()) == 2
