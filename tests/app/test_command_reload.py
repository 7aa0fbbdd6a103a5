"""``empycustom run --reload``, and the key of configurations: libraries that are edited while they play."""

from __future__ import annotations

import json
import subprocess
import time

import pytest

LIB = "def process_ip(b, m, o):\n    return {{'frame': {{'{name}': {value}}}}}\n"
PATIENCE_S = 60


@pytest.fixture
def edited(gst_env, tmp_path, library):
    """Run with libraries one.py and two.py, edit both when there are documents, and return the last values of each, and stderr."""

    def play(*arguments):
        for name in ("one", "two"):
            library(LIB.format(name=name, value=1), f"{name}.py")
        out = tmp_path / "out.jsonl"
        process = subprocess.Popen(
            ["empycustom", "run", *arguments, "--out", str(out), "--quiet"],
            cwd=tmp_path,
            env=gst_env,
            stderr=subprocess.PIPE,
            text=True,
        )

        def documents():
            lines = out.read_text().splitlines(keepends=True) if out.exists() else []
            return [json.loads(line)["frame"][0]["emcustom"] for line in lines if line.endswith("\n")]

        def wait_for(*values):
            began = time.monotonic()
            while not (found := documents()) or found[-1] not in values:
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() - began < PATIENCE_S, found[-1:]
                time.sleep(0.05)

        try:
            wait_for({"one": 1, "two": 1})
            library(LIB.format(name="two", value="broken("), "two.py")
            time.sleep(2)
            for name in ("one", "two"):
                library(LIB.format(name=name, value=2), f"{name}.py")
            wait_for({"one": 2, "two": 2}, {"one": 1, "two": 2})
            time.sleep(1)
        finally:
            process.send_signal(2)
            _, errors = process.communicate(timeout=PATIENCE_S)
        return documents()[-1], errors

    return play


@pytest.mark.parametrize(
    ("arguments", "one"),
    [
        (["--reload", "--lib", "one.py", "--lib", "two.py"], 2),
        (["--lib", "one.py", "--lib", "two.py", "--reload"], 1),
    ],
    ids=["all", "one"],
)
def test_libraries_of_the_command_line(edited, arguments, one):
    last, errors = edited("test", *arguments)
    assert last == {"one": one, "two": 2}
    assert errors.count("two.py: the library is reloaded; its new version takes over") == 1
    assert errors.count("one.py: the library is reloaded") == one - 1
    assert errors.count("the library is not reloaded") == 1
    assert "SyntaxError" in errors


def test_a_configuration(edited, tmp_path):
    stages = [{"empycustom": {"custom-lib": f"{name}.py", "in-place": "true", "reload": "true"}} for name in ("one", "two")]
    (tmp_path / "config.json").write_text(json.dumps({"pipeline_configuration": {"secondary": stages, "aimeta": {}}}))
    last, errors = edited("config.json", "--source", "test")
    assert last == {"one": 2, "two": 2}
    assert errors.count("the library is reloaded; its new version takes over") == 2
