"""The stream configuration, ``emi_stream_config.json``: its schema, what it says, and the pipeline that it describes.

Nothing here knows GStreamer: which elements there are is asked of whoever calls.
"""
