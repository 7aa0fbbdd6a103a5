"""``empycustom check``: call a library with one frame and explain the result, or check a stream configuration."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

import empycustom
from empycustom.app.apart import run_apart
from empycustom.app.explained import explained, facts_of
from empycustom.app.foreign import about_dialect, given_to, missing_in, print_missing, without_result
from empycustom.app.options import is_configuration, read_options
from empycustom.app.pictures import check_picture, real, save_picture
from empycustom.app.run import as_typed
from empycustom.config.launch import describe, elements
from empycustom.config.streams import Configuration, Stage, Stream, read
from empycustom.elements.limits import about_state, is_in_place, open_library
from empycustom.elements.workers import start_pool
from empycustom.errors import (
    ConfigurationError,
    DebuggerLeftError,
    EmPyCustomError,
    LaunchError,
    LibraryError,
    LibraryImportError,
    LibraryNotFoundError,
    OptionError,
    PropertyError,
    StreamEndedError,
)
from empycustom.gstreamer import Gst
from empycustom.library.callbacks import Library
from empycustom.library.declared import Option
from empycustom.library.dialects import OWN, Callback, line_of
from empycustom.library.sketch import usual_format
from empycustom.model.keys import LABEL
from empycustom.session.checks import missing_sources, places_outside, problems
from empycustom.session.console import ErrorCollector, print_error, reserve_stdout, show
from empycustom.session.documents import SignalCallback
from empycustom.session.outputs import prepare
from empycustom.session.parts import exists
from empycustom.session.sinks import file_path
from empycustom.testing import OpenLibrary, Result, SampleFrame, make_frame
from empycustom.text import as_path, for_people, shown, visible_json, without_password

Report = Callable[..., None]
_LIMITS_WIDTH = 32
_SWITCHES = {
    "mandatory": "It is mandatory: no frame may go on without it.",
    "stateful": "It is stateful: it needs all frames of a video in their order.",
}
_RELOADED = "reloaded hands state over with reload=true and workers=0; with workers it is not called."


def main(args: Namespace) -> int:
    """Check and report; return 0, or raise the error that the element, or ``run``, would report."""
    ended = run_apart(args.library)
    if isinstance(ended, int):
        return ended
    reserve_stdout()
    facts: dict[str, Any] = {"empycustom": empycustom.__version__}
    check = check_configuration if is_configuration(args.library) else _check_library
    try:
        if ended:
            raise ended
        check(args, facts, (lambda *_lines: None) if args.json else _print)
    except (EmPyCustomError, OSError) as error:
        facts["error"] = {"message": for_people(str(error), lines=True), "details": getattr(error, "details", "")}
        raise
    finally:
        if args.json:
            show(visible_json(json.dumps(facts, ensure_ascii=False)))
    return 0


def _print(*lines: str) -> None:
    if lines:
        show(for_people("\n".join(lines), lines=True))


def _check_library(args: Namespace, facts: dict[str, Any], report: Report) -> None:
    facts["library"] = args.library
    with ErrorCollector() as found:
        options = found(read_options, args.options)
        saved = found(_picture, args)
        frame = found(_frame, args)
        opened = found(_open, args, options)
    declared = opened.library.declared
    facts |= {"options": options, "frame": _frame_facts(frame)}
    facts["declared"] = None if declared is None else {name: vars(option) for name, option in declared.options.items()}
    facts |= {name: getattr(opened.library, name) for name in _SWITCHES}
    at = f" at {frame.stream_time / Gst.SECOND:.3f} s" if args.video else ""
    report(f"{for_people(args.library)}: {_frame_line(frame, at)}")
    if declared is not None:
        report("", "options that it declares:", *_table(declared.options))
    for name, text in _SWITCHES.items():
        if facts[name]:
            report("", text)
    if "reloaded" in opened.library.lines:
        report("", _RELOADED)
    if lines := about_dialect(opened.library, facts):
        report(*lines)
    facts["options"] = _checked(opened)
    facts["missing"] = missing_in(opened.library.path, opened.library.dialect, args.call)
    facts["warnings"] = [*map(str, opened.library.hints()), *without_result(opened.library, args.call)]
    print_missing(opened.library.path, facts["missing"])
    for text in facts["warnings"]:
        print_error(text, kind="warning")
    frame.source = frame.source or "test"  # as frames of `run test` have it: modules may count on a source
    last = _try_all(opened, frame, args.repeat, facts, report)
    if saved:
        _save(saved, last, frame)
        facts["saved"] = args.save
        report("", f"written: {saved}")


def _checked(opened: OpenLibrary) -> Any:
    """Return the options that the callbacks get, as JSON values. Raises OptionError."""
    try:
        options = opened.library.options_for(opened.options)
    except LibraryError:
        opened.library.close()
        raise
    return asdict(options) if is_dataclass(options) and not isinstance(options, type) else options


def _table(options: Mapping[str, Option]) -> list[str]:
    """Return the options of a library as lines of a table."""
    rows = [("name", "type", "default", "limits", "description")]
    rows += [
        (name, each.kind, "required" if each.required else shown(each.default), each.range, each.description)
        for name, each in options.items()
    ]
    lines = [line for row in rows for line in _wrapped(row)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  " + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _wrapped(row: tuple[str, str, str, str, str]) -> list[tuple[str, ...]]:
    """Return the lines of a row: limits with many choices take several."""
    name, kind, default, limits, description = row
    first, *rest = wrap(limits, _LIMITS_WIDTH, break_long_words=False, break_on_hyphens=False) or [""]
    return [(name, kind, default, first, description), *(("", "", "", more, "") for more in rest)]


def _picture(args: Namespace) -> Path | None:
    """Return the file that ``--save`` names. Raises LaunchError, PathError."""
    if args.save is None:
        return None
    saved = file_path("--save", args.save)
    check_picture(saved)
    prepare([saved], [*filter(None, [args.image, args.video]), args.library])
    return saved


def _open(args: Namespace, options: dict[str, Any] | None) -> OpenLibrary:
    try:
        return OpenLibrary(args.library, options=options, events={}, call=args.call)
    except LibraryNotFoundError as error:
        raise as_typed(error, "") from error
    except LibraryImportError as error:
        print_missing(error.library, missing_in(error.library, None, args.call))
        raise


def _frame(args: Namespace) -> SampleFrame:
    source, pixels = args.image or args.video, args.format or usual_format([(args.library, args.call)])
    if source is None:
        count = 3 if args.objects is None else args.objects
        return make_frame(format=pixels, size=args.size or (640, 480), objects=count)
    return real(source, pixels, args.size, args.objects or 0, at_s=args.at)


def _frame_facts(frame: SampleFrame) -> dict[str, Any]:
    """Return the frame for programs."""
    form = frame.format
    facts = {"format": form.format, "width": form.width, "height": form.height, "source": frame.source or None}
    return {**facts, "stream_time": frame.stream_time, "objects": frame.objects}


def _frame_line(frame: SampleFrame, at: str) -> str:
    form = frame.format
    where = f", {frame.source}{at}" if frame.source else ""
    found = ", ".join(f"{index} {item[LABEL]}" for index, item in enumerate(frame.objects)) or "none"
    return f"one frame, {form.format}, {form.width}x{form.height}{where}; objects: {found}"


def _try_all(opened: OpenLibrary, frame: SampleFrame, repeat: int, facts: dict[str, Any], report: Report) -> Result | None:
    """Call the callbacks, report what came of them, and return the last result of the first one."""
    facts["calls"] = _calls(opened.callbacks)
    given = given_to(opened.library, facts["options"])
    report("", "calls, in this order:", *map(_call_line, facts["calls"]), *given)
    with ErrorCollector() as found, opened:
        tried = [found(_try, opened, callback, frame, repeat, facts, report) for callback in opened.callbacks]
    facts["results"] = []
    first: Result | None = tried[0][0]
    for last, times_ms in tried:
        if last:
            facts["results"].append(facts_of(last, times_ms))
            report(*explained(facts["results"][-1], frame.objects, is_own=opened.library.dialect == OWN))
    return first


def _try(
    opened: OpenLibrary, callback: Library, frame: SampleFrame, repeat: int, facts: dict[str, Any], report: Report
) -> tuple[Result | None, list[float]]:
    """Call a callback several times, or until it ends the stream; return the last result, and how long each call took."""
    last, times_ms = None, list[float]()
    for number in range(repeat):
        try:
            last = opened.run(frame, callback=callback)
        except DebuggerLeftError:
            raise
        except StreamEndedError as end:
            end.frame = f"call {number + 1} of {repeat}"
            facts["ended"] = str(end)
            report("", str(end))
            break
        times_ms.append(last.time_ms)
    return last, times_ms


def _calls(callbacks: list[Library]) -> list[dict[str, Any]]:
    """Return the callbacks that are called, in order, with their arguments."""
    hooks = callbacks[0].callbacks
    called = [hooks.start, *(each.callbacks.frame for each in callbacks), hooks.stop]
    return [_call(each) for each in called if each and each.name]


def _call(callback: Callback) -> dict[str, Any]:
    return {"callback": callback.name, "arguments": list(callback.arguments), "line": line_of(callback.function)}


def _call_line(call: dict[str, Any]) -> str:
    line = "" if call["line"] is None else f"  line {call['line']}"  # it is not known of a compiled library
    return f"  {call['callback']}({', '.join(call['arguments'])}){line}"


def _save(path: Path, last: Result | None, frame: SampleFrame) -> None:
    if last is None or last.dropped:
        why = "process returned None as its new frame" if last else "the library ended the stream before"
        raise LaunchError(f"--save {path}: there is no frame to save, because {why}.")
    save_picture(path, last, frame.objects, (frame.format.width, frame.format.height))


# Stream configurations.


def check_configuration(args: Namespace, facts: dict[str, Any], report: Report) -> None:
    """Check a configuration and report its streams; ``facts`` gets the same for programs. Raises EmPyCustomError, OSError."""
    empycustom.register()
    facts["configuration"] = args.library
    configuration = read(
        as_path(args.library),
        sources=args.sources,
        settings=args.settings,
        more=lambda read: [
            *missing_sources(read, cameras=True),
            *places_outside(read, allowed=args.allow_outside),
            *problems(read),
        ],
    )
    with ErrorCollector() as found:
        hints = [found(_start_and_stop, stage) for stage in _library_stages(configuration)]
        if configuration.callback:
            found(_load_callback, configuration)
    facts["streams"] = [_stream_facts(stream) for stream in configuration.streams]
    facts["callback"] = configuration.callback and configuration.callback[1]
    described = (text for each in configuration.streams for text in describe(each, [], exists).warnings)
    facts["warnings"] = list(dict.fromkeys([*described, *(str(hint) for hint in hints if hint)]))
    for text in facts["warnings"]:
        print_error(text, kind="warning")
    count = len(configuration.streams)
    report(f"{args.library}: {count} stream{'' if count == 1 else 's'}, nothing is wrong")
    for stream in facts["streams"]:
        report("", *_stream_lines(stream, facts["callback"]))


def _library_stages(configuration: Configuration) -> list[Stage]:
    """Return the stages that are libraries, each once."""
    stages = (stage for stream in configuration.streams for stage, element in elements(stream, exists) if element == "empycustom")
    return list({repr(stage): stage for stage in stages}.values())


def _start_and_stop(stage: Stage) -> LibraryError | None:
    """Load, start and stop a library as its element does: where it has workers, in one. Return what to warn of."""
    options, path = dict(stage.properties.get("options", {})), stage.properties["custom-lib"]
    try:
        in_place = is_in_place(stage.properties)
        if workers := stage.properties.get("workers"):
            pool = start_pool(path, {**stage.properties, "in-place": in_place, "workers": 1, "call-timeout": 0}, options, None)
            library = pool.library
            pool.stop()
            return about_state(library, workers) if stage.properties.get("reload") else None
        library = open_library(path, {**stage.properties, "in-place": in_place})
        try:
            library.start(options)
            library.stop(options)
        finally:
            library.close()
        return None
    except LibraryError as error:
        path = stage.path_of_option(error.option) if isinstance(error, OptionError) else stage.path_of("custom-lib")
        raise LibraryError(f"{path}: {error}", details=error.details) from error
    except PropertyError as error:
        raise ConfigurationError(f"{stage.path_of(error.name)}: {error}") from error


def _load_callback(configuration: Configuration) -> None:
    if configuration.callback:
        SignalCallback(*configuration.callback, configuration.event_items, ()).close()


def _stream_facts(stream: Stream) -> dict[str, Any]:
    """Return a stream as JSON values."""
    stages = [_stage_facts(stage, element) for stage, element in elements(stream, exists)]
    published = [{**each, "uri": without_password(each["uri"])} for each in stream.publish]
    return {"stream_id": stream.name, "source": without_password(stream.location), "stages": stages, "published": published}


def _stage_facts(stage: Stage, element: str) -> dict[str, Any]:
    library = stage.properties.get("custom-lib") if stage.format else None
    callback = None if library is None else "process_ip" if is_in_place(stage.properties) else "process"
    caps = {"format": stage.format, "memory": stage.memory}
    return {"path": stage.path, "element": element, "library": library, "callback": callback, **caps}


def _stream_lines(stream: dict[str, Any], callback: str | None) -> Iterator[str]:
    yield f"{stream['stream_id']}: {stream['source']}"
    for stage in stream["stages"]:
        memory = "" if stage["memory"] in (None, "CPU") else f" in {stage['memory']} memory"
        more = f" {stage['library']}: {stage['callback']}, {stage['format']}{memory}" if stage["library"] else ""
        yield f"  {stage['element']}{more}"
    for each in stream["published"]:
        yield " ".join(["  metapublish", each["uri"], *(f"{name}={value}" for name, value in each.items() if name != "uri")])
    yield f"  aimeta{f', whose documents {callback} gets' if callback else ''}"
