"""Return as many attributes as the options ask for, in the form that they ask for."""

import json


def process_ip(io_buffer, in_meta, options):
    """Return a list with a dict for each attribute."""
    attributes = [{"brightness": 0.5} for _ in range(options["count"])]
    return _FORMS[options.get("form", "list")](attributes)


def _detections(attributes):
    box = {"left": 8, "top": 4, "width": 16, "height": 20}
    return {"frame": [{"new_object": [{"obj_label": "person", "confidence": 0.5, "rect_params": box} for _ in attributes]}]}


_FORMS = {"list": lambda attributes: attributes, "json": json.dumps, "str": str, "new_object": _detections}
