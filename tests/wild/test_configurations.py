"""Whatever emi_stream_config.json holds is read, or refused by what ``empycustom run`` prints; nothing else comes of it."""

from __future__ import annotations

import json

import pytest
from hostile import ANY_TEXTS, VALUES, bounded, json_texts, mutated
from hypothesis import given
from hypothesis import strategies as st
from judging import NOT_A_SENTENCE

from empycustom.app.main import main
from empycustom.config import streams as config
from empycustom.errors import ConfigurationError

LIB = {"custom-lib": "lib.py", "in-place": True}
DOCUMENT = {
    "pipeline_configuration": {
        "input": {"live-source": False, "width": 64, "height": 48, "batch-size": 1},
        "primary": {"identity": {"silent": True}},
        "tracker": {"identity": {}},
        "secondary": [{"empycustom": {**LIB, "options": {"a": 1}}}],
        "empycustom": [{**LIB, "events": [{"a": 1}], "process-interval": 2, "on-error": "pass", "format": "RGBA"}, LIB],
        "overlay": {"identity": {"sync": False}},
        "aimeta": {"signal-interval": 2},
    },
    "signal_callback_function_name": "update",
    "event_item_keys": [{"key": "make", "type": "string", "options": ["audi", "bmw"]}, {"key": "n", "type": "number", "min_value": 0}],
    "options": [
        {"key": "speed", "option_type": "callback", "value": 1, "value_type": "number", "min-value": 0, "max-value": 9},
        {"key": {"element": "empycustom", "property": "silent"}, "option_type": "gstreamer", "value": True},
    ],
    "streams": [
        {"stream_id": "a", "location": "test", "options": [{"key": "speed", "value": 3}]},
        {"stream_id": "b", "location": "test"},
    ],
}  # fmt: skip
FILE = "emi_stream_config.json"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files that the configuration names."""
    (tmp_path / "lib.py").write_text("def process_ip(io_buffer, in_meta, options):\n    pass\n")
    (tmp_path / "emi_signal_callback.py").write_text("def update(signal):\n    return []\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


TYPED = ANY_TEXTS.filter(lambda text: "\n" not in text)  # what is typed is told as it is
SETTINGS = st.lists(TYPED | st.sampled_from(["speed=3", "speed", "=", "speed=", "a.speed=2", "empycustom.silent=1"]), max_size=2)


@bounded(300)
@given(mutated(DOCUMENT), SETTINGS, st.lists(TYPED, max_size=2))
def test_reading(folder, document, settings, sources):
    """Each line of what is wrong begins with the file, a place in it, or the switch."""
    path = folder / FILE
    path.write_text(json.dumps(document))
    try:
        assert config.read(path, settings=settings, sources=sources).streams
    except ConfigurationError as error:
        judge(str(error))


def judge(said: str) -> None:
    for line in said.split("\n"):
        assert not NOT_A_SENTENCE.search(line), line
        assert line.startswith((str(FILE), "/", "$", "--set", "--source")), line


@bounded(100)
@given(json_texts(DOCUMENT).map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=20))
def test_files_that_may_be_none(folder, content):
    (folder / FILE).write_bytes(content)
    try:
        assert config.read(folder / FILE).streams
    except ConfigurationError as error:
        judge(str(error))


@bounded(60)
@given(mutated(DOCUMENT, VALUES), SETTINGS)
def test_a_dry_run(folder, capfd, document, settings):
    """The command prints lines for gst-launch and ends with 0, or prints what is wrong and ends with 1."""
    (folder / FILE).write_text(json.dumps(document))
    capfd.readouterr()
    code = main(["run", FILE, "--dry-run", *(f"--set={text}" for text in settings if text not in ("", "-"))])
    printed = capfd.readouterr()
    assert code in (0, 1)
    assert "Traceback" not in printed.err
    assert "defect of empycustom" not in printed.err
    assert "CRITICAL" not in printed.err
    if code:
        assert printed.err.startswith("empycustom: error: "), printed.err
    else:
        assert "gst-launch-1.0" in printed.out
