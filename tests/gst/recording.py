"""A source of frames, a library that records what it gets, and the documents of aimeta."""

from __future__ import annotations

import json

SOURCE = "videotestsrc num-buffers={n} ! video/x-raw,format={format},width={width},height={height}"


def source(n=3, format="RGBA", width=64, height=48):
    return SOURCE.format(n=n, format=format, width=width, height=height)


def record(path):
    """Source of a library that writes what it gets to a file, a JSON text a line."""
    return f"""
import json
def process_ip(io_buffer, in_meta, options):
    with open({str(path)!r}, "a") as file:
        file.write(json.dumps({{"in_meta": in_meta, "options": options, "pts": io_buffer.pts}}) + "\\n")
"""


def seen(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def documents_of(pipeline, name="meta"):
    documents = []
    pipeline.get_by_name(name).connect("new-meta", lambda _, text: documents.append(json.loads(text)))
    return documents
