"""Draw the pictures of docs/explanation: a frame's life, threads, and who owns which memory when."""

from __future__ import annotations

from pictures import Picture

_STATIONS = [  # what a frame passes, and what is on it behind that
    ("decoder", "a file, a camera", "gray", 1),
    ("converter", "format=RGBA", "gray", 1),
    ("empycustom", "your detector", "green", 2),
    ("empycustom", "your library", "green", 3),
    ("aimeta", "the document", "amber", 3),
]
_LAYERS = [("pixels", "blue"), ("objects", "amber"), ("attributes", "green")]


def life() -> Picture:
    """Draw what a frame passes, and what is attached to it on the way."""
    it = Picture(
        900,
        330,
        "A frame goes from the decoder to the converter, to a detector and a library in two elements empycustom, and to aimeta: "
        "first it has pixels, then objects, then attributes, then a document is made of it",
    )
    for number, (title, line, colour, layers) in enumerate(_STATIONS):
        x = 20 + 178 * number
        it.box(x, 20, 148, 62, title, line, colour=colour)
        if number:
            it.arrow((x - 30, 51), (x - 2, 51))
        for layer, (name, its_colour) in enumerate(_LAYERS[:layers]):
            it.cell(x, 122 + 28 * layer, 148, name, its_colour)
    it.text(20, 110, "What the frame has when it leaves the element:")
    it.box(732, 232, 148, 62, "a file, a broker", "lines of JSON")
    it.arrow((806, 202), (806, 230), colour="amber")
    it.text(20, 254, "An element sees what those before it have attached.")
    it.text(20, 274, "The frame goes on to the sink, which shows it or writes a video.")
    it.text(20, 294, "The document leaves by a thread of its own, so that a slow disk holds up no frame.")
    return it


def threads() -> Picture:
    """Draw the threads of a pipeline with a queue and a worker."""
    it = Picture(
        900,
        400,
        "Two streaming threads, one on each side of a queue; the second one hands frames to a worker, which is a process of its "
        "own; other threads start and stop the pipeline, load new versions, and write documents",
    )
    it.box(20, 20, 330, 88, "streaming thread 1", "source, decoder, converter", "process_ip of detect.py", colour="blue")
    it.box(390, 44, 120, 60, "queue", "frames wait")
    it.box(550, 20, 330, 88, "streaming thread 2", "process_ip of count.py", "aimeta, sink", colour="blue")
    it.arrow((350, 74), (388, 74), colour="blue")
    it.arrow((510, 74), (548, 74), colour="blue")
    it.text(20, 134, "Both run at the same time. In one of them, one call comes after the other.")
    it.box(20, 180, 270, 88, "the thread that starts it", "start, before the first frame", "stop, after the last one")
    it.box(310, 180, 270, 88, "empycustom reload", "start of a new version,", "stop of the old one")
    it.box(600, 180, 280, 88, "empycustom output", "writes documents to a file", "or to the console", colour="amber")
    it.arrow((740, 108), (740, 178), colour="amber")
    it.box(20, 296, 860, 84, "with workers=n: n processes", "", "", colour="green")
    it.text(
        32, 342, "process_ip, start and stop run in them, each with a copy of the library and with a lock of Python of its own."
    )
    it.text(32, 362, "The streaming thread hands over frames and takes results. It does not wait with pace=skip and pace=latest.")
    return it


# A row: what it is, and a cell for the time before the call, in it, after it: a text and a colour, or nothing.
_OWNERS: list[tuple[str, list[tuple[str, str] | None]]] = [
    ("the frame (io_buffer)", [("GStreamer's", "gray"), ("lent to you", "green"), ("GStreamer's", "gray")]),
    ("views (frame.rgb)", [None, ("valid in the with block", "green"), ("using one is an error", "amber")]),
    ("a copy (frame.rgb.copy())", [None, ("yours", "green"), ("yours", "green")]),
    ("in_meta", [None, ("yours, a fresh dict", "green"), ("yours", "green")]),
    ("what you return", [None, ("yours", "green"), ("JSON on the frame, and yours", "blue")]),
    ("an array that process returns", [None, ("yours", "green"), ("the new frame's memory", "blue")]),
]


def memory() -> Picture:
    """Draw who owns what before, in and after a call."""
    it = Picture(
        900,
        294,
        "A table with time from left to right: before, in and after a call of a callback, for the frame, its views, copies, "
        "in_meta, results and new arrays: whose they are",
    )
    left, unit = 240, 216
    for number, title in enumerate(["before the call", "in the call", "after the call"]):
        it.text(left + unit * number + (unit - 8) // 2, 32, title, "title", "middle")
    for row, (name, cells) in enumerate(_OWNERS):
        y = 52 + 36 * row
        it.text(20, y + 16, name)
        for number, cell in enumerate(cells):
            if cell:
                it.cell(left + unit * number, y, unit - 8, *cell)
    it.text(20, 282, "Time goes from left to right. A call is one of process_ip or process.")
    return it


def made() -> dict[str, str]:
    """Return the pictures by name."""
    return {f"pictures/{draw.__name__}.svg": draw().svg() for draw in (life, threads, memory)}
