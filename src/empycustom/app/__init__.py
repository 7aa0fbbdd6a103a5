"""The command line. It may import every other package; no other package imports it.

``arguments`` and ``options`` define and check what can be typed; each command has a file, the small ones share ``commands``. A
file that needs GStreamer is imported only by its command, so that ``plugin-path`` is quick and ``doctor`` works where GStreamer,
PyGObject or NumPy do not.
"""
