"""What /metrics shows of paths."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, TypeAlias

from streaming.latency_histogram import BOUNDS_S, LatencyCounts
from streaming.lifecycle import LifeStatistics
from streaming.path import Path
from streaming.path_state import Cause, PathState
from streaming.path_statistics import PathStatistics
from streaming.pipeline import Pipeline, PipelineStatistics
from streaming.rendition_meter import RenditionRates
from streaming.shelf_messages import Metric
from streaming.transcode.transcode_link import TranscodeStatistics

Figure: TypeAlias = tuple[str, str, float, Literal["counter", "gauge"]]
"""Name, text, value and kind."""


def path_metrics(path: Path, pipeline: Pipeline, now_utc: float) -> list[Metric]:
    """What /metrics shows of a path beside what its state message carries."""
    seen, made = path.statistics(now_utc), pipeline.statistics()
    labels = {"path": path.name}
    return [
        *(
            Metric(f"headwater_path_{name}", text, float(value), labels, kind)
            for name, text, value, kind in _path_figures(seen, made)
        ),
        *_life_metrics(path.name, seen.life),
        *_latency_metrics(path.name, made.origin.latencies),
        *_rate_metrics(path.name, made.rates),
        *_rung_metrics(path.name, made.transcode),
    ]


def _path_figures(seen: PathStatistics, made: PipelineStatistics) -> list[Figure]:
    """Of all that a path has had and made."""
    origin, timeline = made.origin, seen.timeline
    figures: list[Figure] = [
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
        (
            "bridged_crashes",
            "Deaths of the encoder over which the slate went on.",
            made.bridge.bridged if made.bridge is not None else 0,
            "counter",
        ),
    ]
    if made.transcode is not None:
        figures += _worker_figures(made.transcode)
    return figures


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


def _worker_figures(transcode: TranscodeStatistics) -> list[Figure]:
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
