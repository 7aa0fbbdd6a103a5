"""Libraries, the files of users: loading and checking them, calling their callbacks, and locating their errors.

Pure: no GStreamer, no C.
"""

from empycustom.library import modules as modules  # so that the names of libraries can be imported in any process
