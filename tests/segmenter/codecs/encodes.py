"""Tiny encodes by FFmpeg's encoders, the outside judge of what our parsers read."""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np


@dataclass(frozen=True)
class Encode:
    """An encoder's packets, its extradata, and the MP4 that FFmpeg's muxer made of them."""

    extradata: bytes
    packets: tuple[bytes, ...]
    keyframes: tuple[bool, ...]
    mp4: bytes

    def box(self, kind: str) -> bytes:
        """Content of the first box of that type anywhere in the MP4."""
        at = self.mp4.index(kind.encode())
        size = int.from_bytes(self.mp4[at - 4 : at], "big")
        return self.mp4[at + 4 : at - 4 + size]


@functools.cache
def encode_video(
    codec: str,
    width: int = 320,
    height: int = 180,
    rate: Fraction = Fraction(30),
    pixels: str = "yuv420p",
    frames: int = 6,
    options: tuple[tuple[str, str], ...] = (),
    container_format: str = "mp4",
) -> Encode:
    """``frames`` pictures of a moving ramp, as raw packets and as MP4."""
    out = io.BytesIO()
    with av.open(out, "w", format=container_format) as container:
        stream: Any = container.add_stream(codec, rate=rate, options=dict(options))
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.codec_context.thread_count = 1
        packets = []
        for index in range(frames):
            ramp = np.add.outer(np.arange(height) * 2, np.arange(width) + 16 * index)
            picture = np.stack([ramp.astype(np.uint8)] * 3, axis=-1)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = index
            packets += stream.encode(frame.reformat(format=pixels))
        packets += stream.encode(None)
        raw = tuple(bytes(packet) for packet in packets)
        keys = tuple(bool(packet.is_keyframe) for packet in packets)
        for packet in packets:
            container.mux(packet)
        extradata = bytes(stream.codec_context.extradata or b"")
    return Encode(extradata, raw, keys, out.getvalue())


@functools.cache
def encode_audio(codec: str, rate: int = 48000, layout: str = "stereo") -> Encode:
    """A fifth of a second of a tone, as raw packets and as MP4."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream: Any = container.add_stream(codec, rate=rate, layout=layout)
        wave = np.sin(np.arange(rate // 5) * 0.05).astype(np.float32) / 4
        frame = av.AudioFrame.from_ndarray(
            np.tile(wave, (stream.codec_context.layout.nb_channels, 1)),
            format="fltp",
            layout=layout,
        )
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(stream.format, layout, rate, stream.frame_size)
        packets = []
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            packets += stream.encode(piece)
        packets += stream.encode(None)
        raw = tuple(bytes(packet) for packet in packets)
        for packet in packets:
            container.mux(packet)
        extradata = bytes(stream.codec_context.extradata or b"")
    return Encode(extradata, raw, (True,) * len(raw), out.getvalue())
