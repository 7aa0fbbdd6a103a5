"""New versions whose start, or top level, does not return: the next one that is saved is tried nevertheless."""

import re

import pytest
from driven import wait_until
from edited import HangOfStarts, children, our_threads, save, streaming

from empycustom.runners import versions
from empycustom.runners.supervisor import Supervisor

GOOD = "VALUE = {value}\ndef process_ip(io_buffer, in_meta, options):\n    return {{'frame': {{'value': VALUE}}}}\n"
HANG = "import time\nfrom pathlib import Path\ndef hang():\n    Path({begun!r}).touch()\n    while not Path({gate!r}).exists():\n        time.sleep(0.01)\n"
PLACES = {"start": "def start(options):\n    hang()\n", "top": "hang()\n"}


@pytest.fixture
def hanging(tmp_path):
    threads, processes = sorted(our_threads()), children()

    def text(place):
        return HANG.format(begun=str(tmp_path / "begun"), gate=str(tmp_path / "gate")) + PLACES[place] + GOOD.format(value=1)

    yield text
    (tmp_path / "gate").touch()
    wait_until(lambda: sorted(our_threads()) == threads and children() <= processes)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("workers", [0, 2])
def test_the_next_version_is_tried_while_one_hangs(library, tmp_path, hanging, workers, place):
    path, before = library(GOOD.format(value=0)), children()
    with streaming(path, f"in-place=true reload=true workers={workers}") as stream:
        stream.wait_for(0)
        save(path, hanging(place))
        wait_until((tmp_path / "begun").exists)
        stream.wait_for(0)
        save(path, "# another\n" * 20 + GOOD.format(value=2))
        if not workers:
            text, details = stream.warning()
            assert re.search("lib.py:[456]: the new version has not started after ", text), text
            assert "is given up; its thread goes on until it returns, and then its stop is called" in text
            assert re.search(r'lib\.py", line [456] in hang', details), details
            assert "# another" not in details
        stream.wait_for(2)
        stream.reloaded()
        if workers:
            wait_until(lambda: len(children() - before) == workers)
    assert 1 not in stream.values


@pytest.mark.parametrize("workers", [0, 1])
def test_a_version_that_hangs_is_reported_with_its_line(library, tmp_path, hanging, monkeypatch, workers):
    monkeypatch.setattr(versions, "_HANG_S", 60.0)
    monkeypatch.setattr(Supervisor, "hang_s", HangOfStarts())
    path = library(GOOD.format(value=0))
    with streaming(path, f"in-place=true reload=true workers={workers}") as stream:
        stream.wait_for(0)
        save(path, hanging("start"))
        wait_until((tmp_path / "begun").exists)
        monkeypatch.setattr(versions, "_HANG_S", 1.0)
        text, details = stream.warning()
        place = "start has not returned for" if workers else "the new version has not started after"
        assert re.search(rf": {place} \d+ s; ", text), text
        assert f"{path}:" in text
        assert "in start" in details
        (tmp_path / "gate").touch()
        stream.wait_for(1)  # it was not given up
