"""The CMAF header (ISO/IEC 23000-19 7.3.1): what a player reads before the first segment."""

from __future__ import annotations

from fractions import Fraction

from segmenter.codecs.pixels import pixels_of
from segmenter.errors import UsageError
from segmenter.media import MediaType, Track

from .boxes import (
    TRACK_ID,
    write_box,
    write_brands,
    write_dinf,
    write_elng,
    write_hdlr,
    write_mdhd,
    write_mvhd,
    write_smhd,
    write_stbl,
    write_tkhd,
    write_trex,
    write_vmhd,
)
from .language import iso_639_2
from .sample_entry import write_sample_entry

# cmf2: signed composition offsets, no edit list, every default said in the fragment itself.
_BRANDS = (b"iso6", b"cmfc", b"cmf2")


def write_init_section(track: Track) -> bytes:
    """ftyp and moov of a track.

    Raises UsageError when the track lacks its timescale, codec configuration, size or rate.
    """
    is_audio = track.media_type is MediaType.AUDIO
    if track.timescale <= 0:
        raise UsageError(f"track {track.name!r} has timescale {track.timescale}")
    if is_audio and not (track.sample_rate > 0 and track.channels > 0):
        raise UsageError(f"track {track.name!r} has no sampling rate or channels")
    if not is_audio and not (track.width > 0 and track.height > 0):
        raise UsageError(f"track {track.name!r} has no size")
    moov = write_box(
        b"moov",
        write_mvhd(track.timescale, TRACK_ID + 1),
        write_box(
            b"trak",
            write_tkhd(TRACK_ID, _shown_width(track), track.height, is_audio=is_audio),
            _write_mdia(track, is_audio=is_audio),
        ),
        write_box(b"mvex", write_trex(TRACK_ID)),
    )
    return write_brands(b"ftyp", b"iso6", _BRANDS) + moov


def _shown_width(track: Track) -> Fraction | int:
    return track.width * (pixels_of(track.codec, track.codec_config).sample_aspect_ratio or 1)


def _write_mdia(track: Track, *, is_audio: bool) -> bytes:
    """Media box (ISO/IEC 14496-12 8.4.1)."""
    return write_box(
        b"mdia",
        write_mdhd(track.timescale, iso_639_2(track.language)),
        write_hdlr(b"soun" if is_audio else b"vide", "audio" if is_audio else "video"),
        write_elng(track.language) if track.language else b"",
        write_box(
            b"minf",
            write_smhd() if is_audio else write_vmhd(),
            write_dinf(),
            write_stbl(write_sample_entry(track)),
        ),
    )
