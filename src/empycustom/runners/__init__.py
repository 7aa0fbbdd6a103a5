"""Runners of libraries: an element passes a frame to a runner and gets a result, whatever the runner is."""
