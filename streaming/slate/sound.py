"""What a slate sounds like, encoded as the live sound is: AAC or Opus, same rate and channels.

A loop is cut out of a longer encode, from its second round, so that its end leads into its
beginning as a decoder needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final, cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.resampler import AudioResampler
from av.codec.context import CodecContext, Flags
from av.error import FFmpegError
from av.packet import Packet
from numpy.typing import NDArray

from segmenter.codecs.aac import AacConfig, parse_audio_specific_config
from segmenter.codecs.opus import dops_from_opus_head
from segmenter.errors import MediaError
from segmenter.media import Codec, Track
from streaming.errors import LocalError
from streaming.slate.loop import SlateStrip

LOOP_S: Final = 2.0
"""Of silence and tone."""
MOST_FILE_S: Final = 60.0
"""Of a sound file; a minute at 128 kbit/s is a megabyte, held in memory for each path."""
_TONE_HZ: Final = 440
_TONE_S: Final = 0.15
_TONE_LEVEL: Final = 0.1
"""-20 dBFS: a sign of life, no alarm."""
_BITRATE_PER_CHANNEL: Final = 64_000
_LAYOUTS: Final = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
_OPUS_FRAME: Final = 960
"""20 ms at 48 kHz."""
_OPUS_RATE: Final = 48_000
_LC: Final = 2

Waveform = NDArray[np.float32]
"""Shape (channels, samples)."""


def encode_sound(track: Track, wanted: str) -> SlateStrip:
    """A strip of `wanted` ("silence", "tone" or a file) in the form of `track`.

    Raises LocalError for a file without sound, and what FFmpeg raises when it cannot encode.
    """
    rate = _OPUS_RATE if track.codec is Codec.OPUS else track.sample_rate
    layout = _LAYOUTS.get(track.channels)
    if layout is None:
        raise LocalError(f"there is no layout of {track.channels} channels")
    frame = _OPUS_FRAME if track.codec is Codec.OPUS else 1_024
    wave = _waveform(wanted, rate, layout, track.channels)
    count = max(1, wave.shape[1] // frame)
    wave = np.resize(wave.T, (count * frame, track.channels)).T
    encoder = _open(track, rate, layout)
    packets = _second_round(encoder, wave, rate, layout, frame, count)
    return SlateStrip(_track(track, encoder), packets, Fraction(frame, rate))


def _second_round(
    encoder: AudioCodecContext, wave: Waveform, rate: int, layout: str, frame: int, count: int
) -> tuple[tuple[bytes, bool], ...]:
    packets: list[Packet[Any]] = []
    for index in range(3 * count):
        first = index % count * frame
        block = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(wave[:, first : first + frame]), "fltp", layout
        )
        block.sample_rate, block.pts, block.time_base = rate, index * frame, Fraction(1, rate)
        if encoder.format.name != "fltp":
            (block,) = AudioResampler(encoder.format, layout, rate).resample(block)
        packets += encoder.encode(block)
    return tuple((bytes(packet), True) for packet in packets[count : 2 * count])


def _open(track: Track, rate: int, layout: str) -> AudioCodecContext:
    name = "libopus" if track.codec is Codec.OPUS else "aac"
    encoder = cast(AudioCodecContext, CodecContext.create(name, "w"))
    encoder.sample_rate, encoder.layout = rate, layout
    encoder.format = "flt" if track.codec is Codec.OPUS else "fltp"
    encoder.bit_rate = _BITRATE_PER_CHANNEL * track.channels
    encoder.time_base = Fraction(1, rate)
    encoder.flags |= Flags.global_header
    encoder.thread_count = 1
    encoder.open()
    return encoder


def _track(live: Track, encoder: AudioCodecContext) -> Track:
    """The live track itself where its decoder takes what we encoded, so that nothing changes."""
    extradata = encoder.extradata or b""
    if live.codec is Codec.OPUS:
        config = dops_from_opus_head(extradata)
    elif _is_low_complexity(live):
        return live
    else:
        config = extradata
    return Track(
        live.name,
        live.codec,
        live.timescale,
        config,
        sample_rate=live.sample_rate,
        channels=live.channels,
        bitrate=live.bitrate,
        language=live.language,
    )


def _is_low_complexity(live: Track) -> bool:
    try:
        config: AacConfig = parse_audio_specific_config(live.codec_config)
    except MediaError:
        return False
    return config.object_type == _LC and config.samples_per_frame == 1_024


def _waveform(wanted: str, rate: int, layout: str, channels: int) -> Waveform:
    if wanted in ("silence", "tone"):
        moment = np.arange(int(LOOP_S * rate)) / rate
        tone = _TONE_LEVEL * np.sin(2 * np.pi * _TONE_HZ * moment) * (moment < _TONE_S)
        wave = tone if wanted == "tone" else np.zeros_like(moment)
        return np.tile(wave, (channels, 1)).astype(np.float32)
    blocks = list(_file_blocks(wanted, rate, layout))
    if not blocks:
        raise LocalError(f"{wanted} has no sound", value=wanted)
    return np.concatenate(blocks, axis=1)


def _file_blocks(file: str, rate: int, layout: str) -> Iterator[Waveform]:
    resampler = AudioResampler("fltp", layout, rate)
    left = int(MOST_FILE_S * rate)
    try:
        with av.open(file, timeout=5.0) as container:
            for decoded in container.decode(audio=0):
                for block in resampler.resample(decoded):
                    yield block.to_ndarray()[:, :left].astype(np.float32)
                    left -= block.samples
                if left <= 0:
                    return
    except (FFmpegError, OSError, IndexError, ValueError) as error:
        raise LocalError(f"{file} has no sound: {error}", value=file) from error
