"""Compiled libraries that crash, end the process or do not return: what is reported, and what becomes of the video."""

from __future__ import annotations

import pytest

import empycustom
from empycustom.runners import supervisor

SOURCE = "videotestsrc num-buffers=4 ! video/x-raw,format=RGBA,width=64,height=48,framerate=30/1"
ONCE = 'if (strstr (in_meta, "\\"frame_num\\":1,")) {{ {} }}; *out_meta = text ("{{\\"n\\": 1}}")'
DEEDS = {
    "a crash": ("*(volatile int *) 0 = 1;", "", "killed by SIGSEGV"),
    "abort": ("abort ();", "", "killed by SIGABRT"),
    "an exit": ("exit (3);", "", "ended by itself, with exit code 3"),
    "a free of what is not malloc's": ('*out_meta = "x"; return;', "", "killed by SIGABRT"),
    "a hang": ("sleep (60);", "call-timeout=3000", "took longer than call-timeout=3000"),
}


@pytest.mark.parametrize(("deed", "properties", "text"), DEEDS.values(), ids=DEEDS)
def test_a_worker_dies_and_the_video_goes_on(play, compiled, monkeypatch, deed, properties, text):
    monkeypatch.setattr(supervisor, "_START_S", 60)  # of the next process, where calls have a limit
    path = compiled("wrong", f"-DACTION={ONCE.format(deed)}")
    played = play(
        f"{SOURCE} ! empycustom custom-lib={path} workers=1 on-error=pass {properties} ! appsink name=out", timeout_s=60
    )

    assert played.ended
    assert played.errors == []
    (warning,) = [message for message, _ in played.warnings]
    assert text in warning
    assert str(path) in warning
    found = [empycustom.document(sample)["frame"][0].get("emcustom") for sample in played.samples]
    assert found == [{"n": 1}, None, {"n": 1}, {"n": 1}]


def test_a_crash_at_the_start_is_an_error(play, compiled):
    crash = "#include <stdlib.h>\n__attribute__((constructor)) void begin (void) { abort (); }\nvoid process_ip (void) {}\n"
    played = play(f"{SOURCE} ! empycustom custom-lib={compiled(crash)} workers=1 ! fakesink")
    assert "killed by SIGABRT" in played.error
