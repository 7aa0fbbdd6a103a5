"""What a colour is in each plane of a format."""

from __future__ import annotations

from functools import lru_cache

from empycustom.frames.formats import FORMATS

Colour = tuple[int, int, int]

_SD, _HD = (0.299, 0.114), (0.2126, 0.0722)  # what red and blue add to luma: BT.601 up to 576 rows, BT.709 above, as GStreamer


@lru_cache(maxsize=1024)
def samples_of(video_format: str, height: int, colour: Colour) -> tuple[tuple[int, ...], ...]:
    """Return the samples of a colour in each plane of a format.

    Parameters
    ----------
    video_format : str
        One of the supported formats.
    height : int
        The height of the frame, by which GStreamer chooses the colour space of formats with luma.
    colour : tuple of int
        Red, green and blue, 0 to 255.

    Returns
    -------
    tuple of tuple of int
        For each plane a value for each of its components, in their order in memory. Opacity is full; luma has the whole
        range in gray formats, in others luma and chroma the limited one (16 to 235 and 16 to 240 of 8 bits).
    """
    known = FORMATS[video_format]
    red, green, blue = (value / 255 for value in colour)
    of_red, of_blue = _HD if height > 576 else _SD
    luma = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
    values = {
        **dict(zip("RGB", colour, strict=True)),
        "Y": 255 * luma if known.planes[-1].components == "Y" else 16 + 219 * luma,
        "U": 128 + 112 * (blue - luma) / (1 - of_blue),
        "V": 128 + 112 * (red - luma) / (1 - of_red),
    }
    stored = {letter: round(value * 2 ** (known.bits - 8)) << known.shift for letter, value in values.items()}
    opaque = (2**known.bits - 1) << known.shift
    return tuple(tuple(stored.get(letter, opaque) for letter in plane.components) for plane in known.planes)
