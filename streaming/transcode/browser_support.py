"""Which video browsers play as it is; decided from the track's codec configuration alone."""

from __future__ import annotations

from segmenter.media import Codec, Track

_H264_8_BIT_420 = frozenset({66, 77, 88, 100})
"""Baseline, main, extended, high (ITU-T H.264 A.2); 110, 122 and 244 are deeper or finer."""


def plays_in_browsers(video: Track) -> tuple[bool, str]:
    """Whether browsers in general play `video`, and if not, why, as half a sentence."""
    config = video.codec_config
    if video.codec is Codec.H265:
        return False, "few browsers play HEVC"
    if video.codec is Codec.VP8:
        return False, "players take VP8 by WebRTC alone"
    if video.codec is Codec.H264 and len(config) > 1 and config[1] not in _H264_8_BIT_420:
        return False, f"browsers do not play H.264 profile {config[1]}"
    if video.codec is Codec.AV1 and len(config) > 1 and config[1] >> 5 != 0:
        return False, "browsers play AV1 in its main profile only"
    if video.codec is Codec.VP9 and len(config) > 4 and config[4] not in (0, 2):
        return False, "browsers play VP9 in 4:2:0 only"
    return True, ""
