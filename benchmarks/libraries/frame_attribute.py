"""Attach one small attribute to the frame."""


def process_ip(io_buffer, in_meta, options):
    """Return a dict with two values."""
    return [{"brightness": 0.5, "label": "person"}]
