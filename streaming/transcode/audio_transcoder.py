"""The source's audio in, AAC-LC or Opus in stereo or mono out, on the source's time.

The encoder's 1024 samples of priming are compensated: its first access unit, which decodes to
nothing but priming, is left out, and each other one has the pts of the sound that it decodes to.
Output is contiguous: AAC access unit n begins n * 1024 samples after the first; packets of Opus are
as long as what there was to encode. Small disagreement of the source's pts with its number of
samples (`TOLERANCE_S`) is rounding and ignored; more is mended to the sample, a gap with silence,
an overlap by leaving samples out; a gap beyond `MOST_SILENCE_S` or a discontinuity begins a new
run.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any, Literal, cast

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.codec.context import CodecContext, Flags
from av.error import FFmpegError
from av.packet import Packet

from segmenter.codecs.opus import (
    dops_from_opus_head,
    join_packets,
    packet_duration,
    parse_dops,
    write_opus_head,
)
from segmenter.media import Codec, Sample, Track
from streaming.transcode.ladder import PlannedAudio

FRAME_SAMPLES = 1024
"""Of AAC."""
OPUS_FRAME_SAMPLES = 480
"""10 ms. What an access unit of the source completes leaves at once, as one packet: of AAC's 21.3
ms less than 10 wait for the next. Of frames of 20 ms up to 20 would, and players hold all sound for
as long as the latest of it. There are no more packets than access units."""
TOLERANCE_S = 0.003
"""FLV rounds to milliseconds; the timeline mends that for AAC, other codecs may keep it."""
MOST_SILENCE_S = 2.0

_DECODERS: dict[Codec, Literal["aac", "opus", "mp3float"]] = {
    Codec.AAC: "aac",
    Codec.OPUS: "opus",
    Codec.MP3: "mp3float",
}
_FORMATS = {Codec.AAC: "fltp", Codec.OPUS: "flt"}
_LAYOUTS = {1: "mono", 2: "stereo"}


class AudioTranscoder:
    """Owns the decoder, the resampler and the encoder; used by one thread.

    Broken samples are counted, never raised.
    """

    def __init__(self, source: Track, planned: PlannedAudio) -> None:
        self._source = source
        self._planned = planned
        self._layout = _LAYOUTS[planned.channels]
        self._is_opus = planned.codec is Codec.OPUS
        self._frame_samples = OPUS_FRAME_SAMPLES if self._is_opus else FRAME_SAMPLES
        self.errors = 0
        self.track = self._begin()
        self._discontinuity = False
        self._captured_utc = 0.0

    def push(self, sample: Sample) -> list[Sample]:
        """Encodes one access unit of the source."""
        samples: list[Sample] = []
        if sample.discontinuity:
            samples = self.flush()
            self._discontinuity = True
        packet: Packet[Any] = Packet(sample.data)
        packet.pts = packet.dts = sample.pts
        packet.time_base = Fraction(1, self._source.timescale)
        self._captured_utc = sample.captured_utc
        try:
            frames = self._decoder.decode(packet)
        except FFmpegError:
            self.errors += 1
            return samples
        for frame in frames:
            samples += self._place(frame, sample.pts)
        return samples

    def flush(self) -> list[Sample]:
        """The samples still inside; what follows begins a new run."""
        samples = self._drain(None)
        samples += self._described(self._encoder.encode(None))
        self._begin()
        return samples

    # -- set-up ------------------------------------------------------------------------------

    def _begin(self) -> Track:
        self._decoder = _open_decoder(self._source)
        self._encoder = self._open_encoder()
        self._resampler = AudioResampler(
            _FORMATS[self._planned.codec], self._layout, self._planned.sample_rate
        )
        self._fifo = AudioFifo()
        self._anchor: int | None = None
        self._samples_in = 0
        self._samples_out = 0
        planned = self._planned
        return Track(
            planned.name,
            planned.codec,
            planned.sample_rate,
            self._codec_config(),
            sample_rate=planned.sample_rate,
            channels=planned.channels,
            bitrate=planned.bitrate_kbps * 1000,
            language=self._source.language,
        )

    def _open_encoder(self) -> AudioCodecContext:
        name: Literal["libopus", "aac"] = "libopus" if self._is_opus else "aac"
        encoder = av.CodecContext.create(name, "w")
        encoder.sample_rate = self._planned.sample_rate
        encoder.layout = self._layout
        encoder.format = _FORMATS[self._planned.codec]
        encoder.bit_rate = self._planned.bitrate_kbps * 1000
        encoder.time_base = Fraction(1, self._planned.sample_rate)
        encoder.flags |= Flags.global_header
        encoder.thread_count = 1
        if self._is_opus:
            # Without the speech model it looks 2.5 ms ahead instead of 6.5.
            encoder.options = {"application": "lowdelay", "frame_duration": "10"}
        encoder.open()
        return encoder

    def _codec_config(self) -> bytes:
        extradata = self._encoder.extradata or b""
        return dops_from_opus_head(extradata) if self._is_opus else extradata

    # -- time --------------------------------------------------------------------------------

    def _place(self, frame: AudioFrame, sample_pts: int) -> list[Sample]:
        """Puts a decoded frame where its pts says, then encodes what is complete."""
        rate = frame.sample_rate
        pts = frame.pts if frame.pts is not None else sample_pts
        at = round(Fraction(pts, self._source.timescale) * rate)
        samples: list[Sample] = []
        if self._anchor is not None:
            off = at - (self._anchor + self._samples_in)
            if off > MOST_SILENCE_S * rate or off < -MOST_SILENCE_S * rate:
                samples = self.flush()
            elif off > TOLERANCE_S * rate:
                samples = self._feed(_silence_like(frame, off))
            elif off < -TOLERANCE_S * rate:
                if -off >= frame.samples:
                    return []
                frame = _without_start(frame, -off)
        if self._anchor is None:
            self._anchor = at
            self._pts_out = round(Fraction(at, rate) * self._planned.sample_rate)
        return samples + self._feed(frame)

    def _feed(self, frame: AudioFrame) -> list[Sample]:
        self._samples_in += frame.samples
        frame.pts = None
        return self._drain(frame)

    def _drain(self, frame: AudioFrame | None) -> list[Sample]:
        for resampled in self._resampler.resample(frame):
            resampled.pts = None
            self._fifo.write(resampled)
        packets: list[Packet[Any]] = []
        while (whole := self._fifo.read(self._frame_samples)) is not None:
            whole.pts, whole.time_base = self._samples_out, self._encoder.time_base
            self._samples_out += self._frame_samples
            packets += self._encoder.encode(whole)
        return self._described(packets)

    def _described(self, packets: list[Packet[Any]]) -> list[Sample]:
        kept = [p for p in packets if p.pts is not None and p.pts >= 0 and p.size]
        if not self._is_opus:
            return [self._sample(p.pts or 0, bytes(p), FRAME_SAMPLES) for p in kept]
        samples: list[Sample] = []
        pts = (kept[0].pts or 0) if kept else 0
        for data in join_packets([bytes(packet) for packet in kept]):
            samples.append(self._sample(pts, data, packet_duration(data)))
            pts += samples[-1].duration
        return samples

    def _sample(self, pts: int, data: bytes, duration: int) -> Sample:
        """`pts` as the encoder counts."""
        pts += self._pts_out
        discontinuity, self._discontinuity = self._discontinuity, False
        return Sample(
            self._planned.name, pts, pts, data, True, duration, discontinuity, self._captured_utc
        )


def _open_decoder(track: Track) -> AudioCodecContext:
    context = cast(AudioCodecContext, CodecContext.create(_DECODERS[track.codec], "r"))
    context.thread_count = 1
    if track.codec is Codec.OPUS:
        context.extradata = _opus_head(track.codec_config)
    elif track.codec_config:
        context.extradata = track.codec_config
    return context


def _opus_head(dops: bytes) -> bytes:
    """A live stream is joined anywhere: nothing is to be skipped at its start."""
    return write_opus_head(replace(parse_dops(dops), pre_skip=0))


def _silence_like(frame: AudioFrame, samples: int) -> AudioFrame:
    silence = AudioFrame(frame.format.name, frame.layout.name, samples)
    silence.sample_rate = frame.sample_rate
    for plane in silence.planes:
        plane.update(bytes(plane.buffer_size))
    return silence


def _without_start(frame: AudioFrame, samples: int) -> AudioFrame:
    """The rest of `frame` after `samples`."""
    fifo = AudioFifo()
    frame.pts = None
    fifo.write(frame)
    fifo.read(samples)
    rest = fifo.read(0, True)
    assert rest is not None
    return rest
