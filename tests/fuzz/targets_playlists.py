"""Fuzz targets of what pulls from other origins: their playlists, and segments of fMP4."""

from __future__ import annotations

from collections.abc import Callable

from segmenter.fmp4.init_section import write_init_section
from segmenter.media import Codec, Sample
from streaming.ingest.hls_pull import MediaPlaylist, PlaylistFollower, parse_playlist
from streaming.ingest.hls_segment import SegmentReader
from tests.segmenter.fmp4.chunks import write_chunk
from tests.segmenter.fmp4.test_golden import CONFIGS, samples_of, track_of
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


def fuzz_hls_segment(data: bytes) -> None:
    """An init section and segments of fMP4, one of which comes twice."""
    at = max(0, data.find(b"styp") - _BOX_HEAD)
    reader = SegmentReader(["source", "audio"])
    for _ in range(2):
        items = reader.read(data[at:], data[:at] or b"none")
        samples = [item for item in items if isinstance(item, Sample)]
        assert sum(len(sample.data) for sample in samples) <= MOST_GROWTH * len(data)


MOST_GROWTH = 8
"""Of NAL units whose short lengths become four bytes."""
_BOX_HEAD = 4
"""A styp's length, which stands before its name."""


def _segment(codec: Codec) -> bytes:
    track = track_of(codec)
    chunk = write_chunk(track, samples_of(track), 1, styp=True)
    return write_init_section(track) + chunk


TARGETS: dict[str, Callable[[bytes], None]] = {
    "playlists_pull": fuzz_hls_pull,
    "playlists_segment": fuzz_hls_segment,
}
SEEDS: dict[str, list[bytes]] = {
    "playlists_pull": [MEDIA.encode(), VARIANTS.encode()],
    "playlists_segment": [_segment(codec) for codec in CONFIGS],
}
