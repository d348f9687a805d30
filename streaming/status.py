"""How a path fares, as the delivery processes, the API and /metrics are told."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec

from segmenter.codecs.codec_string import codec_string
from segmenter.errors import SegmenterError
from segmenter.media import MediaType, Track
from streaming.events.advice import Advice
from streaming.events.events import EventStatistics
from streaming.ingest.rtmp.server import RtmpServerStatistics
from streaming.latency_histogram import BOUNDS_S, LatencyCounts
from streaming.lifecycle import LifeStatistics
from streaming.live_state.live_state import LiveStateStatistics
from streaming.media_store import StoreStatistics
from streaming.on_air import OnAirStatistics
from streaming.path import Path
from streaming.path_messages import MessageStatistics
from streaming.path_state import Cause, PathState
from streaming.path_statistics import PathStatistics
from streaming.pipeline import Pipeline, PipelineStatistics
from streaming.rendition_meter import RenditionRates
from streaming.shelf_messages import (
    AdviceRecord,
    Metric,
    PathPhase,
    RenditionRecord,
    WorkerRecord,
)
from streaming.shelf_messages import PathState as PathStateMessage
from streaming.transcode.transcode_link import TranscodeStatistics
from streaming.webhooks.messages import EndpointRecord, WebhookReport

Kind: TypeAlias = Literal["counter", "gauge"]

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
        "worker": _plain(seen.worker),
        "samples_in": seen.samples_in,
        "samples_out": seen.samples_out,
        "withheld_samples": seen.withheld_samples,
        "status": status,
    }


def _plain(record: object) -> Any:
    return msgspec.to_builtins(record) if record is not None else {}


def path_metrics(path: Path, pipeline: Pipeline, now_utc: float) -> list[Metric]:
    """What /metrics shows of a path beside what its state message carries."""
    seen, made = path.statistics(now_utc), pipeline.statistics()
    origin, timeline = made.origin, seen.timeline
    figures: list[tuple[str, str, float, Kind]] = [
        ("publishers", "Publishers that the path has had.", seen.publishers, "counter"),
        ("switches", "Changes of who is on air.", seen.on_air.switches, "counter"),
        ("stalls", "Publishers on air that fell silent.", seen.on_air.stalls, "counter"),
        ("parts", "Parts made, of all renditions.", origin.parts, "counter"),
        ("segments", "Segments made, of all renditions.", origin.segments, "counter"),
        ("segment_bytes", "Bytes of segments made.", origin.segment_bytes, "counter"),
        ("playlist_renders", "Playlists and manifests.", origin.playlist_renders, "counter"),
        ("timeline_ahead_seconds", "Media time minus arrival.", timeline.ahead_s, "gauge"),
        ("timeline_drift_seconds", "Of that, the drift of its clock.", timeline.drift_s, "gauge"),
        ("timeline_jumps", "Jumps of publishers' clocks.", timeline.jumps, "counter"),
        (
            "samples_dropped",
            "Left out by timeline and packaging.",
            timeline.dropped + timeline.audio_dropped + origin.presentation.samples_dropped,
            "counter",
        ),
        (
            "forced_cuts",
            "Segments begun without a key frame.",
            origin.presentation.forced_cuts,
            "counter",
        ),
        ("discontinuities", "Breaks of the presentation.", origin.presentation.breaks, "counter"),
    ]
    if made.transcode is not None:
        figures += _worker_figures(made.transcode)
    labels = {"path": path.name}
    return [
        *(
            Metric(f"headwater_path_{name}", text, float(value), labels, kind)
            for name, text, value, kind in figures
        ),
        *_life_metrics(path.name, seen.life),
        *_latency_metrics(path.name, made.origin.latencies),
        *_rate_metrics(path.name, made.rates),
        *_rung_metrics(path.name, made.transcode),
    ]


def _life_metrics(path: str, life: LifeStatistics) -> list[Metric]:
    """One of each for each state: those never entered are left out of the counters."""
    found = []
    for state in PathState:
        labels = {"path": path, "state": state.value}
        is_now = float(state is life.state)
        found.append(
            Metric("headwater_path_lifecycle", "1 for the state the path is in.", is_now, labels)
        )
        if is_now or state in life.entered:
            entered, spent_s = life.entered.get(state, 0), life.spent_s[state]
            found += [
                Metric("headwater_path_state_entries", "How often a path came into a state.",
                       float(entered), labels, "counter"),
                Metric("headwater_path_state_seconds", "Time a path spent in a state.",
                       spent_s, labels, "counter"),
            ]  # fmt: skip
    return found


def transition_metrics(causes: Mapping[Cause, int]) -> list[Metric]:
    """How often each cause has led a path from one state to another."""
    return [
        Metric("headwater_path_transitions", "Changes of paths' states, by reason.", float(count),
               {"reason": cause.value}, "counter")
        for cause, count in causes.items()
    ]  # fmt: skip


def _worker_figures(transcode: TranscodeStatistics) -> list[tuple[str, str, float, Kind]]:
    """Name, text, value and kind of what the transcoding worker adds."""
    worker, status = transcode.worker, transcode.status
    return [
        ("worker_starts", "Starts of the transcoding worker.", worker.starts, "counter"),
        ("worker_rss_bytes", "Memory of the worker.", status.rss_bytes, "gauge"),
        ("worker_cpu_seconds", "CPU of the running worker.", status.cpu_s, "gauge"),
        ("worker_lag_seconds", "Media not yet decoded.", status.lag_s, "gauge"),
        ("rungs_shed", "Rungs stopped for want of CPU.",
         sum(rung.shed for rung in status.rungs), "gauge"),
        ("hook_errors", "Failed calls of the frame hook.", status.hook_errors, "gauge"),
    ]  # fmt: skip


def _rate_metrics(path: str, rates: Mapping[str, RenditionRates]) -> list[Metric]:
    name = "headwater_path_rendition_"
    return [
        metric
        for rendition, seen in rates.items()
        for labels in ({"path": path, "rendition": rendition},)
        for metric in (
            Metric(name + "bits_per_second", "Packaged lately.",
                   float(seen.bits_per_second), labels),
            Metric(name + "samples_per_second", "Packaged lately; of video: pictures.",
                   seen.samples_per_second, labels),
        )
    ]  # fmt: skip


def _rung_metrics(path: str, transcode: TranscodeStatistics | None) -> list[Metric]:
    name = "headwater_path_encoder_"
    return [
        metric
        for rung in (transcode.status.rungs if transcode is not None else ())
        for labels in ({"path": path, "rung": rung.name},)
        for metric in (
            Metric(name + "frames_per_second", "Encoded lately.", rung.frames_per_s, labels),
            Metric(name + "queued_frames", "Waiting to be encoded.",
                   float(rung.queued_frames), labels),
        )
    ]  # fmt: skip


def _latency_metrics(path: str, latencies: Mapping[str, LatencyCounts]) -> list[Metric]:
    """One histogram for each rendition: there are no more than the ladder has rungs."""
    return [
        Metric(
            "headwater_path_availability_latency_seconds",
            "From the capture of a part's last sample until the part could be fetched.",
            seen.sum_s,
            {"path": path, "rendition": rendition},
            "histogram",
            tuple(zip((*BOUNDS_S, math.inf), seen.cumulative, strict=True)),
        )
        for rendition, seen in latencies.items()
    ]


def store_metrics(seen: StoreStatistics) -> list[Metric]:
    """What /metrics shows of the media store."""
    return [
        Metric("headwater_store_bytes", "Media held for all live windows.", seen.held_bytes),
        Metric("headwater_store_limit_bytes", "The most it may hold.", seen.limit_bytes),
        Metric("headwater_store_written_bytes", "Ever written.", seen.written_bytes,
               kind="counter"),
        Metric("headwater_store_refusals", "How often there was no room for a part.",
               seen.refused, kind="counter"),
    ]  # fmt: skip


def rtmp_metrics(seen: RtmpServerStatistics) -> list[Metric]:
    """What /metrics shows of the RTMP port."""
    return [
        Metric("headwater_rtmp_connections", "Open connections.", seen.connections),
        Metric("headwater_rtmp_publishing", "Of these, publishing.", seen.publishing),
        Metric("headwater_rtmp_accepted", "Ever accepted.", seen.accepted, kind="counter"),
        Metric("headwater_rtmp_refused", "Refused by a limit.", seen.refused, kind="counter"),
    ]


def event_metrics(seen: EventStatistics) -> list[Metric]:
    """What /metrics shows of the event log."""
    name = "headwater_events_"
    return [
        Metric(name + "emitted", "Events that happened.", float(seen.emitted), kind="counter"),
        Metric(name + "kept", "Events that followers can go back to.", float(seen.kept)),
        Metric(name + "kept_bytes", "Memory that they take.", float(seen.kept_bytes)),
        Metric(name + "untold", "Events not yet written to disk.", float(seen.untold)),
        Metric(name + "failures", "How often the disk took none.", float(seen.failures),
               kind="counter"),
    ]  # fmt: skip


def message_metrics(seen: MessageStatistics) -> list[Metric]:
    """What /metrics shows of metadata and chat."""
    name = "headwater_messages_"
    sent = [
        Metric(name + "sent", "Messages sent to viewers of paths.", float(count),
               {"kind": kind}, "counter")
        for kind, count in seen.sent.items()
    ]  # fmt: skip
    refused = [
        Metric(name + "refused", "Messages refused, by status.", float(count),
               {"status": str(status)}, "counter")
        for status, count in seen.refused.items()
    ]  # fmt: skip
    unlisted = Metric(
        name + "unlisted",
        "Messages that HLS playlists had no room for.",
        float(seen.unlisted),
        kind="counter",
    )
    return [*sent, *refused, unlisted]


def webhook_metrics(seen: WebhookReport) -> list[Metric]:
    """What /metrics shows of each webhook."""
    figures: list[tuple[str, str, Callable[[EndpointRecord], float], Kind]] = [
        ("pending", "Events not delivered yet.", lambda e: e.pending, "gauge"),
        ("in_flight", "Posts on their way.", lambda e: e.in_flight, "gauge"),
        ("disabled", "1 where the receiver wants no more.", lambda e: e.disabled, "gauge"),
        ("delivered", "Events delivered.", lambda e: e.delivered, "counter"),
        ("failed_attempts", "Attempts that failed.", lambda e: e.failed_attempts, "counter"),
        ("given_up", "Events given up.", lambda e: e.given_up, "counter"),
    ]
    return [
        Metric(f"headwater_webhook_{name}", text, float(value(one)), {"webhook": one.name}, kind)
        for one in seen.endpoints
        for name, text, value, kind in figures
    ]


def loop_metric(lag_s: float) -> Metric:
    """How late the main process's event loop has been."""
    return Metric(
        "headwater_loop_lag_seconds", "Worst delay of the main process's loop lately.", lag_s
    )


def clock_metric(offset_s: float) -> Metric:
    """By how much the system's clock is ahead of the origin's."""
    return Metric(
        "headwater_clock_offset_seconds", "The system's clock minus the origin's.", offset_s
    )


def live_state_metrics(seen: LiveStateStatistics) -> list[Metric]:
    """What /metrics shows of what is kept on disk."""
    name, thread = "headwater_live_state_", seen.thread
    return [
        Metric(name + "kept", "1 where live windows are kept on disk.", float(seen.is_kept)),
        Metric(name + "written_bytes", "Media.", float(thread.written_bytes), kind="counter"),
        Metric(name + "failures", "Files given up.", float(thread.failures), kind="counter"),
        Metric(name + "behind_seconds", "How long the disk lets wait.", thread.behind_s),
    ]
