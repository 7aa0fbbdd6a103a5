"""Do nothing."""


def process_ip(io_buffer, in_meta, options):
    """Return nothing."""
