"""Attach an embedding, 512 numbers of float32, to each object."""

import numpy as np

EMBEDDINGS = np.random.default_rng(1).standard_normal((4, 512), np.float32)


def process_ip(io_buffer, in_meta, options):
    """Return an array for each object."""
    return [{"embedding": EMBEDDINGS[number]} for number, _ in enumerate(in_meta["frame"][0]["object"])]
