"""Buffers of GStreamer as frames: mapping, the layout of planes, views of them; and the buffers that callbacks get."""
