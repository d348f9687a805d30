"""Samples in canonical form out of media-samples/, read by PyAV."""

from __future__ import annotations

from pathlib import Path

import av

from segmenter.media import Codec, Sample, Track

CLIPS = Path(__file__).parents[3] / "media-samples"
_CODECS = {"h264": Codec.H264, "hevc": Codec.H265, "av1": Codec.AV1, "vp9": Codec.VP9,
           "opus": Codec.OPUS, "aac": Codec.AAC}  # fmt: skip


def samples_of(name: str, *without: Codec) -> tuple[Track, list[Sample]]:
    """The first track of an MP4 that is none of some codecs, and its samples."""
    with av.open(str(CLIPS / name)) as container:
        stream = next(
            s
            for s in container.streams
            if _CODECS[s.codec_context.codec.canonical_name] not in without
        )
        context = stream.codec_context
        codec = _CODECS[context.codec.canonical_name]
        scale = stream.time_base.denominator
        size = (getattr(context, "width", 0), getattr(context, "height", 0))
        track = Track("t", codec, scale, bytes(context.extradata or b""), *size)
        packets = [packet for packet in container.demux(stream) if packet.size]
        return track, [
            Sample("t", packet.dts or 0, packet.pts or 0, bytes(packet), packet.is_keyframe)
            for packet in packets
        ]
