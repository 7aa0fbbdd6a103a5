"""Libraries for ``in-place=false``: the buffer that came in goes on."""


def process(in_buffer, in_meta, options):
    """Return the buffer itself, and no result."""
    return in_buffer, None
