"""What a source contains and how it would fare live; the body of `headwater probe`.

Reads the first seconds of a file or URL with FFmpeg, in the process of the command.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import av

from segmenter.codecs.codec_string import codec_string
from segmenter.errors import SegmenterError
from segmenter.media import VIDEO_TIMESCALE, MediaType, Sample, Track
from streaming.errors import RemoteError
from streaming.ingest.demux import Demuxer, open_input, read_packets, sentence
from streaming.ingest.pacing import Item
from streaming.transcode.browser_support import plays_in_browsers
from streaming.worker_process import redact

LONG_GOP_S = 4.0
"""Segments are cut at key frames: two of the default's would stand in one."""
UNEVEN_FRAME = 0.2
"""Frames whose durations differ from the median by this share make a rate variable: FLV's whole
milliseconds stay below at 60 frames/s."""
UNEVEN_SHARE = 0.05
LATE_START_S = 0.5
"""Players wait for the later of audio and video before they begin."""


@dataclass(frozen=True, slots=True)
class TrackReport:
    """One track as its first seconds show it; 0 and "" are unknown or do not apply."""

    name: str
    kind: str
    codec: str
    codec_string: str
    """RFC 6381."""
    width: int
    height: int
    frame_rate: float
    """Measured, frames per second."""
    sample_rate: int
    channels: int
    language: str
    bitrate: int
    """Measured, bits per second."""
    samples: int
    duration_s: float
    starts_at_s: float
    """After the first track to start."""
    shortest_gop_s: float
    longest_gop_s: float
    reorders: bool
    """It has B-frames."""
    has_variable_rate: bool
    recoded_from: str
    """The codec in the source, where it has to be encoded anew to be taken in at all."""


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What there is, and what its owner should know before it goes live."""

    source: str
    tracks: tuple[TrackReport, ...]
    advice: tuple[str, ...]


@dataclass(slots=True)
class _Seen:
    """One track's samples so far."""

    track: Track
    dts: list[int] = field(default_factory=list)
    syncs: list[int] = field(default_factory=list)
    size_bytes: int = 0
    reorders: bool = False

    def add(self, sample: Sample) -> None:
        self.dts.append(sample.dts)
        self.size_bytes += len(sample.data)
        self.reorders |= sample.pts != sample.dts
        if sample.is_sync:
            self.syncs.append(sample.dts)


def probe(source: str, seconds: float) -> ProbeReport:
    """Reads `seconds` of media from `source`, a file or URL.

    Raises ConfigError for an impossible address, RemoteError with one sentence when it cannot be
    read, and MediaError when its bytes are broken.
    """
    seen: dict[str, _Seen] = {}
    with open_input(source) as container:
        demuxer = Demuxer(container)
        try:
            for packet in read_packets(container, demuxer.streams):
                _take(seen, demuxer.push(packet))
                if _media_s(seen) >= seconds:
                    break
            else:
                _take(seen, demuxer.flush())
        except av.FFmpegError as error:
            raise RemoteError(sentence(source, error)) from error
        recoded = {str(kind): codec for kind, codec in demuxer.recoded.items()}
    if not seen:
        raise RemoteError("the source has no media in its first seconds")
    first = min(one.dts[0] for one in seen.values() if one.dts)
    tracks = tuple(_report(one, first, recoded) for one in seen.values() if one.dts)
    return ProbeReport(redact(source), tracks, tuple(_advise(tracks, seen)))


def to_builtins(report: ProbeReport) -> dict[str, Any]:
    """For JSON."""
    return asdict(report)


def _take(seen: dict[str, _Seen], items: list[Item]) -> None:
    for item in items:
        if isinstance(item, Sample):
            seen[item.track].add(item)
        else:
            for track in item:
                seen.setdefault(track.name, _Seen(track))


def _media_s(seen: dict[str, _Seen]) -> float:
    spans = [one.dts[-1] - one.dts[0] for one in seen.values() if one.dts]
    return max(spans, default=0) / VIDEO_TIMESCALE


def _report(one: _Seen, first: int, recoded: dict[str, str]) -> TrackReport:
    track = one.track
    steps = sorted(later - earlier for earlier, later in pairwise(one.dts))
    median = steps[len(steps) // 2] if steps else 0
    span_s = (one.dts[-1] - one.dts[0] + median) / VIDEO_TIMESCALE
    gops = [(later - earlier) / VIDEO_TIMESCALE for earlier, later in pairwise(one.syncs)]
    is_video = track.media_type is MediaType.VIDEO
    if is_video:
        gops.append((one.dts[-1] + median - one.syncs[-1]) / VIDEO_TIMESCALE if one.syncs else 0.0)
    uneven = sum(abs(step - median) > median * UNEVEN_FRAME for step in steps)
    return TrackReport(
        name=track.name,
        kind=track.media_type.value,
        codec=track.codec.value,
        codec_string=_codec_string(track),
        width=track.width,
        height=track.height,
        frame_rate=round(len(one.dts) / span_s, 3) if is_video and span_s else 0.0,
        sample_rate=track.sample_rate,
        channels=track.channels,
        language=track.language,
        bitrate=round(8 * one.size_bytes / span_s) if span_s else 0,
        samples=len(one.dts),
        duration_s=round(span_s, 3),
        starts_at_s=round((one.dts[0] - first) / VIDEO_TIMESCALE, 3),
        shortest_gop_s=round(min(gops), 3) if is_video else 0.0,
        longest_gop_s=round(max(gops), 3) if is_video else 0.0,
        reorders=is_video and one.reorders,
        has_variable_rate=is_video and uneven > UNEVEN_SHARE * len(steps),
        recoded_from=recoded.get(track.media_type.value, ""),
    )


def _codec_string(track: Track) -> str:
    try:
        return codec_string(track)
    except SegmenterError:
        return ""


def _advise(tracks: tuple[TrackReport, ...], seen: dict[str, _Seen]) -> list[str]:
    """What an encoder's settings should be, one sentence for each finding."""
    advice = []
    for track in tracks:
        if track.recoded_from:
            advice.append(f"{track.name}: {track.recoded_from} is encoded anew as it is pulled.")
        if track.kind == "video":
            advice += _advise_video(track, seen[track.name].track)
        if track.starts_at_s > LATE_START_S:
            advice.append(f"{track.name} starts {track.starts_at_s:.1f} s after the other track.")
    kinds = {track.kind for track in tracks}
    if "audio" not in kinds:
        advice.append("There is no audio: some players and most social networks want some.")
    if "video" not in kinds:
        advice.append("There is no video: this is published as a radio station.")
    return advice


def _advise_video(report: TrackReport, track: Track) -> list[str]:
    advice = []
    name = report.name
    if report.longest_gop_s > LONG_GOP_S:
        advice.append(
            f"{name}: key frames are up to {report.longest_gop_s:.1f} s apart, and so long are "
            "segments of copied video: set the key frame interval to 2 s."
        )
    plays, why_not = plays_in_browsers(track)
    if not plays:
        advice.append(f"{name} is not offered as it is, but encoded: {why_not}.")
    if report.reorders:
        advice.append(
            f"{name} has B-frames: HLS and DASH play them, browsers over WebRTC do not, and they "
            "cost latency (x264: tune zerolatency)."
        )
    if report.has_variable_rate:
        advice.append(f"{name} has a variable frame rate: a constant one makes even segments.")
    return advice
