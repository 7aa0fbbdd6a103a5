"""What a frame says: the dict that callbacks get, what they return, and how words of several libraries become one.

Pure: no GStreamer, no C.
"""
