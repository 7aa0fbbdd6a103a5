"""GST BUFFERS TO FRAMES: maps a buffer, finds out how its planes lie and hands out views of them."""
