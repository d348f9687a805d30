"""From how a path fares, once a second, to what is new about it. Sans-IO."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from segmenter.media import MediaType, Track
from segmenter.timeline_statistics import ADRIFT_S
from streaming.events.advice import (
    ADVICE,
    Advice,
    adrift,
    av_drift,
    clock_stood_still,
    timestamp_jump,
)
from streaming.events.advice_memory import AdviceMemory
from streaming.events.av_drift import AvDrift
from streaming.path_statistics import PathStatistics
from streaming.pipeline import PipelineStatistics

AGAIN_S: Final = 10.0
"""How soon the same advice may be given again while its figure rises."""


AV_DRIFT_S: Final = 0.25
"""Viewers notice sound that is late by an eighth of a second and early by half of that (ITU-R
BT.1359); what one read brings of either track is uneven by a tenth."""


class News(NamedTuple):
    """An event to be."""

    kind: str
    data: dict[str, Any]


class PathObserver:
    """Remembers what was told of one path; the registry asks it once a second."""

    def __init__(self, memory: AdviceMemory) -> None:
        self._memory = memory
        self._av_drift = AvDrift()
        self._tracks: dict[str, Track] = {}
        self._renditions: dict[str, Track] = {}
        self._worker_starts = 1
        self._jumps = 0
        self._lost_clocks = 0
        self._advised_utc: dict[str, float] = {}

    def push(self, seen: PathStatistics, made: PipelineStatistics, now_utc: float) -> list[News]:
        """What has changed since the last call."""
        return [
            *self._track_news(seen.tracks),
            *self._rendition_news(made.tracks, made.copied),
            *self._worker_news(made),
            *self._advice(seen, now_utc),
        ]

    def _track_news(self, tracks: tuple[Track, ...]) -> list[News]:
        """A publisher that is away leaves its tracks as they were."""
        news = []
        for track in tracks:
            known = self._tracks.get(track.name)
            if known != track:
                kind = "track.added" if known is None else "track.changed"
                news.append(News(kind, _record(track)))
        if tracks:
            self._tracks = {track.name: track for track in tracks}
        return news

    def _rendition_news(self, tracks: tuple[Track, ...], copied: frozenset[str]) -> list[News]:
        now = {track.name: track for track in tracks}
        news = [
            News("rendition.removed", _record(track))
            for name, track in self._renditions.items()
            if name not in now
        ]
        news += [
            News("rendition.added", {**_record(track), "copied": name in copied})
            for name, track in now.items()
            if name not in self._renditions
        ]
        self._renditions = now
        return news

    def _worker_news(self, made: PipelineStatistics) -> list[News]:
        if made.transcode is None:
            return []
        worker = made.transcode.worker
        if worker.starts <= self._worker_starts:
            return []
        self._worker_starts = worker.starts
        reason = worker.last_exit.reason if worker.last_exit is not None else ""
        return [News("worker.restarted", {"worker": "transcoder", "reason": reason})]

    def _advice(self, seen: PathStatistics, now_utc: float) -> list[News]:
        timeline, given = seen.timeline, list[Advice]()
        if timeline.jumps > self._jumps and self._may_advise("jump", now_utc):
            self._jumps = timeline.jumps
            given.append(timestamp_jump(timeline.jumps))
        if timeline.lost_clocks > self._lost_clocks and self._may_advise("clock", now_utc):
            self._lost_clocks = timeline.lost_clocks
            given.append(clock_stood_still(timeline.lost_clocks))
        drifts, heeded = self._drifts(seen) if seen.on_air.on_air else ([], [])
        role = seen.on_air.on_air
        news = self._memory.news(role, [*given, *drifts], heeded)
        return [News(ADVICE, {**advice.data(), "role": role}) for advice in news]

    def _drifts(self, seen: PathStatistics) -> tuple[list[Advice], list[str]]:
        """Advice about clocks that run apart, and codes of it that are over."""
        timeline, given, heeded = seen.timeline, list[Advice](), list[str]()
        if timeline.is_adrift:
            given.append(adrift(timeline.ahead_s))
        elif abs(timeline.ahead_s) < ADRIFT_S / 2:
            heeded.append("clock-drift")
        whose = (seen.publishers, seen.on_air.on_air, timeline.epochs, seen.tracks)
        # WebRTC's sound and picture are brought together by sender reports, as these come.
        skew_s = timeline.skew_s if seen.protocol != "whip" else None
        sound_ahead_s = self._av_drift.push(whose, skew_s)
        if abs(sound_ahead_s) > AV_DRIFT_S:
            given.append(av_drift(sound_ahead_s))
        return given, heeded

    def _may_advise(self, what: str, now_utc: float) -> bool:
        if now_utc - self._advised_utc.get(what, 0.0) < AGAIN_S:
            return False
        self._advised_utc[what] = now_utc
        return True


def _record(track: Track) -> dict[str, Any]:
    record: dict[str, Any] = {"name": track.name, "codec": track.codec.value}
    if track.media_type is MediaType.VIDEO:
        record |= {
            "width": track.width,
            "height": track.height,
            "frame_rate": round(float(track.frame_rate), 3),
        }
    else:
        record |= {"sample_rate": track.sample_rate, "channels": track.channels}
    return record
