"""Fuzz targets of what pulls from other origins: their playlists."""

from __future__ import annotations

from collections.abc import Callable

from streaming.ingest.hls_pull import MediaPlaylist, PlaylistFollower, parse_playlist
from tests.streaming.inspect.test_files import MEDIA, VARIANTS

URL = "http://origin.example/live/index.m3u8"
_GOOD = parse_playlist(MEDIA, URL)


def fuzz_hls_pull(data: bytes) -> None:
    """A playlist, and the same one as the next state of a good one that is being followed."""
    playlist = parse_playlist(data.decode("utf-8", "replace"), URL)
    if not isinstance(playlist, MediaPlaylist):
        return
    assert isinstance(_GOOD, MediaPlaylist)
    follower = PlaylistFollower(URL)
    follower.update(_GOOD, 0.0)
    follower.update(playlist, 2.0)
    assert follower.reload_after_s() > 0


TARGETS: dict[str, Callable[[bytes], None]] = {"playlists_pull": fuzz_hls_pull}
SEEDS: dict[str, list[bytes]] = {"playlists_pull": [MEDIA.encode(), VARIANTS.encode()]}
