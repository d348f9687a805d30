"""Encoded slates look to a decoder and to players like the live tracks."""

from __future__ import annotations

import wave
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext
from av.codec.context import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from segmenter.codecs.codec_string import codec_string
from segmenter.codecs.h264 import parse_decoder_configuration
from segmenter.codecs.h264_sps import parse_sps
from segmenter.media import Codec, Track
from streaming.slate.encode import encode_slate
from streaming.slate.loop import SlateLoop, SlateStrip
from streaming.slate.messages import RungSetup, SlateReady, SlateSetup
from streaming.slate.picture import card, image
from streaming.transcode.encoders import software_encoder
from streaming.transcode.messages import TrackMessage
from streaming.transcode.planned_rung import PlannedRung
from streaming.transcode.rung_encoder import Look, RungEncoder
from tests.segmenter.stage import AUDIO, OPUS, SMALL, SOURCE


def encode(*tracks: Track, picture: str = "card", audio: str = "silence") -> SlateReady:
    messages = tuple(TrackMessage.from_track(track) for track in tracks)
    return encode_slate(SlateSetup(messages, picture, "back soon", audio, 2.0))


def strips(made: SlateReady) -> tuple[SlateStrip, ...]:
    loop: SlateLoop = made.to_loop()
    return loop._strips


def decoded(strip: SlateStrip) -> list[VideoFrame]:
    """All pictures of two rounds of a strip."""
    context = CodecContext.create(strip.track.codec.value, "r")
    assert isinstance(context, VideoCodecContext)
    context.extradata = strip.track.codec_config
    frames: list[VideoFrame] = []
    for data, _ in strip.samples * 2:
        frames += context.decode(Packet(data))
    return frames + context.decode(None)


def loudness(strip: SlateStrip) -> list[float]:
    """The peak of each decoded frame of two rounds."""
    name = "opus" if strip.track.codec is Codec.OPUS else "aac"
    context = CodecContext.create(name, "r")
    if strip.track.codec is Codec.AAC:
        context.extradata = strip.track.codec_config
    assert isinstance(context, AudioCodecContext)
    return [
        float(abs(frame.to_ndarray()).max())
        for data, _ in strip.samples * 2
        for frame in context.decode(Packet(data))
    ]


@pytest.mark.parametrize("live", [SOURCE, SMALL])
def test_video_has_the_codec_string_size_and_rate_of_the_live_video(live: Track) -> None:
    [strip] = strips(encode(live))
    assert codec_string(strip.track) == codec_string(live)
    assert (strip.track.width, strip.track.height) == (live.width, live.height)
    assert strip.duration == 1 / live.frame_rate
    assert [is_sync for _, is_sync in strip.samples] == [True] + [False] * 59
    sps = parse_sps(parse_decoder_configuration(strip.track.codec_config).sps[0])
    assert (sps.width, sps.height, sps.frame_rate) == (live.width, live.height, live.frame_rate)


@pytest.mark.parametrize(
    ("colours", "expected"),
    [
        ((2, 2, 2), (2, 2, 2)),
        ((1, 1, 1), (1, 1, 1)),
        ((6, 6, 6), (6, 6, 6)),
        ((9, 16, 9), (1, 1, 1)),  # an eight-bit card in PQ would glare
        ((1, 13, 0), (1, 1, 1)),  # 4:2:0 cannot be RGB
    ],
)
def test_video_has_the_colours_and_the_pixel_shape_of_the_live_video(
    colours: tuple[int, int, int], expected: tuple[int, int, int]
) -> None:
    primaries, transfer, matrix = colours
    look = Look(Fraction(4, 3), matrix, primaries, transfer)
    rung = PlannedRung("source", Codec.H264, 640, 360, 1, 500, 600, 600, profile="high")
    live = RungEncoder(rung, software_encoder(Codec.H264, "live"), Fraction(30), look).track
    [strip] = strips(encode(live))
    sps = parse_sps(parse_decoder_configuration(strip.track.codec_config).sps[0])
    assert (sps.colour.primaries, sps.colour.transfer, sps.colour.matrix) == expected
    assert sps.sample_aspect_ratio == Fraction(4, 3)


def test_an_image_keeps_its_shape_whatever_shape_pixels_have(tmp_path: Path) -> None:
    file = tmp_path / "square.png"
    white = VideoFrame(100, 100, "rgb24")
    white.planes[0].update(b"\xff" * white.planes[0].buffer_size)
    white.save(str(file))
    luma = image(str(file), 640, 360, Fraction(4, 3), matrix=1).to_ndarray()[:360]
    columns = np.flatnonzero(luma[180] > 200)
    assert len(columns) * Fraction(4, 3) == pytest.approx(360, abs=4)


def test_the_loop_decodes_without_a_seam() -> None:
    [strip] = strips(encode(SMALL))
    frames = decoded(strip)
    assert len(frames) == 120
    first, last = (frames[n].to_ndarray().astype(int) for n in (0, -1))
    assert abs(first - last).mean() < 2


@pytest.mark.parametrize("codec", [Codec.H265, Codec.AV1, Codec.VP9])
def test_other_codecs_get_a_slate_of_their_own(codec: Codec) -> None:
    live = replace(SMALL, codec=codec, width=320, height=180)
    [strip] = strips(encode(live))
    assert strip.track.codec is codec
    assert strip.samples[0][1]
    assert codec_string(strip.track)


@pytest.mark.parametrize("rate", [44_100, 22_050, 8_000])
def test_what_is_not_packaged_gets_a_slate_of_what_is(rate: int) -> None:
    sound = Track("audio", Codec.MP3, rate, b"", sample_rate=rate, channels=1)
    [strip] = strips(encode(sound, audio="tone"))
    assert (strip.track.codec, strip.track.timescale, strip.track.channels) == (Codec.AAC, rate, 1)
    assert codec_string(strip.track) == "mp4a.40.2"
    assert max(loudness(strip)) > 0.05


def test_a_rate_that_is_a_clock_and_odd_sizes_are_taken_for_what_can_be_encoded() -> None:
    live = replace(SMALL, frame_rate=Fraction(1000), width=321, height=181)
    [strip] = strips(encode(live))
    assert strip.duration == Fraction(1, 30)
    assert (strip.track.width, strip.track.height) == (320, 180)


def test_sound_is_the_live_track_itself_where_its_decoder_takes_it() -> None:
    video, sound = strips(encode(SMALL, AUDIO))
    assert sound.track == AUDIO, "no new init section"
    assert video.track != SMALL
    assert max(loudness(sound)) < 1e-4
    assert len(sound.samples) == 93


@pytest.mark.parametrize("live", [AUDIO, OPUS])
def test_a_tone_sounds_once_in_each_loop(live: Track) -> None:
    [strip] = strips(encode(live, audio="tone"))
    peaks = loudness(strip)
    assert 0.05 < max(peaks) < 0.2
    assert sum(peak > 0.01 for peak in peaks) < len(peaks) / 4
    assert strip.track.codec is live.codec


def test_a_sound_file_is_looped_in_the_form_of_the_live_sound(tmp_path: Path) -> None:
    file = tmp_path / "hum.wav"
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(22_050)
        out.writeframes(b"\x00\x20" * 22_050 + b"\x00\xe0" * 22_050)
    [strip] = strips(encode(AUDIO, audio=str(file)))
    assert len(strip.samples) == pytest.approx(2 * 48_000 / 1024, abs=1)
    assert max(loudness(strip)) > 0.1


def test_an_image_is_fitted_with_bars(tmp_path: Path) -> None:
    file = tmp_path / "tall.png"
    picture = VideoFrame(100, 200, "rgb24")
    picture.planes[0].update(b"\xff" * picture.planes[0].buffer_size)
    picture.save(str(file))
    made = encode(SMALL, picture=str(file))
    assert made.warnings == ()
    luma = decoded(strips(made)[0])[0].to_ndarray()[:360]
    assert luma[180, 320] > 200
    assert luma[180, 20] < 30
    assert luma[180, 620] < 30


def test_what_cannot_be_used_is_replaced_and_told(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.png")
    made = encode(SMALL, AUDIO, picture=missing, audio=missing)
    assert len(made.strips) == 2
    assert [warning.rpartition(": ")[2] for warning in made.warnings] == [
        "the card stands in",
        "the slate is silent",
    ]


@pytest.mark.parametrize("size", [(1920, 1080), (640, 360), (360, 640), (64, 64)])
def test_the_card_shows_its_text_and_little_else(size: tuple[int, int]) -> None:
    luma = card(*size, "back soon").to_ndarray()[: size[1]]
    assert (luma > 180).any()
    assert (luma > 180).mean() < 0.1
    assert luma.min() >= 16


def live_rung(codec: Codec, rate: Fraction = Fraction(30), **settings: object) -> RungSetup:
    planned = PlannedRung("360p", codec, 320, 180, 1, 300, 330, 330, **settings)  # type: ignore[arg-type]
    return RungSetup(planned, software_encoder(codec, "live").name)


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265, Codec.AV1, Codec.VP9])
@pytest.mark.parametrize("rate", [Fraction(30_000, 1001), Fraction(0)])
def test_the_slate_of_a_rung_has_the_very_track_of_the_rung(codec: Codec, rate: Fraction) -> None:
    rung = live_rung(codec)
    look = Look(Fraction(1), 6, 6, 6)
    live = RungEncoder(rung.planned, software_encoder(codec, "live"), rate, look).track
    messages = (TrackMessage.from_track(live),)
    made = encode_slate(SlateSetup(messages, "card", "back soon", "silence", 1.0, (rung,)))
    assert made.warnings == ()
    [strip] = strips(made)
    assert strip.track == live
    assert strip.duration == 1 / (rate or Fraction(30))
    assert [is_sync for _, is_sync in strip.samples] == [True] + [False] * 29


def test_the_slate_of_a_rung_with_b_frames_and_wide_pixels_has_its_track_and_no_b_frames() -> None:
    rung = live_rung(Codec.H264, b_frames=2, profile="main", lookahead=10)
    look = Look(Fraction(4, 3), 1, 1, 1)
    choice = software_encoder(Codec.H264, "live")
    live = RungEncoder(rung.planned, choice, Fraction(25), look).track
    messages = (TrackMessage.from_track(live),)
    made = encode_slate(SlateSetup(messages, "card", "back soon", "silence", 2.0, (rung,)))
    [strip] = strips(made)
    assert strip.track == live
    assert len(decoded(strip)) == 100


def test_where_the_encoder_of_a_rung_gives_none_software_makes_its_slate() -> None:
    rung = RungSetup(live_rung(Codec.H264).planned, "h264_nvenc")
    look = Look(Fraction(1), 1, 1, 1)
    choice = software_encoder(Codec.H264, "live")
    live = RungEncoder(rung.planned, choice, Fraction(25), look).track
    messages = (TrackMessage.from_track(live),)
    made = encode_slate(SlateSetup(messages, "card", "back soon", "silence", 1.0, (rung,)))
    assert len(strips(made)[0].samples) == 25
    [warning] = made.warnings
    assert "software stands in" in warning
