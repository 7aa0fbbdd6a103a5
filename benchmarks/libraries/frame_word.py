"""One small JSON about the frame."""


def process_ip(io_buffer, in_meta, options):
    """Say two things."""
    return [{"brightness": 0.5, "label": "person"}]
