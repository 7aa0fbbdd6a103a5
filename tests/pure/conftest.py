"""Libraries for tests, and where they are loaded."""

import json
import sys
import textwrap

import pytest
from library_files import LIBRARY

from empycustom.config import streams as config
from empycustom.library.callbacks import Library
from empycustom.library.load import load, unload


@pytest.fixture
def make(tmp_path):
    """Write a library (and helpers, by name) and return its path."""

    def write(text, **helpers):
        for name, helper in helpers.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(helper))
        path = tmp_path / "lib.py"
        path.write_text(textwrap.dedent(text))
        return str(path)

    return write


@pytest.fixture
def opened(make):
    """Open a library written for the test, and close it in the end."""
    libraries = []

    def open_it(text, in_place=True, views=None, **helpers):
        libraries.append(Library.open(make(text, **helpers), in_place=in_place, views=views))
        return libraries[-1]

    path, modules = list(sys.path), set(sys.modules)
    yield open_it
    for library in libraries:
        library.close()
    assert sys.path == path
    assert not [name for name in set(sys.modules) - modules if name.startswith("empycustom.library.f")]


@pytest.fixture
def surroundings(tmp_path, monkeypatch):
    """Work in a folder of the test's own; afterwards sys.path and sys.modules must be as they were."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])  # `python -m pytest` puts the folder there
    path, modules = list(sys.path), set(sys.modules)
    yield
    assert sys.path == path
    assert {name for name in set(sys.modules) - modules if LIBRARY.match(name)} == set()


@pytest.fixture
def loaded():
    """Load libraries, and unload them in the end."""
    modules = []

    def take(custom_lib):
        modules.append(load(str(custom_lib)))
        return modules[-1]

    yield take
    for module in modules:
        unload(module)


@pytest.fixture
def configured(tmp_path):
    """Read a configuration from a folder with lib.py and resource/models/deep.py in it."""
    (tmp_path / "resource/models").mkdir(parents=True)
    for name in ("lib.py", "resource/models/deep.py", "resource/infer.txt"):
        (tmp_path / name).touch()

    def read(pipeline, *, sources=("test",), settings=(), **more):
        path = tmp_path / "emi_stream_config.json"
        path.write_text(json.dumps({"pipeline_configuration": pipeline, **more}))
        return config.read(path, sources=sources, settings=settings)

    return read
