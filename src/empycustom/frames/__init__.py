"""Pixels: the layout of formats in memory, and views of frames. Pure: neither GStreamer nor C is imported here."""
