"""``empycustom check``: call a library with one frame and explain the result, or check a stream configuration."""

from __future__ import annotations

import json
import time
from argparse import Namespace
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Any

import empycustom
from empycustom.app.options import is_configuration
from empycustom.app.pictures import check_picture, real, save_picture
from empycustom.app.trial import Trial, TrialFrame, explain, facts_of, synthetic
from empycustom.buffers.callback import VIEWS, wrap
from empycustom.elements.base import VIDEO_CAPS
from empycustom.elements.frames import FrameFormat
from empycustom.elements.output import OutputCaps, check_buffer, write_arrays
from empycustom.elements.properties import read_object
from empycustom.errors import DebuggerLeftError, EmPyCustomError, LaunchError, StreamEndedError
from empycustom.gstreamer import Gst
from empycustom.library.callbacks import Library, callbacks_of
from empycustom.library.dialects import Callback, line_of
from empycustom.library.explain import is_kind
from empycustom.model.results import Result, read_result
from empycustom.model.serialize import loads
from empycustom.runners.inline import read_pair, read_returned
from empycustom.session.console import complain, keep_stdout, show
from empycustom.session.outputs import prepare
from empycustom.session.stages import check_configuration
from empycustom.text import as_path, for_people, unquoted, visible_json

Report = Callable[..., None]


def main(args: Namespace) -> int:
    """Check and report; return 0, or raise the error that the element, or ``run``, would report."""
    keep_stdout()
    facts: dict[str, Any] = {"empycustom": empycustom.__version__}
    check = check_configuration if is_configuration(args.library) else _check_library
    try:
        check(args, facts, (lambda *_lines: None) if args.json else _print)
    except (EmPyCustomError, OSError) as error:
        facts["error"] = {"message": for_people(str(error), lines=True), "details": getattr(error, "details", "")}
        raise
    finally:
        if args.json:
            show(visible_json(json.dumps(facts, ensure_ascii=False)))
    return 0


def _print(*lines: str) -> None:
    show(for_people("\n".join(lines), lines=True))


def _check_library(args: Namespace, facts: dict[str, Any], report: Report) -> None:
    options = read_object("options", args.options and unquoted(args.options))
    facts |= {"library": args.library, "options": options}
    saved = as_path(args.save) if args.save else None
    if saved:
        check_picture(saved)
        prepare([saved], [*filter(None, [args.image, args.video]), args.library])
    frame = _frame(args)
    facts["frame"] = _frame_facts(frame)
    callbacks = callbacks_of(args.library)
    first, *others = [name for name in ("process_ip", "process") if name in callbacks] or ["process_ip"]
    at = f" at {frame.stream_time / Gst.SECOND:.3f} s" if args.video else ""
    report(f"{for_people(args.library)}: {_frame_line(frame, at)}")
    library = Library.open(args.library, in_place=first == "process_ip", views=VIEWS)
    facts["warnings"] = [str(error) for error in library.misspelt()]
    for text in facts["warnings"]:
        complain(text, kind="warning")
    try:
        trials = _try_all([library, *map(library.by, others)], frame, options, args.repeat, facts, report)
    finally:
        library.close()
    if saved:
        _save(saved, trials[0], frame)
        facts["saved"] = args.save
        report("", f"written: {saved}")


def _frame(args: Namespace) -> TrialFrame:
    source = args.image or args.video
    if source is None:
        return synthetic(args.format, args.size or (640, 480), 3 if args.objects is None else args.objects)
    return real(source, args.format, args.size, args.objects or 0, at_s=args.at)


def _frame_facts(frame: TrialFrame) -> dict[str, Any]:
    """Return the frame for programs."""
    form = frame.format
    facts = {"format": form.format, "width": form.width, "height": form.height, "source": frame.source or None}
    return {**facts, "stream_time": frame.stream_time, "objects": frame.objects}


def _frame_line(frame: TrialFrame, at: str) -> str:
    form = frame.format
    where = f", {frame.source}{at}" if frame.source else ""
    found = ", ".join(f"{index} {item['obj_label']}" for index, item in enumerate(frame.objects)) or "none"
    return f"one frame, {form.format}, {form.width}x{form.height}{where}; objects: {found}"


def _try_all(
    callbacks: list[Library], frame: TrialFrame, options: dict[str, Any], repeat: int, facts: dict[str, Any], report: Report
) -> list[Trial | None]:
    library = callbacks[0]
    facts["calls"] = _calls(callbacks)
    report("", "calls, in this order:", *map(_call_line, facts["calls"]), f"  with options = {options}")
    library.start(options)
    try:
        trials = [_try(callback, frame, options, repeat, facts, report) for callback in callbacks]
    finally:
        library.stop(options)
    facts["results"] = []
    for callback, trial in zip(callbacks, trials, strict=True):
        if trial:
            facts["results"].append(read_returned(callback, facts_of, trial, callback.name, frame.objects))
            report(*explain(facts["results"][-1], frame.objects))
    return trials


def _try(
    library: Library, frame: TrialFrame, options: dict[str, Any], repeat: int, facts: dict[str, Any], report: Report
) -> Trial | None:
    """Call a callback several times, or until it ends the stream; return the result of the last call that did not."""
    output = frame.format
    if library.name == "process":
        output = FrameFormat(OutputCaps(library, Gst.Caps.from_string(VIDEO_CAPS)).of(frame.caps, options))
    times_ms: list[float] = []
    for number in range(repeat):
        given = frame.buffer(number)
        in_meta = frame.in_meta(given, number)
        began = time.perf_counter()
        try:
            result = library.call(wrap(given), in_meta, options, {})
        except DebuggerLeftError:
            raise
        except StreamEndedError as end:
            end.frame = f"call {len(times_ms) + 1} of {repeat}"
            facts["ended"] = str(end)
            report("", str(end))
            break
        times_ms.append((time.perf_counter() - began) * 1000)
        returned, buffer = result, given
    if not times_ms:
        return None
    before, after, counts = frame.buffer(), buffer, [len(frame.objects)]
    read = read_pair if library.name == "process" else read_result
    distributed = read_returned(library, read, returned, counts) or Result(counts)
    if library.name == "process":
        after, returned = _new_buffer(library, distributed.image[0], output), read_returned(library, itemgetter(1), returned)
    return Trial(returned, loads(distributed.text), distributed, before, after, output, times_ms)


def _new_buffer(library: Library, made: Any, output: FrameFormat) -> Any:
    """Return the new frame of ``process`` as a buffer, None if it dropped the frame."""
    if made is None:
        return None
    if is_kind(made, Gst.Buffer):
        check_buffer(library, made, output, exactly=False)
        return made
    buffer = Gst.Buffer.new_allocate(None, output.size, None)
    write_arrays(library, made, hash(buffer), output)
    return buffer


def _calls(callbacks: list[Library]) -> list[dict[str, Any]]:
    """Return the callbacks that are called, in order, with their arguments."""
    hooks = callbacks[0].callbacks
    called = [hooks.start, *(each.callbacks.frame for each in callbacks), hooks.stop]
    return [_call(each) for each in called if each]


def _call(callback: Callback) -> dict[str, Any]:
    return {"callback": callback.name, "arguments": list(callback.arguments), "line": line_of(callback.function)}


def _call_line(call: dict[str, Any]) -> str:
    return f"  {call['callback']}({', '.join(call['arguments'])})  line {call['line']}"


def _save(path: Path, trial: Trial | None, frame: TrialFrame) -> None:
    if trial is None or trial.after is None:
        why = "process returned None as its new frame" if trial else "the library ended the stream before"
        raise LaunchError(f"--save {path}: there is no frame to save, because {why}.")
    save_picture(path, trial, frame.objects, (frame.format.width, frame.format.height))
