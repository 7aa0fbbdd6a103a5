"""Stages of pipelines that are functions of a test."""

STAGE = "import stages\ndef process_ip(b, m, o):\n    return stages.do[{}](b, m)\n"
SOURCE = "videotestsrc num-buffers=1 ! video/x-raw,format=RGBA,width=64,height=48"
