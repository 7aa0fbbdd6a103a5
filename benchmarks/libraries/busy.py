"""Pure Python for so many rounds: work that holds the lock of the interpreter."""


def burn(rounds):
    """Count. A millisecond is some thousands of rounds."""
    number = 0
    for _ in range(rounds):
        number += 1
    return number


def process_ip(io_buffer, in_meta, options):
    """Count, and return nothing: what is measured here is where it runs."""
    burn(options["rounds"])
