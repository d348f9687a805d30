"""The timeline: a publisher's stamps become one rising media time, anchored at the epoch.

Media time is UTC. It is set once for each epoch of a publisher, from the arrival of the epoch's
first sample or from where media ended (whichever is later), and then carried by the publisher's
own stamps, so that it never goes back over wraps, reconnects and jumps.

    IDLE ──start──▶ WAITING ──first sample──▶ OPENING ──key frame──▶ RUNNING
                       ▲                         ▲  (or audio alone)    │
                       └──────── start ──────────┴──── clock jumped ────┘

While OPENING, video before a sync sample is left out and audio is held back, so that all tracks
start together. When the clock jumps in the middle of a GOP the old epoch is carried on without a
seam (the jump is taken out of the stamps) until the next sync sample can begin the new one.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from segmenter.audio_clock import AudioClock
from segmenter.clock_jump import ClockJump, Verdict
from segmenter.drift import MEASURE_EVERY_S
from segmenter.drift import Verdict as DriftVerdict
from segmenter.epoch import Epoch
from segmenter.errors import UsageError
from segmenter.media import MediaType, Sample, Track
from segmenter.native_choice import native
from segmenter.source_clock import MPEG_TS_CLOCK, RTMP_CLOCK, SourceClock
from segmenter.timeline_statistics import (
    ADRIFT_S,
    TimelineCounts,
    TimelineState,
    TimelineStatistics,
)
from segmenter.track_clock import ANCHOR_TIMESCALE, UNSEEN, TrackClock
from segmenter.video_clock import VideoClock

__all__ = [
    "MPEG_TS_CLOCK",
    "RTMP_CLOCK",
    "SourceClock",
    "Timeline",
    "TimelineState",
    "TimelineStatistics",
]

SKEW_WITHIN_S = 1.0
"""Tracks that come less often than this are not compared: one of them has stopped."""

_TRANSITIONS = {
    TimelineState.IDLE: {TimelineState.WAITING},
    TimelineState.WAITING: {TimelineState.WAITING, TimelineState.OPENING},
    TimelineState.OPENING: {TimelineState.WAITING, TimelineState.OPENING, TimelineState.RUNNING},
    TimelineState.RUNNING: {TimelineState.WAITING, TimelineState.OPENING},
}


class Timeline:
    """Places the samples of a path's publishers, one after the other, on one media timeline.

    Owned by the path, the only caller. ``start`` announces a publisher, ``push`` takes its samples
    in the order of their arrival, ``flush`` gives back what was still held. Stamps of incoming
    samples are ticks of the publisher's clock; an incoming ``duration``, if not 0, is in ticks of
    the track and counts for audio only.
    """

    def __init__(self, floor_utc: float = 0.0) -> None:
        """Nothing is ever placed before ``floor_utc``: the end of media of an earlier timeline."""
        self._state = TimelineState.IDLE
        self._counts = TimelineCounts()
        self._clock = RTMP_CLOCK
        self._lines: dict[str, TrackClock] = {}
        self._end = math.ceil(floor_utc * ANCHOR_TIMESCALE)
        self._epoch: Epoch | None = None
        self._jump: ClockJump | None = None
        self._break_due = False
        self._newest = 0
        self._last_arrival = 0.0
        self._measured_utc = 0.0

    @property
    def end_utc(self) -> float:
        """Where the media placed so far ends (or the floor), seconds UTC."""
        return self._end_ticks() / ANCHOR_TIMESCALE

    def start(
        self,
        tracks: Sequence[Track],
        clock: SourceClock,
        *,
        continues: bool = False,
        breaks: bool = True,
    ) -> None:
        """A new publisher, or with ``continues`` new tracks of the one there is.

        A new publisher is anchored anew at its first sample. One that continues keeps its anchor;
        either way the next samples are marked as discontinuities, new video from a sync sample;
        not where one that continues does not break: what comes beside the others or leaves them.
        """
        if not tracks or len({track.name for track in tracks}) != len(tracks):
            raise UsageError(f"tracks named {[track.name for track in tracks]}")
        self._end = self._end_ticks()
        if self._jump is not None:
            self._counts.dropped += len(self._jump.suspects)
            self._jump = None
        former, epoch = self._lines, self._epoch
        self._lines = {track.name: self._line(track, clock) for track in tracks}
        if continues and clock == self._clock and epoch is not None:
            self._succeed(former, epoch, breaks=breaks)
            return
        self._clock = clock
        self._break_due = False
        if epoch is not None:
            epoch.forget_held()
        self._epoch = None
        self._set_state(TimelineState.WAITING)

    def push_all(self, samples: list[Sample], now_utc: float, out: list[Sample]) -> None:
        """Samples that arrived together, of any tracks: the same as ``push`` for each.

        What can be placed is appended to ``out``, so that it is there when a later one raises.
        """
        index = 0
        while index < len(samples):
            index = self._place_run(samples, index, now_utc, out)
            if index < len(samples):
                out += self.push(samples[index], now_utc)
                index += 1

    def push(self, sample: Sample, now_utc: float) -> list[Sample]:
        """Take a sample as it arrives and give those which can be placed, in decode order.

        Raises UsageError for a track not announced, MediaError for audio without a length.
        """
        line = self._lines.get(sample.track)
        if line is None:
            raise UsageError(f"sample of track {sample.track!r}, which was not announced")
        if self._jump is not None:
            return self._push_suspecting(line, sample, now_utc)
        source = sample.dts + line.offset
        if not -line.back <= source - line.last_source <= line.ahead:
            located = self._locate(line, sample.dts, now_utc)
            if located is None:
                self._jump = ClockJump(sample, now_utc)
                return []
            source = located
        return self._accept(line, sample, source, now_utc)

    def flush(self) -> list[Sample]:
        """Give what is still held back: the publisher has gone, or is about to change its tracks.

        Held audio waits for video no longer, and stamps off the clock are not waited out.
        """
        if self._epoch is None:
            return []
        out = self._forgive()
        out += self._epoch.start_without_video(self._lines.values())
        self._note_opened(self._epoch)
        return out

    def media_time(self, track: str, stamp: int) -> int | None:
        """Where a stamp of the publisher is, near the latest one of a track, in ticks of the
        track; None before it has been anchored. It may be moved for what is left out or repaired.
        """
        line = self._lines.get(track)
        if line is None or not line.is_started:
            return None
        return line.media_time(stamp + line.offset)

    def statistics(self) -> TimelineStatistics:
        """A snapshot."""
        ahead_s = 0.0
        if self._epoch is not None and self._epoch.is_open:
            newest = self._epoch.media_time(self._newest)
            ahead_s = newest / ANCHOR_TIMESCALE - self._last_arrival
        return TimelineStatistics(
            state=self._state,
            end_utc=self.end_utc,
            ahead_s=ahead_s,
            is_adrift=abs(ahead_s) > ADRIFT_S,
            drift_s=self._epoch.drift.drift_s if self._epoch is not None else 0.0,
            skew_s=self._skew_s(),
            **dataclasses.asdict(self._counts),
        )

    def _skew_s(self) -> float | None:
        """Stamps compared with arrivals, so that it does not matter which came last."""
        seen = [line for line in self._lines.values() if line.last_source != UNSEEN]
        video = next((line for line in seen if line.is_video), None)
        audio = next((line for line in seen if not line.is_video), None)
        if video is None or audio is None:
            return None
        apart_s = audio.last_arrival - video.last_arrival
        if abs(apart_s) > SKEW_WITHIN_S:
            return None
        return (audio.last_source - video.last_source) / self._clock.timescale - apart_s

    def _place_run(
        self, samples: list[Sample], index: int, now_utc: float, out: list[Sample]
    ) -> int:
        """Place samples from ``index`` on in C while they are ordinary; gives where they end."""
        if native is None or self._jump is not None or self._break_due:
            return index
        if self._is_measure_due(now_utc):  # before the next sample is placed
            return index
        after = native.place_run(self._lines, samples, index, now_utc, out)
        if after > index:
            self._newest = self._lines[samples[after - 1].track].last_source
            self._last_arrival = now_utc
        return after

    # -- stamps off the clock

    def _locate(self, line: TrackClock, stamp: int, now_utc: float) -> int | None:
        """Source ticks of a stamp that does not simply follow its track's last; None if off."""
        if self._epoch is None:
            return stamp
        elapsed = int((now_utc - self._last_arrival) * self._clock.timescale)
        return line.locate(stamp, self._newest, elapsed)

    def _push_suspecting(self, line: TrackClock, sample: Sample, now_utc: float) -> list[Sample]:
        """A sample arrives while others are held because their stamps were off the clock."""
        jump = self._jump
        assert jump is not None
        out: list[Sample] = []
        source = self._locate(line, sample.dts, now_utc)
        if source is not None:
            if sample.track in jump.tracks:
                out = self._forgive()
            else:
                jump.note_stayed()
            out += self._accept(line, sample, source, now_utc)
        elif jump.agrees(sample, line.ahead):
            jump.add(sample, now_utc)
        else:
            out = self._forgive()
            self._jump = ClockJump(sample, now_utc)
        if self._jump is not None:
            out += self._judge(self._jump, now_utc)
        return out

    def _judge(self, jump: ClockJump, now_utc: float) -> list[Sample]:
        arrivals = {
            name: line.last_arrival
            for name, line in self._lines.items()
            if line.last_source != UNSEEN
        }
        verdict = jump.judge(arrivals, now_utc)
        if verdict is Verdict.OPEN:
            return []
        self._jump = None
        if verdict is Verdict.STRAY_TRACK:
            self._bring_back(jump)
        else:
            self._follow_jump(jump)
        out: list[Sample] = []
        for sample, arrival in jump.suspects:
            out += self.push(sample, arrival)
        return out

    def _forgive(self) -> list[Sample]:
        """Place the suspects as if they had the stamps of the samples before them."""
        jump, self._jump = self._jump, None
        out: list[Sample] = []
        for sample, arrival in jump.suspects if jump is not None else ():
            line = self._lines[sample.track]
            self._counts.stray_stamps += 1
            source = line.last_source if line.last_source != UNSEEN else self._newest
            out += self._accept(line, sample, source, arrival)
        return out

    def _bring_back(self, jump: ClockJump) -> None:
        """Let the suspects' tracks end where the others are now."""
        offset = self._newest - jump.suspects[-1][0].dts
        for name in jump.tracks:
            self._counts.stray_tracks += 1
            line = self._lines[name]
            line.offset = offset
            line.last_source = offset + next(s.dts for s, _ in jump.suspects if s.track == name)

    def _follow_jump(self, jump: ClockJump) -> None:
        """Begin a new epoch now, or take the jump out of the stamps until a key frame comes."""
        self._counts.jumps += 1
        first, arrival = jump.suspects[0]
        carried = next((s for s, _ in jump.suspects if self._lines[s.track].is_video), None)
        line = self._lines[first.track]
        if (
            carried is None
            or carried.is_sync
            or not self._lines[carried.track].is_started
            or not line.is_started
        ):
            for other in self._lines.values():
                other.forget_stamps()
            self._begin_epoch(first.dts, arrival)
            return
        expected = line.last_source + line.to_source(line.last_duration)
        for other in self._lines.values():
            if other.last_source != UNSEEN:
                other.offset = expected - first.dts
        self._break_due = True

    # -- epochs

    def _begin_epoch(self, source: int, now_utc: float) -> Epoch:
        """Anchor ``source`` at its arrival, but let no track start before the end of media."""
        self._end = self._end_ticks()
        if self._epoch is not None:
            self._epoch.forget_held()
        self._epoch = epoch = Epoch(self._clock, source, now_utc, self._end, self._counts)
        self._counts.epochs += 1
        self._newest = source
        self._break_due = False
        for line in self._lines.values():
            line.is_started = False
            line.break_due = self._end > 0
        self._set_state(TimelineState.OPENING)
        return epoch

    def _accept(
        self, line: TrackClock, sample: Sample, source: int, now_utc: float
    ) -> list[Sample]:
        """Take a sample whose place on the source's clock is known."""
        line.last_source = self._newest = source
        line.last_arrival = self._last_arrival = now_utc
        self._measure(now_utc)
        if self._break_due and sample.is_sync and self._may_break(line):
            self._begin_epoch(source, now_utc)
        if line.is_started:
            placed = line.place(sample, source, now_utc)
            return [placed] if placed is not None else []
        epoch = self._epoch or self._begin_epoch(source, now_utc)
        out = epoch.admit(self._lines.values(), line, sample, source, now_utc)
        self._note_opened(epoch)
        return out

    def _may_break(self, line: TrackClock) -> bool:
        """Whether a new epoch may begin with a sync sample of this track."""
        return line.is_video or not any(other.is_video for other in self._lines.values())

    def _is_measure_due(self, now_utc: float) -> bool:
        return not 0 <= now_utc - self._measured_utc < MEASURE_EVERY_S

    def _measure(self, now_utc: float) -> None:
        """Keep media time with the clock, see drift.py."""
        if not self._is_measure_due(now_utc):
            return
        self._measured_utc = now_utc
        epoch = self._epoch
        if epoch is None or not epoch.is_open or self._break_due:
            return
        ahead_s = epoch.media_time(self._newest) / ANCHOR_TIMESCALE - now_utc
        move_s = epoch.drift.measure(ahead_s, now_utc)
        if move_s:
            epoch.move(move_s, self._lines.values())
        if epoch.drift.verdict is DriftVerdict.LOST:
            self._counts.lost_clocks += 1
            self._break_due = True

    def _note_opened(self, epoch: Epoch) -> None:
        if self._state is TimelineState.OPENING and epoch.is_open:
            self._set_state(TimelineState.RUNNING)

    def _succeed(self, former: dict[str, TrackClock], epoch: Epoch, *, breaks: bool) -> None:
        """Let tracks declared anew go on in the epoch, unchanged ones without a pause."""
        for name, line in self._lines.items():
            before = former.get(name)
            if before is not None and before.track == line.track:
                self._lines[name] = before
                before.break_due |= breaks and self._end > 0
                continue
            if before is not None:
                line.follow(before)
            if epoch.is_open:
                epoch.anchor(line)
            line.break_due = breaks and self._end > 0
        epoch.forget_held(self._lines.values())

    def _line(self, track: Track, clock: SourceClock) -> TrackClock:
        is_video = track.media_type is MediaType.VIDEO
        return (VideoClock if is_video else AudioClock)(track, clock, self._counts)

    def _end_ticks(self) -> int:
        """Where media ends, in ticks of ANCHOR_TIMESCALE."""
        return max(self._end, *(line.anchor_end for line in self._lines.values()), 0)

    def _set_state(self, state: TimelineState) -> None:
        if state not in _TRANSITIONS[self._state]:
            raise UsageError(f"timeline cannot go from {self._state.value} to {state.value}")
        self._state = state
