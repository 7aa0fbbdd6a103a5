"""The rooms of the package, and which of them may know which."""

import ast
import subprocess
import sys

import pytest
from rooms import FILES, ROOT, TREES, at_module_level, imported, imports_of, is_of, module_name, of_others, room_of

import empycustom

HEAVY = {"torch", "cupy", "cv2", "PIL"}
FOREIGN = {"gi", "cffi", "ctypes", "_cffi_backend"}


def test_the_rooms_are_found():
    assert {"model", "library", "frames", "native", "carriers", "buffers", "elements", "outputs", "config", "session", "app"} <= {
        room_of(path) for path in FILES
    }
    assert ("empycustom.errors.OutputError") in {name for _, name in imports_of("model")}


@pytest.mark.parametrize("room", ["model", "library", "frames", "outputs", "config", "text"])
def test_pure_rooms_know_neither_gstreamer_nor_c(room):
    forbidden = (*FOREIGN, "empycustom.gstreamer", "empycustom.native", "empycustom.elements", "empycustom.buffers")
    assert [found for found in imports_of(room) if is_of(found[1], *forbidden)] == []


def test_model_knows_nothing_of_ours_but_the_errors_text_and_types():
    ours = [found for found in imports_of("model") if is_of(found[1], "empycustom")]
    assert ours
    assert [
        found
        for found in ours
        if not is_of(found[1], "empycustom.errors", "empycustom.text", "empycustom.types", "empycustom.model")
    ] == []


PLAIN = ("empycustom.errors", "empycustom.text", "empycustom.text")


def test_library_knows_nothing_of_ours_but_the_keys_errors_and_text():
    ours = [found for found in imports_of("library") if is_of(found[1], "empycustom")]
    assert [found for found in ours if not is_of(found[1], *PLAIN, "empycustom.model.keys", "empycustom.library")] == []


def test_config_knows_nothing_of_ours_but_model_formats_settings_errors_and_text():
    ours = [found for found in imports_of("config") if is_of(found[1], "empycustom")]
    assert ours
    settings = (
        "empycustom.publish.address",
        "empycustom.library.declared",
        "empycustom.library.dialects",
        "empycustom.library.sketch",
    )
    known = *PLAIN, "empycustom.model", "empycustom.frames.formats", "empycustom.config", *settings
    assert [found for found in ours if not is_of(found[1], *known)] == []
    assert {found[0].partition("/")[0] for found in of_others("config", "empycustom.config")} <= {
        "app",
        "batch",
        "session",
        "studio",
    }


def test_outputs_know_nothing_of_ours_but_model_errors_and_text():
    ours = [found for found in imports_of("outputs") if is_of(found[1], "empycustom")]
    assert [found for found in ours if not is_of(found[1], *PLAIN, "empycustom.model", "empycustom.outputs")] == []


@pytest.mark.parametrize("room", ["errors", "types"])
def test_errors_and_types_know_nobody(room):
    foreign = ("__future__", "__future__.annotations", "collections", "typing", "typing_extensions")
    assert [found for found in imports_of(room) if not is_of(found[1], *foreign)] == []


def test_text_knows_the_errors_alone():
    ours = [found for found in imports_of("text") if is_of(found[1], "empycustom")]
    assert [found for found in ours if not is_of(found[1], "empycustom.errors")] == []


def test_only_native_has_c():
    assert of_others("native", "cffi", "ctypes", "_cffi_backend") == []
    assert {name for _, name in imports_of("native")} & {"_cffi_backend"}


def test_only_one_file_has_gi():
    assert of_others("gstreamer", "gi") == []


def test_gi_is_imported_by_name_only_there_and_where_its_health_is_examined():
    by_name = []
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "import_module":
                first = node.args[0]
                if isinstance(first, ast.Constant) and is_of(first.value, *FOREIGN):
                    by_name.append(str(path.relative_to(ROOT)))
    assert "gstreamer.py" in by_name
    assert [name for name in by_name if name != "gstreamer.py" and not name.startswith("app/doctor")] == []


def test_nothing_knows_the_command_line():
    assert [found for found in of_others("app", "empycustom.app") if found[0] != "__main__.py"] == []


def test_only_the_command_line_its_page_its_metrics_and_the_package_itself_know_the_session():
    assert {path.partition("/")[0] for path, _ in of_others("session", "empycustom.session")} <= {
        "app",
        "metrics",
        "batch",
        "studio",
        "__init__.py",
    }


def test_only_the_command_of_the_page_knows_the_page_and_its_server():
    assert {path for path, _ in of_others("studio", "empycustom.studio")} == {"app/studio.py"}
    assert of_others("studio", "starlette", "uvicorn") == []


def test_carriers_know_neither_elements_nor_libraries():
    forbidden = tuple(f"empycustom.{room}" for room in ("elements", "library", "buffers", "session", "app", "frames"))
    assert [found for found in imports_of("carriers") if is_of(found[1], *forbidden)] == []


def test_native_knows_nothing_of_ours_but_the_errors():
    ours = [found for found in imports_of("native") if is_of(found[1], "empycustom")]
    assert [found for found in ours if not is_of(found[1], "empycustom.errors", "empycustom.native")] == []


def test_buffers_and_frames_know_no_elements():
    forbidden = ("empycustom.elements", "empycustom.library", "empycustom.carriers", "empycustom.session", "empycustom.app")
    assert [found for found in imports_of("buffers") + imports_of("frames") if is_of(found[1], *forbidden)] == []


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_every_file(path):
    outside = imported(at_module_level(ast.parse(path.read_text())), path)
    assert [name for name, _ in outside if is_of(name, *HEAVY)] == [], "heavy modules are imported where they are used"
    lines = path.read_text().splitlines()
    assert len(lines) <= 400, "files have at most 400 lines"
    docstring = ast.get_docstring(TREES[path])
    assert docstring or not lines, "every file says what it is for"


def test_every_file_of_the_page():
    parts = [path for kind in ("js", "css", "html") for path in ROOT.rglob(f"*.{kind}") if "vendor" not in path.parts]
    assert {"main.js", "base.css", "index.html"} <= {path.name for path in parts}
    assert [path.name for path in parts if len(path.read_text().splitlines()) > 400] == [], "files have at most 400 lines"
    page = (ROOT / "studio/static/index.html").read_text()
    assert [path.name for path in (ROOT / "studio/static").glob("*.css") if f"/static/{path.name}" not in page] == [], (
        "not linked"
    )


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_every_function_fits_on_a_page(path):
    functions = [node for node in ast.walk(TREES[path]) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    assert [node.name for node in functions if lines_of_code(node) > 40] == []


def lines_of_code(function):
    """How long a function is without its docstring."""
    first = function.body[0]
    explained = first.end_lineno - first.lineno + 1 if ast.get_docstring(function, clean=False) else 0
    return function.end_lineno - function.lineno - explained


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_the_package_loads_neither_gstreamer_nor_numpy():
    code = "import sys, empycustom; print(sorted({'gi', 'numpy', 'cffi', 'cv2'} & set(sys.modules)), empycustom.__version__)"
    assert run(code) == f"[] {empycustom.__version__}"


@pytest.mark.parametrize("room", ["model", "library", "outputs", "config"])
def test_pure_rooms_run_without_gstreamer_and_numpy(room):
    names = [module_name(path) for path in FILES if room_of(path) == room]
    code = f"import sys\nfrom importlib import import_module\nfor name in {names}: import_module(name)\n"
    assert run(code + "print({'gi', 'numpy', 'cffi'} & set(sys.modules))") == "set()"


def test_the_command_starts_without_what_the_core_needs():
    """`doctor` says what is missing where it is missing."""
    missing = {"gi": None, "numpy": None, "cffi": None, "_cffi_backend": None, "orjson": None, "tqdm": None}
    assert run(f"import sys\nsys.modules.update({missing})\nimport empycustom.app.main\nprint('it starts')") == "it starts"


def test_names_of_the_package_are_loaded_on_use():
    assert run("import sys, empycustom; empycustom.FrameError; print('gi' in sys.modules)") == "False"
    with pytest.raises(AttributeError, match="has no attribute 'nothing'; it has "):
        empycustom.nothing  # noqa: B018 - looking it up is the test
    assert set(empycustom.__all__) <= set(dir(empycustom))
