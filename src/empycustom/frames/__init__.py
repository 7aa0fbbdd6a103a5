"""PIXELS: how the formats lie in memory, and NumPy views of them. Pure: neither GStreamer nor C is imported here."""
