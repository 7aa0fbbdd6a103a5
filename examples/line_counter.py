"""Count who crosses a line, and draw that, by supervision: its zones, trackers and annotators work on the objects of a frame.

    empycustom run street.mp4 --lib examples/people.py --lib examples/line_counter.py --save counted.mp4

Option ``at`` (0.5): where the line is, from the left (0) to the right (1). Who goes to the right goes in.

It needs `pip install "empycustom[vision]"`.
"""

import supervision as sv

import empycustom

by_track = {"color_lookup": sv.ColorLookup.TRACK}
boxes, traces = sv.BoxAnnotator(**by_track), sv.TraceAnnotator(trace_length=60, position=sv.Position.BOTTOM_CENTER, **by_track)
texts = sv.LineZoneAnnotator()


def process_ip(io_buffer, in_meta, options):
    """Count, draw boxes, ways and the line into the frame, and return the counts."""
    global line
    with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
        height, width = frame.pixels.shape[:2]
        if in_meta["frame"][0]["frame_num"] == 0:
            x = round(width * options.get("at", 0.5))
            line = sv.LineZone(sv.Point(x, 0), sv.Point(x, height), [sv.Position.BOTTOM_CENTER])
        detections = empycustom.to_detections(in_meta)
        detections = detections[detections.tracker_id >= 0]
        line.trigger(detections)
        scene = traces.annotate(boxes.annotate(frame.bgr.copy(), detections), detections)
        frame.bgr[:] = texts.annotate(scene, line)
    return {"frame": {"in": line.in_count, "out": line.out_count}}
