"""The user's code: found, loaded, checked at start, called, and blamed with file, line and traceback.

Pure: no GStreamer, no C.
"""
