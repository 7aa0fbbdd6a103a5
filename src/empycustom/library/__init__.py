"""The user's code: found, loaded, checked at start, called, and blamed with file, line and traceback.

Pure: no GStreamer, no C.
"""

from empycustom.library import modules as modules  # so that the names of libraries can be imported in any process
