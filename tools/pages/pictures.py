"""Draw docs/pictures/*.svg: boxes with lines of text, and arrows between them."""

from __future__ import annotations

from html import escape

LINE = 19  # pixels from a line of text to the next one
COLOURS = {
    "gray": ("#f3f4f6", "#6b7280"),
    "blue": ("#e0ecff", "#2f5fb3"),
    "green": ("#e2f4e6", "#2f7d46"),
    "amber": ("#fff1d6", "#a86a00"),
}
STYLE = (
    "text{font:14px system-ui,sans-serif;fill:#1f2937}.title{font-weight:600}"
    ".code{font:13px ui-monospace,'DejaVu Sans Mono',monospace}.small{font-size:12.5px;fill:#4b5563}"
)


class Picture:
    """A picture of a width and a height in pixels; ``title`` is for those who cannot see it."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        self._title = title
        self._parts = [f'<rect width="{width}" height="{height}" rx="10" fill="#ffffff"/>']

    def box(self, x: int, y: int, width: int, height: int, title: str, *lines: str, colour: str = "gray") -> None:
        """Draw a box with a title and lines of code in it."""
        fill, stroke = COLOURS[colour]
        self._parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{fill}" stroke="{stroke}" stroke-width="1.3"/>'
        )
        self.text(x + 12, y + 22, title, "title")
        for number, line in enumerate(lines, 1):
            self.text(x + 12, y + 24 + number * LINE, line, "code")

    def cell(self, x: int, y: int, width: int, text: str, colour: str) -> None:
        """Draw a box as high as a line, with a text in its middle."""
        fill, stroke = COLOURS[colour]
        self._parts.append(f'<rect x="{x}" y="{y}" width="{width}" height="22" rx="4" fill="{fill}" stroke="{stroke}"/>')
        self.text(x + width // 2, y + 16, text, anchor="middle")

    def text(self, x: int, y: int, text: str, style: str = "small", anchor: str = "start") -> None:
        """Write a line."""
        if style == "code":  # SVG drops blanks at the beginning, and makes one of several
            x += 8 * (len(text) - len(text.lstrip()))
            text = text.lstrip().replace(" ", "\N{NO-BREAK SPACE}")
        self._parts.append(f'<text x="{x}" y="{y}" class="{style}" text-anchor="{anchor}">{escape(text, quote=False)}</text>')

    def arrow(self, *points: tuple[int, int], colour: str = "gray") -> None:
        """Draw an arrow along some points."""
        path, stroke = " ".join(f"{x},{y}" for x, y in points), COLOURS[colour][1]
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{stroke}" stroke-width="1.6" marker-end="url(#{colour})"/>'
        )

    def svg(self) -> str:
        """Return the picture."""
        markers = "".join(
            f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
            f'<path d="M0,0.5 L8,4 L0,7.5 z" fill="{stroke}"/></marker>'
            for name, (_, stroke) in COLOURS.items()
        )
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {self._size} role="img"><title>{escape(self._title)}</title>'
        return "\n".join([head, f"<style>{STYLE}</style>", f"<defs>{markers}</defs>", *self._parts, "</svg>", ""])


def plain() -> Picture:
    """Draw how attributes are carried in plain GStreamer."""
    it = Picture(
        900, 430, "A GstBuffer of plain GStreamer: attributes in a custom meta refer to regions of interest by their ids"
    )
    it.box(20, 20, 860, 390, "GstBuffer")
    it.box(40, 60, 300, 62, "GstMemory", "the pixels")
    it.box(40, 142, 300, 62, "GstVideoMeta", "format, size, strides")
    it.box(40, 224, 300, 80, "GstVideoRegionOfInterestMeta", 'id 1   "person"', "x 8  y 4  w 16  h 20", colour="blue")
    it.box(40, 320, 300, 80, "GstVideoRegionOfInterestMeta", 'id 2   "car"', "x 40  y 4  w 20  h 12", colour="blue")
    lines = [
        "frame-num  7",
        "json",
        '{"frame_num": 7,',
        ' "timestamp": "…",',
        ' "emcustom": {"count": 2},',
        ' "object": [',
        '  {"key": "region/1",',
        '   "emcustom": {"seen": true}},',
        '  {"key": "region/2",',
        '   "emcustom": {"seen": true}}]}',
    ]
    it.box(470, 60, 390, 232, "GstCustomMeta EmPyCustomMeta", *lines, colour="green")
    it.arrow((494, 212), (420, 212), (420, 258), (342, 258), colour="green")
    it.arrow((494, 250), (436, 250), (436, 354), (342, 354), colour="green")
    it.text(470, 322, "Attributes of the frame stand by themselves.")
    it.text(470, 342, "Attributes of an object refer to the id of its region,")
    it.text(470, 362, "not to its position: regions may be added and removed.")
    it.text(470, 390, "GStreamer 1.24 and later: GstAnalytics, key analytics/0.")
    return it


def deepstream() -> Picture:
    """Draw how attributes are carried in DeepStream."""
    it = Picture(
        900,
        560,
        "NvDsBatchMeta on a GstBuffer: attributes are frame user metadata, tied to objects by a key in object user metadata",
    )
    it.box(20, 20, 170, 84, "GstBuffer", "NvDsMeta", "one surface a frame")
    it.box(240, 20, 210, 84, "NvDsBatchMeta", "frame_meta_list", "batch_user_meta_list")
    it.box(510, 20, 370, 84, "NvDsUserMeta", "NVDS_EVENT_MSG_META", "otherAttrs: of the batch", colour="green")
    it.box(20, 176, 260, 120, "NvDsFrameMeta", "frame_num 7   source_id 0", "obj_meta_list", "frame_user_meta_list")
    it.box(20, 470, 260, 66, "NvDsFrameMeta", "frame_num 7   source_id 1")
    it.box(330, 136, 240, 84, "NvDsObjectMeta", 'class_id 2   "person"', "obj_user_meta_list", colour="blue")
    it.box(620, 136, 260, 84, "NvDsUserMeta", "EMPYCUSTOM.OBJECT.KEY", "1", colour="green")
    it.box(330, 256, 240, 66, "NvDsUserMeta", "NVDS_EVENT_MSG_META", colour="green")
    lines = [
        'objectId    "empycustom"',
        "frameId     7    sensorId  0",
        "otherAttrs",
        '{"frame_num": 7, "timestamp": "…", "source_id": 0,',
        ' "emcustom": {"count": 1},',
        ' "object": [{"key": 1, "obj_label": "person", …,',
        '             "emcustom": {"seen": true}}]}',
    ]
    it.box(330, 362, 550, 174, "NvDsEventMsgMeta", *lines, colour="green")
    it.arrow((190, 62), (238, 62))
    it.arrow((450, 62), (508, 62), colour="green")
    it.arrow((300, 104), (300, 140), (150, 140), (150, 174))
    it.arrow((280, 228), (305, 228), (305, 180), (328, 180), colour="blue")
    it.arrow((280, 268), (305, 268), (305, 289), (328, 289), colour="green")
    it.arrow((570, 180), (618, 180), colour="green")
    it.arrow((450, 322), (450, 360), colour="green")
    it.arrow((722, 495), (840, 495), (840, 222), colour="green")
    it.arrow((150, 296), (150, 468))
    it.text(160, 386, "the next frame")
    it.text(160, 404, "of the batch")
    return it


_DOWN = [  # the rooms that a frame comes to: the step, what is done there, and the type of what goes on to the next one
    ("1  native", "transform_ip, from C", "amber", "address (int)"),
    ("2  elements", "is it due?", "gray", "address"),
    ("3  carriers", "decode", "blue", "Frame + Gst.Buffer"),
    ("4  runners", "run", "green", "Gst.Buffer, in_meta, options"),
]
_UP = [  # the same of what comes back, from below
    ("5  runners, model", "read_returned", "green", "any Python value"),
    ("6  carriers", "apply", "blue", "Result"),
    ("7  elements", "signals, last-meta", "gray", "metas on the buffer"),
    ("native", "and downstream", "amber", "FLOW_OK (int)"),
]


def way() -> Picture:
    """Draw one frame's way through the rooms, with the type of the data at each arrow."""
    it = Picture(
        660,
        580,
        "A frame goes down from native (an address) to elements, carriers (Frame and Gst.Buffer), runners and the library (any "
        "Python value), and up to runners and model (Result), carriers (metas on the buffer), elements, native and downstream",
    )
    step, left, right, wide = 112, 20, 440, 200
    for number, (title, line, colour, kind) in enumerate(_DOWN):
        y = 20 + step * number
        it.box(left, y, wide, 62, title, line, colour=colour)
        it.arrow((left + 60, y + 62), (left + 60, y + step - 2), colour=colour)
        it.text(left + 70, y + 91, kind, "code")
    for number, (title, line, colour, kind) in enumerate(_UP):
        y = 20 + step * (3 - number)
        it.box(right, y, wide, 62, title, line, colour=colour)
        it.arrow((right + 140, y + step), (right + 140, y + 64), colour=colour)
        it.text(right + 130, y + 91, kind, "code", "end")
    it.box(left, 20 + 4 * step, right + wide - left, 62, "library", "process_ip(io_buffer, in_meta, options)", colour="green")
    it.arrow((left + wide, 51 + step), (right - 2, 51 + step))
    it.text((left + wide + right) // 2, 43 + step, "not due: with a stamp", anchor="middle")
    it.arrow((left + wide, 51 + 2 * step), (right - 2, 51 + 2 * step), colour="blue")
    it.text((left + wide + right) // 2, 43 + 2 * step, "handles of its objects", anchor="middle")
    it.text(left, 562, "An exception, wherever it is raised: elements/failures.py makes one message on the bus of it.")
    return it


# A way to run a library: its title, the lanes in which calls are, and what comes and leaves when. Of a call: the lane, the frame,
# and when it begins. Of a frame: its number, and when; behind it whose result it carries when it leaves.
_SOME, _ALL = [(1, 0), (2, 2), (3, 4)], [(number + 1, number) for number in range(7)]
_WAYS: list[tuple[str, list[str], list[tuple[int, int]], list[tuple[int, int, int]], list[tuple[int, float, str]]]] = [
    (
        "workers=0: in the streaming thread. Upstream waits for each call",
        ["the library"],
        _SOME,
        [(0, 1, 0), (0, 2, 2), (0, 3, 4)],
        [(1, 2, "1"), (2, 4, "2"), (3, 6, "3")],
    ),
    (
        "workers=2 pace=every: each frame is worked on. Upstream waits while all workers are busy",
        ["worker 1", "worker 2"],
        _ALL,
        [(0, 1, 0), (1, 2, 1), (0, 3, 2), (1, 4, 3), (0, 5, 4), (1, 6, 5)],
        [(number, number + 1, str(number)) for number in range(1, 6)],
    ),
    (
        "workers=1 pace=skip: a frame that finds no free worker gets no call, and leaves behind those before it",
        ["worker 1"],
        _ALL,
        [(0, 1, 0), (0, 3, 2), (0, 5, 4)],
        [(1, 2, "1"), (2, 2.3, ""), (3, 4, "3"), (4, 4.3, ""), (5, 6, "5"), (6, 6.3, "")],
    ),
    (
        "workers=1 pace=latest: no frame waits. A free worker gets the newest one; each carries the newest result",
        ["worker 1"],
        _ALL,
        [(0, 1, 0), (0, 3, 2), (0, 5, 4)],
        [(number, number - 1, result) for number, result in zip(range(1, 8), ["", "", *"11335"], strict=True)],
    ),
]


def workers() -> Picture:
    """Draw when frames come and leave, and where they are worked on, for each way to run a library."""
    it = Picture(
        900,
        640,
        "Four rows with time from left to right: in the streaming thread each frame waits for its call; two workers have frames "
        "under way at a time; with pace=skip frames pass; with pace=latest no frame waits",
    )
    left, unit, y = 150, 100, 0
    for title, lanes, come, calls, leave in _WAYS:
        it.text(20, y + 28, title, "title")
        for number, name in enumerate(["frames come", *lanes, "frames leave", "with the result of"]):
            it.text(20, y + 56 + 26 * number, name)
        for number, when in come:
            it.cell(left + when * unit, y + 41, 26, str(number), "blue")
        for lane, number, when in calls:
            it.cell(left + when * unit, y + 67 + 26 * lane, 2 * unit - 6, f"call for {number}", "green")
        for number, time, result in leave:
            x, below = round(left + time * unit), y + 67 + 26 * len(lanes)
            it.cell(x, below, 26, str(number), "blue")
            if result:
                it.cell(x, below + 26, 26, result, "green")
        y += 120 + 26 * len(lanes)
    it.text(20, y + 20, "Time goes from left to right. The source can make two frames in the time of a call.")
    return it


def made() -> dict[str, str]:
    """Return the pictures by name."""
    drawn = {"attributes-plain": plain, "attributes-deepstream": deepstream, "way": way, "workers": workers}
    return {f"pictures/{name}.svg": draw().svg() for name, draw in drawn.items()}
