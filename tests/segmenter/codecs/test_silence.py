"""Silent access units, decoded by FFmpeg."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

import av
import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext

from segmenter.codecs.aac import write_audio_specific_config
from segmenter.codecs.opus import OpusConfig, write_dops, write_opus_head
from segmenter.codecs.silence import silence_of
from segmenter.media import Codec, Track

LOUD = 0.001


def aac_track(channels: int, rate: int = 48_000, object_type: int = 2) -> Track:
    config = write_audio_specific_config(rate, channels, object_type)
    return Track("audio", Codec.AAC, rate, config, sample_rate=rate, channels=channels)


def decoded(codec: str, extradata: bytes, packets: list[bytes], rate: int) -> np.ndarray:
    context = cast(AudioCodecContext, av.CodecContext.create(codec, "r"))
    context.extradata = extradata
    pictures = []
    for number, data in enumerate(packets):
        packet = av.Packet(data)
        packet.pts, packet.time_base = number * 1024, Fraction(1, rate)
        pictures += [frame.to_ndarray() for frame in context.decode(packet)]
    return np.concatenate(pictures, axis=1)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_silent_aac_is_silent_in_every_channel(channels: int, rate: int) -> None:
    track = aac_track(channels, rate)
    silence = silence_of(track)
    assert silence is not None
    assert silence.ticks == 1024
    sound = decoded("aac", track.codec_config, [silence.data] * 5, rate)
    assert sound.shape == (channels, 5 * 1024)
    assert np.abs(sound).max() == 0


@pytest.mark.parametrize("channels", [1, 2])
def test_silent_opus_is_silent(channels: int) -> None:
    config = OpusConfig(channels, 0, 48_000, 0, 0)
    track = Track(
        "audio", Codec.OPUS, 48_000, write_dops(config), sample_rate=48_000, channels=channels
    )
    silence = silence_of(track)
    assert silence is not None
    assert silence.ticks == 960
    sound = decoded("libopus", write_opus_head(config), [silence.data] * 5, 48_000)
    assert sound.size >= 4 * 960
    assert np.abs(sound.astype(float)).max() < LOUD


def test_what_has_no_frame_of_1024_samples_has_no_silence_here() -> None:
    assert silence_of(aac_track(2, 48_000, 5)) is None
    assert silence_of(aac_track(8)) is None
    video = Track("v", Codec.H264, 90_000, b"", width=16, height=16)
    assert silence_of(video) is None


def test_a_hole_is_filled_to_the_nearest_frame() -> None:
    silence = silence_of(aac_track(2))
    assert silence is not None
    samples = silence.samples("audio", 5_000, 5_000 + 3 * 1024 + 400)
    assert [sample.dts for sample in samples] == [5_000, 6_024, 7_048]
    assert all(sample.duration == 1024 and sample.is_sync for sample in samples)
