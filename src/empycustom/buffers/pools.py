"""Where buffers for new frames come from: which pool GStreamer is to take them from."""

from __future__ import annotations

from typing import Any

from empycustom.gstreamer import Gst, GstVideo

_META_OPTION: str = GstVideo.BUFFER_POOL_OPTION_VIDEO_META


def offers_pool(query: Any) -> bool:
    """Say whether downstream offers a pool in its answer to an allocation query."""
    return bool(query.get_n_allocation_pools()) and query.parse_nth_allocation_pool(0)[0] is not None


def offer_no_memory(query: Any, caps: Any) -> None:
    """Answer an allocation query: buffers come without memory, for a library that makes its own."""
    pool = Gst.BufferPool.new()
    config = pool.get_config()
    Gst.BufferPool.config_set_params(config, caps, 0, 0, 0)
    pool.set_config(config)
    _answer(query, pool, 0, 0, 0)


def offer_frames(query: Any, caps: Any) -> None:
    """Answer an allocation query: buffers come from the pool that downstream offers, else from one that uses them again.

    ``caps`` are of raw video in system memory.
    """
    size = int(GstVideo.VideoInfo.new_from_caps(caps).size)
    pool, wanted, least, most = None, 0, 0, 0
    if query.get_n_allocation_pools():
        pool, wanted, least, most = query.parse_nth_allocation_pool(0)
    with_meta = query.find_allocation_meta(GstVideo.video_meta_api_get_type())[0]
    size = max(size, wanted)
    if pool is None or not _configured(pool, caps, size, least, most, with_meta=with_meta):
        pool = GstVideo.VideoBufferPool.new()
        _configured(pool, caps, size, least, most, with_meta=False)
    _answer(query, pool, size, least, most)


def _configured(pool: Any, caps: Any, size: int, least: int, most: int, *, with_meta: bool) -> bool:
    config = pool.get_config()
    Gst.BufferPool.config_set_params(config, caps, size, least, most)
    if with_meta and pool.has_option(_META_OPTION):
        Gst.BufferPool.config_add_option(config, _META_OPTION)
    return bool(pool.set_config(config))


def _answer(query: Any, pool: Any, size: int, least: int, most: int) -> None:
    if query.get_n_allocation_pools():
        query.set_nth_allocation_pool(0, pool, size, least, most)
    else:
        query.add_allocation_pool(pool, size, least, most)
