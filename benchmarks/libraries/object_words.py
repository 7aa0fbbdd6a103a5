"""A word about each object."""


def process_ip(io_buffer, in_meta, options):
    """Say one thing of each."""
    return [{"brightness": 0.5} for _ in in_meta["frame"][0]["object"]]
