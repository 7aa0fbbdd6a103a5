"""What every command that plays a pipeline needs: sources, sinks, the bus, Ctrl-C, and lines that go out."""
