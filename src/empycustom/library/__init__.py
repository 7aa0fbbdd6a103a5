"""The user's code: found, loaded, checked at start and called; its errors get a file, a line and a traceback.

Pure: no GStreamer, no C.
"""

from empycustom.library import modules as modules  # so that the names of libraries can be imported in any process
