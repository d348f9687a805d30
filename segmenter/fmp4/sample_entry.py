"""Sample entries of stsd: one for each codec that we package."""

from __future__ import annotations

from segmenter.codecs.pixels import pixels_of
from segmenter.errors import UsageError
from segmenter.media import Codec, MediaType, Track

from .boxes import pack, write_box, write_btrt, write_colr, write_full_box, write_pasp

VIDEO_ENTRIES = {
    Codec.H264: (b"avc1", b"avcC"),
    Codec.H265: (b"hvc1", b"hvcC"),
    Codec.AV1: (b"av01", b"av1C"),
    Codec.VP9: (b"vp09", b"vpcC"),
}
"""Codec to the names of its sample entry and its configuration box.

avc1 and hvc1, never avc3 and hev1: parameter sets are on the track, and Apple plays only hvc1.
"""

VPCC_VERSION_AND_FLAGS = b"\1\0\0\0"
"""vpcC is a full box of version 1 (VP9 in ISOBMFF 2.2); the others are plain boxes."""

_VISUAL_DPI = 0x00480000  # 72 dpi, the only value that 12.1.3 leaves room for
_ES_DESCRIPTOR, _DECODER_CONFIG, _DECODER_SPECIFIC, _SL_CONFIG = 0x03, 0x04, 0x05, 0x06
_OBJECT_TYPE_AAC = 0x40
_AUDIO_STREAM = 0x15  # stream type 5 (audio), not upstream, reserved bit 1


def write_sample_entry(track: Track) -> bytes:
    """The sample entry that describes a track; raises UsageError when its codec config is empty, or
    there is no entry for its codec."""
    if not track.codec.is_packaged:
        raise UsageError(f"track {track.name!r}: {track.codec.value} is not packaged")
    if not track.codec_config:
        raise UsageError(f"track {track.name!r} has no codec configuration")
    if track.media_type is MediaType.VIDEO:
        return _write_visual_entry(track)
    return _write_audio_entry(track)


def vp9_configuration_record(config: bytes) -> bytes:
    """VPCodecConfigurationRecord, whether or not version and flags stand before it.

    A record cannot begin with version and flags: that would be level 0 with bit depth 0.
    """
    return config[4:] if config.startswith(VPCC_VERSION_AND_FLAGS) else config


def _write_visual_entry(track: Track) -> bytes:
    """VisualSampleEntry (ISO/IEC 14496-12 12.1.3) with its configuration, colr, pasp, btrt."""
    entry, configuration = VIDEO_ENTRIES[track.codec]
    config, colour = track.codec_config, b""
    if track.codec is Codec.VP9:
        record = vp9_configuration_record(config)
        config, colour = VPCC_VERSION_AND_FLAGS + record, _write_vp9_colour(record)
    return write_box(
        entry,
        pack("6xH16xHH", 1, track.width, track.height),
        pack("II4xH32xHh", _VISUAL_DPI, _VISUAL_DPI, 1, 0x18, -1),
        write_box(configuration, config),
        colour,
        _write_pixel_shape(track),
        write_btrt(track.bitrate) if track.bitrate else b"",
    )


def _write_pixel_shape(track: Track) -> bytes:
    """pasp where pixels are not square: decoders in hardware need not tell players what the
    bitstream says."""
    shape = pixels_of(track.codec, track.codec_config).sample_aspect_ratio
    return write_pasp(*shape.as_integer_ratio()) if shape not in (0, 1) else b""


def _write_vp9_colour(record: bytes) -> bytes:
    """colr from the colour code points that vpcC holds (VP9 in ISOBMFF 2.2)."""
    if len(record) < 6:
        raise UsageError(f"VP9 configuration of {len(record)} bytes is too short")
    return write_colr(record[3], record[4], record[5], full_range=bool(record[2] & 1))


def _write_audio_entry(track: Track) -> bytes:
    """AudioSampleEntry (ISO/IEC 14496-12 12.2.3) for AAC and Opus."""
    # 16.16 holds no rate above 65,535 Hz; the AudioSpecificConfig then says it alone.
    rate = track.sample_rate if track.sample_rate < 1 << 16 else 0
    head = pack("6xH8xHH4xI", 1, track.channels, 16, rate << 16)
    bitrate = write_btrt(track.bitrate) if track.bitrate else b""
    if track.codec is Codec.OPUS:
        return write_box(b"Opus", head, write_box(b"dOps", track.codec_config), bitrate)
    return write_box(b"mp4a", head, _write_esds(track), bitrate)


def _write_esds(track: Track) -> bytes:
    """Elementary stream descriptor (ISO/IEC 14496-14 6.7.2, 14496-1 7.2.6)."""
    decoder = pack("BB3xII", _OBJECT_TYPE_AAC, _AUDIO_STREAM, track.bitrate, track.bitrate)
    specific = _write_descriptor(_DECODER_SPECIFIC, track.codec_config)
    return write_full_box(
        b"esds",
        0,
        0,
        _write_descriptor(
            _ES_DESCRIPTOR,
            bytes(3)  # ES_ID 0 (14496-14 4.1.2), no stream dependence
            + _write_descriptor(_DECODER_CONFIG, decoder + specific)
            + _write_descriptor(_SL_CONFIG, b"\2"),
        ),
    )


def _write_descriptor(tag: int, payload: bytes) -> bytes:
    """A descriptor with its size in one byte: ours never reach 128."""
    if len(payload) >= 0x80:
        raise UsageError(f"AudioSpecificConfig of {len(payload)} bytes is too long")
    return bytes((tag, len(payload))) + payload
