"""Metadata on buffers: reading the model from a buffer, and writing what a library attached to it.

A carrier does both for one kind of buffer (see :class:`~empycustom.carriers.protocol.Carrier`); ``plain`` is the one for plain
GStreamer. It finds objects through sources (``regions``, ``analytics``) and keeps attributes in a custom meta of its own.
"""
