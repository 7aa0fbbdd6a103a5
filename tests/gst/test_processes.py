"""What a library defines is found by other processes: multiprocessing in its three ways, executors, pickles."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from empycustom.library.load import load, unload

# In a library, in a helper beside it, and in a package beside it.
THINGS = "class Thing:\n    def __init__(self, n): self.n = n\n"
SOURCE = """
import concurrent.futures, multiprocessing, os
import helper, things.inner
from helper import Thing

class Own:
    pass

def work(thing, inner):
    assert type(thing) is Thing is helper.Thing and type(inner) is things.inner.Thing
    return Thing(thing.n + inner.n), Own(), os.getpid()

def start(options):
    global run, end
    context = multiprocessing.get_context(options["method"])
    if options["kind"] == "pool":
        pool = context.Pool(1)
        run, end = lambda *given: pool.starmap_async(work, [given]).get(timeout=50)[0], pool.terminate
    else:
        pool = concurrent.futures.ProcessPoolExecutor(1, mp_context=context)
        run, end = lambda *given: pool.submit(work, *given).result(timeout=50), pool.shutdown

def process_ip(io_buffer, in_meta, options):
    thing, own, process = run(Thing(1), things.inner.Thing(2))
    assert type(thing) is Thing and type(own) is Own and process != os.getpid()
    return [{"n": thing.n}]

def stop(options):
    end()
"""
METHODS = ["fork", "spawn", "forkserver"]
KINDS = ["pool", "executor"]


@pytest.fixture
def library_of_processes(library):
    library(THINGS, "odd folder-ü.1/helper.py")
    library(THINGS, "odd folder-ü.1/things/inner.py")
    return library(SOURCE, "odd folder-ü.1/my-library.v2.py")


def said(document):
    return document["frame"][0]["emcustom"]


def quoted(options):
    return json.dumps(options).replace('"', '\\"')


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", METHODS)
def test_by_gst_launch(gst_launch, library_of_processes, method, kind):
    launched = gst_launch(
        f'videotestsrc num-buffers=1 ! video/x-raw,format=RGBA,width=8,height=8 ! empycustom in-place=true custom-lib="{library_of_processes}" '
        f'options="{quoted({"method": method, "kind": kind})}" ! aimeta silent=false ! fakesink'
    )
    assert launched.code == 0, launched.text
    assert [said(document) for document in launched.documents] == [{"n": 3}]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", METHODS)
def test_by_run(library_of_processes, tmp_path, method, kind):
    options = json.dumps({"method": method, "kind": kind})
    done = subprocess.run(
        [Path(sys.executable).with_name("empycustom"), "run", "test", "--frames", "1", "-q", "--lib", library_of_processes, "--options", options],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert said(json.loads(done.stdout)) == {"n": 3}


@pytest.mark.parametrize("path", ["/nonexistent", "{}/none"])
def test_gst_launch_starts_its_own_python_whatever_is_on_the_path(gst_launch, gst_env, library_of_processes, tmp_path, path):
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "none" / "python3").chmod(0o755)
    packages = os.pathsep.join(entry for entry in sys.path if entry)
    launched = gst_launch(
        f'videotestsrc num-buffers=1 ! video/x-raw,format=RGBA,width=8,height=8 ! empycustom in-place=true custom-lib="{library_of_processes}" '
        f'options="{quoted({"method": "spawn", "kind": "pool"})}" ! aimeta silent=false ! fakesink',
        tool="/usr/bin/gst-launch-1.0",
        PATH=path.format(tmp_path),
        PYTHONPATH=packages,
        GST_REGISTRY=str(tmp_path / "registry.bin"),
    )
    assert launched.code == 0, launched.text
    assert [said(document) for document in launched.documents] == [{"n": 3}]


READER = """
import pickle, sys
for thing in pickle.load(sys.stdin.buffer):
    print(type(thing).__qualname__, thing.n)
assert not {"gi", "numpy"} & set(sys.modules)
"""


@pytest.mark.parametrize("name", ["lib.py", "my-lib.py", "größe v2.py", "pkg.sub.lib"])
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_is_read_by_a_fresh_python(library, tmp_path, monkeypatch, name, protocol):
    import pickle

    monkeypatch.chdir(tmp_path)
    file = name if name.endswith(".py") else f"{name.replace('.', '/')}.py"
    library("class Other:\n    n = 5\n", str(Path(file).with_name("helper.py")))
    imports = "import helper" if name.endswith(".py") else "from . import helper"
    library(f"{imports}\nclass Own:\n    n = 4\n    class Inner:\n        n = 3\n", file)
    module = load(name)
    try:
        pickled = pickle.dumps([module.Own(), module.Own.Inner(), module.helper.Other()], protocol)
        assert [type(thing) for thing in pickle.loads(pickled)] == [module.Own, module.Own.Inner, module.helper.Other]
    finally:
        unload(module)
    done = subprocess.run([sys.executable, "-c", READER], input=pickled, cwd="/", capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().split("\n") == ["Own 4", "Own.Inner 3", "Other 5", ""]


def test_a_module_of_the_application_is_found_too(library, tmp_path, monkeypatch):
    """One that Python finds by its own name is loaded once more; its neighbours are the application's."""
    import pickle

    library("", "site_of_app/app_pkg/__init__.py")
    library("class Shared:\n    n = 7\n", "site_of_app/app_pkg/shared.py")
    library("from .shared import Shared\nclass Own:\n    n = 6\n", "site_of_app/app_pkg/lib.py")
    monkeypatch.syspath_prepend(str(tmp_path / "site_of_app"))
    module = load("app_pkg.lib")
    try:
        from app_pkg.lib import Own
        from app_pkg.shared import Shared

        assert module.Own is not Own
        assert module.Shared is Shared
        assert module.__package__ == "app_pkg"
        pickled = pickle.dumps([module.Own(), module.Shared()])
    finally:
        unload(module)
        for name in ("app_pkg", "app_pkg.lib", "app_pkg.shared"):
            del sys.modules[name]
    done = subprocess.run(
        [sys.executable, "-c", READER], input=pickled, env={**os.environ, "PYTHONPATH": str(tmp_path / "site_of_app")}, capture_output=True, timeout=60, check=False
    )  # fmt: skip
    assert done.stdout.decode().split("\n") == ["Own 6", "Shared 7", ""], done.stderr.decode()


def test_classes_of_gobject_are_registered_at_each_start(library):
    lib = library("from gi.repository import GObject\nclass Mine(GObject.Object):\n    pass\n")
    for _ in range(3):
        modules = [load(str(lib)), load(str(lib))]
        assert len({module.Mine.__gtype__.name for module in modules}) == 2
        for module in modules:
            unload(module)


def test_what_is_written_to_builtins_is_seen_by_the_library(play, library):
    import builtins

    lib = library(
        "import gettext\ngettext.install('x')\ndef process_ip(b, m, o):\n"
        "    import builtins\n    assert __builtins__ in (builtins, vars(builtins))\n    return [{'t': _('hello')}]\n"
    )
    try:
        played = play(
            f"videotestsrc num-buffers=1 ! video/x-raw,format=RGBA ! empycustom in-place=true custom-lib={lib} ! fakesink name=x"
        )
        assert played.errors == []
    finally:
        vars(builtins).pop("_", None)
