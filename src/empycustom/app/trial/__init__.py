"""Trying a library on one frame: `empycustom check`."""
