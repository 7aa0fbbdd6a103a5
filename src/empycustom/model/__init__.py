"""The model of frames and results: ``in_meta``, what callbacks return, documents, and merging attributes of several libraries.

Pure: no GStreamer, no C.
"""
