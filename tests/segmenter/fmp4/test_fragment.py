"""Fragments as FFmpeg reads them: nothing of ours judges what we wrote."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import av
import pytest

from segmenter.errors import UsageError
from segmenter.fmp4.init_section import write_init_section
from segmenter.media import Codec, Sample, Track
from tests.segmenter.fmp4.chunks import write_chunk
from tests.segmenter.fmp4.encodes import PACKAGED

from .encodes import encode

VIDEO = Track("source", Codec.H264, 90_000, b"\1\x42\0\x1e\xff\xe0\0", width=320, height=180)
AUDIO = Track("audio", Codec.AAC, 48_000, b"\x11\x90", sample_rate=48_000, channels=2)


def video_sample(dts: int, size: int = 10, **changes: object) -> Sample:
    sample = Sample("source", dts, dts, bytes([dts % 251]) * size, is_sync=False, duration=3000)
    return dataclasses.replace(sample, **changes)  # type: ignore[arg-type]


def parts_of(track: Track, samples: Sequence[Sample], count: int) -> list[bytes]:
    """The samples as fragments of ``count`` samples each."""
    return [
        write_chunk(track, samples[start : start + count], number, styp=start == 0)
        for number, start in enumerate(range(0, len(samples), count), 1)
    ]


def reread(data: bytes) -> list[tuple[int, int, bytes, bool]]:
    with av.open(io.BytesIO(data)) as container:
        return [
            (packet.dts, packet.pts, bytes(packet), packet.is_keyframe)
            for packet in container.demux(container.streams[0])
            if packet.dts is not None
        ]


def ffmpeg_shift(samples: Sequence[Sample]) -> int:
    """How much later than written FFmpeg presents a track with negative composition offsets.

    Its packets must have dts <= pts, so it adds the largest negative offset to every pts.
    """
    return max(sample.dts - sample.pts for sample in samples)


@pytest.mark.parametrize("count", [1, 5, 100])
@pytest.mark.parametrize("codec", PACKAGED)
def test_ffmpeg_reads_back_the_samples_that_were_written(codec: Codec, count: int) -> None:
    track, samples = encode(codec)
    data = write_init_section(track) + b"".join(parts_of(track, samples, count))
    shift = ffmpeg_shift(samples)
    expected = [(s.dts, s.pts + shift, s.data, s.is_sync) for s in samples]
    assert reread(data) == expected


@pytest.mark.parametrize("codec", PACKAGED)
def test_ffmpeg_decodes_what_was_written(codec: Codec) -> None:
    track, samples = encode(codec)
    data = write_init_section(track) + b"".join(parts_of(track, samples, 5))
    with av.open(io.BytesIO(data)) as container:
        frames = sum(1 for _ in container.decode(container.streams[0]))
    assert frames >= len(samples) - 1


def test_the_encode_has_negative_composition_offsets() -> None:
    _, samples = encode(Codec.H264)
    assert min(sample.pts - sample.dts for sample in samples) < 0
    assert samples[0].pts == samples[0].dts


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs the ffprobe program")
def test_another_ffmpeg_release_reads_the_same_packets(tmp_path: Path) -> None:
    track, samples = encode(Codec.H264)
    file = tmp_path / "copy.mp4"
    file.write_bytes(write_init_section(track) + b"".join(parts_of(track, samples, 7)))
    command = ["ffprobe", "-v", "error", "-show_packets", "-of", "json", str(file)]
    report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert [(p["dts"], p["pts"], int(p["size"]), "K" in p["flags"]) for p in report["packets"]] == [
        (s.dts, s.pts + ffmpeg_shift(samples), len(s.data), s.is_sync) for s in samples
    ]


def test_what_all_samples_share_is_not_repeated() -> None:
    samples = [video_sample(n * 3000) for n in range(100)]
    per_sample = len(write_chunk(VIDEO, samples, 1)) - 100 * 10
    assert per_sample == len(write_chunk(VIDEO, samples[:1], 1)) - 10


def test_a_sync_sample_in_front_costs_four_bytes_and_elsewhere_a_column() -> None:
    plain = [video_sample(n * 3000) for n in range(10)]
    front = [dataclasses.replace(plain[0], is_sync=True), *plain[1:]]
    middle = [*plain[:5], dataclasses.replace(plain[5], is_sync=True), *plain[6:]]
    base = len(write_chunk(VIDEO, plain, 1))
    assert len(write_chunk(VIDEO, front, 1)) == base + 4
    assert len(write_chunk(VIDEO, middle, 1)) == base + 40


def test_audio_samples_are_all_sync_samples() -> None:
    samples = [Sample("audio", n * 1024, n * 1024, b"ab", False, 1024) for n in range(3)]
    data = write_init_section(AUDIO) + write_chunk(AUDIO, samples, 1)
    assert [is_key for *_, is_key in reread(data)] == [True, True, True]


def test_the_last_segment_carries_lmsg() -> None:
    sample = video_sample(0)
    plain = write_chunk(VIDEO, [sample], 1, styp=True)
    last = write_chunk(VIDEO, [sample], 1, styp=True, is_last_segment=True)
    assert b"lmsg" in last
    assert b"lmsg" not in plain


def test_the_sequence_number_wraps() -> None:
    sample = video_sample(0)
    assert write_chunk(VIDEO, [sample], 1 << 32) == write_chunk(VIDEO, [sample], 0)


@pytest.mark.parametrize(
    "samples",
    [
        [],
        [video_sample(0, duration=0)],
        [video_sample(0), video_sample(3001)],
        [video_sample(-1)],
        [video_sample(0, pts=1 << 31)],
        [video_sample(0), video_sample(3000, duration=-3000)],
    ],
    ids=["none", "no duration", "gap", "negative dts", "offset too large", "negative duration"],
)
def test_impossible_samples_are_the_callers_mistake(samples: list[Sample]) -> None:
    with pytest.raises(UsageError):
        write_chunk(VIDEO, samples, 1)
