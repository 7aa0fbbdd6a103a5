"""The streams of a stream configuration, side by side: ``play`` begins and ends them.

``live`` is one stream, which makes one ``connection`` after the other; ``stages`` says what this machine lacks, ``outputs`` is
what is written, ``changes`` what is typed while they play.
"""
