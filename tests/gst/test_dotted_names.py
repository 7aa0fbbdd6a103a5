"""Libraries that are named as modules: each element has its own, with state and options of its own, wherever it runs."""

from __future__ import annotations

import json
import sys

import pytest
from edited import save, streaming

import empycustom
from empycustom import libs, testing
from empycustom.errors import LibraryNotFoundError, OptionError
from empycustom.gstreamer import Gst

SOURCE = "videotestsrc num-buffers=3 ! video/x-raw,format=RGBA,width=16,height=16"
COUNT = """\
import ctypes

import empycustom

OPTIONS = {"step": empycustom.Option(1, "how far"), "crash": empycustom.Option(-1)}
count = 0


def process_ip(b, m, o):
    global count
    if m["frame"][0]["frame_num"] == o["crash"]:
        ctypes.string_at(0)
    count += o["step"]
    return {"frame": {"count": count, "value": o["step"]}}
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package that is installed, with a module that counts; return the module's file."""
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    (tmp_path / "site" / "parts").mkdir(parents=True)
    (tmp_path / "site" / "parts" / "__init__.py").touch()
    path = tmp_path / "site" / "parts" / "count.py"
    path.write_text(COUNT)
    yield path
    for name in ("parts", "parts.count"):  # those of the next test are others
        sys.modules.pop(name, None)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The same in this package; return the module's file."""
    (tmp_path / "libs").mkdir()
    monkeypatch.setattr(libs, "__path__", [*libs.__path__, str(tmp_path / "libs")])
    path = tmp_path / "libs" / "count.py"
    path.write_text(COUNT)
    return path


def counts(play, name, where=""):
    """Play two elements with one module, and return what each has counted."""
    elements = "".join(
        f'! empycustom name={each} in-place=true custom-lib={name} {where} options="{{\\"step\\":{step}}}" '
        for each, step in (("a", 1), ("b", 10))
    )
    pipeline = Gst.parse_launch(f"{SOURCE} {elements}! fakesink")
    played = play(pipeline)
    assert played.ended, played.errors
    return [json.loads(pipeline.get_by_name(each).get_property("last-meta"))["frame"]["count"] for each in "ab"]


@pytest.mark.parametrize("where", ["", "workers=1"], ids=["here", "worker"])
def test_elements_with_one_installed_module_share_no_state(play, installed, where):
    assert counts(play, "parts.count", where) == [3, 30]


@pytest.mark.inline("other processes do not see the folder that the test adds to the package")
def test_elements_with_one_module_of_the_package_share_no_state(play, own):
    assert counts(play, "empycustom.libs.count") == [3, 30]
    with pytest.raises(OptionError) as caught:
        testing.run("empycustom.libs.count", options={"stpe": 1})
    assert str(caught.value) == f"{own}:5: there is no option stpe; step may be meant; known here: step, crash"


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("name", ["track", "zones"])
def test_the_libraries_of_the_package_are_found(name, workers):
    with pytest.raises(OptionError, match=rf"^empycustom\.libs\.{name}: there is no option no_such; "):
        list(empycustom.process("test", f"empycustom.libs.{name}", options={"no_such": 1}, workers=workers))


def test_one_that_is_not_there():
    with pytest.raises(LibraryNotFoundError, match=r"empycustom\.libs\.no_such is neither a file in .* nor a module"):
        testing.run("empycustom.libs.no_such")


def test_a_worker_that_died_loads_the_module_again(installed):
    results = empycustom.process("test", "parts.count", options={"crash": 2}, workers=1, on_error="pass")
    with results:
        found = [next(results).attributes for _ in range(5)]
    assert [each and each["count"] for each in found] == [1, 2, None, 1, 2]


@pytest.mark.parametrize("where", ["", "workers=1"], ids=["here", "worker"])
def test_reload_loads_a_module_of_the_package_again(installed, where):
    with streaming("parts.count", f"in-place=true reload=true {where}") as stream:
        stream.wait_for(1)
        save(installed, COUNT.replace("Option(1,", "Option(5,"))
        stream.wait_for(5)
        stream.reloaded()


def test_gst_launch(gst_launch, installed):
    launched = gst_launch(
        f"{SOURCE} ! empycustom in-place=true custom-lib=parts.count ! aimeta silent=false ! fakesink",
        PYTHONPATH=str(installed.parents[1]),
    )
    assert [document["frame"][0]["emcustom"]["count"] for document in launched.documents] == [1, 2, 3]
