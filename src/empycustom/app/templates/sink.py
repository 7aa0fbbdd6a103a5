"""A library for the element empycustom: it sends results to where you need them, here a row of CSV for each object.

Try it on one synthetic frame:   empycustom check my_lib.py
Run it behind your detector:     empycustom run video.mp4 --lib detect.py --lib my_lib.py --options '{"file": "objects.csv"}'

For brokers, databases and web servers you need no library: `empycustom run --publish mqtt://host/topic` sends the documents, and
keeps them on the disk until they have arrived. For files, `--out documents.jsonl` does it.
"""

import csv
import queue
import sys
import threading

import empycustom

# Declared options are checked, and `empycustom check` lists them.
OPTIONS = {"file": empycustom.Option("", "the CSV file to write; empty: the rows are printed")}

# Frames do not wait for the receiver, because a thread sends the rows. If the receiver is slower than the video for long, this
# queue is full, and the frames do wait: nothing is lost.
rows: queue.Queue = queue.Queue(maxsize=1000)
state: dict = {"file": None, "thread": None, "error": None}


def start(options):
    """Open files and connections, before the first frame. An error here is reported before anything plays."""
    state["file"] = open(options["file"], "w", newline="", encoding="utf-8") if options["file"] else sys.stdout
    state["thread"] = threading.Thread(target=send_rows)
    state["thread"].start()
    rows.put(["time_s", "object_id", "label", "confidence", "left", "top", "width", "height"])


def process_ip(io_buffer, in_meta, options):
    """Put what you want to keep into the queue; called for every frame.

    in_meta: a dict that describes the frame and its objects. What other libraries returned is under "emcustom", of the frame
    and of each object.
    """
    if state["error"]:
        raise state["error"]  # so that the video ends, instead of going on without being recorded
    frame = in_meta["frame"][0]
    for found in frame["object"]:
        box = found["rect_params"]
        place = [round(box[name]) for name in ("left", "top", "width", "height")]
        rows.put([frame["buf_pts"] / 1e9, found["object_id"], found["obj_label"], found["confidence"], *place])


def stop(options):
    """Wait until everything is sent; called once, after the last frame."""
    rows.put(None)  # the end
    state["thread"].join()
    if options["file"]:
        state["file"].close()
    if state["error"]:
        raise state["error"]


def send_rows():
    """Send rows until the end; after an error go on taking them, so that no frame waits forever. Write your own sending here."""
    writer = csv.writer(state["file"])
    while (row := rows.get()) is not None:
        if state["error"] is None:
            try:
                writer.writerow(row)
            except Exception as error:  # noqa: BLE001 - whatever it is: the disk is full, for example
                state["error"] = error
