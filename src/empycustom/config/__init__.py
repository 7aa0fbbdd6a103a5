"""The stream configuration, ``emi_stream_config.json``: its schema, its streams, and the pipelines that it describes.

Nothing here imports GStreamer: the caller gives a function that returns whether an element is installed.
"""
