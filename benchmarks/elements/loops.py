"""The ways around an element of one's own: a probe, a library at a pad, a loop through the application. Wired to a pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.elements.work import Work, work_of
from benchmarks.gstreamer import Gst
from benchmarks.workloads import Workload

LIBRARIES = Path(__file__).parents[1] / "libraries"


def probe(pipeline: Any, workload: Workload) -> None:
    """Do the work in a buffer probe on the source pad of each element whose name begins with ``probed``."""
    work = work_of(workload)

    def probed(pad: Any, info: Any) -> Any:
        work(info.get_buffer())
        return Gst.PadProbeReturn.OK

    for element in _named(pipeline, "probed"):
        element.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, probed)


def attach(pipeline: Any, _workload: Workload) -> None:
    """Attach the library ``name`` to the source pad of each element ``attachedX-name-Y``."""
    import empycustom

    for element in _named(pipeline, "attached"):
        library = LIBRARIES / f"{element.get_name().split('-')[1]}.py"
        empycustom.attach(element.get_static_pad("src"), library)


def appsink_to_appsrc(pipeline: Any, workload: Workload) -> None:
    """Carry each buffer from appsink ``takenX`` over to appsrc ``givenX``, doing the work in between."""
    for element in _named(pipeline, "sink"):
        element.set_property("async", False)  # it gets nothing before the callbacks run, so nothing to preroll with
    for taken in _named(pipeline, "taken"):
        given = pipeline.get_by_name(taken.get_name().replace("taken", "given"))
        given.set_property("format", Gst.Format.TIME)
        given.set_property("caps", Gst.Caps.from_string(workload.caps))
        taken.set_property("emit-signals", True)
        taken.set_property("sync", False)
        taken.connect("new-sample", _carry(given, work_of(workload)))
        taken.connect("eos", lambda taken, given: given.end_of_stream(), given)
        if taken.get_name().startswith("taken1"):
            taken.set_property("async", False)


def _carry(given: Any, work: Work) -> Any:
    def carry(taken: Any) -> Any:
        buffer = taken.pull_sample().get_buffer()
        work(buffer)
        return given.push_buffer(buffer)

    return carry


def _named(pipeline: Any, prefix: str) -> list[Any]:
    return [element for element in pipeline.iterate_elements() if element.get_name().startswith(prefix)]
