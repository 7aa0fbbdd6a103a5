"""``empycustom run --reload``, and the key of configurations: libraries that are edited while they play."""

from __future__ import annotations

import json

import pytest
from command_helpers import wait_for

LIB = "def process_ip(b, m, o):\n    return {{'frame': {{'{name}': {value}}}}}\n"


@pytest.fixture
def edited(begin, tmp_path, library):
    """Run with libraries one.py and two.py, edit both when there are documents, and return stderr.

    ``last`` has the values that documents have in the end.
    """

    def play(*arguments, last):
        for name in ("one", "two"):
            library(LIB.format(name=name, value=1), f"{name}.py")
        out = tmp_path / "out.jsonl"
        child = begin("run", *arguments, "--out", out, "--quiet")

        def documents():
            lines = out.read_text().splitlines(keepends=True) if out.exists() else []
            return [json.loads(line)["frame"][0]["emcustom"] for line in lines if line.endswith("\n")]

        wait_for(lambda: documents()[-1:] == [{"one": 1, "two": 1}], "the first versions")
        library(LIB.format(name="two", value="broken("), "two.py")
        child.hear("the library is not reloaded")
        for name in ("one", "two"):
            library(LIB.format(name=name, value=2), f"{name}.py")
        wait_for(lambda: documents()[-1:] == [last], "the second versions")
        child.hear("two.py: the library is reloaded")
        child.interrupt()
        ended = child.end()
        assert ended.code == 130, ended.err
        assert documents()[-1] == last
        return ended.err

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
    errors = edited("test", *arguments, last={"one": one, "two": 2})
    assert errors.count("two.py: the library is reloaded; its new version takes over") == 1
    assert errors.count("one.py: the library is reloaded") == one - 1
    assert errors.count("the library is not reloaded") == 1
    assert "SyntaxError" in errors


def test_a_configuration(edited, tmp_path):
    stages = [{"empycustom": {"custom-lib": f"{name}.py", "in-place": "true", "reload": "true"}} for name in ("one", "two")]
    (tmp_path / "config.json").write_text(json.dumps({"pipeline_configuration": {"secondary": stages, "aimeta": {}}}))
    errors = edited("config.json", "--source", "test", last={"one": 2, "two": 2})
    assert errors.count("the library is reloaded; its new version takes over") == 2
