"""Play streams for all commands and for ``empycustom.process``: sources, sinks, the bus, Ctrl-C, and outputs."""
