"""What SOURCES may be: lists, pictures, odd names, and URLs that GStreamer or fsspec reads."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import fsspec
import pytest

from empycustom.batch import Task, Work
from empycustom.batch.play import play
from empycustom.batch.videos import find_videos
from empycustom.errors import LaunchError

LIB = "def process_ip(b, m, o):\n    return {'frame': {'source': m['frame'][0]['source']}}\n"


def frames_in(out):
    """Return how many frames each video has, by its name."""
    return dict(duckdb.sql(f"SELECT video, count(*) FROM '{out}/frames/*.parquet' GROUP BY 1 ORDER BY 1").fetchall())


def states_in(out):
    return dict(duckdb.sql(f"SELECT video, state FROM '{out}/videos.parquet'").fetchall())


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("picture") / "p.png"
    line = f"videotestsrc num-buffers=1 ! video/x-raw,width=32,height=24 ! pngenc ! filesink location={path}"
    subprocess.run(["gst-launch-1.0", "-q", *line.split()], check=True, timeout=60)
    return path.read_bytes()


def names(sources, warned=None):
    return [task.name for task in find_videos(map(str, sources), (warned if warned is not None else []).append)]


# Files.


def test_a_uri_of_a_file_is_that_file(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more").mkdir()
    for name in ("a #%41.mkv", "more/b.mkv"):
        (tmp_path / name).write_bytes(made.read_bytes())
    first, second = str(tmp_path / "a #%41.mkv"), str(tmp_path / "more" / "b.mkv")
    localhost = (tmp_path / "more").as_uri().replace("file:///", "FILE://localhost/")
    assert names(["a #%41.mkv", (tmp_path / "a #%41.mkv").as_uri(), localhost, "more", "*/*.mkv"]) == [first, second]
    with pytest.raises(LaunchError, match=r"There is no file or folder file:///nothing\.mkv\."):
        names(["file:///nothing.mkv"])


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("streams.json", "streams.json is a stream configuration, not a video; `empycustom run` plays it."),
        ("detect.py", "detect.py is a Python file, not a video; libraries come after --lib."),
        ("rtsp://u:secret@host/a", "rtsp://u:***@host/a is not a recorded video; name files, folders, globs or URIs."),
        *(
            (f"{scheme}://host:5000", f"{scheme}://host:5000 is not a recorded video")
            for scheme in ("rtp", "udp", "srt", "RTSPS")
        ),
    ],
)
def test_what_is_no_recorded_video_is_refused(tmp_path, monkeypatch, source, why):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "streams.json").write_text("{}")
    (tmp_path / "detect.py").touch()
    with pytest.raises(LaunchError) as caught:
        names([source])
    assert str(caught.value).startswith(why)


def test_pipes_and_links_to_nowhere_do_not_stop_a_batch(batch, library, videos, tmp_path):
    """A pipe has what somebody writes; opening it would wait for that."""
    folder = videos(1)
    os.mkfifo(folder / "pipe.mkv")
    (folder / "round.mkv").symlink_to("round.mkv")
    (folder / "here").symlink_to(".")
    (folder / "self").symlink_to("self")
    ended = batch(folder, "--lib", library(LIB), "--out", "results")
    assert ended.returncode == 1
    assert f"left out of {folder}, because it is a pipe or a device: pipe.mkv" in ended.stderr
    assert states_in(tmp_path / "results") == {str(folder / "0.mkv"): "done", str(folder / "round.mkv"): "failed"}
    ended = batch(folder / "pipe.mkv", "--lib", library(LIB), "--out", "other")
    assert f"{folder}/pipe.mkv is not a recorded video; name files, folders, globs or URIs." in ended.stderr
    assert not (tmp_path / "other").exists()


def test_results_in_a_folder_that_pyarrow_cannot_name(batch, library, videos, tmp_path):
    out = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n")
    ended = batch(videos(1), "--lib", library(LIB), "--out", out)
    assert ended.returncode == 1
    assert "Parquet needs names in UTF-8; give another folder, or --format jsonl." in ended.stderr
    assert not os.path.exists(out)
    assert batch(videos(1), "--lib", library(LIB), "--out", out, "--format", "jsonl").returncode == 0
    assert batch(videos(1), "--lib", library(LIB), "--out", f"{tmp_path}/a\n#%41").returncode == 0


# Lists.


def test_a_list_has_one_source_a_line(made, tmp_path):
    (tmp_path / "more").mkdir()
    for name in ("a b.mkv", "c.mkv", "more/d.mkv"):
        (tmp_path / name).write_bytes(made.read_bytes())
    path = tmp_path / "list.txt"
    path.write_text(f"\ufeff# a comment\r\n\r\n  {tmp_path}/a b.mkv  \r\n{tmp_path}/more\n{tmp_path}/[c].mkv\n{tmp_path}/c.mkv\n")
    assert names([f"@{path}"]) == [str(tmp_path / name) for name in ("a b.mkv", "more/d.mkv", "c.mkv")]


def test_names_in_a_list_need_not_be_utf_8(made, tmp_path):
    name = os.fsdecode(b"\xe9t\xe9.mkv")
    (tmp_path / name).write_bytes(made.read_bytes())
    (tmp_path / "list.txt").write_bytes(os.fsencode(f"{tmp_path}/{name}\n"))
    (task,) = find_videos([f"@{tmp_path}/list.txt"], [].append)
    assert (task.name, task.location) == (f"{tmp_path}/\\xe9t\\xe9.mkv", f"{tmp_path}/{name}")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("@other.txt", "@other.txt is a list itself; name it on the command line."),
        ("/nowhere/*.mkv", "There is no file that /nowhere/*.mkv matches."),
        ("camera", "camera is not a recorded video"),
        ("nowhere://u:secret@host/*.mkv", "nowhere://u:***@host/*.mkv cannot be read: Protocol not known: nowhere."),
    ],
)
def test_what_is_wrong_in_a_list_has_its_line(made, tmp_path, line, why):
    path = tmp_path / "list.txt"
    path.write_text(f"{made}\n\n{line}\n")
    with pytest.raises(LaunchError) as caught:
        names([f"@{path}"])
    assert str(caught.value).startswith(f"@{path}, line 3: {why}")


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file or directory"), (b"\0\1", "it is not a text in UTF-8"), ("a.mkv".encode("utf-16"), "in UTF-8")],
)
def test_a_list_that_cannot_be_read(tmp_path, content, why):
    path = tmp_path / "list.txt"
    if content:
        path.write_bytes(content)
    with pytest.raises(LaunchError, match="one source a line") as caught:
        names([f"@{path}"])
    assert why in str(caught.value)


def test_a_file_that_a_list_names_and_that_is_not_there_fails_alone(batch, library, made, tmp_path):
    (tmp_path / "list.txt").write_text(f"{made}\n{tmp_path}/gone.mkv\nmemory://gone.mkv\n")
    ended = batch("@list.txt", "--lib", library(LIB), "--out", "out")
    assert ended.returncode == 1
    assert f"{tmp_path}/gone.mkv: there is no such file." in ended.stderr
    assert "memory://gone.mkv: memory://gone.mkv does not exist." in ended.stderr
    assert sorted(states_in(tmp_path / "out").values()) == ["done", "failed", "failed"]


# Pictures.


def test_pictures_and_folders_of_pictures(batch, library, made, picture, tmp_path):
    for name in ("one.png", "pictures/1.png", "pictures/2.png", "pictures/10.png", "both/a.png", "both/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(picture)
    (tmp_path / "both" / "v.mkv").write_bytes(made.read_bytes())
    (tmp_path / "both" / "notes.txt").write_text("no video")
    ended = batch("one.png", "pictures", "both", "--lib", library(LIB), "--out", "out")
    assert ended.returncode == 0, ended.stderr
    assert "notes.txt" in ended.stderr
    wanted = {"one.png": 1, "pictures": 3, "both/a.png": 1, "both/b.png": 1, "both/v.mkv": 10}
    assert frames_in(tmp_path / "out") == {str(tmp_path / name): count for name, count in sorted(wanted.items())}
    query = f"SELECT source FROM '{tmp_path}/out/frames/*.parquet' WHERE video LIKE '%pictures' ORDER BY frame_num"
    assert [os.path.basename(name) for (name,) in duckdb.sql(query).fetchall()] == ["1.png", "2.png", "10.png"]


def test_an_empty_folder(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(LaunchError, match="has no pictures or videos, it is empty"):
        names([tmp_path / "empty"])


# Names.


def test_names_that_are_alike_odd_or_not_text(batch, library, made, tmp_path):
    odd = [
        "a/video.mkv",
        "b/video.mkv",
        "b/video.avi.mkv",
        "a b  'c\" #?%.mkv",
        "-dash.mkv",
        "日本" * 30 + ".mkv",
        "x" * 240 + ".mkv",
        "memory::name.mkv",
        "line\nbreak.mkv",
        os.fsdecode(b"not-\xff\xfe-utf-8.mkv"),
        os.fsdecode(b"not-\xff\xfd-utf-8.mkv"),
    ]
    for name in odd:
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / "in" / name).write_bytes(made.read_bytes())
    ended = batch("in", "--lib", library(LIB), "--out", "out")
    assert ended.returncode == 0, ended.stderr
    found = frames_in(tmp_path / "out")
    assert len(found) == len(odd)
    assert set(found.values()) == {10}
    shown = [name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").replace("\n", "\\n") for name in odd]
    assert sorted(found) == sorted(f"{tmp_path}/in/{name}" for name in shown)
    locations = duckdb.sql(f"SELECT location FROM '{tmp_path}/out/videos.parquet' WHERE video LIKE '%utf-8%'").fetchall()
    assert sorted(locations) == [(f"file://{tmp_path}/in/not-%FF%{last}-utf-8.mkv",) for last in ("FD", "FE")]
    again = batch("in", "--lib", library(LIB), "--out", "out")
    assert f"Videos finished before: {len(odd)}; left: 0." in again.stderr


def test_links(made, tmp_path):
    place = tmp_path / "in"
    (place / "sub").mkdir(parents=True)
    (place / "real.mkv").write_bytes(made.read_bytes())
    (place / "link.mkv").symlink_to("real.mkv")
    (place / "sub" / "up").symlink_to(place)
    (place / "here").symlink_to(place)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "more.mkv").write_bytes(made.read_bytes())
    (place / "linked").symlink_to(tmp_path / "other")
    assert names([place]) == [str(place / name) for name in ("link.mkv", "real.mkv", "linked/more.mkv")]


def test_the_same_video_named_twice_is_one(made):
    relative = os.path.relpath(made)
    assert names([made, relative, made.parent, f"{made.parent}/*.mkv"]) == [str(made)]


# URLs that GStreamer reads.


class Handler(SimpleHTTPRequestHandler):
    """Serves files, and parts of them, to a user."""

    def do_GET(self):
        wanted = "Basic " + base64.b64encode(b"user:secret").decode()
        if "private" in self.path and self.headers.get("Authorization") != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="videos"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path = self.translate_path(self.path)
        if not os.path.isfile(path):
            self.send_error(404)
            return
        with open(path, "rb") as file:
            content = file.read()
        first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        part = content[int(first) : int(last) + 1 if last else None]
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}")
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_):
        """Keep silent."""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Serve a folder; return it and its address."""
    place = tmp_path_factory.mktemp("served")
    line = (
        "videotestsrc num-buffers=40 pattern=ball ! video/x-raw,width=64,height=48,framerate=10/1 ! x264enc key-int-max=8 ! mp4mux "
        f"! filesink location={place}/long.mp4"
    )
    subprocess.run(["gst-launch-1.0", "-q", *line.split()], check=True, timeout=60)
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *given: Handler(*given, directory=str(place)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield place, f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_http_whole_and_in_pieces(batch, library, served, tmp_path):
    url = f"http://{served[1]}/long.mp4"
    for out, more in (("whole", ()), ("cut", ("--segment", "1"))):
        ended = batch(url, "--lib", library(LIB), "--out", out, *more)
        assert ended.returncode == 0, ended.stderr
        assert "as a whole" not in ended.stderr
    times = [duckdb.sql(f"SELECT frame_num, time, source FROM '{tmp_path}/{out}/frames/*.parquet'") for out in ("whole", "cut")]
    assert times[0].fetchall() == times[1].fetchall() == [(number, number / 10, url) for number in range(40)]


def test_passwords_and_tokens_are_in_no_file_and_in_no_message(batch, library, served, tmp_path):
    place, address = served
    (place / "private.mp4").write_bytes((place / "long.mp4").read_bytes())
    urls = [
        f"http://user:secret@{address}/private.mp4",
        f"http://{address}/long.mp4?token=secret",
        "ftp://user:secret@127.0.0.1:1/x.mp4",
    ]
    (tmp_path / "list.txt").write_text("\n".join(urls))
    ended = batch("@list.txt", "--lib", library(LIB), "--out", "out", "--segment", "10")
    assert ended.returncode == 1
    states = states_in(tmp_path / "out")
    assert states == {
        f"http://user:***@{address}/private.mp4": "done",
        f"http://{address}/long.mp4?token=***": "done",
        "ftp://user:***@127.0.0.1:1/x.mp4": "failed",
    }
    assert "ftp://user:***@127.0.0.1:1/x.mp4 cannot be read: [Errno 111] Connection refused" in ended.stderr
    assert "secret" not in ended.stderr + ended.stdout
    for folder, _, files in os.walk(tmp_path / "out"):
        for file in files:
            assert "secret" not in file
            with open(os.path.join(folder, file), "rb") as opened:
                assert b"secret" not in opened.read(), file
    query = f"SELECT location FROM '{tmp_path}/out/videos.parquet'"
    assert "secret" not in str(duckdb.sql(query).fetchall()) + str(
        duckdb.sql(f"FROM '{tmp_path}/out/frames/*.parquet'").fetchall()
    )


# URLs that fsspec reads.


@pytest.fixture
def archive(made, picture, tmp_path):
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w") as written:
        for name in ("a b.mkv", "sub/c.mkv", "sub/.hidden.mkv", "sub/notes.txt"):
            written.writestr(name, made.read_bytes())
        for number in (1, 2, 10):
            written.writestr(f"pictures/{number}.png", picture)
    return path


def test_videos_in_an_archive(batch, library, archive, tmp_path):
    ended = batch(f"zip://::{archive}", "--lib", library(LIB), "--out", "out", "--segment", "1")
    assert ended.returncode == 0, ended.stderr
    wanted = {f"zip://a b.mkv::{archive}": 10, f"zip://pictures/::{archive}": 3, f"zip://sub/c.mkv::{archive}": 10}
    assert frames_in(tmp_path / "out") == wanted
    assert f"zip://a b.mkv::{archive} is played as a whole, in spite of --segment: it is played from a copy" in ended.stderr
    query = f"SELECT DISTINCT video, source FROM '{tmp_path}/out/frames/*.parquet'"
    assert all(video == source for video, source in duckdb.sql(query).fetchall())
    assert not (tmp_path / "out" / ".copies").exists()
    again = batch(f"zip://sub/*.mkv::{archive}", f"zip://a b.mkv::{archive}", "--lib", library(LIB), "--out", "out")
    assert "Videos finished before: 2; left: 0." in again.stderr


def test_globs_and_folders_of_a_file_system(archive, made):
    files = fsspec.filesystem("memory")
    for name in ("/videos/1.mkv", "/videos/10.mkv", "/videos/2.mkv", "/videos/more/x.mkv", "/videos/a?.mkv"):
        files.pipe(name, made.read_bytes())
    all_of_them = [f"memory://videos/{name}.mkv" for name in ("1", "2", "10", "a?")]
    assert names(["memory://videos/*.mkv"]) == all_of_them
    assert names(["memory://videos"]) == names(["memory://videos/"]) == [*all_of_them, "memory://videos/more/x.mkv"]
    assert names(["memory://videos/a?.mkv"]) == ["memory://videos/a?.mkv"]
    assert names([f"local://{made.parent}/*.mkv"]) == [f"local://{made}"]
    assert names([f"zip://*/c.mkv::{archive}"]) == [f"zip://sub/c.mkv::{archive}"]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("memory://none/x.mkv", "does not exist."),
        ("memory://none/*.mkv", "matches no file."),
        ("memory://texts/", "has no pictures or videos."),
        ("s3://bucket/x.mkv", "cannot be read: Install s3fs to access S3."),
        ("zip://x.mkv::/nowhere.zip", "does not exist."),
    ],
)
def test_urls_that_name_nothing(url, why):
    fsspec.filesystem("memory").pipe("/texts/x.txt", b"text")
    with pytest.raises(LaunchError) as caught:
        names([url])
    assert str(caught.value) == f"{url} {why}"


def test_a_copy_is_there_while_it_is_played_and_errors_name_the_url(library, made, tmp_path):
    files = fsspec.filesystem("memory")
    files.pipe("/good.mkv", made.read_bytes())
    files.pipe("/bad.mkv", b"no video")
    for table in ("frames", "objects"):
        (tmp_path / table).mkdir()
    lib = library(
        f"import os\ndef process_ip(b, m, o):\n    return {{'frame': {{'copies': os.listdir({str(tmp_path / '.copies')!r})}}}}\n"
    )
    work = Work([{"path": str(lib), "in_place": True, "properties": {}}], "RGBA")
    outcomes = [
        play(work, Task(f"memory://{name}.mkv", name, f"memory://{name}.mkv"), tmp_path, {}) for name in ("good", "bad", "no")
    ]
    assert [outcome.frames for outcome in outcomes] == [10, 0, 0]
    copies = duckdb.sql(f"SELECT DISTINCT emcustom FROM read_parquet('{outcomes[0].files['frames']}')").fetchall()
    assert copies == [('{"copies":["good.mkv"]}',)]
    assert outcomes[1].error.startswith("memory://bad.mkv: ")
    assert str(tmp_path) not in outcomes[1].error
    assert outcomes[2].error == "memory://no.mkv does not exist."
    assert not any(outcome.is_fatal for outcome in outcomes)
    assert os.listdir(tmp_path / ".copies") == []


CRASHES = """
import os
def process_ip(b, m, o):
    if "c.mkv" in m["frame"][0]["source"]:
        os.abort()
    return {"frame": {"copies": os.listdir("out/.copies")}}
"""


def test_the_copy_of_a_video_whose_library_crashes_is_removed_at_once(batch, library, archive, tmp_path):
    sources = f"zip://sub/::{archive}", f"zip://*.mkv::{archive}"
    ended = batch(*sources, "--lib", library(CRASHES), "--out", "out", "--jobs", "1")
    assert ended.returncode == 1
    assert states_in(tmp_path / "out") == {f"zip://sub/c.mkv::{archive}": "failed", f"zip://a b.mkv::{archive}": "done"}
    ((copies,),) = duckdb.sql(f"SELECT DISTINCT emcustom FROM '{tmp_path}/out/frames/*.parquet'").fetchall()
    assert [name.partition("-")[0] for name in json.loads(copies)["copies"]] == ["a_b"]
    assert not (tmp_path / "out" / ".copies").exists()


def test_files_of_the_current_folder_are_not_taken_for_modules(env_with, library, videos, tmp_path):
    for name in ("json", "queue", "numpy", "empycustom"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('a file of the user')\n")
    lib = library("def process_ip(b, m, o):\n    pass\n")
    command = [Path(sys.executable).with_name("empycustom"), "batch", videos(1), "--lib", lib, "--out", "results"]
    ended = subprocess.run(command, env=env_with(), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
