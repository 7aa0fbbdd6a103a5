"""empycustom.shared: libraries of a process have one object, which is loaded once and closed after the last of them."""

from __future__ import annotations

import re
import threading
import time

import pytest

import empycustom
from empycustom import testing
from empycustom.errors import CallbackError, SharedError
from empycustom.gstreamer import Gst

SOURCE = "videotestsrc num-buffers=20 ! video/x-raw,format=RGBA,width=16,height=16"


class Model:
    """What is shared."""

    made: list[Model] = []  # noqa: RUF012 - all of them count here

    def __init__(self):
        Model.made.append(self)
        self.closed = 0

    def close(self):
        self.closed += 1


class Uses:
    """A library that has a model; ``load`` makes it."""

    def __init__(self, load=Model, key="model", when="start"):
        self.load, self.key, self.when, self.model = load, key, when, None

    def start(self, _options):
        if self.when == "start":
            self.model = empycustom.shared(self.key, self.load)

    def process_ip(self, _buffer, _in_meta, _options):
        model = self.model if self.when == "start" else empycustom.shared(self.key, self.load)
        self.model = model
        return {"frame": {"closed": model.closed}}


@pytest.fixture(autouse=True)
def nothing_is_kept():
    """Begin with no model, and end with none that is shared."""
    from empycustom.library import shared

    Model.made.clear()
    yield
    assert shared._entries == shared._waits == {}


def at_once(works):
    """Call functions in threads that begin at the same time; return what each returned, or raised."""
    barrier, found = threading.Barrier(len(works)), [None] * len(works)

    def run(index, work):
        barrier.wait()
        try:
            found[index] = work()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            found[index] = error

    threads = [threading.Thread(target=run, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "it hangs"
    return found


def until_waiting(count):
    """Return when so many threads wait for an object."""
    from empycustom.library import shared

    until = time.monotonic() + 60
    while len(shared._waits) < count:
        assert time.monotonic() < until, "they do not wait"
        time.sleep(0.001)


@pytest.mark.parametrize("when", ["start", "process_ip"])
def test_four_streams_have_one_object(play, when):
    pipeline = Gst.parse_launch(
        " ".join(f"{SOURCE} ! queue ! empycustom name=e{n} in-place=true ! fakesink async=false" for n in range(4))
    )
    used = [Uses(when=when) for _ in range(4)]
    for number, library in enumerate(used):
        pipeline.get_by_name(f"e{number}").library = library
    played = play(pipeline)
    assert played.ended, played.errors
    (model,) = Model.made
    assert [library.model is model for library in used] == [True] * 4
    assert model.closed == 1


def test_files_with_one_key(library):
    source = "import empycustom\ndef start(o):\n    global found\n    found = empycustom.shared(('list', 1), list)\n    found.append(__file__)\n"
    source += "def process_ip(b, m, o):\n    return {'frame': {'found': [*found]}}\n"
    paths = [str(library(source, name)) for name in ("a.py", "sub/b.py")]
    frame = testing.make_frame(size=(16, 16))
    with testing.OpenLibrary(paths[0]) as first, testing.OpenLibrary(paths[1]) as second:
        assert second.run(frame).attributes == first.run(frame).attributes == {"found": paths}


def test_threads_that_ask_while_it_is_loaded_wait():
    begun, go = threading.Event(), threading.Event()

    def load():
        begun.set()
        assert go.wait(60)
        return Model()

    libraries = [testing.OpenLibrary(Uses(load)) for _ in range(8)]

    def let_go():
        assert begun.wait(60)
        until_waiting(7)
        go.set()

    found = at_once([*(library.__enter__ for library in libraries), let_go])
    assert not [error for error in found if isinstance(error, BaseException)]
    (model,) = Model.made
    for number, library in enumerate(libraries):
        assert (library.library.target.model is model, model.closed) == (True, 0), number
        library.__exit__(None, None, None)
    assert model.closed == 1


def test_many_come_and_go_at_once():
    """Nobody has an object that is closed, and never are there two."""
    alive, most, lock = [0], [0], threading.Lock()

    class Counted(Model):
        def __init__(self):
            super().__init__()
            with lock:
                alive[0] += 1
                most[0] = max(most[0], alive[0])

        def close(self):
            super().close()
            with lock:
                alive[0] -= 1

    def come_and_go():
        frame = testing.make_frame(size=(16, 16))
        for _ in range(30):
            assert testing.run(Uses(Counted), frame).attributes == {"closed": 0}

    assert at_once([come_and_go] * 6) == [None] * 6
    assert (most[0], alive[0]) == (1, 0)
    assert {model.closed for model in Model.made} == {1}


def test_a_load_that_fails_is_raised_to_each_and_tried_again_by_the_next():

    def load():
        until_waiting(3)
        raise ValueError("no such model")

    libraries = [testing.OpenLibrary(Uses(load)) for _ in range(4)]
    found = at_once([library.__enter__ for library in libraries])
    texts = sorted(re.sub(r".*: start raised ", "", str(error)) for error in found)
    waited = "SharedError: empycustom.shared('model'): loading it has failed, in another library: ValueError: no such model; fix the library"
    assert texts == [waited] * 3 + ["ValueError: no such model; fix the library"]
    assert all("in load" in error.details for error in found)
    assert testing.run(Uses()).attributes == {"closed": 0}


def test_it_is_loaded_anew_when_all_have_stopped():
    assert [testing.run(Uses()).attributes for _ in range(2)] == [{"closed": 0}] * 2
    assert [model.closed for model in Model.made] == [1, 1]


def test_a_library_whose_start_fails_gives_it_back():
    class Fails(Uses):
        def start(self, options):
            super().start(options)
            raise RuntimeError("no")

    with pytest.raises(CallbackError, match="RuntimeError: no"):
        testing.run(Fails())
    assert [model.closed for model in Model.made] == [1]


def test_a_close_that_fails_is_an_error_and_the_others_are_closed(play):
    class Bad(Model):
        def close(self):
            super().close()
            raise OSError("still busy")

    class Two(Uses):
        def start(self, options):
            super().start(options)
            empycustom.shared("other", Model)
            empycustom.shared("bad", Bad)

    pipeline = Gst.parse_launch(f"{SOURCE} ! empycustom name=e in-place=true ! fakesink")
    pipeline.get_by_name("e").library = Two()
    ((text, details),) = play(pipeline).errors
    assert "close raised OSError: still busy; fix the library" in text
    assert 'raise OSError("still busy")' in details
    assert [model.closed for model in Model.made] == [1, 1, 1]


OUTSIDE = (
    "is called outside of a callback, so that nobody knows how long the object is needed; call it in start, process_ip or process"
)


def test_outside_of_a_callback(library):
    with pytest.raises(SharedError, match=OUTSIDE):
        empycustom.shared("model", Model)
    with pytest.raises(empycustom.errors.LibraryImportError, match=f"lib.py:2 cannot be loaded: SharedError: .*{OUTSIDE}"):
        testing.run(library("import empycustom\nempycustom.shared('model', list)\ndef process_ip(b, m, o):\n    pass\n"))
    head = "import empycustom\nfrom concurrent.futures import ThreadPoolExecutor\ndef process_ip(b, m, o):\n"
    path = library(f"{head}    ThreadPoolExecutor(1).submit(empycustom.shared, 'model', list).result()\n")
    with pytest.raises(CallbackError, match=f"lib.py:4: process_ip raised SharedError: .*{OUTSIDE}"):
        testing.run(path)
    assert Model.made == []


def test_a_load_that_waits_for_itself():
    with pytest.raises(CallbackError, match=r"SharedError: empycustom.shared\('model'\) is called while it is loading, by"):
        testing.run(Uses(lambda: empycustom.shared("model", Model)))


def test_loads_that_wait_for_each_other():
    """One of them is refused, and its own error ends the other's wait."""
    barrier = threading.Barrier(2)

    def load_and_ask(other):
        def load():
            barrier.wait(60)
            return empycustom.shared(other, Model)

        return load

    libraries = [testing.OpenLibrary(Uses(load_and_ask(other), key)) for key, other in (("a", "b"), ("b", "a"))]
    found = at_once([library.__enter__ for library in libraries])
    assert all(isinstance(error, CallbackError) for error in found), found
    assert sum("is called while it is loading" in str(error.__cause__) and "failed" not in str(error) for error in found) == 1


def test_with_workers_each_process_has_its_own(library):
    """A pool of two has two, and another library has one more."""
    source = (
        "import os\nimport empycustom\ndef start(o):\n    open(o['log'], 'a').write(f'{empycustom.shared(1, os.getpid)}\\n')\n"
    )
    source += "def process_ip(b, m, o):\n    pass\n"
    paths = [library(source, name) for name in ("a.py", "b.py")]
    log = paths[0].with_name("log")
    frame = testing.make_frame(size=(16, 16)).pixels[None]
    assert len(list(empycustom.process(frame, paths, options={"log": str(log)}, workers=[2, 1]))) == 1
    assert len(set(log.read_text().split())) == 3


MODEL_MB = 100
MEMORY = """
import sys

import numpy as np

import empycustom
from empycustom.gstreamer import Gst


def load():
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession("model.onnx", options, providers=["CPUExecutionProvider"])


class Runs:
    def __init__(self, is_shared):
        self.is_shared = is_shared

    def start(self, options):
        self.session = empycustom.shared("model", load) if self.is_shared else load()

    def process_ip(self, buffer, in_meta, options):
        out, = self.session.run(None, {"x": np.ones((1, 64), np.float32)})
        return {"frame": {"sum": float(out.sum())}}


def used():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS:")) / 1024


empycustom.register()
streams, is_shared = int(sys.argv[1]), sys.argv[2] == "shared"
source = "videotestsrc num-buffers=10 ! video/x-raw,format=RGBA,width=16,height=16 ! queue ! empycustom name=e{} in-place=true ! fakesink"
pipeline = Gst.parse_launch(" ".join(source.format(n) for n in range(streams)))
for number in range(streams):
    pipeline.get_by_name(f"e{number}").library = Runs(is_shared)
import onnxruntime
before = used()
pipeline.set_state(Gst.State.PLAYING)
message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
assert message.type == Gst.MessageType.EOS, message.parse_error()
print(used() - before)
pipeline.set_state(Gst.State.NULL)
"""


@pytest.fixture(scope="module")
def large_model(tmp_path_factory):
    """A model of MODEL_MB."""
    onnx = pytest.importorskip("onnx")
    import numpy as np

    folder, width = tmp_path_factory.mktemp("model"), MODEL_MB * (1 << 20) // 4 // 64
    weights = onnx.numpy_helper.from_array(np.ones((64, width), np.float32), "w")
    values = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, size]) for name, size in (("x", 64), ("y", width))
    ]
    graph = onnx.helper.make_graph([onnx.helper.make_node("MatMul", ["x", "w"], ["y"])], "g", values[:1], values[1:], [weights])
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, folder / "model.onnx")
    return folder


def test_four_streams_with_one_model_need_the_memory_of_one(large_model, env_with):
    import subprocess
    import sys

    pytest.importorskip("onnxruntime")  # it has no wheels for every Python

    def megabytes(streams, how):
        command = [sys.executable, "-c", MEMORY, str(streams), how]
        done = subprocess.run(command, env=env_with(), cwd=large_model, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return float(done.stdout)

    one, four, each = megabytes(1, "shared"), megabytes(4, "shared"), megabytes(4, "own")
    print(f"one stream {one:.0f} MiB, four with one model {four:.0f} MiB, four with a model each {each:.0f} MiB")
    assert four < one + MODEL_MB / 2
    assert each > one + 2.5 * MODEL_MB
