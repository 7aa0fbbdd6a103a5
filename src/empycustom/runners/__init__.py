"""Where a library runs. An element hands a frame to a runner and gets its result back, and does not know which runner it is."""
