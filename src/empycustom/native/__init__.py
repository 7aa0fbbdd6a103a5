"""C: the only room with cffi. Pointers are integers, text is text; nothing of ``gi`` comes in or goes out.

What is called here either cannot be called through PyGObject on every GStreamer from 1.20 on, or is wrong or much slower there.
The address of a ``Gst.Buffer`` or a GObject is ``hash(it)``.
"""
