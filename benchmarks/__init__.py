"""What a buffer costs: empycustom beside other ways to run Python in a GStreamer pipeline. See ``docs/performance.md``."""
