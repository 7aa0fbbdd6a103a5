"""The command line. It may import every other room; no other room imports it.

``arguments`` says what can be typed, one file for each command does it, ``player`` plays the pipelines of ``run`` and
``launch``; ``streams`` and ``live`` are what ``run`` does with a stream configuration. Files that need GStreamer are imported
only by the command that needs them, so that ``plugin-path`` is quick and ``doctor`` works where GStreamer, PyGObject or NumPy do
not.
"""
