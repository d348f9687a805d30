"""A publisher's samples by their stamps, and a timeline that they are pushed into."""

from __future__ import annotations

from segmenter.codecs.aac import write_audio_specific_config
from segmenter.media import Codec, Sample, Track
from segmenter.timeline import RTMP_CLOCK, Timeline

NOW = 1_800_000_000.0
"""A moment that is a whole number of ticks of every timescale used here."""

VIDEO = Track("source", Codec.H264, 90_000, b"\x01", width=640, height=360)
AUDIO = Track("audio", Codec.AAC, 48_000, write_audio_specific_config(48_000, 2))
AUDIO_44 = Track("audio", Codec.AAC, 44_100, write_audio_specific_config(44_100, 2))
OPUS = Track("audio", Codec.OPUS, 48_000, b"")

V0 = int(NOW) * 90_000
A0 = int(NOW) * 48_000


def video(dts: int, *, key: bool = False, offset: int = 0, data: bytes = b"v") -> Sample:
    return Sample("source", dts, dts + offset, data, key)


def audio(dts: int, data: bytes = b"a") -> Sample:
    return Sample("audio", dts, dts, data, True)


def started(*tracks: Track, floor_utc: float = 0.0) -> Timeline:
    timeline = Timeline(floor_utc)
    timeline.start(tracks, RTMP_CLOCK)
    return timeline


def push_all(timeline: Timeline, samples: list[Sample], now: float = NOW) -> list[Sample]:
    """Each sample arrives when its dts says, counted from the first one."""
    first = samples[0].dts
    out: list[Sample] = []
    for sample in samples:
        out += timeline.push(sample, now + (sample.dts - first) / 1000)
    return out


def frames(start: int, count: int, step: int = 40, gop: int = 25) -> list[Sample]:
    return [video(start + i * step, key=i % gop == 0) for i in range(count)]


def both(start: int, length: int, key: int = 0) -> list[Sample]:
    """Interleaved 25 fps video, key frame at ``key`` and then each second, and AAC."""
    samples = [video(start + t, key=(t - key) % 1000 == 0) for t in range(0, length, 40)]
    samples += [audio(start + n * 1024 // 48) for n in range(length * 48 // 1024)]
    return sorted(samples, key=lambda sample: sample.dts)


def of(track: str, samples: list[Sample]) -> list[Sample]:
    return [sample for sample in samples if sample.track == track]
