"""Where the page of ``empycustom report`` goes, and what videos are called on it."""

from batch_helpers import OBJECTS


def test_videos_of_one_name_have_their_folders_and_the_page_may_go_to_stdout(batch, command, library, videos, tmp_path):
    cameras = [videos(1, "cameras/gate"), videos(1, "cameras/yard")]
    assert batch(*cameras, "--lib", library(OBJECTS), "--out", "results").returncode == 0
    ended = command("report", "results", "--out", "-")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("<!doctype html>")
    assert ended.stdout.endswith("</html>\n")
    for name in ("gate/0.mkv", "yard/0.mkv"):
        assert f"<title>{name} at 0:00" in ended.stdout, "over time"
        assert f">{name}</th>" in ended.stdout, "slowest"
        assert f">{name}, 0:00" in ended.stdout, "with most objects"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["cameras", "lib.py", "results"]
    assert not (tmp_path / "results" / "report.html").exists()
