"""Decodes and encodes anew what we cannot package: MP2, AC-3, MP3 to AAC, VP8, MPEG-2 to H.264."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from fractions import Fraction

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from segmenter.media import VIDEO_TIMESCALE, Codec, Sample, Track
from streaming.errors import RemoteError
from streaming.ingest.rotation import Turn
from streaming.transcode import encoders, video_decoder
from streaming.transcode.deinterlacer import Deinterlacer
from streaming.transcode.planned_rung import even_size
from streaming.transcode.rung_encoder import Look
from streaming.transcode.scaler import PIXEL_FORMAT, Cascade
from streaming.transcode.video_decoder import DecodedFrame

MAX_DECODE_ERRORS = 100
"""In a row: broken pictures happen after a loss, but 100 of them are a source that is not one."""
_SAMPLE_RATE = 48_000
_AUDIO_BITRATE = 128_000
_FRAME_SAMPLES = 1_024
_GOP_TICKS = 2 * VIDEO_TIMESCALE
_BITS_PER_PIXEL = 0.1
"""At 30 fps this gives 2.8 Mb/s for 720p, what a veryfast encoder needs to look like its source."""
_ASSUMED_FPS = 30
MOST_LINES = 1080
"""Of the shorter side: real time is what counts, and what a phone takes in 4K fits no stream."""


class AudioRecoder:
    """Owns a decoder, a resampler and an AAC encoder for one stream; a demuxer calls it."""

    def __init__(self, stream: AudioStream, name: str) -> None:
        self._decoder = _Decoder(stream)
        layout = "mono" if stream.codec_context.channels == 1 else "stereo"
        self._resampler = AudioResampler("fltp", layout, _SAMPLE_RATE, _FRAME_SAMPLES)
        self._encoder = _open_aac(layout)
        self.track = Track(
            name=name,
            codec=Codec.AAC,
            timescale=_SAMPLE_RATE,
            codec_config=self._encoder.extradata or b"",
            sample_rate=_SAMPLE_RATE,
            channels=1 if layout == "mono" else 2,
            bitrate=_AUDIO_BITRATE,
            language=stream.language or "",
        )

    def read(self, packet: Packet[Stream]) -> list[Sample]:
        """Samples in ticks of 90 kHz. Raises RemoteError when nothing can be decoded."""
        samples: list[Sample] = []
        for frame in self._decoder.decode(packet):
            assert isinstance(frame, AudioFrame)
            for resampled in self._resampler.resample(frame):
                samples += self._samples(self._encoder.encode(resampled))
        return samples

    def flush(self) -> list[Sample]:
        """What the encoder still holds; nothing may follow."""
        samples: list[Sample] = []
        for resampled in self._resampler.resample(None):
            samples += self._samples(self._encoder.encode(resampled))
        return samples + self._samples(self._encoder.encode(None))

    def _samples(self, packets: Iterable[Packet[Stream]]) -> list[Sample]:
        samples = []
        for packet in packets:
            if packet.pts is None:
                continue
            ticks = packet.pts * VIDEO_TIMESCALE // _SAMPLE_RATE
            samples.append(
                Sample(self.track.name, ticks, ticks, bytes(packet), True, _FRAME_SAMPLES)
            )
        return samples


class VideoRecoder:
    """Owns a decoder and an H.264 encoder for one stream; a demuxer calls it.

    Key frames lie at least every two seconds of the source's own time. Interlaced frames become
    whole ones; colours and the shape of pixels are what they were, and said to be so: the encoder
    is therefore opened with the first frame, which tells them.
    """

    def __init__(self, stream: VideoStream, name: str, rotation: int = 0) -> None:
        self._decoder = _Decoder(stream)
        self._stream, self._name = stream, name
        self._context = context = stream.codec_context
        self._turn = Turn(rotation)
        if not context.width or not context.height:
            raise RemoteError(f"{context.name} video without a size")
        self._size = _size_to_encode(context.width, context.height)
        # Not each frame's own, which PyAV leaves out of those that a flush gives.
        self._time_base = stream.time_base or Fraction(1, VIDEO_TIMESCALE)
        self._next_key = -(1 << 62)
        self._last: int | None = None
        self._deinterlacer = Deinterlacer()
        self._scaler = Cascade([self._size])
        self._encoder: VideoCodecContext | None = None
        self.track: Track | None = None

    def read(self, packet: Packet[Stream]) -> list[Sample]:
        """Samples in ticks of 90 kHz. Raises RemoteError when nothing can be decoded."""
        samples: list[Sample] = []
        for frame in self._decoder.decode(packet):
            assert isinstance(frame, VideoFrame)
            samples += self._take(frame)
        return samples

    def flush(self) -> list[Sample]:
        """What the decoder and the encoder still hold; nothing may follow."""
        samples: list[Sample] = []
        for frame in self._decoder.decode(None):
            assert isinstance(frame, VideoFrame)
            samples += self._take(frame)
        samples += self._encode(self._deinterlacer.flush())
        return samples + (self._samples(self._encoder.encode(None)) if self._encoder else [])

    def _take(self, frame: VideoFrame) -> list[Sample]:
        if frame.pts is None:
            return []
        ticks = round(frame.pts * self._time_base * VIDEO_TIMESCALE)
        whole: list[DecodedFrame] = []
        if self._last is not None and ticks <= self._last:
            whole = self._deinterlacer.flush()
        self._last = ticks
        return self._encode(whole + self._deinterlacer.push(DecodedFrame(frame, ticks, 0.0)))

    def _encode(self, frames: Iterable[DecodedFrame]) -> list[Sample]:
        samples: list[Sample] = []
        for frame in frames:
            encoder = self._encoder = self._encoder or self._open(frame.frame)
            (picture,) = self._scaler.scale(frame.frame, [True])
            assert picture is not None
            picture = self._turn.apply(picture)
            picture.pts, picture.time_base = frame.pts, Fraction(1, VIDEO_TIMESCALE)
            # A step back is a source that began anew.
            is_key = not self._next_key - _GOP_TICKS <= frame.pts < self._next_key
            picture.pict_type = PictureType.I if is_key else PictureType.NONE
            if is_key:
                self._next_key = (frame.pts // _GOP_TICKS + 1) * _GOP_TICKS
            samples += self._samples(encoder.encode(picture))
        return samples

    def _open(self, frame: VideoFrame) -> VideoCodecContext:
        rate = self._stream.average_rate or Fraction(0)
        width, height = self._size[::-1] if self._turn.swaps_sides else self._size
        bitrate = int(width * height * float(rate or _ASSUMED_FPS) * _BITS_PER_PIXEL)
        shape = self._context.sample_aspect_ratio or Fraction(1)
        look = Look.of(frame, 1 / shape if self._turn.swaps_sides else shape)
        encoder = _open_h264(width, height, rate, bitrate, look)
        self.track = Track(
            name=self._name,
            codec=Codec.H264,
            timescale=VIDEO_TIMESCALE,
            codec_config=encoder.extradata or b"",
            width=width,
            height=height,
            frame_rate=rate,
            bitrate=bitrate,
            language=self._stream.language or "",
        )
        return encoder

    def _samples(self, packets: Iterable[Packet[Stream]]) -> list[Sample]:
        return [
            Sample(self._name, packet.dts, packet.pts, bytes(packet), packet.is_keyframe)
            for packet in packets
            if packet.dts is not None and packet.pts is not None
        ]


class _Decoder:
    """A stream's decoder that bears a broken packet, but not a hundred in a row."""

    def __init__(self, stream: VideoStream | AudioStream) -> None:
        self._context = context = stream.codec_context
        context.thread_count = 1
        if isinstance(stream, VideoStream) and isinstance(context, VideoCodecContext):
            rate = stream.average_rate or Fraction(0)
            context.thread_count = _threads(
                context.width, context.height, rate, video_decoder.MPIXELS_PER_THREAD
            )
        self._errors = 0

    def decode(self, packet: Packet[Stream] | None) -> Iterable[AudioFrame | VideoFrame]:
        try:
            frames = self._context.decode(packet)
        except av.FFmpegError as error:
            self._errors += 1
            if self._errors > MAX_DECODE_ERRORS:
                raise RemoteError(
                    f"{self._context.name} cannot be decoded: {error.strerror}"
                ) from error
            return []
        self._errors = 0
        return frames


def _size_to_encode(width: int, height: int) -> tuple[int, int]:
    shrink = min(Fraction(1), Fraction(MOST_LINES, min(width, height)))
    return even_size(width * shrink, width), even_size(height * shrink, height)


def _threads(width: int, height: int, rate: Fraction, mpixels_per_thread: int) -> int:
    mpixels_per_s = width * height * float(rate or _ASSUMED_FPS) / 1e6
    return max(1, min(math.ceil(mpixels_per_s / mpixels_per_thread), os.cpu_count() or 1, 8))


def _open_aac(layout: str) -> AudioCodecContext:
    encoder = av.CodecContext.create("aac", "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = _SAMPLE_RATE, layout, "fltp"
    encoder.bit_rate = _AUDIO_BITRATE
    encoder.time_base = Fraction(1, _SAMPLE_RATE)
    encoder.open()
    return encoder


def _open_h264(
    width: int, height: int, rate: Fraction, bitrate: int, look: Look
) -> VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, PIXEL_FORMAT
    encoder.thread_count = _threads(width, height, rate, encoders.MPIXELS_PER_THREAD)
    look.apply_to(encoder)
    encoder.time_base = Fraction(1, VIDEO_TIMESCALE)
    encoder.framerate = rate or Fraction(_ASSUMED_FPS)
    encoder.bit_rate = bitrate
    encoder.flags |= Flags.global_header
    encoder.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "forced-idr": "1",
        "maxrate": str(bitrate * 3 // 2),
        "bufsize": str(bitrate),
        # annexb=0: x264 writes our canonical form (avcC, 4-byte lengths) itself.
        "x264-params": "annexb=0:keyint=infinite:scenecut=0",
    }
    encoder.open()
    return encoder
