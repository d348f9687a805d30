"""Which encoder is taken and why, and that it does as its rung is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from av.video.frame import PictureType, VideoFrame

from segmenter.codecs import h264
from segmenter.codecs.h264_sps import parse_sps
from segmenter.media import VIDEO_TIMESCALE, Codec
from streaming.transcode import encoders
from streaming.transcode.encoders import choose_encoder, software_encoder
from streaming.transcode.planned_rung import PlannedRung
from streaming.transcode.rung_encoder import Look, RungEncoder, ScaledFrame
from tests.streaming.transcode.clips import picture

RUNG = PlannedRung("low", Codec.H264, 160, 96, 1, 400, 440, 440, preset="ultrafast")
FPS = 30
CODECS = [Codec.H264, Codec.H265, Codec.AV1, Codec.VP9]
PRESETS = {Codec.AV1: "12", Codec.VP9: "8"}


class Drivers:
    """What each hardware encoder of a machine answers when it is tried."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.tried: list[str] = []

    def try_encoder(self, name: str) -> str:
        self.tried.append(name)
        return self.answers.get(name, "no such device")


@pytest.fixture
def drivers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Drivers]:
    """A machine whose hardware the test decides; choices are remembered for a process's life."""
    made = Drivers()
    monkeypatch.setattr(encoders, "_try_encoder", made.try_encoder)
    choose_encoder.cache_clear()
    yield made
    choose_encoder.cache_clear()


# -- the choice ------------------------------------------------------------------------------------


def test_where_no_hardware_opens_software_is_taken_and_each_failure_told(drivers: Drivers) -> None:
    choice = choose_encoder(Codec.H264, "auto")
    assert choice.name == "libx264"
    assert drivers.tried == ["h264_nvenc", "h264_qsv", "h264_vaapi"]
    for name in drivers.tried:
        assert f"{name}: no such device" in choice.reason


def test_the_first_hardware_that_opens_is_taken(drivers: Drivers) -> None:
    drivers.answers = {"hevc_qsv": "", "hevc_vaapi": ""}
    choice = choose_encoder(Codec.H265, "auto")
    assert (choice.name, choice.reason) == ("hevc_qsv", "it opens on this machine")
    assert drivers.tried == ["hevc_nvenc", "hevc_qsv"]


def test_hardware_is_tried_once_in_a_workers_life(drivers: Drivers) -> None:
    for _ in range(3):
        choose_encoder(Codec.AV1, "auto")
    assert drivers.tried == ["av1_nvenc", "av1_qsv", "av1_vaapi"]


def test_hardware_that_was_asked_for_and_does_not_open_is_replaced(drivers: Drivers) -> None:
    choice = choose_encoder(Codec.VP9, "qsv")
    assert choice.name == "libvpx-vp9"
    assert choice.reason == "no hardware opens (vp9_qsv: no such device)"


@pytest.mark.parametrize("codec", CODECS)
def test_whoever_wants_software_gets_it_untried(drivers: Drivers, codec: Codec) -> None:
    assert choose_encoder(codec, "software").reason == "configured"
    assert drivers.tried == []


def test_an_encoder_that_ffmpeg_was_built_without_is_said_to_be_missing() -> None:
    assert encoders._try_encoder("h264_nothing") == "this FFmpeg has none"


@pytest.mark.parametrize("name", ["h264_nvenc", "h264_vaapi"])
def test_hardware_that_is_not_here_says_why_in_a_few_words(name: str) -> None:
    why = encoders._try_encoder(name)
    assert why
    assert name not in why, "which is said before it"
    assert len(why) < 100
    assert "\n" not in why


def test_software_opens() -> None:
    assert encoders._try_encoder("libx264") == ""


def test_a_driver_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    monkeypatch.setattr(encoders, "_encode_one", lambda name: str(end.wait()))
    monkeypatch.setattr(encoders, "TRY_S", 0.05)
    assert encoders._try_encoder("h264_qsv") == "no answer within 0.05 s"
    end.set()


@pytest.mark.parametrize(
    ("width", "height", "fps", "cores", "threads"),
    [(640, 360, 30, 8, 1), (1280, 720, 30, 8, 1), (1920, 1080, 60, 8, 2), (3840, 2160, 60, 2, 2)],
)
def test_an_encoder_has_as_many_threads_as_it_needs_to_keep_up_and_no_more(
    monkeypatch: pytest.MonkeyPatch, width: int, height: int, fps: int, cores: int, threads: int
) -> None:
    monkeypatch.setattr(encoders.os, "cpu_count", lambda: cores)
    rung = replace(RUNG, width=width, height=height)
    assert encoders.encoder_threads(rung, Fraction(fps)) == threads


# -- what comes out --------------------------------------------------------------------------------


def encoder_of(rung: PlannedRung) -> RungEncoder:
    look = Look(Fraction(1), 6, 6, 6)
    return RungEncoder(rung, software_encoder(rung.codec, "a test"), Fraction(FPS), look)


def scaled(image: VideoFrame, index: int) -> ScaledFrame:
    pts = index * VIDEO_TIMESCALE // FPS
    image.pts, image.time_base = pts, Fraction(1, VIDEO_TIMESCALE)
    image.pict_type = PictureType.I if index == 0 else PictureType.NONE
    return ScaledFrame(image, pts, index == 0, 0.0, False)


def noise(index: int, width: int, height: int) -> VideoFrame:
    """A picture that costs more bits than any rung has."""
    planes = np.random.default_rng(index).integers(16, 235, width * height * 3 // 2, np.uint8)
    return VideoFrame.from_ndarray(planes.reshape(height * 3 // 2, width), format="yuv420p")


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265], ids=lambda codec: codec.value)
@pytest.mark.parametrize("b_frames", [1, 2, 3, 8, 16])
def test_b_frames_need_no_word_about_lookahead(codec: Codec, b_frames: int) -> None:
    """x265 does not open where it would look ahead for no more than these."""
    encoder = encoder_of(replace(RUNG, codec=codec, b_frames=b_frames))
    samples = [s for n in range(24) for s in encoder.push(scaled(picture(n, 160, 96), n))]
    samples += encoder.flush()
    assert sorted(s.pts for s in samples) == [n * VIDEO_TIMESCALE // FPS for n in range(24)]
    assert [s.pts for s in samples] != sorted(s.pts for s in samples)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.value)
def test_a_frame_in_is_an_access_unit_out_unless_lookahead_is_asked_for(codec: Codec) -> None:
    encoder = encoder_of(replace(RUNG, codec=codec, preset=PRESETS.get(codec, "ultrafast")))
    counts = [len(encoder.push(scaled(picture(n, 160, 96), n))) for n in range(8)]
    assert counts == [1] * 8


def test_lookahead_and_b_frames_hold_frames_back_where_they_are_asked_for() -> None:
    encoder = encoder_of(replace(RUNG, preset="veryfast", b_frames=2, lookahead=10))
    counts = [len(encoder.push(scaled(picture(n, 160, 96), n))) for n in range(8)]
    assert sum(counts) == 0
    assert len(encoder.flush()) == 8


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.value)
def test_the_average_bit_rate_is_the_rungs(codec: Codec) -> None:
    sizes = kbits(codec, [noise(n, 160, 96) for n in range(6 * FPS)])[FPS:]
    assert sum(sizes) * FPS / len(sizes) == pytest.approx(RATED_RUNG.bitrate_kbps, rel=0.25)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.value)
def test_a_hard_scene_after_an_easy_one_is_within_the_peak_after_half_a_second(
    codec: Codec,
) -> None:
    """What was saved before is not spent at once: viewers' connections would not carry it."""
    still = [picture(0, 160, 96) for _ in range(4 * FPS)]
    hard = kbits(codec, [*still, *(noise(n, 160, 96) for n in range(3 * FPS))])[len(still) :]
    seconds = [sum(hard[n : n + FPS]) for n in range(FPS // 2, len(hard) - FPS)]
    assert max(seconds) <= RATED_RUNG.maxrate_kbps * 1.05


RATED_RUNG = replace(RUNG, bitrate_kbps=800, maxrate_kbps=880, bufsize_kbits=220)


def kbits(codec: Codec, pictures: Sequence[VideoFrame]) -> list[float]:
    """What each of the pictures takes."""
    encoder = encoder_of(replace(RATED_RUNG, codec=codec, preset=PRESETS.get(codec, "ultrafast")))
    samples = [s for n, image in enumerate(pictures) for s in encoder.push(scaled(image, n))]
    encoder.flush()  # SVT-AV1 wants to be told of the end
    return [len(sample.data) * 8 / 1000 for sample in samples]


@pytest.mark.parametrize(("profile", "number"), [("baseline", 66), ("main", 77), ("high", 100)])
def test_the_profile_is_the_rungs(profile: str, number: int) -> None:
    encoder = encoder_of(replace(RUNG, preset="veryfast", profile=profile))
    configuration = h264.parse_decoder_configuration(encoder.track.codec_config)
    assert parse_sps(configuration.sps[0]).profile_idc == number


def test_the_preset_is_the_rungs() -> None:
    sizes = []
    for preset in ("ultrafast", "slow"):
        encoder = encoder_of(replace(RUNG, preset=preset, bitrate_kbps=60, maxrate_kbps=66))
        samples = [s for n in range(30) for s in encoder.push(scaled(picture(n, 160, 96), n))]
        sizes.append(b"".join(sample.data for sample in samples))
    assert sizes[0] != sizes[1]
