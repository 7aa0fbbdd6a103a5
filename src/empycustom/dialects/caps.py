"""The caps of frames, as the functions of other projects get them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from empycustom.gstreamer import Gst, GstVideo


@lru_cache(maxsize=16)
def _caps(text: str) -> Any:
    return Gst.Caps.from_string(text)


@lru_cache(maxsize=16)
def _info(text: str) -> Any:
    return GstVideo.VideoInfo.new_from_caps(_caps(text))


def caps_of(about: Mapping[str, Any]) -> Any:
    """Return the caps of frames as ``in_meta["buffer"]`` describes them."""
    return _caps(_text(about))


def info_of(about: Mapping[str, Any]) -> Any:
    """Return the GstVideo.VideoInfo of frames as ``in_meta["buffer"]`` describes them."""
    return _info(_text(about))


def _text(about: Mapping[str, Any]) -> str:
    return (
        f"video/x-raw,format={about['format']},width={about['width']},height={about['height']},framerate={about['framerate']},"
        f"interlace-mode={about['interlace_mode']}"
    )
