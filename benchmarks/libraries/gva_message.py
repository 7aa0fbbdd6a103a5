"""A module of gvapython that adds one small message."""

MESSAGE = '{"brightness":0.5,"label":"person"}'


def process_frame(frame):
    """Add the message."""
    frame.add_message(MESSAGE)
    return True
