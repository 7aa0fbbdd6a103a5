"""Libraries that are loaded beside each other share nothing, and unloading gives everything back."""

import gc
import os
import sys
import threading
import weakref

import pytest
from library_files import application, write

from empycustom.library.load import load, unload

pytestmark = pytest.mark.usefixtures("surroundings")


def test_two_loads_share_nothing(loaded):
    write("helper.py", "items = []")
    write("lib.py", "import helper\nitems = []\nclass A: pass")
    one, two = loaded("lib.py"), loaded("lib.py")
    assert one is not two
    assert one.A is not two.A
    assert one.items is not two.items
    assert one.helper is not two.helper
    assert one.helper.items is not two.helper.items


HELPERS = {
    "lib.py": """
        import helper
        from package import deep
        import package.sub.leaf
        import package.sub.leaf as leaf
        from package.sub import leaf as leaf_again
        who = helper.WHO
        def late():
            import helper
            from helper import WHO
            import lazy
            import package.lazy
            return [helper is first, WHO, lazy.WHO, lazy.helper is first, package.lazy.WHO]
        first = helper
        def by_name():
            import importlib
            return importlib.import_module(".lazy", __package__).WHO
    """,
    "helper.py": "WHO = '{who}'",
    "lazy.py": "import helper\nWHO = 'lazy ' + helper.WHO",
    "package/__init__.py": "from .deep import WHO",
    "package/deep.py": "import helper\nfrom helper import WHO",
    "package/lazy.py": "from .sub import leaf\nWHO = 'package ' + leaf.WHO",
    "package/sub/__init__.py": "",
    "package/sub/leaf.py": "from .. import deep\nfrom helper import *",
}


def write_family(who):
    import textwrap

    for name, text in HELPERS.items():
        write(f"{who}/{name}", textwrap.dedent(text).replace("{who}", who))
    return f"{who}/lib.py"


def test_helpers_of_the_same_names_in_two_folders_do_not_meet(loaded):
    modules = {who: loaded(write_family(who)) for who in ("one", "two")}
    for who, module in modules.items():
        assert (module.who, module.deep.WHO, module.leaf.WHO) == (who, who, who)
        assert module.package.sub.leaf is module.leaf is module.leaf_again
    for who, module in [*modules.items(), *modules.items()]:
        assert module.late() == [True, who, f"lazy {who}", True, f"package {who}"]
        assert module.by_name() == f"lazy {who}"
    for name in ("helper", "lazy", "package", "package.sub", "lib"):
        assert name not in sys.modules


def test_two_libraries_of_one_folder_have_helpers_of_their_own(loaded):
    write("helper.py", "items = []")
    for name in ("one.py", "two.py"):
        write(name, "def late():\n    import helper\n    return helper")
    one, two = loaded("one.py"), loaded("two.py")
    assert one.late() is one.late()
    assert one.late() is not two.late()


def test_libraries_that_import_each_other(loaded):
    write("one.py", "import two\nx = 1\ndef f(): return two.g()")
    write("two.py", "import one\ndef g(): return one.x + 1")
    assert loaded("one.py").f() == 2


def test_a_relative_import_means_the_folder_of_the_library(loaded):
    write("helper.py", "x = 1")
    write("lib.py", "from . import helper\nfrom .helper import x\nimport helper as same")
    module = loaded("lib.py")
    assert module.x == 1
    assert module.helper is module.same


def test_a_helper_called_like_an_installed_module_is_the_librarys_alone(loaded):
    import colorsys
    import statistics

    write("statistics.py", "x = 'mine'")
    write("colorsys.py", "x = 'mine'")
    write("lib.py", "import statistics\ndef late():\n    import colorsys\n    return colorsys.x")
    module = loaded("lib.py")
    assert (module.statistics.x, module.late()) == ("mine", "mine")
    assert sys.modules["statistics"] is statistics
    assert sys.modules["colorsys"] is colorsys


def test_a_mere_folder_does_not_hide_an_installed_package(loaded):
    write("numpy/readme.txt")
    write("wave/readme.txt")
    write("models/readme.txt")
    write("models/small.py", "x = 1")
    write("lib.py", "import numpy, wave\nfrom models import small\nimport models.small as again")
    module = loaded("lib.py")
    assert module.numpy.zeros(1).size == 1
    assert hasattr(module.wave, "open")
    assert module.small is module.again
    assert module.small.x == 1


def test_imports_by_name_find_the_folder(loaded):
    write("plug_in_by_name.py", "x = 1")
    write("lib.py", "import importlib\ndef late():\n    return importlib.import_module('plug_in_by_name').x")
    assert loaded("lib.py").late() == 1
    sys.modules.pop("plug_in_by_name")


def test_modules_of_the_application_are_shared(loaded, tmp_path):
    write("app/state_of_app.py", "items = []")
    write("app/lib.py", "import state_of_app\nown = []")
    with application(tmp_path / "app"):
        import state_of_app

        one, two = loaded("app/lib.py"), loaded("app/lib.py")
        assert one.state_of_app is two.state_of_app is state_of_app
        assert one.own is not two.own


def test_modules_of_the_application_stay_when_a_librarys_helper_has_their_name(loaded, tmp_path):
    write("app/common_name.py", "who = 'app'")
    write("libs/common_name.py", "who = 'lib'")
    write("libs/lib.py", "from common_name import who")
    with application(tmp_path / "app"):
        import common_name

        assert loaded("libs/lib.py").who == "lib"
        assert sys.modules["common_name"] is common_name
        assert common_name.who == "app"


def test_the_standard_library_is_shared(loaded):
    write("lib.py", "import json, os.path, sys\nfrom collections import OrderedDict")
    module = loaded("lib.py")
    assert (module.json, module.os, module.sys) == (sys.modules["json"], os, sys)


def test_unloading_gives_everything_back():
    write_family("one")
    path, modules = list(sys.path), set(sys.modules)
    module = load("one/lib.py")
    module.late()
    assert sys.path != path
    unload(module)
    assert (sys.path, set(sys.modules)) == (path, modules)


def test_unloading_twice_is_harmless_to_others(loaded):
    write("one.py")
    write("two.py", "import importlib\ndef late():\n    return importlib.import_module('found_late')")
    write("found_late.py")
    one, two = load("one.py"), loaded("two.py")
    unload(one)
    unload(one)
    assert two.late()
    sys.modules.pop("found_late")


def test_an_unloaded_library_is_freed():
    write("helper.py", "class Big: pass")
    write("lib.py", "import helper\nclass Big: pass\ndef late():\n    import helper")
    module = load("lib.py")
    module.late()
    watched = [weakref.ref(thing) for thing in (module, module.Big, module.helper, module.helper.Big)]
    unload(module)
    del module
    gc.collect()
    assert [watch() for watch in watched] == [None] * 4


def test_loads_in_many_threads_at_once():
    whos = [f"who{number}" for number in range(6)]
    for who in whos:
        write_family(who)
    path = list(sys.path)
    results, barrier = {}, threading.Barrier(len(whos))

    def work(who):
        barrier.wait()
        for _ in range(5):
            module = load(f"{who}/lib.py")
            results.setdefault(who, []).append((module.who, *module.late()))
            unload(module)

    threads = [threading.Thread(target=work, args=(who,)) for who in whos]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(sys.path) == sorted(path)
    assert results == {who: [(who, True, who, f"lazy {who}", True, f"package {who}")] * 5 for who in whos}


def test_loads_of_one_module_in_many_threads_at_once(tmp_path):
    write("site/many_pkg/__init__.py")
    write("site/many_pkg/lib.py", "class A: pass")
    with application(tmp_path / "site"):
        import many_pkg

        assert many_pkg
        modules, barrier = [], threading.Barrier(8)

        def work():
            barrier.wait()
            modules.append(load("many_pkg.lib"))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len({id(module) for module in modules}) == len({module.__name__ for module in modules}) == 8
        assert all(sys.modules[module.A.__module__] is module for module in modules)
        for module in modules:
            unload(module)
