"""Count frames and objects, and write a report at the end: ``start``, ``stop`` and options.

    empycustom run street.mp4 --lib examples/people.py --lib examples/counter.py --options '{"report": "report.json"}'

Options: ``report``, the file to write (JSON); ``label``, to count only objects of this label.
"""

import json
from collections import Counter

report = None
counts = Counter()


def start(options):
    """Open the report before the first frame, so that a path that cannot be written is an error now, not after an hour."""
    global report
    report = open(options["report"], "w") if "report" in options else None  # noqa: SIM115 - stop() closes it
    counts.clear()


def process_ip(io_buffer, in_meta, options):
    """Count, and return the counts so far."""
    wanted = options.get("label")
    objects = [obj for obj in in_meta["frame"][0]["object"] if wanted in (None, obj["obj_label"])]
    counts.update(frames=1, objects=len(objects))
    return {"frame": dict(counts)}


def stop(options):
    """Write the report. It is called at the end of the stream, and when the pipeline is stopped earlier."""
    if report:
        with report:
            json.dump(counts, report)
