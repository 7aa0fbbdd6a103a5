"""Where documents go: files, the console, and what other packages add, each behind a queue so that no stream waits for a disk."""
