"""The command line. It may import every other room; no other room imports it.

``arguments`` says what can be typed, and one file for each command does it. ``playing`` is what they have in common to play a
pipeline, ``streams`` what ``run`` does with a stream configuration, ``health`` what ``doctor`` looks at. Files that need
GStreamer are imported only by the command that needs them, so that ``plugin-path`` is quick and ``doctor`` works where
GStreamer, PyGObject or NumPy do not.
"""
