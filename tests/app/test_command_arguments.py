"""What can be typed."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

import empycustom
from empycustom.app.arguments import make_parser
from empycustom.app.options import OfLibrary, Request


def parse(line: str):
    return make_parser().parse_args(line.split())


def test_options_and_every_belong_to_the_library_before_them():
    chosen = parse('run test --lib a.py --every 3 --lib b.py --options {"x":1} --lib c.py')

    assert chosen.libraries == [
        Request("a.py", {"process-interval": 3}),
        Request("b.py", {"options": '{"x":1}'}),
        Request("c.py"),
    ]


@pytest.mark.parametrize("line", ["run test --lib a.py {}", "studio test --lib a.py {}", "batch test --out o --lib a.py {}"])
def test_options_of_libraries_have_the_names_of_properties(line):
    """So has what is in configurations; --every is shorter."""
    parser = make_parser()
    (commands,) = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    of_library = [each for each in commands.choices[line.split()[0]]._actions if isinstance(each, OfLibrary)]

    assert of_library
    assert [each for each in of_library if f"--{each.property}" not in each.option_strings] == []
    assert parse(line.format("--process-interval 3")).libraries == parse(line.format("--every 3")).libraries


@pytest.mark.parametrize("line", ["run test --lib a.py {} BGR", "studio test --lib a.py {} BGR", "check a.py {} BGR"])
def test_the_pixel_format_has_one_name_in_all_commands(line):
    assert parse(line.format("--pixel-format")).format == parse(line.format("--format")).format == "BGR"
    assert parse("batch test --out o --pixel-format BGR").pixel_format == "BGR"


def test_the_format_is_that_of_the_library_where_none_is_given():
    assert parse("run test --lib a.py").format is None, "what becomes of that: test_colours_of_foreign.py"
    assert parse("run test --lib a.py --format BGR").format == "BGR"
    assert parse("run a.json").format is None


def test_two_parses_share_nothing():
    assert len(parse("run test --lib a.py").libraries) == len(parse("run test --lib b.py").libraries) == 1


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("run test --every 3 --lib a.py", "--every belongs to the --lib before it"),
        ("run test --options {} --lib a.py", "--options belongs to the --lib before it"),
        ("run test --lib", "--lib"),
        ("run test --lib a.py --source x", "--source is for a stream configuration, a file whose name ends in .json"),
        ("run a.json --lib a.py", "--lib does not go with a stream configuration"),
        ("run a.json --format BGR", "--format does not go with a stream configuration"),
        ("run test --lib a.py --every 0", "argument --every/--process-interval: 0 is not a whole number from 1 to 2147483647"),
        ("run test --lib a.py --workers x", "argument --workers: x is not a whole number from 0 to 64"),
        ("run test --lib a.py --workers 65", "argument --workers: 65 is not a whole number from 0 to 64"),
        ("run test --lib a.py --call-timeout=-3", "argument --call-timeout: -3 is not a whole number from 0 to 2147483647"),
        ("run test --grace nan", "argument --grace: nan is not a number from 0 to 2147483647"),
        ("run test --lib a.py --frames no", "--frames"),
        ("check a.py --size 640", "640 is not a size; write it as 640x480"),
        ("check a.py --size 0x480", "0x480 is not a size"),
        ("check a.py --image=", "argument --image: it must not be empty"),
        ("check a.py --video=", "argument --video: it must not be empty"),
        ("check a.py --save=", "argument --save: it must not be empty"),
        ("run test --out=", "argument --out: it must not be empty"),
        ("run test --save=", "argument --save: it must not be empty"),
        ("run test --format=", "argument --format/--pixel-format: it must not be empty"),
        ("run test --summary-json=", "argument --summary-json: it must not be empty"),
        ("run test --lib=", "argument --lib: it must not be empty"),
        (
            "run test --lb lib.py",
            "empycustom run: error: run has no option --lb; --lib may be meant. See `empycustom run --help`.",
        ),
        ("run test --summry-json=a", "run has no option --summry-json; --summary-json may be meant. See"),
        ("check a.py --obj 3", "check has no option --obj; --"),
        ("doctor --jsn", "doctor has no option --jsn; --json may be meant"),
        ("doctor now", "now is one argument too many for doctor. See `empycustom doctor --help`."),
        ("run test --out a.jsonl --out b.jsonl", "run: error: --out is there twice, with different values; give it once"),
        ("run test --lib a.py --format RGB --format BGR", "--format is there twice"),
        ("run test --lib a.py --every 2 --every 3", "--every of --lib a.py is there twice"),
        ("run test --lib a.py --every 2 --process-interval 3", "--every of --lib a.py is there twice"),
        ("run test --lib a.py --format RGB --pixel-format BGR", "--format is there twice"),
        ("run test --lib a.py --options {} --options []", "--options of --lib a.py is there twice"),
        ("run test --on-error pass --on-error drop --lib a.py", "--on-error before the first --lib is there twice"),
        ("run test --grace 10 --grace 5", "--grace is there twice"),
        ("launch a --log-level info --log-level debug", "--log-level is there twice"),
        ("check a.py --size 640x480 --size 64x48", "--size is there twice"),
        ("check a.py --options {} --options []", "--options is there twice"),
        ("run lib.py --lib lib.py", "lib.py is a Python file, not a video; libraries come after --lib"),
        ("run a.json --source lib.py", "lib.py is a Python file, not a video"),
        ("bogus", "empycustom: error: there is no command bogus; the commands are run, studio, "),
        ("rnu test", "there is no command rnu; run may be meant; the commands are "),
        ("Check a.py", "there is no command Check; check may be meant; "),
        ("plugin_path", "there is no command plugin_path; plugin-path may be meant; "),
        ("--lib a.py run test", "--lib comes after a command"),
        ("--verison", "there is no option --verison; --version may be meant"),
        ("--json", "--json comes after a command"),
        ("run test --libb a.py", "run has no option --libb; --lib may be meant. See"),
        ("run --libb a.py", "run has no option --libb; --lib may be meant. See"),
        ("batch a.mp4 --lib a.py --outt b", "batch has no option --outt; --out may be meant. See"),
        ("run test --lib a.py --frams 3 --every x", "run has no option --frams; --frames may be meant. See"),
        ("run test --lib a.py --on-error dropp", "argument --on-error: dropp is not one of fail, pass, drop; drop may be meant"),
        ("run test --lib a.py --on-error DROP", "DROP is not one of fail, pass, drop; drop may be meant"),
        ("run test --log-level warn", "--log-level: warn is not one of error, warning, info, debug; warning may be meant"),
        ("new a.py --kind detect", "argument --kind: detect is not one of measure, detector, draw, "),
        ("schema --message object", "--message: object is not one of frames, objects, changes, gva; objects may be meant"),
        ("run test --lib a.py --interface 4", "argument --interface: 4 is not one of 1, 2, 3"),
        ("", "usage: empycustom [OPTIONS] COMMAND"),
        ("", "play a file, stream or camera through libraries"),
        ("batch a.mp4 --out o --processes 4", "batch has no option --processes; --jobs may be meant. See"),
        ("batch a.mp4 --out o --retry", "batch has no option --retry; --retry-failed may be meant. See"),
        ("run test --json", "run has no option --json; --summary-json may be meant. See"),
        (
            'run test --options {"a":1}',
            "--options belongs to the --lib before it, and there is none; write --lib FILE --options '{",
        ),
        ("run test --lib a.py --interval 2", "run has no option --interval; --every may be meant. See"),
        ("run test --lib a.py --time 2", "run has no option --time. See"),
        ("run test --lib a.py --timeout 2", "run has no option --timeout; --call-timeout may be meant. See"),
        ("help rnu", "there is no command rnu; run may be meant; the commands are "),
    ],
)
def test_a_usage_error_exits_with_2(line, complaint, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(line)

    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    ["batch a --out o --show", "batch a --out o --forc", "new --forced a.py", "run test --pace fast"],
)
def test_nothing_is_proposed_that_only_looks_alike_or_would_delete_files(line, capsys):
    with pytest.raises(SystemExit):
        parse(line)
    assert "may be meant" not in capsys.readouterr().err


def test_help_is_a_command_as_well(cli):
    assert cli("help").code == 0
    assert cli("help").out == cli("--help").out
    assert cli("help", "new").out == cli("new", "--help").out


def test_words_behind_two_dashes_are_not_options():
    assert parse("run -- --odd.mp4").source == ["--odd.mp4"]
    assert parse("launch -- a ! --b").description == ["a", "!", "--b"]


def test_the_same_value_twice_is_one_value():
    chosen = parse("run test --lib a.py --every 2 --every 2 --out a.jsonl --out a.jsonl")
    assert (chosen.out, chosen.libraries) == ("a.jsonl", [Request("a.py", {"process-interval": 2})])
    assert not [name for name in vars(chosen) if name.startswith("_")]


def test_a_name_that_is_nearly_right_is_explained(cli, library):
    library("def process_ip(b, m, o): pass\n", "lib.py")
    ended = cli("run", "test", "--lib", "lib.py", "--format", "rgb")
    assert ended.code == 1
    assert '--format "rgb" must be one of RGBA, ' in ended.err
    assert "; RGB may be meant." in ended.err
    ended = cli("run", "test", "--lib", "lib.py", "--options", "o.json", "--frames", "1")
    assert ended.code == 1
    assert "(a file is @o.json)" in ended.err
    assert "(a file is @o.json)" in cli("check", "lib.py", "--options", "o.json").err


@pytest.mark.parametrize(
    "words", [("check", "lib.py"), ("run", "test", "--lib", "lib.py"), ("batch", "a.y4m", "--out", "o", "--lib", "lib.py")]
)
def test_json_that_ends_too_early_is_an_error_about_the_option_that_was_typed(cli, library, tmp_path, words):
    library("def process_ip(b, m, o): pass\n", "lib.py")
    (tmp_path / "a.y4m").touch()
    ended = cli(*words, "--options", '{"a":1')
    assert ended.code == 1
    assert "error: --options is not JSON: Expecting" in ended.err
    assert "(the text ends too early: write --options @file.json)" in ended.err
    assert "gst-launch" not in ended.err


def test_version(cli):
    assert cli("--version").out == f"empycustom {empycustom.__version__}\n"


def test_plugin_path_is_the_folder_of_the_loader_files_and_needs_no_gstreamer():
    code = "import sys; from empycustom.app.main import main; main(['plugin-path']); print('gi' in sys.modules)"
    path, has_gi = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()

    assert path.endswith("gstreamer-1.0")
    assert has_gi == "False"


def test_all_that_is_wrong_with_a_run_is_reported_at_once(cli, library):
    library("def process_ip(b, m, o)\n", "broken.py")
    library("print('loaded')\ndef process_ip(b, m, o): pass\n", "good.py")
    libraries = [word for name in ("nope.py", "broken.py", "good.py", "gone.py") for word in ("--lib", name)]
    ended = cli("run", "nope.mp4", *libraries, "--format", "XYZ", "--save", "a.foo")

    assert (ended.code, ended.out) == (1, "")
    said = [line.removeprefix("empycustom: error: ") for line in ended.err.splitlines() if line.startswith("empycustom: error: ")]
    beginnings = [
        "nope.mp4 does not exist",
        "--save a.foo: the ending .foo",
        '--format "XYZ" must be one of',
        "--lib nope.py does not",
    ]
    for line, beginning in zip(said, [*beginnings, "", "--lib gone.py does not exist"], strict=True):
        assert line.startswith(beginning)
    assert "broken.py:1 has a syntax error" in said[4]
    assert ended.err.count("SyntaxError: ") == 2, "in the sentence, and in the traceback"
