"""Write a text beside each object, and make an event of the first object in every 30th frame.

In the place of the probe of deepstream-test4, whose events nvmsgconv and nvmsgbroker send. These are attributes of the frame:
``metapublish`` behind it sends them, or, with ``msg-blob``, NVIDIA's elements do.

Options: ``every`` (30), in frames.
"""


def process_ip(io_buffer, in_meta, options):
    """Return the texts and the events of each frame of the batch."""
    return {"frame": [about(frame, options.get("every", 30)) for frame in in_meta["frame"]]}


def about(frame, every):
    """Return what is new of a frame."""
    objects = frame["object"]
    result = {"changed_object": [{"text_params": {"display_text": found["obj_label"]}} for found in objects]}
    if objects and frame["frame_num"] % every == 0:
        first = objects[0]
        result["meta"] = {
            "event": "entry" if first["obj_label"] == "person" else "moving",
            "object": {key: first[key] for key in ("obj_label", "object_id", "confidence", "rect_params")},
        }
    return result
