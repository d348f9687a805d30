"""How a path fares, as the delivery processes and by them the API are told."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from segmenter.codecs.codec_string import codec_string
from segmenter.errors import SegmenterError
from segmenter.media import MediaType, Track
from streaming.events.advice import Advice
from streaming.on_air import OnAirStatistics
from streaming.path import Path
from streaming.path_state import PathState
from streaming.path_statistics import PathStatistics
from streaming.pipeline import Pipeline, PipelineStatistics
from streaming.shelf_messages import (
    AdviceRecord,
    PathPhase,
    RenditionRecord,
    WorkerRecord,
)
from streaming.shelf_messages import PathState as PathStateMessage
from streaming.transcode.transcode_link import TranscodeStatistics

_PHASES: dict[PathState, PathPhase] = {
    PathState.IDLE: "idle",
    PathState.AUTHORIZING: "idle",
    PathState.CONNECTING: "starting",
    PathState.PROBING: "starting",
    PathState.STARTING: "starting",
    PathState.LIVE: "live",
    PathState.DEGRADED: "live",
    PathState.STALLED: "live",
    PathState.SLATE: "live",
    PathState.RECONNECTING: "away",
    PathState.ENDING: "away",
    PathState.ENDED: "ended",
    PathState.FAILED: "ended",
}
SOURCE_TROUBLE: Final = "its source cannot be opened"


def path_state_message(
    path: Path,
    pipeline: Pipeline,
    seen: PathStatistics,
    made: PipelineStatistics,
    advice: Sequence[tuple[str, Advice]] = (),
) -> PathStateMessage:
    """The state of one path with what both say of themselves by now, and the standing advice."""
    life = seen.life
    phase = _PHASES[life.state]
    if phase == "live" and not pipeline.is_playable:
        phase = "starting"
    has_failed = life.state is PathState.FAILED
    if has_failed and not pipeline.is_playable:  # there was never anything that could have ended
        phase = "starting"
    return PathStateMessage(
        path=path.name,
        state=phase,
        reason=SOURCE_TROUBLE if has_failed else pipeline.trouble,
        since_utc=life.since_utc,
        publisher=seen.protocol,
        ingest_bytes=seen.bytes_in,
        ingest_bps=seen.bitrate,
        window_bytes=made.origin.window_bytes,
        window_s=path.config.window_s,
        renditions=tuple(
            _measured(_rendition_record(track, copied=track.name in made.copied), made)
            for track in made.tracks
        ),
        tracks=tuple(_rendition_record(track, copied=True) for track in seen.tracks),
        worker=_worker_record(made.transcode),
        advice=tuple(AdviceRecord(one.code, one.text, one.to_do, role) for role, one in advice),
        details={**_details(seen, made), "viewer_chat": path.config.viewer_chat},
    )


@functools.lru_cache(maxsize=1024)
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


def _measured(record: RenditionRecord, made: PipelineStatistics) -> RenditionRecord:
    rates = made.rates.get(record.name)
    if rates is None:
        return record
    return msgspec.structs.replace(
        record,
        measured_bps=rates.bits_per_second,
        measured_fps=rates.samples_per_second if record.kind == "video" else 0.0,
        latency_s=rates.latency_s,
    )


def _worker_record(seen: TranscodeStatistics | None) -> WorkerRecord | None:
    if seen is None or not seen.worker.pid:
        return None
    return WorkerRecord(seen.status.cpu_s, seen.status.rss_bytes, seen.worker.starts)


def _details(seen: PathStatistics, made: PipelineStatistics) -> dict[str, Any]:
    return {
        "state": seen.life.state.value,
        "state_version": seen.life.version,
        "state_reason": seen.life.reason,
        "state_detail": seen.life.detail,
        "source_failures": seen.life.source_failures,
        "source_due_utc": seen.life.source_due_utc,
        "publishers": seen.publishers,
        "on_air": _on_air_record(seen.on_air),
        "samples_in": seen.samples_in,
        "segments": made.origin.segments,
        "segment_bytes": made.origin.segment_bytes,
        "playlist_renders": made.origin.playlist_renders,
        "ladder": list(made.ladder_reasons),
        "timeline": _plain(seen.timeline),
        "presentation": _plain(made.origin.presentation),
        "transcode": _transcode_record(made.transcode),
        "bridge": _plain(made.bridge) or {},
    }


def _on_air_record(seen: OnAirStatistics) -> dict[str, Any]:
    """Without addresses: paths are shown to everyone, sessions to whom the API knows."""
    record: dict[str, Any] = _plain(seen)
    for publisher in record["publishers"]:
        del publisher["remote"]
    return record


def _transcode_record(seen: TranscodeStatistics | None) -> dict[str, Any]:
    if seen is None:
        return {}
    status = msgspec.structs.asdict(seen.status)
    status["rungs"] = [msgspec.structs.asdict(rung) for rung in seen.status.rungs]
    return {
        "phase": seen.state.phase.value,
        "reason": seen.state.reason,
        "shed": list(seen.state.shed),
        "failed": list(seen.state.failed),
        "worker": _plain(seen.worker),
        "samples_in": seen.samples_in,
        "samples_out": seen.samples_out,
        "withheld_samples": seen.withheld_samples,
        "status": status,
    }


def _plain(record: object) -> Any:
    return msgspec.to_builtins(record) if record is not None else {}
