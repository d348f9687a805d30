"""Fuzz targets of segmenter.fmp4: hostile bytes may cost a MediaError, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from segmenter.errors import MediaError
from segmenter.fmp4.box_text import render_boxes
from segmenter.fmp4.checks import check_init, check_segment
from segmenter.fmp4.fragment import ProducerReference
from segmenter.fmp4.header_records import TrackExtends
from segmenter.fmp4.init_section import write_init_section
from segmenter.fmp4.reader import (
    InitTrack,
    read_boxes,
    read_fragments,
    read_init_section,
    read_init_tracks,
)
from segmenter.media import Codec, Track
from tests.segmenter.fmp4.chunks import write_chunk
from tests.segmenter.fmp4.test_golden import CONFIGS, samples_of, track_of

TRACK = Track("source", Codec.H264, 90_000, b"\1\x42\0\x1e\xff\xe0\0", width=320, height=180)
LENIENT = InitTrack(TRACK, 1, TrackExtends(1, 1, 3000, 1, 0), nal_length_bytes=2)


def fuzz_boxes(data: bytes) -> None:
    """The box tree, with each box's fields as the inspector prints them."""
    with suppress(MediaError):
        assert render_boxes(read_boxes(data)) or not data


def fuzz_init_section(data: bytes) -> None:
    """An init section as one track and as several."""
    with suppress(MediaError):
        read_init_section(data)
    with suppress(MediaError):
        read_init_tracks(data)


def fuzz_fragments(data: bytes) -> None:
    """Fragments with and without defaults from an init section."""
    with suppress(MediaError):
        samples = read_fragments(data, TRACK)
        assert sum(len(sample.data) for sample in samples) <= len(data)
    with suppress(MediaError):
        read_fragments(data, LENIENT)


def fuzz_checks(data: bytes) -> None:
    """The checks report; they never raise."""
    check_init(data)
    check_segment(data, TRACK)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "fmp4_boxes": fuzz_boxes,
    "fmp4_init_section": fuzz_init_section,
    "fmp4_fragments": fuzz_fragments,
    "fmp4_checks": fuzz_checks,
}

_INITS = [write_init_section(track_of(codec)) for codec in CONFIGS]
_FRAGMENTS = [
    write_chunk(
        track_of(codec),
        samples_of(track_of(codec)),
        1,
        styp=True,
        producer_time=ProducerReference(1.5, 90),
    )
    for codec in (Codec.H264, Codec.AAC)
]

SEEDS: dict[str, list[bytes]] = {
    "fmp4_boxes": [*_INITS, *_FRAGMENTS, _INITS[0] + _FRAGMENTS[0]],
    "fmp4_init_section": _INITS,
    "fmp4_fragments": _FRAGMENTS,
    "fmp4_checks": [*_INITS, *_FRAGMENTS],
}
