"""Libraries whose files change: what is seen, when a new version is tried, and what it is made of."""

import os
import queue
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager

import pytest
from library_files import application, write

from empycustom.errors import LibraryError
from empycustom.library import reload
from empycustom.library.callbacks import Library
from empycustom.library.load import load_again, record_shared, sources_of, unload
from empycustom.library.reload import Reloader

pytestmark = pytest.mark.usefixtures("surroundings")
PATIENCE_S = 30


class Swapped:
    """The versions of a library of which each takes over at once. ``seen`` gets the VALUE of each, and what was reported."""

    def __init__(self, custom_lib):
        self.library = Library.open(custom_lib, in_place=True)
        self.seen = queue.Queue()
        record_shared(self.library.target)

    def sources(self):
        return sources_of(self.library.target)

    def prepare(self, sources, is_outdated):
        library = self.library.again(sources)
        try:
            library.start({})
        except LibraryError:
            library.close()
            raise
        self.library.close()
        self.library = library
        self.seen.put(library.target.VALUE)
        return True

    def interrupt(self):
        pass

    def settle(self):
        pass

    def close(self):
        pass


@contextmanager
def reloading(custom_lib):
    """Reload a library while it changes, and give a function that returns the next thing that was seen."""
    versions = Swapped(custom_lib)
    reloader = Reloader(versions, versions.seen.put, versions.seen.put)
    reloader.start()
    try:
        yield lambda: versions.seen.get(timeout=PATIENCE_S)
        assert versions.seen.empty(), versions.seen.get()
    finally:
        reloader.end()
        reloader.wait()
        versions.library.close()


def lib(value, more=""):
    return f"{textwrap.dedent(more)}\nVALUE = {value!r}\ndef process_ip(io_buffer, in_meta, options): pass\n"


# Ways of editors to save a file.


def in_place(path, text):
    with open(path, "w") as file:
        file.write(text)


def by_renaming(path, text):
    with open(f"{path}.tmp", "w") as file:
        file.write(text)
    os.replace(f"{path}.tmp", path)


def with_a_backup(path, text):
    """Rename the old file, write a new one and delete the old: vim with `backupcopy=no`."""
    os.rename(path, f"{path}~")
    in_place(path, text)
    os.remove(f"{path}~")


def by_removing(path, text):
    os.remove(path)
    in_place(path, text)


SAVES = (in_place, by_renaming, with_a_backup, by_removing)
saving = pytest.mark.parametrize("save", SAVES, ids=[save.__name__ for save in SAVES])


@saving
def test_each_way_of_saving_is_seen_again_and_again(save):
    path = write("folder/lib.py", lib(0))
    with reloading(str(path)) as seen:
        for number in range(1, 4):
            save(path, lib(number))
            assert seen() == number


@saving
def test_a_module_beside_the_library(save):
    path = write("folder/lib.py", lib(0, "from helper import VALUE as OF_HELPER").replace("VALUE = 0", "VALUE = OF_HELPER"))
    helper = write("folder/helper.py", "VALUE = 1")
    with reloading(str(path)) as seen:
        for number in range(2, 5):
            save(helper, f"VALUE = {number}")
            assert seen() == number


def test_modules_in_packages_and_modules_of_modules():
    path = write("folder/lib.py", "import package.inner\n" + lib(0).replace("VALUE = 0", "VALUE = package.inner.VALUE"))
    write("folder/package/__init__.py")
    write("folder/package/inner.py", "from .deep import VALUE")
    deep = write("folder/package/deep.py", "VALUE = 1")
    with reloading(str(path)) as seen:
        by_renaming(deep, "VALUE = 2")
        assert seen() == 2
        in_place(deep, "VALUE = 3")
        assert seen() == 3


def test_a_module_that_a_function_imports_later():
    path = write("folder/lib.py", lib(0, "def late():\n    import helper\n    return helper"))
    helper = write("folder/helper.py", "NUMBER = 1")
    versions = Swapped(str(path))
    versions.library.target.late()
    reloader = Reloader(versions, versions.seen.put, versions.seen.put)
    reloader.start()
    try:
        in_place(helper, "NUMBER = 2")
        assert versions.seen.get(timeout=PATIENCE_S) == 0
        assert versions.library.target.late().NUMBER == 2
    finally:
        reloader.end()
        reloader.wait()
        versions.library.close()


def test_the_same_size_in_the_same_second_with_caches_of_bytecode():
    path = write("folder/lib.py", "import helper\n" + lib(0).replace("VALUE = 0", "VALUE = helper.VALUE"))
    helper = write("folder/helper.py", "VALUE = 1")
    second = int(time.time())
    os.utime(helper, (second, second))
    # Python's own cache of the helper, whose time and size are those of all versions below
    subprocess.run([sys.executable, "-m", "py_compile", str(helper)], check=True)
    with reloading(str(path)) as seen:
        for number in range(2, 5):
            in_place(helper, f"VALUE = {number}")
            os.utime(helper, (second, second))
            assert seen() == number


def test_a_file_that_is_saved_without_a_change_is_no_new_version():
    path = write("folder/lib.py", lib(1))
    with reloading(str(path)) as seen:
        by_renaming(path, lib(1))
        os.utime(path)
        time.sleep(1.5)
        in_place(path, lib(2))
        assert seen() == 2


def test_other_files_of_the_folder_do_not_matter():
    path = write("folder/lib.py", lib(1))
    with reloading(str(path)) as seen:
        write("folder/other.py", "1 / 0")
        write("folder/data.json", "{}")
        time.sleep(1.5)
        in_place(path, lib(2))
        assert seen() == 2


WRONG = {
    "syntax": ("def process_ip(:\n", "has a syntax error", "SyntaxError"),
    "import": ("import nothing_of_that_name\n", "nothing_of_that_name", "ModuleNotFoundError"),
    "raises": ("1 / 0\n", "ZeroDivisionError", "lib.py"),
    "callback": ("VALUE = 1\n", "neither process_ip nor process", ""),
    "start": (lib(1, "def start(options):\n    1 / 0"), "start raised ZeroDivisionError", "lib.py"),
    "signature": ("def process_ip(): pass\n", "takes ()", ""),
    "reloaded": (lib(1, "def reloaded(): pass"), "reloaded takes ()", ""),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_version_that_cannot_be_used_is_reported_once_and_the_next_is_tried(wrong):
    text, expected, details = WRONG[wrong]
    path = write("folder/lib.py", lib(0))
    with reloading(str(path)) as seen:
        for number in (1, 2):
            by_renaming(path, f"{text}# {number}\n")
            error = seen()
            assert str(error).startswith("the library is not reloaded, and its version before goes on: ")
            assert expected in str(error)
            assert details in error.details
            assert error.library == str(path)
        in_place(path, lib(3))
        assert seen() == 3


def test_half_a_file_that_is_followed_by_the_rest_is_not_reported(monkeypatch):
    monkeypatch.setattr(reload, "_PATIENCE_S", PATIENCE_S)
    path = write("folder/lib.py", lib(0))
    whole = lib(1)
    with reloading(str(path)) as seen, open(path, "w") as file:
        file.write(whole[: len(whole) // 2])
        file.flush()
        time.sleep(0.5)  # long enough for the half to be tried, too short for it to be reported
        file.write(whole[len(whole) // 2 :])
        file.flush()
        assert seen() == 1


def test_going_back_to_the_version_that_runs_tries_nothing():
    path = write("folder/lib.py", lib(0))
    with reloading(str(path)) as seen:
        in_place(path, "1 / 0")
        assert "ZeroDivisionError" in str(seen())
        in_place(path, lib(0))
        time.sleep(1.5)
        in_place(path, lib(1))
        assert seen() == 1


@pytest.mark.parametrize("missing", ["extra.py", "extra/__init__.py"])
def test_the_missing_module_comes_after_the_library(missing):
    path = write("folder/lib.py", lib(0))
    with reloading(str(path)) as seen:
        in_place(path, lib(1, "import extra"))
        assert "extra" in str(seen())
        write(f"folder/{missing}")
        assert seen() == 1


def test_the_mistake_is_in_a_module_beside_it():
    path = write("folder/lib.py", lib(0, "import helper"))
    helper = write("folder/helper.py")
    with reloading(str(path)) as seen:
        in_place(helper, "1 / 0")
        error = seen()
        assert "helper.py" in error.details
        in_place(helper, "")  # as it was: nothing to do
        in_place(path, lib(1))
        assert seen() == 1


def test_what_was_saved_beside_the_mistake_is_no_reason_to_try_again():
    path = write("folder/lib.py", lib(0, "import helper"))
    helper = write("folder/helper.py")
    with reloading(str(path)) as seen:
        in_place(helper, "# other")
        in_place(path, "def process_ip(:")
        assert "has a syntax error" in str(seen())
        time.sleep(2.5)  # files are looked at once a second; another report would be left
        in_place(path, lib(1, "import helper"))
        assert seen() == 1


@pytest.mark.parametrize("pause_s", [0, 1.5])
def test_the_folder_is_replaced(pause_s):
    path = write("folder/lib.py", lib(0))
    with reloading(str(path)) as seen:
        for number in range(1, 4):
            write("new/lib.py", lib(number))
            os.rename("folder", "gone")
            time.sleep(pause_s)
            os.rename("new", "folder")
            shutil.rmtree("gone")
            assert seen() == number
        by_renaming(path, lib("later"))
        assert seen() == "later"


def test_a_link_to_a_file_of_another_folder():
    target = write("elsewhere/target.py", lib(0))
    os.mkdir("folder")
    os.symlink(target, "folder/lib.py")
    with reloading("folder/lib.py") as seen:
        by_renaming(target, lib(1))
        assert seen() == 1
        other = write("elsewhere/other.py", lib(2))
        os.symlink(other, "folder/new")
        os.replace("folder/new", "folder/lib.py")
        assert seen() == 2


# Names of modules, and folders where everybody imports from.


def test_a_dotted_name_of_the_working_directory():
    write("tools/__init__.py")
    path = write("tools/lib.py", "from . import helper\n" + lib(0).replace("VALUE = 0", "VALUE = helper.VALUE"))
    helper = write("tools/helper.py", "VALUE = 1")
    with reloading("tools.lib") as seen:
        by_renaming(helper, "VALUE = 2")
        assert seen() == 2
        in_place(path, lib(3))
        assert seen() == 3


def test_the_working_directory_changes_meanwhile(tmp_path, monkeypatch):
    write("tools.py", lib(0))
    with reloading("tools") as seen:
        monkeypatch.chdir("/")
        by_renaming(tmp_path / "tools.py", lib(1))
        assert seen() == 1


@pytest.mark.parametrize("name", ["tools.lib", "application/tools/lib.py"])
def test_a_package_of_an_application_is_loaded_anew_and_the_applications_own_stays(name):
    write("application/tools/__init__.py")
    path = write("application/tools/lib.py", "from tools import helper\n" + lib(0).replace("VALUE = 0", "VALUE = helper.VALUE"))
    helper = write("application/tools/helper.py", "VALUE = 1")
    with application("application"):
        import tools.helper as of_the_application

        if name == "tools.lib":
            with reloading(name) as seen:
                by_renaming(helper, "VALUE = 2")
                assert seen() == 2
                in_place(helper, "VALUE = 3")
                assert seen() == 3
                in_place(path, lib(4))
                assert seen() == 4
            assert of_the_application is sys.modules["tools.helper"]
            assert of_the_application.VALUE == 1
        else:  # a package beside the folder of the library is not a module beside the library
            with reloading(name) as seen:
                in_place(path, lib(5))
                assert seen() == 5


def test_a_file_in_the_folder_of_an_application():
    path = write("application/lib.py", "import helper\n" + lib(0).replace("VALUE = 0", "VALUE = helper.VALUE"))
    helper = write("application/helper.py", "VALUE = 1")
    with application("application"):
        import helper as of_the_application

        on_path = list(sys.path)
        with reloading(str(path)) as seen:
            in_place(helper, "VALUE = 2")
            assert seen() == 2
            by_renaming(helper, "VALUE = 3")
            assert seen() == 3
        assert of_the_application.VALUE == 1
        assert sys.modules["helper"] is of_the_application
        assert sys.path == on_path


def test_a_package_where_others_are_installed_is_loaded_alone():
    write("site/mine/__init__.py")
    path = write(
        "site/mine/lib.py",
        "import theirs\nfrom mine import helper\n" + lib(0).replace("VALUE = 0", "VALUE = (helper.VALUE, theirs)"),
    )
    helper = write("site/mine/helper.py", "VALUE = 1")
    write("site/theirs.py")
    os.mkdir("site/theirs-1.0.dist-info")
    with application(os.path.abspath("site")):
        import theirs

        with reloading("mine.lib") as seen:
            in_place(helper, "VALUE = 2")
            assert seen() == (2, theirs)
            by_renaming(helper, "VALUE = 3")
            assert seen() == (3, theirs)
            in_place(path, lib(4, "from . import helper\ndef double(number): return 2 * number"))
            assert seen() == 4
            # Another process finds it by its name, as it does with those that are not reloaded.
            name = next(name for name in sys.modules if name.startswith("empycustom.library.o") and name.endswith(".mine.lib"))
            program = f"import empycustom.library, importlib; print(importlib.import_module({name!r}).double(4))"
            done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
            assert (done.stdout, done.stderr) == ("8\n", "")


def test_a_file_where_packages_are_installed_has_no_modules_beside_it():
    path = write("site/lib.py", "import theirs\n" + lib(0).replace("VALUE = 0", "VALUE = theirs"))
    theirs = write("site/theirs.py")
    os.mkdir("site/theirs-1.0.dist-info")
    with application(os.path.abspath("site")):
        import theirs as of_everybody

        with reloading(str(path)) as seen:
            by_renaming(theirs, "1 / 0")
            time.sleep(1.5)
            by_renaming(path, f"import theirs\n{lib(1)}".replace("VALUE = 1", "VALUE = 1, theirs"))
            assert seen() == (1, of_everybody)


def test_a_library_of_this_package_gets_no_second_empycustom(loaded):
    import empycustom.model.values as ours

    first = loaded(ours.__name__)
    record_shared(first)
    sources = {}
    second = load_again(first, sources)
    try:
        assert second.Box is not first.Box
        assert set(sources) == {ours.__file__}
    finally:
        unload(second)


# Versions beside each other.


def test_versions_beside_each_other_share_nothing_and_go_without_a_trace():
    path = write("folder/lib.py", lib(0, "import helper"))
    helper = write("folder/helper.py", "STATE = []\nVALUE = 1")
    first = Library.open(str(path), in_place=True)
    other = Library.open(str(path), in_place=True)
    modules = set(sys.modules)
    in_place(helper, "STATE = []\nVALUE = 2")
    second = first.again(sources := {})
    try:
        assert set(sources) == {str(path), str(helper)}
        assert [each.target.helper.VALUE for each in (first, other, second)] == [1, 1, 2]
        assert first.target.helper.STATE is not second.target.helper.STATE
    finally:
        second.close()
        assert set(sys.modules) == modules
        assert os.path.dirname(path) in sys.path
        first.close()
        other.close()


def test_a_version_that_cannot_be_loaded_leaves_nothing():
    path = write("folder/lib.py", lib(0))
    first = Library.open(str(path), in_place=True)
    modules, places = set(sys.modules), list(sys.path)
    write("folder/helper.py", "1 / 0")
    in_place(path, lib(1, "import helper"))
    sources = {}
    with pytest.raises(LibraryError, match="ZeroDivisionError"):
        first.again(sources)
    assert {os.path.basename(file) for file in sources} == {"lib.py", "helper.py"}
    assert set(sys.modules) == modules
    assert sys.path == places
    first.close()


def test_many_reloaders_begin_and_end_together():
    path = write("folder/lib.py", lib(0))
    barrier, seen = threading.Barrier(9), queue.Queue()

    def one():
        barrier.wait()
        versions = Swapped(str(path))
        reloader = Reloader(versions, versions.seen.put, versions.seen.put)
        reloader.start()
        barrier.wait()
        seen.put(versions.seen.get(timeout=PATIENCE_S))
        barrier.wait()
        reloader.end()
        reloader.wait()
        versions.library.close()
        seen.put("more" if versions.seen.qsize() else "no more")

    before = {thread.name for thread in threading.enumerate()}
    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for step in range(3):
        barrier.wait()
        if step == 1:
            by_renaming(path, lib(1))
    for thread in threads:
        thread.join()
    assert sorted(map(str, seen.queue)) == ["1"] * 8 + ["no more"] * 8
    assert {thread.name for thread in threading.enumerate()} == before


def test_the_interpreter_ends_while_files_are_watched():
    path = write("folder/lib.py", lib(0))
    program = f"""
import sys, time
sys.path.insert(0, {os.path.dirname(__file__)!r})
from test_reloader import Swapped, Reloader
versions = Swapped({str(path)!r})
Reloader(versions, print, print).start()
time.sleep(0.5)

class Slow:  # the thread comes back from watchfiles while the interpreter ends
    def __del__(self, sleep=time.sleep):
        sleep(0.5)

sys.slow = Slow()
print("ends")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ends\n", "")


def test_a_folder_that_is_exchanged_all_the_time():
    path = write("folder/lib.py", lib(0))
    versions = Swapped(str(path))
    said = []
    reloader = Reloader(versions, said.append, said.append)
    reloader.start()
    try:
        for _ in range(1000):
            write("new/lib.py", lib(0))
            os.rename("folder", "gone")
            os.rename("new", "folder")
            shutil.rmtree("gone")
        assert versions.seen.empty()  # each had the same content
        by_renaming(path, lib(1))
        assert versions.seen.get(timeout=PATIENCE_S) == 1
        by_renaming(path, lib(2))
        assert versions.seen.get(timeout=PATIENCE_S) == 2
        assert said == []
    finally:
        reloader.end()
        reloader.wait()
        versions.library.close()


def test_folders_that_cannot_be_watched_are_looked_at(monkeypatch):
    import watchfiles

    def refuse(*_folders, **_settings):
        raise OSError("OS file watch limit reached")
        yield

    monkeypatch.setattr(watchfiles, "watch", refuse)
    path = write("folder/lib.py", lib(0))
    with reloading(str(path)) as seen:
        assert seen() == f"changes of files are seen once a second only: {path.parent}: OS file watch limit reached"
        for number in range(1, 3):
            by_renaming(path, lib(number))
            assert seen() == number
