"""The sample clips are the recorded ones, and each is what its name claims."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import pytest

from segmenter.codecs.aac import write_audio_specific_config
from segmenter.media import Codec, Sample, Track
from segmenter.timeline import RTMP_CLOCK, Timeline

SAMPLES = Path(__file__).parent.parent / "media-samples"
NOW = 1_800_000_000.0


def load_maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_samples", SAMPLES / "make_samples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_samples"] = module
    spec.loader.exec_module(module)
    return module


maker = load_maker()


def is_video(packet: av.Packet[Any]) -> bool:
    return bool(packet.stream.type == "video")


def seconds(packet: av.Packet[Any]) -> Fraction:
    assert packet.pts is not None
    return packet.pts * packet.time_base


class Probe:
    """What PyAV finds in a clip; times in seconds."""

    def __init__(self, name: str) -> None:
        with av.open(str(SAMPLES / name)) as container:
            streams = [*container.streams.video, *container.streams.audio]
            self.codecs = [stream.codec_context.codec.canonical_name for stream in streams]
            self.tags = [stream.codec_context.codec_tag for stream in streams]
            self.channels = [s.codec_context.layout.nb_channels for s in container.streams.audio]
            self.rates = [s.codec_context.sample_rate for s in container.streams.audio]
            # All within the context: a packet must not outlive its container.
            packets = [p for p in container.demux() if p.pts is not None]
            video = [(seconds(p), p.is_keyframe) for p in packets if is_video(p)]
        self.shown = [pts for pts, _ in video]
        """When each frame is shown, in decoding order."""
        self.keys = [pts for pts, is_key in video if is_key]


def has_gop_of_two_seconds(clip: Probe) -> bool:
    return [b - a for a, b in itertools.pairwise(clip.keys)] == [2, 2]


def has_b_frames(clip: Probe) -> bool:
    return clip.shown != sorted(clip.shown)


def has_a_variable_rate(clip: Probe) -> bool:
    steps = {b - a for a, b in itertools.pairwise(clip.shown)}
    return {Fraction(8, 1000), Fraction(250, 1000)} <= steps


def is_video_of(*codecs: str) -> Callable[[Probe], bool]:
    return lambda clip: clip.codecs == list(codecs)


def stamps(name: str, kind: int) -> list[int]:
    tags = maker.flv_tags((SAMPLES / name).read_bytes())
    return [stamp for tag, stamp, body in tags if tag == kind and body[1] == 1]


CLAIMS: dict[str, Callable[[Probe], bool]] = {
    "two-second-gop.flv": has_gop_of_two_seconds,
    "two-second-gop.mp4": has_gop_of_two_seconds,
    "b-frames.flv": has_b_frames,
    "b-frames.mp4": has_b_frames,
    "vfr.mp4": has_a_variable_rate,
    "timestamp-wrap-31-bits.flv": lambda clip: len(clip.shown) == 120,
    "timestamp-wrap-32-bits.flv": lambda clip: len(clip.shown) == 120,
    "hevc.mp4": lambda clip: clip.codecs == ["hevc", "aac"] and clip.tags[0] == "hvc1",
    "av1.mp4": is_video_of("av1", "aac"),
    "vp9.mp4": is_video_of("vp9", "opus"),
    "opus.mp4": is_video_of("h264", "opus"),
    "five-point-one.mp4": lambda clip: clip.channels == [6],
    "aac-44100-mono.flv": lambda clip: (clip.rates, clip.channels) == ([44_100], [1]),
    "audio-only.mp4": is_video_of("aac"),
    "video-only.mp4": is_video_of("h264"),
    "size-change.flv": lambda clip: len(clip.shown) == 120,
    "long-gop.mp4": lambda clip: len(clip.keys) == 1 and clip.shown[-1] > Fraction(99, 10),
}


@pytest.mark.parametrize("name", sorted(CLAIMS))
def test_a_clip_is_what_its_name_claims(name: str) -> None:
    assert CLAIMS[name](Probe(name))


def test_every_clip_has_a_claim_and_a_line_in_the_readme() -> None:
    readme = (SAMPLES / "README.md").read_text()
    assert set(CLAIMS) == set(maker.CLIPS)
    assert all(f"`{name}`" in readme or f"`{name[:-4]}.flv`, `.mp4`" in readme for name in CLAIMS)


def test_the_clips_are_the_recorded_ones() -> None:
    assert maker.find_faults() == []
    assert maker.main(["--check"]) == 0


def test_the_check_notices_a_changed_and_a_missing_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (*SAMPLES.glob("*.mp4"), *SAMPLES.glob("*.flv")):
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "opus.mp4").unlink()
    (tmp_path / "vfr.mp4").unlink()
    (tmp_path / "vfr.mp4").write_bytes(b"damaged")
    monkeypatch.setattr(maker, "HERE", tmp_path)
    assert maker.main(["--check"]) == 1
    said = capsys.readouterr().err
    assert "opus.mp4 is missing" in said
    assert "vfr.mp4 is not the file" in said


def test_the_clips_stay_tiny() -> None:
    sizes = [(SAMPLES / name).stat().st_size for name in CLAIMS]
    assert max(sizes) <= 150_000
    assert sum(sizes) < 1_500_000


def test_the_size_change_really_changes_the_decoded_size() -> None:
    with av.open(str(SAMPLES / "size-change.flv")) as container:
        sizes = [(frame.width, frame.height) for frame in container.decode(video=0)]
    assert list(dict.fromkeys(sizes)) == [(320, 180), (480, 270)]
    assert len(sizes) == 120


@pytest.mark.parametrize("bits", [31, 32])
def test_the_wrap_is_two_seconds_into_the_clip(bits: int) -> None:
    video = stamps(f"timestamp-wrap-{bits}-bits.flv", 9)
    falls = [i for i, (a, b) in enumerate(itertools.pairwise(video)) if b < a]
    assert falls == [59]
    assert video[59] == pytest.approx(2**bits, abs=40)


@pytest.mark.parametrize(
    "name",
    ["two-second-gop.flv", "timestamp-wrap-31-bits.flv", "timestamp-wrap-32-bits.flv"],
)
def test_the_timeline_places_the_clip_without_a_seam(name: str) -> None:
    timeline = Timeline()
    config = write_audio_specific_config(48_000, 2)
    tracks = [
        Track("source", Codec.H264, 90_000, b"\x01"),
        Track("audio", Codec.AAC, 48_000, config),
    ]
    timeline.start(tracks, RTMP_CLOCK)
    out: list[Sample] = []
    for number, (kind, stamp, body) in enumerate(maker.flv_tags((SAMPLES / name).read_bytes())):
        if kind == maker.FLV_SCRIPT or body[1] != 1:
            continue
        track = "source" if kind == 9 else "audio"
        sample = Sample(track, stamp, stamp, body, kind == 8 or body[0] >> 4 == 1)
        out += timeline.push(sample, NOW + number / 77)
    video = [s.dts for s in out if s.track == "source"]
    audio = [s.dts for s in out if s.track == "audio"]
    assert {b - a for a, b in itertools.pairwise(video)} == {33 * 90, 34 * 90}
    assert {b - a for a, b in itertools.pairwise(audio)} == {1_024}
    assert not any(sample.discontinuity for sample in out)
