from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.codec.context import CodecContext, Flags
from av.packet import Packet
from numpy.typing import NDArray

from segmenter.codecs.aac import parse_audio_specific_config
from segmenter.codecs.opus import packet_duration, parse_dops, write_opus_head
from segmenter.media import Codec, Sample, Track
from streaming.transcode.audio_transcoder import FRAME_SAMPLES, AudioTranscoder
from streaming.transcode.ladder import PlannedAudio
from tests.streaming.transcode.clips import EPOCH_S, mp3_packets, opus_clip

Sound = NDArray[np.float64]
STEREO = PlannedAudio("audio_aac", 48_000, 2, 128)


def beep(rate: int, seconds: float) -> Sound:
    """A 1 kHz tone that begins at exactly half a second and is loud for 0.1 s of each second."""
    at = np.arange(round(rate * seconds)) / rate
    return np.where((at % 1 >= 0.5) & (at % 1 < 0.6), 0.5 * np.sin(2 * math.pi * 1000 * at), 0.0)


def aac_source(
    sound: Sound, rate: int = 48_000, layout: str = "stereo"
) -> tuple[Track, list[Sample]]:
    """AAC as a publisher sends it: pts already say when the sound is to be heard."""
    encoder = av.CodecContext.create("aac", "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, layout, "fltp"
    encoder.flags |= Flags.global_header
    encoder.bit_rate = 256_000
    encoder.open()
    channels = encoder.layout.nb_channels
    packets: list[Packet[Any]] = []
    for start in range(0, len(sound) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        piece = np.tile(sound[start : start + FRAME_SAMPLES].astype(np.float32), (channels, 1))
        frame = AudioFrame.from_ndarray(piece, "fltp", layout)
        frame.sample_rate, frame.pts = rate, start
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    track = Track(
        "audio", Codec.AAC, rate, encoder.extradata or b"", sample_rate=rate, channels=channels
    )
    samples = []
    for packet in packets:
        assert packet.pts is not None
        pts = EPOCH_S * rate + packet.pts
        samples.append(Sample("audio", pts, pts, bytes(packet), True, FRAME_SAMPLES))
    return track, samples


def transcode(transcoder: AudioTranscoder, samples: Sequence[Sample]) -> list[Sample]:
    made = [out for sample in samples for out in transcoder.push(sample)]
    return made + transcoder.flush()


def heard(track: Track, samples: Sequence[Sample], seconds: float) -> Sound:
    """What a player plays on the media time line from EPOCH_S: each frame at its pts."""
    is_opus = track.codec is Codec.OPUS
    decoder = CodecContext.create("opus" if is_opus else "aac", "r")
    config = track.codec_config
    # Packets say when they are heard, so nothing is to be skipped at the start.
    decoder.extradata = (
        write_opus_head(replace(parse_dops(config), pre_skip=0)) if is_opus else config
    )
    line = np.zeros(round(track.sample_rate * seconds) + 4 * FRAME_SAMPLES)
    for sample in samples:
        packet: Packet[Any] = Packet(sample.data)
        packet.pts, packet.time_base = sample.pts, Fraction(1, track.timescale)
        for frame in decoder.decode(packet):
            at = sample.pts - EPOCH_S * track.timescale
            mono = frame.to_ndarray().mean(0)[max(0, -at) :]
            line[max(0, at) : max(0, at) + len(mono)] = mono
    return line[: round(track.sample_rate * seconds)]


def shift(a: Sound, b: Sound, most: int = 200) -> int:
    """By how many samples `b` is late against `a`."""
    inner = slice(most, len(a) - most)
    fits = [float(a[inner] @ np.roll(b, -by)[inner]) for by in range(-most, most + 1)]
    return int(np.argmax(fits)) - most


def contiguous(samples: Sequence[Sample]) -> bool:
    return all(b.pts - a.pts == FRAME_SAMPLES for a, b in pairwise(samples))


def test_sound_is_heard_at_the_sample_at_which_it_was() -> None:
    sound = beep(48_000, 2.5)
    track, samples = aac_source(sound)
    transcoder = AudioTranscoder(track, STEREO)
    made = transcode(transcoder, samples)
    assert contiguous(made)
    again = heard(transcoder.track, made, 2.5)
    assert shift(sound, again) == 0
    assert float(np.corrcoef(sound[4096:-4096], again[4096:-4096])[0, 1]) > 0.99


def test_the_first_access_unit_begins_with_the_sources() -> None:
    track, samples = aac_source(beep(48_000, 1.0))
    made = transcode(AudioTranscoder(track, STEREO), samples)
    assert made[0].pts == samples[0].pts
    assert all(s.dts == s.pts and s.duration == FRAME_SAMPLES and s.is_sync for s in made)


def test_opus_becomes_aac_of_the_same_time_and_length() -> None:
    clip = opus_clip(1.0)
    made = transcode(AudioTranscoder(clip.track, STEREO), clip.samples)
    assert made[0].pts == clip.samples[0].pts
    assert contiguous(made)
    end = clip.samples[-1].pts + 960
    assert abs(made[-1].pts + FRAME_SAMPLES - end) <= FRAME_SAMPLES


@pytest.mark.parametrize(
    ("rate", "codec", "joined_at"),
    [
        (44_100, Codec.AAC, 0),
        (44_100, Codec.OPUS, 7),
        (22_050, Codec.AAC, 7),
        (8_000, Codec.AAC, 0),
    ],
)
def test_mp3_is_heard_when_it_was(rate: int, codec: Codec, joined_at: int) -> None:
    """Also where the bits of the first frames lie in frames before them."""
    samples = [
        Sample("audio", EPOCH_S * rate + pts, EPOCH_S * rate + pts, data, True)
        for pts, data in mp3_packets(beep(rate, 2.5), rate, "stereo")
    ]
    source = Track("audio", Codec.MP3, rate, b"", sample_rate=rate, channels=2)
    transcoder = AudioTranscoder(source, replace(STEREO, codec=codec))
    made = transcode(transcoder, samples[joined_at:])
    assert transcoder.errors == 0
    again = heard(transcoder.track, made, 2.5)
    assert float(np.abs(again).max()) > 0.3
    late = shift(beep(48_000, 2.5), again)
    assert abs(late) <= 48


@pytest.mark.parametrize("rate", [44_100, 22_050, 96_000])
def test_another_sampling_rate_keeps_the_time(rate: int) -> None:
    track, samples = aac_source(beep(rate, 2.5), rate)
    transcoder = AudioTranscoder(track, STEREO)
    made = transcode(transcoder, samples)
    assert contiguous(made)
    assert transcoder.track.timescale == transcoder.track.sample_rate == 48_000
    assert abs(shift(beep(48_000, 2.5), heard(transcoder.track, made, 2.5))) <= 1


@pytest.mark.parametrize(("layout", "channels"), [("5.1", 2), ("mono", 1), ("stereo", 2)])
def test_channels_are_mixed_down_to_two_or_one(layout: str, channels: int) -> None:
    track, samples = aac_source(beep(48_000, 1.5), layout=layout)
    transcoder = AudioTranscoder(track, replace(STEREO, channels=channels))
    made = transcode(transcoder, samples)
    config = parse_audio_specific_config(transcoder.track.codec_config)
    assert (config.channels, config.sample_rate, config.object_type) == (channels, 48_000, 2)
    assert shift(beep(48_000, 1.5), heard(transcoder.track, made, 1.5)) == 0


def test_a_gap_is_filled_with_silence_to_the_sample() -> None:
    sound = beep(48_000, 2.5)
    track, samples = aac_source(sound)
    kept = samples[:30] + samples[45:]
    transcoder = AudioTranscoder(track, STEREO)
    made = transcode(transcoder, kept)
    assert contiguous(made)
    again = heard(transcoder.track, made, 2.5)
    late = slice(70_000, 110_000)
    assert shift(sound[late], again[late]) == 0


def test_repeated_time_is_left_out() -> None:
    sound = beep(48_000, 2.5)
    track, samples = aac_source(sound)
    repeated = samples[:30] + samples[27:]
    transcoder = AudioTranscoder(track, STEREO)
    made = transcode(transcoder, repeated)
    assert contiguous(made)
    late = slice(70_000, 110_000)
    assert shift(sound[late], heard(transcoder.track, made, 2.5)[late]) == 0


def test_rounded_timestamps_make_no_holes() -> None:
    clip = opus_clip(1.0)
    rounded = [replace(s, pts=s.pts + (37 if n % 2 else -41)) for n, s in enumerate(clip.samples)]
    made = transcode(AudioTranscoder(clip.track, STEREO), rounded)
    assert contiguous(made)
    assert len(made) == len(transcode(AudioTranscoder(clip.track, STEREO), clip.samples))


def test_a_discontinuity_begins_anew_and_is_said_once() -> None:
    track, samples = aac_source(beep(48_000, 1.0))
    jump = 3600 * 48_000 + 123
    later = [replace(s, pts=s.pts + jump, dts=s.dts + jump) for s in samples]
    later[0] = replace(later[0], discontinuity=True)
    made = transcode(AudioTranscoder(track, STEREO), [*samples, *later])
    (broken,) = [n for n, s in enumerate(made) if s.discontinuity]
    assert made[broken].pts == samples[0].pts + jump
    assert made[broken - 1].pts < samples[-1].pts + FRAME_SAMPLES
    assert contiguous(made[:broken])
    assert contiguous(made[broken:])


def test_a_gap_too_long_for_silence_begins_a_new_run() -> None:
    track, samples = aac_source(beep(48_000, 1.0))
    later = [replace(s, pts=s.pts + 480_000, dts=s.dts + 480_000) for s in samples]
    made = transcode(AudioTranscoder(track, STEREO), [*samples, *later])
    assert len(made) < 2 * len(samples) + 2
    assert samples[0].pts + 480_000 in [s.pts for s in made]


def test_broken_access_units_are_counted_and_bridged() -> None:
    track, samples = aac_source(beep(48_000, 2.0))
    samples[20] = replace(samples[20], data=b"\xff" * 40)
    transcoder = AudioTranscoder(track, STEREO)
    made = transcode(transcoder, samples)
    assert transcoder.errors >= 1
    assert contiguous(made)
    assert made[-1].pts >= samples[-1].pts - 2 * FRAME_SAMPLES


def test_capture_times_are_passed_on() -> None:
    track, samples = aac_source(beep(48_000, 1.0))
    stamped = [replace(s, captured_utc=s.pts / 48_000) for s in samples]
    made = AudioTranscoder(track, STEREO)
    for sample in stamped:
        for out in made.push(sample):
            assert abs(out.captured_utc - out.pts / 48_000) < 0.1


OPUS = PlannedAudio("webrtc_audio", 48_000, 2, 96, Codec.OPUS)


def test_sound_for_webrtc_becomes_opus_at_the_same_media_time() -> None:
    track, samples = aac_source(beep(48_000, 3.0))
    transcoder = AudioTranscoder(track, OPUS)

    made = transcode(transcoder, samples)

    assert transcoder.track.codec is Codec.OPUS
    assert parse_dops(transcoder.track.codec_config).channels == 2
    assert all(packet_duration(sample.data) == sample.duration for sample in made)
    assert all(b.pts - a.pts == a.duration for a, b in pairwise(made))
    line = heard(transcoder.track, made, 3.0)
    loud = np.flatnonzero(np.abs(line) > 0.1)
    assert abs(loud[0] / 48_000 - 0.5) < 0.005  # where the beep begins


def test_opus_leaves_as_one_packet_with_the_access_unit_that_completes_it() -> None:
    track, samples = aac_source(beep(48_000, 2.0))
    transcoder = AudioTranscoder(track, OPUS)
    lookahead = 120  # of the encoder: 2.5 ms

    for sample in samples[3:]:
        made = transcoder.push(sample)
        if sample is samples[3]:
            continue  # the decoder's first frame comes with the second access unit
        assert len(made) == 1
        waits = sample.pts + FRAME_SAMPLES - made[0].pts - made[0].duration
        assert waits < 480 + lookahead
