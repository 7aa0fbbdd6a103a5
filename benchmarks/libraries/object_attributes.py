"""Attach an attribute to each object."""


def process_ip(io_buffer, in_meta, options):
    """Return a small dict for each object."""
    return [{"brightness": 0.5} for _ in in_meta["frame"][0]["object"]]
