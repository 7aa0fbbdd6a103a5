"""Outputs of documents: files, the console, and those of other packages, each with a queue and a thread of its own."""
