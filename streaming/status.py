"""How a path fares, as the delivery processes, the API and /metrics are told."""

from __future__ import annotations

from typing import Any

from segmenter.codecs.codec_string import codec_string
from segmenter.errors import SegmenterError
from segmenter.media import MediaType, Track
from streaming.path import Path, PathState
from streaming.pipeline import Pipeline
from streaming.shelf_messages import PathPhase, RenditionRecord
from streaming.shelf_messages import PathState as PathStateMessage

_PHASES: dict[PathState, PathPhase] = {
    PathState.IDLE: "idle",
    PathState.STARTING: "starting",
    PathState.LIVE: "live",
    PathState.DEGRADED: "live",
    PathState.RECONNECTING: "away",
    PathState.ENDED: "ended",
}


def path_state_message(path: Path, pipeline: Pipeline, now_utc: float) -> PathStateMessage:
    """The state and statistics of one path."""
    seen = path.statistics(now_utc)
    made = pipeline.statistics()
    phase = _PHASES[seen.state]
    if phase == "live" and not pipeline.playable:
        phase = "starting"
    return PathStateMessage(
        path=path.name,
        state=phase,
        reason=pipeline.reason,
        since_utc=seen.state_since_utc,
        publisher=seen.protocol,
        ingest_bytes=seen.bytes_in,
        ingest_bps=seen.bitrate,
        window_bytes=made.origin.window_bytes,
        window_s=path.config.window_s,
        renditions=tuple(
            _rendition_record(track, copied=track.name in made.copied) for track in made.tracks
        ),
        details=_details(path, pipeline, now_utc),
    )


def _rendition_record(track: Track, *, copied: bool) -> RenditionRecord:
    try:
        codec = codec_string(track)
    except SegmenterError:
        codec = track.codec.value
    return RenditionRecord(
        name=track.name,
        kind="audio" if track.media_type is MediaType.AUDIO else "video",
        codec=codec,
        width=track.width,
        height=track.height,
        frame_rate=float(track.frame_rate),
        sample_rate=track.sample_rate,
        channels=track.channels,
        bitrate_bps=track.bitrate,
        copied=copied,
    )


def _details(path: Path, pipeline: Pipeline, now_utc: float) -> dict[str, Any]:
    seen, made = path.statistics(now_utc), pipeline.statistics()
    return {
        "state": seen.state.value,
        "state_version": seen.state_version,
        "publishers": seen.publishers,
        "samples_in": seen.samples_in,
        "segments": made.origin.segments,
        "segment_bytes": made.origin.segment_bytes,
        "playlist_renders": made.origin.playlist_renders,
        "ladder": list(made.ladder_reasons),
        "transcode": made.transcode,
    }
