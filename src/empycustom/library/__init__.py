"""The user's code: found, loaded, checked at start, called, and blamed with file, line and traceback.

Pure: no GStreamer, no C.
"""

from empycustom.library import imports as imports  # so that the names of libraries can be imported in any process
