"""Videos and pictures that are stored turned, as phones do it: libraries, documents and saved files have them upright."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from command_helpers import LIB, play
from PIL import Image

from empycustom.gstreamer import Gst
from empycustom.session.upright import keep_upright

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
CORNERS = ["red", "green", "blue", "white"]  # of the upright frame, top left, top right, bottom left, bottom right
SIZE = (64, 48)
# What has to be done to the upright picture so that it is as it is stored, by its Exif orientation.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
# The display matrix in an .mp4 (a, b, c, d), and the Exif orientation that is the same. Phones write these.
MATRICES = {(1, 0, 0, 1): 1, (0, 1, -1, 0): 6, (-1, 0, 0, -1): 3, (0, -1, 1, 0): 8, (-1, 0, 0, 1): 2}
LOOKS = """\
import empycustom

NAMES = {(1, 0, 0): "red", (0, 1, 0): "green", (0, 0, 1): "blue", (1, 1, 1): "white"}

def process_ip(io_buffer, in_meta, options):
    with empycustom.map_frame(io_buffer, in_meta) as frame:
        rgb = frame.rgb
        height, width = rgb.shape[:2]
        corners = [rgb[y, x] for y in (8, height - 8) for x in (8, width - 8)]
        names = [NAMES[tuple(int(value > 127) for value in corner)] for corner in corners]
    return {"frame": {"size": [width, height], "corners": names}}
"""


def picture():
    image = Image.new("RGB", SIZE)
    for place, colour in zip(((0, 0), (32, 0), (0, 24), (32, 24)), (RED, GREEN, BLUE, WHITE), strict=True):
        image.paste(colour, (*place, place[0] + 32, place[1] + 24))
    return image


def corners_of(path: Path) -> list[str]:
    with Image.open(path) as image:
        width, height = image.size
        rgb = image.convert("RGB")
        near = [rgb.getpixel((x, y)) for y in (8, height - 8) for x in (8, width - 8)]
    names = {RED: "red", GREEN: "green", BLUE: "blue", WHITE: "white"}
    return [names[tuple(255 * (value > 127) for value in colour)] for colour in near]


@pytest.fixture
def stored(tmp_path):
    """Write a JPEG picture that is stored with an Exif orientation; None: without Exif data. Return its path."""

    def write(orientation, name=None):
        exif = Image.Exif()
        if orientation:
            exif[0x0112] = orientation
        turn = STORED[orientation or 1]
        image = picture() if turn is None else picture().transpose(turn)
        path = tmp_path / (name or f"{orientation}.jpg")
        image.save(path, exif=exif, quality=95)
        return path

    return write


@pytest.fixture
def filmed(stored, tmp_path):
    """Write a .mov of five frames that are stored with a display matrix; return its path."""

    def write(matrix, name="turned.mov"):
        frame = stored(MATRICES[matrix], "frame.jpg")
        frame.write_bytes(without_exif(frame))
        path = tmp_path / name
        play(
            f'filesrc location="{frame}" ! jpegdec ! imagefreeze num-buffers=5 ! videoconvert ! '
            f'video/x-raw,format=I420,framerate=10/1 ! jpegenc quality=95 ! qtmux ! filesink location="{path}"'
        )
        data = bytearray(path.read_bytes())
        place = data.index(b"tkhd") + 44
        a, b, c, d = (number << 16 for number in matrix)
        struct.pack_into(">9i", data, place, a, b, 0, c, d, 0, 0, 0, 1 << 30)
        path.write_bytes(data)
        return path

    return write


def without_exif(path: Path) -> bytes:
    with Image.open(path) as image:
        image.load()
        copy = Image.frombytes(image.mode, image.size, image.tobytes())
    copy.save(path, "JPEG", quality=95)
    return path.read_bytes()


def seen(documents):
    """What the library saw of each frame, and the size in the document."""
    frames = [document["frame"][0] for document in documents]
    assert all(frame["emcustom"]["size"] == [frame["source_frame_width"], frame["source_frame_height"]] for frame in frames)
    return [(frame["emcustom"]["size"], frame["emcustom"]["corners"]) for frame in frames]


UPRIGHT = (list(SIZE), CORNERS)


def test_pictures_follow_their_exif_data(cli, configured, library, stored, tmp_path):
    library(LOOKS)
    streams = [{"stream_id": f"turned{number}", "location": str(stored(number))} for number in STORED]
    config = configured({"empycustom": {**LIB, "custom-lib": "looks.py"}, "aimeta": {}}, streams=streams)
    library(LOOKS, "looks.py")
    ended = cli("run", config, "--save", "{stream_id}.png", "--save", "{stream_id}.mkv", "--out", "-")

    assert ended.code == 0, ended.err
    assert "empycustom: " not in ended.err
    assert seen(ended.documents) == [UPRIGHT] * 8
    for number in STORED:
        assert corners_of(tmp_path / f"turned{number}.png") == CORNERS
        assert seen(cli("run", f"turned{number}.mkv", "--lib", "looks.py").documents) == [UPRIGHT]


@pytest.mark.parametrize("matrix", MATRICES, ids=str)
def test_videos_follow_their_display_matrix(matrix, cli, library, filmed, tmp_path):
    film = filmed(matrix)
    ended = cli("run", film, "--lib", library(LOOKS), "--save", "a.mp4", "--save", "a.png", "--out", "-")

    assert ended.code == 0, ended.err
    assert seen(ended.documents) == [UPRIGHT] * 5
    assert corners_of(tmp_path / "a.png") == CORNERS
    # A player that turns what it plays turns it by nothing.
    assert seen(cli("run", "a.mp4", "--lib", library(LOOKS)).documents) == [UPRIGHT] * 5
    data = (tmp_path / "a.mp4").read_bytes()
    assert struct.unpack_from(">5i", data, data.index(b"tkhd") + 44) == (1 << 16, 0, 0, 0, 1 << 16)


@pytest.mark.parametrize("name", ["NV12", "GRAY8", "BGR", "I420_10LE", "P010_10LE", "YUY2", "Y42B", "RGBP", "GRAY16_BE", "A420"])
def test_in_every_format(name, cli, library, filmed):
    sizes = "def process_ip(b, m, o):\n    return {'frame': {'format': m['buffer']['format']}}\n"
    film = filmed((0, 1, -1, 0))
    ended = cli("run", film, "--lib", library(sizes), "--format", name, "--frames", 1)
    frame = ended.documents[0]["frame"][0]

    assert ended.code == 0, ended.err
    assert frame["emcustom"] == {"format": name}
    assert (frame["source_frame_width"], frame["source_frame_height"]) == SIZE


def test_boxes_are_those_of_the_upright_frame(cli, library, filmed):
    """A library upstream and one downstream mean the same pixels."""
    finds = library(
        "def process_ip(b, m, o):\n    return {'frame': {'width': m['frame'][0]['source_frame_width']}}\n", "finds.py"
    )
    ended = cli("run", filmed((0, -1, 1, 0)), "--lib", finds, "--lib", library(LOOKS), "--frames", 1)

    assert ended.code == 0, ended.err
    assert ended.documents[0]["frame"][0]["emcustom"] == {"width": 64, "size": [64, 48], "corners": CORNERS}


def test_the_size_of_a_configuration_is_that_of_the_upright_frame(cli, configured, library, filmed):
    config = configured({"input": {"width": 32, "height": 24}, "empycustom": {**LIB, "custom-lib": "looks.py"}, "aimeta": {}})
    library(LOOKS.replace("8", "4"), "looks.py")
    ended = cli("run", config, "--source", filmed((0, 1, -1, 0)))

    assert ended.code == 0, ended.err
    assert seen(ended.documents) == [([32, 24], CORNERS)] * 5


def test_pictures_in_one_stream_are_turned_each_by_itself(cli, library, stored, tmp_path):
    """One without orientation is upright, also behind one that is rotated."""
    orders = [6, None, 6, 6, 3, None, None, 1, 8]
    (tmp_path / "all.mjpeg").write_bytes(b"".join(stored(number).read_bytes() for number in orders))
    ended = cli("run", "all.mjpeg", "--lib", library(LOOKS))

    assert ended.code == 0, ended.err
    assert seen(ended.documents) == [UPRIGHT] * len(orders)


@pytest.mark.parametrize("kind", ["picture", "video"])
def test_the_printed_line_does_the_same(kind, cli, gst_launch, library, stored, filmed):
    source = stored(6) if kind == "picture" else filmed((0, 1, -1, 0))
    printed = cli("run", source, "--lib", library(LOOKS), "--dry-run").out
    variables, line = printed.strip().split("gst-launch-1.0 ", 1)
    launched = gst_launch(line, **dict(setting.split("=", 1) for setting in variables.split()))

    assert seen(launched.documents) == [UPRIGHT] * (1 if kind == "picture" else 5)


def test_sources_that_follow_each_other_are_turned_each_by_itself(stored, filmed):
    """Also before GStreamer 1.24, whose videoflip keeps the rotation of the last tag."""
    sources = [stored(6), stored(None), filmed((-1, 0, 0, -1)), stored(1), stored(8)]
    names = [f'uridecodebin uri="{path.as_uri()}" ! queue ! c.' for path in sources]
    pipeline = Gst.parse_launch(
        "concat name=c ! queue name=first ! videoconvert ! videoflip name=upright video-direction=auto ! "
        f"video/x-raw,format=RGB ! fakesink name=sink sync=false async=false {' '.join(names)}"
    )
    keep_upright(pipeline)
    found = []

    def look(pad, buffer):
        width = pad.get_current_caps()[0]["width"]
        data = buffer.extract_dup(0, buffer.get_size())
        found.append((width, [255 * (value > 127) for value in data[(8 * width + 8) * 3 :][:3]]))

    play(pipeline, look=look)
    assert found == [(64, list(RED))] * 9


def test_with_deepstream_rotated_frames_are_a_warning(filmed):
    pipeline = Gst.parse_launch(f'uridecodebin uri="{filmed((0, 1, -1, 0)).as_uri()}" ! queue name=first ! fakesink')
    keep_upright(pipeline)
    pipeline.set_state(Gst.State.PLAYING)
    kinds = Gst.MessageType.EOS | Gst.MessageType.ERROR | Gst.MessageType.WARNING
    messages = [pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, kinds) for _ in range(2)]
    pipeline.set_state(Gst.State.NULL)

    assert [message.type for message in messages] == [Gst.MessageType.WARNING, Gst.MessageType.EOS]
    text = messages[0].parse_warning()[0].message
    assert text.startswith("The frames are stored turned (rotate-90), and stay so: DeepStream's elements do not turn them.")
