"""Does nothing."""


def process_ip(io_buffer, in_meta, options):
    """Say nothing."""
