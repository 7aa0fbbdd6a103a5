"""What ``empycustom new`` writes, as code that is linted and run; ``my_lib.py`` in it becomes the name that was typed."""
