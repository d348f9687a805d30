"""What the origin and its FFmpeg workers say to each other.

`TrackMessage` and `SampleMessage` mirror `Track` and `Sample` and serve every worker; the rest is
the transcoder's. Structs are arrays on the wire: a sample costs about 20 bytes besides its data.
"""

from __future__ import annotations

from fractions import Fraction
from typing import cast

from msgspec import Struct

from segmenter.media import Codec, Sample, Track
from streaming.transcode.ladder import PlannedAudio
from streaming.transcode.planned_rung import PlannedRung


class TrackMessage(Struct, tag="track", array_like=True, frozen=True):
    """A `Track`."""

    name: str
    codec: str
    timescale: int
    codec_config: bytes
    width: int
    height: int
    frame_rate: tuple[int, int]
    sample_rate: int
    channels: int
    bitrate: int
    language: str

    @classmethod
    def from_track(cls, track: Track) -> TrackMessage:
        """The message that says `track`."""
        return cls(
            track.name,
            track.codec.value,
            track.timescale,
            track.codec_config,
            track.width,
            track.height,
            track.frame_rate.as_integer_ratio(),
            track.sample_rate,
            track.channels,
            track.bitrate,
            track.language,
        )

    def to_track(self) -> Track:
        """The track that it says."""
        return Track(
            self.name,
            Codec(self.codec),
            self.timescale,
            self.codec_config,
            self.width,
            self.height,
            Fraction(*self.frame_rate),
            self.sample_rate,
            self.channels,
            self.bitrate,
            self.language,
        )


class SampleMessage(Struct, tag="sample", array_like=True, frozen=True, gc=False):
    """A `Sample`."""

    track: str
    dts: int
    pts: int
    data: bytes
    is_sync: bool
    duration: int
    discontinuity: bool
    captured_utc: float

    @classmethod
    def from_sample(cls, sample: Sample) -> SampleMessage:
        """The message that says `sample`; its payload is copied only into the frame."""
        return cls(
            sample.track,
            sample.dts,
            sample.pts,
            cast(bytes, sample.payload),
            sample.is_sync,
            sample.duration,
            sample.discontinuity,
            sample.captured_utc,
        )

    def to_sample(self) -> Sample:
        """The sample that it says."""
        return Sample(
            self.track,
            self.dts,
            self.pts,
            self.data,
            self.is_sync,
            self.duration,
            self.discontinuity,
            self.captured_utc,
        )


class StartMessage(Struct, tag="start", array_like=True, frozen=True):
    """Origin to transcoder: these tracks from here on, and what to make of them."""

    video: TrackMessage | None
    audio: TrackMessage | None
    rungs: tuple[PlannedRung, ...]
    follow_source: bool
    """Put key frames on the source's own (a copied rung exists), else on the segment grid."""
    encode_audio: PlannedAudio | None
    segment_duration_s: float
    encoder: str
    """`PathConfig.encoder`; "software" also after a crash while hardware was tried."""
    frame_hook: str
    frame_hook_budget_ms: float


class KeyFrameMessage(Struct, tag="key_frame", array_like=True, frozen=True):
    """Origin to transcoder: the next frame of every rung is to be a key frame."""

    from_pts: int = 0
    """The first one at or after this, ticks."""


class TracksMessage(Struct, tag="tracks", array_like=True, frozen=True):
    """Transcoder to origin: all tracks made from the present source, each before its samples."""

    tracks: tuple[TrackMessage, ...]


class RungStatus(Struct, array_like=True, frozen=True):
    """One encoded rung as its worker sees it."""

    name: str
    encoder: str
    """Such as "libx264" or "h264_nvenc"."""
    chosen_because: str
    frames_per_s: float
    queued_frames: int
    shed: bool


class StatusMessage(Struct, tag="status", array_like=True, frozen=True):
    """Transcoder to origin, each second: proof of life and what it measures."""

    rungs: tuple[RungStatus, ...] = ()
    lag_s: float = 0.0
    """Media time received and not yet decoded."""
    queued_samples: int = 0
    dropped_samples: int = 0
    """Since the worker's start, by the queue's rule: whole groups of pictures."""
    decode_errors: int = 0
    rss_bytes: int = 0
    cpu_s: float = 0.0
    hook: str = ""
    """Empty while the frame hook works or none is set; else why it is bypassed."""
    hook_errors: int = 0
    trouble: str = ""
    """Why the worker is degraded; empty while it keeps up with everything."""
    failed: tuple[str, ...] = ()
    """Renditions that no encoder takes, of the present source."""


ToTranscoder = StartMessage | SampleMessage | KeyFrameMessage
FromTranscoder = TracksMessage | SampleMessage | StatusMessage
