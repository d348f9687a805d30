"""Small sources made on the spot: tracks and samples in media time, as the timeline gives them."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.codec.context import CodecContext, Flags
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from numpy.typing import NDArray

from segmenter.codecs import h264, h265
from segmenter.codecs.nal_units import split_annex_b, split_length_prefixed
from segmenter.codecs.opus import dops_from_opus_head
from segmenter.media import VIDEO_TIMESCALE, Codec, Sample, Track
from streaming.transcode.ladder import LadderPlan
from streaming.transcode.messages import StartMessage, TrackMessage
from streaming.transcode.transcoder import Transcoder

EPOCH_S = 1_790_000_001
"""Media time of the first frame: the size that is real, off the two-second grid by one."""
EPOCH = EPOCH_S * VIDEO_TIMESCALE
TIME_BASE = Fraction(1, VIDEO_TIMESCALE)


def picture(index: int, width: int, height: int) -> VideoFrame:
    """A gradient that moves, so that neighbouring frames differ and compress well."""
    y, x = np.mgrid[0:height, 0:width]
    luma = (x * 160 // width + y * 60 // height + 4 * index) % 200 + 20
    planes = [luma, 128 + 30 * np.sin((x + index) / 40)[::2, ::2], 118 + 0 * x[::2, ::2]]
    flat = np.concatenate([plane.astype(np.uint8).reshape(-1) for plane in planes])
    return VideoFrame.from_ndarray(flat.reshape(height * 3 // 2, width), format="yuv420p")


def woven(index: int, width: int, height: int) -> VideoFrame:
    """A bright bar that moves by a tenth of the width from field to field, of a frame of two."""
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    planes[:height] = 40
    for field in (0, 1):
        left = (2 * index + field) * width // 10 % (width - width // 5)
        planes[field:height:2, left : left + width // 5] = 200
    return VideoFrame.from_ndarray(planes, format="yuv420p")


def comb(frame: VideoFrame) -> float:
    """How much lines differ from both neighbours, which look like each other: of fields apart."""
    luma = frame.to_ndarray(format="gray").astype(np.int32)
    above, line, below = luma[:-2], luma[1:-1], luma[2:]
    apart = np.minimum(abs(line - above), abs(line - below)) - abs(above - below)
    return float(np.maximum(apart, 0).mean())


def steady(frames: int, frame_rate: Fraction | int, start: int = EPOCH) -> list[int]:
    """pts of constant frame rate, rounded to ticks where the rate is no divisor."""
    return [start + round(n * VIDEO_TIMESCALE / Fraction(frame_rate)) for n in range(frames)]


@dataclass(frozen=True)
class Clip:
    """A source's video."""

    track: Track
    samples: list[Sample]

    @property
    def key_pts(self) -> list[int]:
        return [sample.pts for sample in self.samples if sample.is_sync]


def video_clip(
    pts: Sequence[int],
    *,
    size: tuple[int, int] = (160, 120),
    gop: int = 25,
    frame_rate: Fraction | int = 0,
    b_frames: int = 0,
    codec: Codec = Codec.H264,
    draw: Callable[[int, int, int], VideoFrame] = picture,
    **tags: int | Fraction,
) -> Clip:
    """Encodes a picture for each of `pts`, with a key frame every `gop` frames."""
    context = _encoder(codec, size, frame_rate, b_frames, tags)
    packets: list[Packet[Any]] = []
    for index, at in enumerate(pts):
        frame = draw(index, *size)
        frame.pts, frame.time_base = at, TIME_BASE
        frame.pict_type = PictureType.I if index % gop == 0 else PictureType.NONE
        packets += context.encode(frame)
    packets += context.encode(None)
    nals = split_annex_b(context.extradata or b"")
    module = h265 if codec is Codec.H265 else h264
    track = Track(
        "source",
        codec,
        VIDEO_TIMESCALE,
        module.decoder_configuration_from_nals(nals),
        *size,
        frame_rate=Fraction(frame_rate),
    )
    samples = []
    for dts, packet in zip(sorted(pts), packets, strict=True):
        assert packet.pts is not None
        data = module.access_unit(split_annex_b(bytes(packet)))
        samples.append(Sample("source", dts, packet.pts, data, packet.is_keyframe))
    return Clip(track, samples)


def _encoder(
    codec: Codec,
    size: tuple[int, int],
    frame_rate: Fraction | int,
    b_frames: int,
    tags: Mapping[str, int | Fraction],
) -> VideoCodecContext:
    name = {Codec.H264: "libx264", Codec.H265: "libx265"}[codec]
    context = cast(VideoCodecContext, CodecContext.create(name, "w"))
    context.width, context.height = size
    context.pix_fmt = "yuv420p"
    context.time_base = TIME_BASE
    context.framerate = Fraction(frame_rate or 30)
    context.flags |= Flags.global_header
    context.max_b_frames = b_frames
    context.thread_count = 1
    parameters = f"keyint=1000:scenecut=0:open-gop=0:bframes={b_frames}:b-adapt=0"
    quiet = ":log-level=none:pools=1:frame-threads=1" if codec is Codec.H265 else ""
    context.options = {
        "preset": "ultrafast",
        "forced-idr": "1",
        "crf": "18",
        f"{name[3:]}-params": parameters + quiet,
    }
    for tag, value in tags.items():
        setattr(context, tag, value)
    return context


def opus_clip(seconds: float, start_s: int = EPOCH_S) -> Clip:
    """A 1 kHz tone in stereo Opus, 20 ms packets, that starts with a click of full scale."""
    context = av.CodecContext.create("libopus", "w")
    context.sample_rate, context.layout, context.format = 48_000, "stereo", "s16"
    context.bit_rate = 96_000
    context.open()
    packets: list[Packet[Any]] = []
    for n in range(int(seconds * 50)):
        at = np.arange(n * 960, (n + 1) * 960)
        tone = (np.sin(2 * math.pi * 1000 * at / 48_000) * 9000).astype(np.int16)
        frame = AudioFrame.from_ndarray(np.repeat(tone, 2).reshape(1, -1), "s16", "stereo")
        frame.sample_rate, frame.pts = 48_000, n * 960
        packets += context.encode(frame)
    config = dops_from_opus_head(context.extradata or b"")
    track = Track("audio", Codec.OPUS, 48_000, config, sample_rate=48_000, channels=2)
    samples = [
        Sample("audio", start_s * 48_000 + n * 960, start_s * 48_000 + n * 960, bytes(p), True, 960)
        for n, p in enumerate(packets)
    ]
    return Clip(track, samples)


def mp3_packets(
    sound: Sequence[float] | NDArray[np.float64], rate: int, layout: str
) -> list[tuple[int, bytes]]:
    """`sound` as an encoder of MP3 sends it: pts already say when the sound is to be heard."""
    context = av.CodecContext.create("libmp3lame", "w")
    context.sample_rate, context.layout, context.format = rate, layout, "fltp"
    context.bit_rate = 128_000 if rate >= 32_000 else 32_000
    context.open()
    length = context.frame_size
    packets: list[Packet[Any]] = []
    for start in range(0, len(sound) - length + 1, length):
        piece = np.asarray(sound[start : start + length], np.float32)
        block = np.tile(piece, (context.layout.nb_channels, 1))
        frame = AudioFrame.from_ndarray(block, "fltp", layout)
        frame.sample_rate, frame.pts = rate, start
        packets += context.encode(frame)
    packets += context.encode(None)
    return [(packet.pts or 0, bytes(packet)) for packet in packets]


def fast(plan: LadderPlan) -> LadderPlan:
    """The same plan at the cheapest presets."""
    presets = {Codec.AV1: "12", Codec.VP9: "8"}
    rungs = [replace(r, preset=r.preset or presets.get(r.codec, "ultrafast")) for r in plan.rungs]
    return replace(plan, rungs=tuple(rungs))


def start_message(
    plan: LadderPlan, video: Track | None = None, audio: Track | None = None, **options: Any
) -> StartMessage:
    """What a TranscodeLink sends for `plan`."""
    settings: dict[str, Any] = {
        "video": TrackMessage.from_track(video) if video is not None else None,
        "audio": TrackMessage.from_track(audio) if audio is not None else None,
        "rungs": fast(plan).rungs,
        "follow_source": plan.copies_video,
        "encode_audio": plan.encode_audio,
        "segment_duration_s": 2.0,
        "encoder": "software",
        "frame_hook": "",
        "frame_hook_budget_ms": 10.0,
    }
    return StartMessage(**settings | options)


class Made:
    """All that a transcoder emits."""

    def __init__(self) -> None:
        self.samples: dict[str, list[Sample]] = {}
        self.told: list[tuple[Track, ...]] = []
        self.failures: list[BaseException] = []
        self._emitted = threading.Condition()
        self.transcoder = Transcoder(
            self._emit, lambda tracks: self.told.append(tuple(tracks)), self.failures.append
        )

    def _emit(self, sample: Sample) -> None:
        assert sample.track in {track.name for track in self.told[-1]}, "told before its samples"
        with self._emitted:
            self.samples.setdefault(sample.track, []).append(sample)
            self._emitted.notify()

    def until(self, samples: int) -> None:
        """Waits for so many samples, of all tracks together."""
        with self._emitted:
            count = lambda: sum(map(len, self.samples.values())) >= samples  # noqa: E731
            assert self._emitted.wait_for(count, timeout=20)

    def track(self, name: str) -> Track:
        return next(track for track in self.told[-1] if track.name == name)

    def pts(self, name: str) -> list[int]:
        return [sample.pts for sample in self.samples[name]]

    def key_pts(self, name: str) -> list[int]:
        return [sample.pts for sample in self.samples[name] if sample.is_sync]


def transcode(start: StartMessage, samples: Sequence[Sample]) -> Made:
    """Runs all of `samples` through one transcoder."""
    made = Made()
    made.transcoder.start(start)
    for sample in samples:
        made.transcoder.write(sample)
    made.transcoder.close()
    for failure in made.failures:
        raise failure
    return made


def decode(track: Track, samples: Sequence[Sample]) -> list[VideoFrame]:
    """What a player would see of a rung: FFmpeg's decoder, the codec configuration, the samples."""
    names = {Codec.H264: "h264", Codec.H265: "hevc", Codec.AV1: "libdav1d", Codec.VP9: "vp9"}
    context = cast(VideoCodecContext, CodecContext.create(names[track.codec], "r"))
    if track.codec is not Codec.VP9:
        context.extradata = track.codec_config
    frames: list[VideoFrame] = []
    for sample in samples:
        packet: Packet[Any] = Packet(sample.data)
        packet.pts, packet.dts, packet.time_base = sample.pts, sample.dts, TIME_BASE
        frames += context.decode(packet)
    return frames + context.decode(None)


def psnr(a: VideoFrame, b: VideoFrame) -> float:
    """Of luma, in dB."""
    height = a.height
    left, right = (f.to_ndarray(format="yuv420p")[:height].astype(np.float64) for f in (a, b))
    return 10 * math.log10(255**2 / max(float(np.mean((left - right) ** 2)), 1e-9))


def nal_types(sample: Sample) -> list[int]:
    """H.264 NAL unit types of a canonical sample."""
    return [nal[0] & 0x1F for nal in split_length_prefixed(sample.data)]
