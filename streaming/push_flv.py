"""Tracks and samples to the payloads of RTMP's audio, video and data messages.

H.264 and AAC in the classic form (FLV 10.1, E.4), which every server reads; the others by
Enhanced RTMP v2: HEVC, AV1, VP9 and Opus. `streaming.ingest.flv_tag` is the way back.
"""

from __future__ import annotations

from collections.abc import Sequence

from segmenter.codecs import opus
from segmenter.media import VIDEO_TIMESCALE, Codec, MediaType, Sample, Track
from streaming.ingest.rtmp.amf0 import Writable, write_values

TICKS_PER_MS = VIDEO_TIMESCALE // 1000

_FOURCC = {
    Codec.H264: b"avc1",
    Codec.H265: b"hvc1",
    Codec.AV1: b"av01",
    Codec.VP9: b"vp09",
    Codec.AAC: b"mp4a",
    Codec.OPUS: b"Opus",
}
_AVC, _AAC = 7, 10
_IS_ENHANCED_VIDEO = 0x80
_ENHANCED_AUDIO = 9 << 4
_KEY_FRAME, _INTER_FRAME = 1 << 4, 2 << 4
_AAC_HEADER = _AAC << 4 | 0x0F
"""E.4.2.1: AAC is always said to be 44 kHz, 16 bit, stereo; its configuration tells the truth."""
_SEQUENCE_START, _CODED_FRAMES, _CODED_FRAMES_X = 0, 1, 3


def write_metadata(tracks: Sequence[Track], encoder: str) -> bytes:
    """`@setDataFrame` with onMetaData, as servers expect it before media."""
    properties: dict[str, Writable] = {"encoder": encoder}
    for track in tracks:
        if track.media_type is MediaType.VIDEO:
            properties |= {
                "width": track.width,
                "height": track.height,
                "framerate": float(track.frame_rate),
                "videocodecid": _codec_id(track.codec, _AVC),
                "videodatarate": track.bitrate / 1000,
            }
        else:
            properties |= {
                "audiosamplerate": track.sample_rate,
                "audiochannels": track.channels,
                "stereo": track.channels == 2,
                "audiocodecid": _codec_id(track.codec, _AAC),
                "audiodatarate": track.bitrate / 1000,
            }
    return write_values("@setDataFrame", "onMetaData", properties)


def _codec_id(codec: Codec, classic: int) -> int:
    """Enhanced RTMP v2, onMetaData: the FourCC as a number where there is no classic id."""
    if codec in (Codec.H264, Codec.AAC):
        return classic
    return int.from_bytes(_FOURCC[codec], "big")


def write_sequence_start(track: Track) -> bytes:
    """The message that carries a track's decoder configuration."""
    config = track.codec_config
    if track.codec is Codec.H264:
        return bytes((_KEY_FRAME | _AVC, _SEQUENCE_START, 0, 0, 0)) + config
    if track.codec is Codec.AAC:
        return bytes((_AAC_HEADER, _SEQUENCE_START)) + config
    if track.codec is Codec.OPUS:
        head = opus.write_opus_head(opus.parse_dops(config))
        return bytes((_ENHANCED_AUDIO | _SEQUENCE_START,)) + _FOURCC[Codec.OPUS] + head
    first = _IS_ENHANCED_VIDEO | _KEY_FRAME | _SEQUENCE_START
    return bytes((first,)) + _FOURCC[track.codec] + config


def write_frame(codec: Codec, sample: Sample, composition_ms: int) -> bytes:
    """The message that carries one access unit."""
    if codec is Codec.AAC:
        return bytes((_AAC_HEADER, _CODED_FRAMES)) + sample.data
    if codec is Codec.OPUS:
        return bytes((_ENHANCED_AUDIO | _CODED_FRAMES,)) + _FOURCC[codec] + sample.data
    frame_type = _KEY_FRAME if sample.is_sync else _INTER_FRAME
    offset = (composition_ms & 0xFFFFFF).to_bytes(3, "big")
    if codec is Codec.H264:
        return bytes((frame_type | _AVC, _CODED_FRAMES)) + offset + sample.data
    first = _IS_ENHANCED_VIDEO | frame_type
    if codec is not Codec.H265:  # AV1 and VP9 have no composition offset
        return bytes((first | _CODED_FRAMES,)) + _FOURCC[codec] + sample.data
    if composition_ms:
        return bytes((first | _CODED_FRAMES,)) + _FOURCC[codec] + offset + sample.data
    return bytes((first | _CODED_FRAMES_X,)) + _FOURCC[codec] + sample.data
