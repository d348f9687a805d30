"""Small real encodes as tracks and samples, made by FFmpeg's encoders and its MP4 muxer.

The muxer gives the canonical form (length prefixes, configuration records) without any code of
ours in between.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np

from segmenter.media import Codec, Sample, Track

PACKAGED = [codec for codec in Codec if codec.is_packaged]

WIDTH, HEIGHT, FRAMES, RATE = 160, 96, 30, 25
SAMPLE_RATE = 48_000
EPOCH_S = 1_760_000_000
"""Media time is counted from 1970: every test runs at the size that tfdt has in use."""

_VIDEO_ENCODERS = {
    Codec.H264: ("libx264", {"preset": "ultrafast", "x264-params": "bframes=2:keyint=15"}),
    Codec.H265: ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none:keyint=15"}),
    Codec.AV1: ("libsvtav1", {"preset": "12", "svtav1-params": "keyint=15:lp=1"}),
    Codec.VP9: ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "g": "15"}),
}
_AUDIO_ENCODERS = {Codec.AAC: "aac", Codec.OPUS: "libopus"}
_VP9_RECORD = bytes.fromhex("000a82010101 0000".replace(" ", ""))


@functools.cache
def encode(codec: Codec) -> tuple[Track, tuple[Sample, ...]]:
    """A track and its samples in media time; the first sample's pts equals its dts."""
    with av.open(io.BytesIO(encode_mp4(codec))) as source:
        stream = source.streams[0]
        track = _track(codec, stream)
        packets = [packet for packet in source.demux(stream) if packet.dts is not None]
        return track, _samples(track, packets)


@functools.cache
def encode_mp4(codec: Codec) -> bytes:
    """The same encode as a plain MP4 file."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4", options={"video_track_timescale": "90000"}) as output:
        if codec in _VIDEO_ENCODERS:
            _encode_video(output, codec)
        else:
            _encode_audio(output, codec)
    return file.getvalue()


def mux(codecs: Sequence[Codec], movflags: str) -> bytes:
    """The encodes interleaved in one fragmented file by FFmpeg's muxer."""
    file = io.BytesIO()
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(
            av.open(file, "w", format="mp4", options={"movflags": movflags})
        )
        packets = []
        for codec in codecs:
            source = stack.enter_context(av.open(io.BytesIO(encode_mp4(codec))))
            stream = output.add_stream_from_template(source.streams[0])
            for packet in source.demux(source.streams[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    packets.append(packet)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            output.mux(packet)
        output.close()
    return file.getvalue()


def _encode_video(output: av.container.OutputContainer, codec: Codec) -> None:
    name, options = _VIDEO_ENCODERS[codec]
    stream = output.add_stream(name, rate=RATE, options=options)
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    stream.codec_context.thread_count = 1
    stream.codec_context.bit_rate = 200_000
    if codec is Codec.H265:
        stream.codec_context.codec_tag = "hvc1"
    picture = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    for number in range(FRAMES):
        picture[:, :] = (number * 8, 128, 255 - number * 8)
        picture[20:40, number * 4 : number * 4 + 20] = 255
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, RATE)
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def _encode_audio(output: av.container.OutputContainer, codec: Codec) -> None:
    stream = output.add_stream(_AUDIO_ENCODERS[codec], rate=SAMPLE_RATE, layout="stereo")
    is_opus = codec is Codec.OPUS
    size = 960 if is_opus else 1024
    dtype, layout = (np.int16, "s16") if is_opus else (np.float32, "fltp")
    for number in range(20):
        tone = np.sin(np.arange(number * size, (number + 1) * size) * 0.05) * 0.3
        if is_opus:
            samples = np.repeat((tone * 32767).astype(dtype), 2)[np.newaxis]
        else:
            samples = np.stack([tone, tone]).astype(dtype)
        frame = av.AudioFrame.from_ndarray(samples, format=layout, layout="stereo")
        frame.sample_rate, frame.pts = SAMPLE_RATE, number * size
        frame.time_base = Fraction(1, SAMPLE_RATE)
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def _track(codec: Codec, stream: av.stream.Stream) -> Track:
    config = bytes(stream.codec_context.extradata or b"")
    if codec in _VIDEO_ENCODERS:
        config = _VP9_RECORD if codec is Codec.VP9 else config
        return Track("source", codec, 90_000, config, width=WIDTH, height=HEIGHT, bitrate=200_000)
    if codec is Codec.OPUS:
        config = dops_of_opus_head(config)
    return Track(
        "audio", codec, SAMPLE_RATE, config, sample_rate=SAMPLE_RATE, channels=2, language="de"
    )


def dops_of_opus_head(head: bytes) -> bytes:
    """dOps content of an OpusHead (RFC 7845 5.1): version 0, big endian, no magic."""
    skip, rate, gain = head[10:12], head[12:16], head[16:18]
    return bytes((0, head[9])) + skip[::-1] + rate[::-1] + gain[::-1] + head[18:]


def _samples(track: Track, packets: list[av.Packet]) -> tuple[Sample, ...]:
    """Packets moved to the epoch, their dts shifted so that the first one's equals its pts."""
    epoch = EPOCH_S * track.timescale
    delay = packets[0].pts - packets[0].dts
    base = epoch - packets[0].pts
    samples = [
        Sample(
            track.name,
            base + packet.dts + delay,
            base + packet.pts,
            bytes(packet),
            packet.is_keyframe,
            packet.duration,
        )
        for packet in packets
    ]
    following = [sample.dts for sample in samples[1:]] + [samples[-1].dts + samples[-1].duration]
    return tuple(
        dataclasses.replace(sample, duration=end - sample.dts)
        for sample, end in zip(samples, following, strict=True)
    )
