"""DeepStream's metadata: read in memory, as ``layouts`` has it by version, and written through NVIDIA's own library.

That library, ``libnvds_meta.so``, is in the process already where there is such metadata.
"""
