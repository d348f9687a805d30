"""A path's renditions, cut on the same boundaries.

One track leads: the first video track, else the first audio track. Its samples decide where
segments begin (see `segmenter.boundary`); every other track begins its segment with its first
sample at or after the same instant. Samples of the others wait in bounded queues until the
leading track has come as far.

When it stays silent while the others go on, the track that is furthest stands in for it and cuts
on the grid, and the silent rendition gets gap segments: EXT-X-GAP in HLS; in DASH, where numbers
count on without holes, the MPD lists what follows the gap. It leads again from its first usable
sample. A rendition that stays silent behind the others gets gaps in the same way.

Late is better than lost: an encoder on a starved machine may be behind by any time that its own
queue allows, and whatever it brings gets into the segments it belongs to. Only silence is a loss.
While another track stands in it therefore cuts where encoders force their key frames, on the very
lines of the grid, and not at its own first sample after them.

A discontinuity of the leading track is one of all renditions: the other tracks carry a mark of
their own for the same break, which closes their segments and makes no second one.
"""

from __future__ import annotations

import math
import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from segmenter.boundary import (
    Boundary,
    BoundaryRule,
    Cut,
    discontinuity_at,
    number_at,
    target_duration_for,
)
from segmenter.codecs.codec_string import codec_string
from segmenter.errors import UsageError
from segmenter.fmp4.init_section import write_init_section
from segmenter.lane import Lane
from segmenter.media import MediaType, Sample, Track
from segmenter.native_choice import native
from segmenter.period_start import PERIOD_TICKS_PER_SECOND, PeriodStart
from segmenter.rendition import Rendition
from segmenter.saved_window import PresentationState, SavedPresentation, SavedRendition
from segmenter.segment import Event, InitSection, Part, PresentationEnded, SegmentExpired

LEADER_SILENCE_S = 1.0
"""The leading track may be silent for this long while others go on: more than the interleaving of
muxers (about half a second), less than the hold-back of low-latency players (about a second)
would stand twice."""

EXPECTED_WAIT_S = 5.0
"""How long audio waits for video that is yet to be announced: an encoder is up in one or two."""

RENDITION_SILENCE_S = 3.0
"""A rendition behind the others is given up for a segment after this silence, 1.5 target durations
of two seconds, which RFC 8216bis 6.2.1 gives a segment. An encoder that stood still for so long
and catches up costs players half of their hold-back and nothing else, a gap would cost a segment.
"""

HEAD_START_S = 1.0
"""Silence counts from so long after the first sample that follows an announcement: decoder and
encoders are opened anew, which takes a starved machine a second or two."""

QUEUE_LIMIT_S = 10
"""Media that may wait for a leading track that is not silent but far behind: an encoder's
look-ahead and the deepest interleaving of files are below this."""

QUEUE_LIMIT_BYTES = 16 << 20
"""The same in bytes: ten seconds at 13 Mb/s."""

HOLE_LIMIT_S = 30
"""A hole on the leading track is filled with gap segments up to here, or half the window if that
is shorter: beyond it little that was listed would be left, and time breaks."""

HALF = Fraction(1, 2)

DRAIN_S = 1.0
"""After the publisher has gone, encoders give their last frames within this."""

NOWHERE = Fraction(0)
"""Before all media."""

TOGETHER_S = Fraction(1, 10)
"""Tracks that end within this of the furthest have nothing more to come: a few frames."""

BOUNDARIES_TO_JOIN = 2
"""A rendition that appears may begin with a segment as old: an encoder is up in half a second,
and then brings what was pushed meanwhile, while the first segment may be short."""


@dataclass(frozen=True, slots=True)
class PresentationSettings:
    """How to cut and how much to keep."""

    segment_duration_s: float = 2.0
    part_duration_s: float = 0.2
    """0: no parts."""
    window_s: float = 30.0
    """What playlists list, of each rendition."""
    window_bytes: int = 256 << 20
    """The same in bytes, of each rendition; three target durations are always kept."""
    floor_msn: int = 0
    """The first media sequence number is at least this: one more than the last ever served."""
    floor_discontinuity: int = 0
    """The first discontinuity sequence number is at least this."""
    target_duration: int = 0
    """To go on with after a restart; 0: decided when the first segment is complete."""


@dataclass(frozen=True, slots=True)
class PresentationStatistics:
    """Counts since the presentation was made."""

    boundaries: int
    breaks: int
    forced_cuts: int
    """Segments which had to begin without a key frame. Advice: GOP too long."""
    stand_ins: int
    """How often another track had to lead."""
    samples_dropped: int
    queued_samples: int
    queued_bytes: int


class Presentation:
    """Owns the renditions of one path; its origin is the only caller.

    ``start`` announces tracks, ``push`` takes their samples in media time, ``handle_timer`` lets
    time pass without samples, ``pause`` tells that the publisher has gone, ``end`` that nothing
    follows. All give the events that this caused, in order.
    """

    def __init__(self, settings: PresentationSettings) -> None:
        if settings.segment_duration_s <= 0 or settings.part_duration_s < 0:
            raise UsageError(f"durations of {settings}")
        self.settings = settings
        self.renditions: dict[str, Rendition] = {}
        self.is_ended = False
        self._segment_duration = Fraction(settings.segment_duration_s).limit_denominator(1000)
        self._hole_limit_s = min(HOLE_LIMIT_S, settings.window_s / 2)
        self._former: list[Rendition] = []
        self._next_msn = settings.floor_msn
        self._next_discontinuity = settings.floor_discontinuity
        self._now_utc = 0.0
        self._boundaries = self._breaks = self._forced_cuts = self._stand_ins = 0
        self._dropped = 0
        self._begin_life()

    def _begin_life(self) -> None:
        """A playlist's life is from its first segment to EXT-X-ENDLIST."""
        self._lanes: dict[str, Lane] = {}
        self._leader: Lane | None = None
        self._primary: Lane | None = None
        self._rule: BoundaryRule | None = None
        self._boundary: Boundary | None = None
        self._recent: deque[Boundary] = deque(maxlen=BOUNDARIES_TO_JOIN)
        self._watermark = 0
        self._break_due = False
        self._break_wanted = False
        self._is_pausing = False
        self._period_starts: list[PeriodStart] = []
        self._awaited: list[Lane] = []
        self._awaited_utc = 0.0
        self.target_duration = self.settings.target_duration
        self._has_forced_cut = False

    # -- what callers do ---------------------------------------------------------------------

    def restore(self, saved: SavedPresentation, now_utc: float) -> list[Event]:
        """Go on where an origin that is no more left off, as if its publisher had just gone.

        To be called before anything else. The segments in ``saved`` are listed again without
        events of their own; what was lost of others becomes gaps, which are announced.
        """
        if self.renditions or self._boundary is not None:
            raise UsageError("only a presentation that has not begun can be restored")
        self._now_utc = now_utc
        self.target_duration = saved.state.target_duration
        self._has_forced_cut = saved.state.has_forced_cut
        self._period_starts = list(saved.state.period_starts)
        boundaries = saved.boundaries()
        end_s = saved.end_of_last(self._segment_duration, now_utc)
        events: list[Event] = []
        for rendition in saved.renditions:
            events += self._restore_lane(rendition, boundaries, end_s)
        self._boundary = boundaries[-1]
        self._next_msn = max(self._next_msn, saved.last_msn + 1)
        self._next_discontinuity = max(self._next_discontinuity, saved.last_discontinuity)
        self._break_due = True
        return events

    def start(self, tracks: Sequence[Track], *, expected: Sequence[str] = ()) -> list[Event]:
        """Tracks to package: new ones, or in the place of those of the same name.

        Those of ``expected`` names follow; while a video track may be among them audio does not
        lead. After ``end`` this begins new playlists, with higher numbers.
        Raises UsageError or MediaError when a track cannot be described.
        """
        inits = [_init_section(track) for track in tracks]
        if self.is_ended:
            self._withdraw()
        events: list[Event] = []
        for track, init in zip(tracks, inits, strict=True):
            lane = self._lanes.get(track.name)
            if lane is None:
                events += self._add_lane(track, init)
            elif lane.track != track:
                events += self._replace_track(lane, track, init)
        announced = dict.fromkeys([*(track.name for track in tracks), *expected])
        self._awaited += [self._lanes[name] for name in announced if name in self._lanes]
        self._choose_primary(expected)
        return events

    def push_all(self, samples: list[Sample], now_utc: float) -> list[Event]:
        """Samples that arrived together, of any tracks; the same as ``push`` for each."""
        events: list[Event] = []
        index = 0
        while index < len(samples):
            index = self._take_run(samples, index, now_utc, events)
            if index < len(samples):
                events += self.push(samples[index], now_utc)
                index += 1
        return events

    def push(self, sample: Sample, now_utc: float) -> list[Event]:
        """One sample of an announced track, in media time and decode order."""
        lane = self._lanes.get(sample.track)
        if lane is None:
            raise UsageError(f"sample of track {sample.track!r}, which was not announced")
        lane.last_push_utc = self._now_utc = now_utc
        if self._awaited:
            self._begin_waiting(now_utc)
        if lane is self._leader:
            events = self._lead(lane, sample)
            for other in self._lanes.values():
                if other.queue:
                    events += self._drain(other)
            return events
        if lane is self._primary and self._leader is not None:
            return self._lead_again(lane, sample)
        lane.queue.append(sample)
        lane.queued_bytes += sample.size_bytes
        if self._is_overdue(lane):
            return self._stand_in()
        return self._drain(lane)

    def pause(self, now_utc: float) -> list[Event]:
        """The publisher has gone: what there is of the segments in progress is published.

        Tracks that lag behind (encoders) are waited for, for DRAIN_S. Media that come later
        begin after a discontinuity.
        """
        self._now_utc = now_utc
        self._is_pausing = True
        return self._settle_pause()

    def handle_timer(self, now_utc: float) -> list[Event]:
        """Time passes: call it every half second or so."""
        self._now_utc = now_utc
        events: list[Event] = []
        if self._is_pausing:
            events += self._settle_pause()
        elif any(self._is_overdue(lane) for lane in self._lanes.values()):
            events += self._stand_in()
        for lane in self._lanes.values():
            if not lane.queue and now_utc - lane.last_push_utc > RENDITION_SILENCE_S:
                events += lane.pass_over(now_utc)
        for rendition in [*self._former, *self.renditions.values()]:
            events += rendition.expire(now_utc)
        self._former = [rendition for rendition in self._former if not rendition.is_gone]
        return events

    def end(self, now_utc: float) -> list[Event]:
        """Nothing follows: EXT-X-ENDLIST. Does nothing the second time."""
        self._now_utc = now_utc
        if self.is_ended:
            return []
        events = self._close_all(list(self._lanes.values()), is_end=True)
        for rendition in self.renditions.values():
            rendition.end()
        self._dropped += sum(lane.samples_dropped for lane in self._lanes.values())
        self._lanes = {}
        self._leader = self._primary = None
        self.is_ended = True
        return [*events, PresentationEnded()]

    def lose(self, rendition: str, part: Part) -> None:
        """The bytes of a part just announced could not be kept: its segment becomes a gap."""
        self.renditions[rendition].lose(part)

    def expire_early(self) -> SegmentExpired | None:
        """For want of room: the segment that would expire next, if any has left the playlists."""
        waiting = [r for r in (*self._former, *self.renditions.values()) if r.next_expiry_utc]
        if not waiting:
            return None
        return min(waiting, key=lambda rendition: rendition.next_expiry_utc).expire_early()

    def saved_state(self) -> PresentationState:
        """What to keep for `restore` beside the renditions."""
        return PresentationState(
            self.target_duration, self._has_forced_cut, tuple(self._period_starts), self._boundary
        )

    @property
    def boundary(self) -> Boundary | None:
        """Where the latest segment begins; None before the first."""
        return self._boundary

    @property
    def end_s(self) -> Fraction:
        """Where the media taken so far end, seconds since 1970; 0 before any."""
        lanes = self._lanes.values()
        return max((Fraction(lane.end, lane.timescale) for lane in lanes), default=Fraction(0))

    @property
    def has_media(self) -> bool:
        """Whether any rendition lists more than gaps; before that there is nothing to play."""
        return any(rendition.has_media for rendition in self.renditions.values())

    @property
    def is_independent(self) -> bool:
        """Whether all segments so far could claim EXT-X-INDEPENDENT-SEGMENTS.

        Once one could not, playlists rendered from then on do not claim it any more.
        """
        if self._has_forced_cut:
            return False
        return all(rendition.is_independent for rendition in self.renditions.values())

    def period_start(self, discontinuity: int) -> PeriodStart:
        """Where the media of a listed discontinuity sequence number begin."""
        for start in self._period_starts:
            if start.discontinuity == discontinuity:
                return start
        raise UsageError(f"no media of discontinuity {discontinuity} are listed")

    def statistics(self) -> PresentationStatistics:
        """A snapshot."""
        lanes = self._lanes.values()
        return PresentationStatistics(
            boundaries=self._boundaries,
            breaks=self._breaks,
            forced_cuts=self._forced_cuts,
            stand_ins=self._stand_ins,
            samples_dropped=self._dropped + sum(lane.samples_dropped for lane in lanes),
            queued_samples=sum(len(lane.queue) for lane in lanes),
            queued_bytes=sum(lane.queued_bytes for lane in lanes),
        )

    # -- tracks ------------------------------------------------------------------------------

    def _add_lane(self, track: Track, init: InitSection) -> list[Event]:
        settings = self.settings
        position = 1 + max((r.position for r in self.renditions.values()), default=-1)
        rendition = Rendition(track, position, settings.window_s, settings.window_bytes)
        rendition.target_duration = self.target_duration
        lane = Lane(track, init, rendition, settings.part_duration_s)
        for boundary in self._recent:
            lane.expect(boundary)
        self._lanes[track.name] = lane
        self.renditions[track.name] = rendition
        return lane.announce()

    def _restore_lane(
        self, saved: SavedRendition, boundaries: Sequence[Boundary], end_s: Fraction
    ) -> list[Event]:
        """A rendition goes on; it has gaps for the numbers that others have and it has not."""
        settings = self.settings
        track = saved.init.track
        rendition = Rendition(track, saved.position, settings.window_s, settings.window_bytes)
        rendition.target_duration = self.target_duration
        rendition.restore(saved, self._now_utc)
        lane = Lane(track, saved.init, rendition, settings.part_duration_s)
        self._lanes[saved.name] = lane
        self.renditions[saved.name] = rendition
        return lane.restore(boundaries, end_s, self._now_utc)

    def _replace_track(self, lane: Lane, track: Track, init: InitSection) -> list[Event]:
        self._settle_target_duration()
        events = self._flush(lane, len(lane.queue))
        events += lane.replace_track(track, init, self._now_utc)
        if lane is self._leader:
            self._break_due = True
            self._set_rule(lane)
        elif not lane.expects_break:
            self._break_wanted = True
        return events

    def _choose_primary(self, expected: Sequence[str]) -> None:
        """The first video track; audio only where no video is to be expected."""
        if self._primary is not None and self._primary.track.media_type is MediaType.VIDEO:
            return
        lanes = list(self._lanes.values())
        video = [lane for lane in lanes if lane.track.media_type is MediaType.VIDEO]
        if video:
            self._primary = video[0]
        elif lanes and all(name in self._lanes or name.startswith("audio") for name in expected):
            self._primary = lanes[0]
        if self._leader is None and self._primary is not None:
            self._set_leader(self._primary)

    def _set_leader(self, lane: Lane) -> None:
        self._leader = lane
        self._set_rule(lane)

    def _set_rule(self, lane: Lane) -> None:
        """Judge by this track from now on, in its ticks."""
        self._rule = BoundaryRule(
            self._segment_duration,
            lane.timescale,
            self.target_duration,
            counts_gops=lane.track.media_type is MediaType.VIDEO,
        )
        self._watermark = lane.end
        if self._boundary is not None:
            self._rule.start(self._boundary.ticks(lane.timescale))

    def _withdraw(self) -> None:
        """The ended playlists make way for new ones of the same names."""
        for rendition in self.renditions.values():
            rendition.withdraw(self._now_utc)
        self._former += self.renditions.values()
        self.renditions = {}
        self.is_ended = False
        self._begin_life()

    # -- the leading track -------------------------------------------------------------------

    def _lead(self, lane: Lane, sample: Sample) -> list[Event]:
        """A sample of the leading track: make the boundaries due with it, then take it."""
        rule = self._rule
        assert rule is not None
        if sample.discontinuity:
            self._break_due = True
        if self._boundary is None or self._break_due:
            if not sample.is_sync:
                lane.dropped += 1
                return []
            time = sample.dts
            if lane is not self._primary:
                # All tracks of a publisher begin together, and no later than this one ended.
                time = max(time - sample.duration, min(lane.end, time))
            self._make_boundary(lane, time, is_break=self._boundary is not None)
            rule.forget_gops()
            rule.judge(sample)
        else:
            self._judge(lane, rule, sample)
        self._watermark = sample.dts + (sample.duration or 1)
        if lane is not self._primary:
            self._watermark = min(self._watermark, rule.next_line)
        return lane.take(sample, self._now_utc)

    def _judge(self, lane: Lane, rule: BoundaryRule, sample: Sample) -> None:
        dts = sample.dts
        cut = rule.judge(sample)
        if dts > rule.last_moment:
            self._cross_hole(lane, rule, sample)
        elif cut is Cut.DUE and lane is not self._primary:
            self._make_boundary(lane, rule.next_line)
        elif cut is Cut.DUE or lane.needs_boundary(sample):
            self._make_boundary(lane, dts)
        elif cut is Cut.EARLY and self._has_spare_number(lane, dts):
            self._make_boundary(lane, dts)
            rule.start(dts, is_early=True)
        elif cut is Cut.FORCED:
            self._make_boundary(lane, dts)
            self._forced_cuts += 1
            self._has_forced_cut |= lane.is_open

    def _cross_hole(self, lane: Lane, rule: BoundaryRule, sample: Sample) -> None:
        """No segment can last until this sample: boundaries on the grid up to it, and at it."""
        if sample.dts - rule.last_moment > self._hole_limit_s * lane.timescale:
            self._break_due = True
            if sample.is_sync:
                self._make_boundary(lane, sample.dts, is_break=True)
            return
        # None where there are media, of which others may have gone further than the line.
        line = rule.line_after(max(self._watermark, rule.start_time))
        self._make_boundary(lane, min(line, rule.last_moment))
        while sample.dts > rule.last_moment:
            self._make_boundary(lane, rule.next_line)
        if sample.dts > rule.start_time:
            self._make_boundary(lane, sample.dts)
        self._has_forced_cut |= lane.is_open and not sample.is_sync

    def _has_spare_number(self, lane: Lane, time: int) -> bool:
        """Numbers never run ahead of the clock's, or a restart could go back."""
        return self._next_msn <= number_at(time, lane.timescale)

    def _make_boundary(self, lane: Lane, time: int, *, is_break: bool = False) -> None:
        """A segment begins at ``time`` (ticks of ``lane``) in every rendition."""
        timescale = lane.timescale
        former = self._boundary
        previous_end = time
        if former is None:
            self._break_due = self._break_wanted = self._is_pausing = False
            self._next_msn = max(self._next_msn, number_at(time, timescale))
            self._next_discontinuity = max(
                self._next_discontinuity, discontinuity_at(time, timescale)
            )
            self._add_period(time, timescale)
        else:
            self._decide_target_duration(former, time, lane)
            if is_break or self._break_wanted:
                is_break = True
                previous_end = min(self._watermark, time)
                self._break()
                self._add_period(time, timescale)
        assert self._rule is not None
        self._rule.start(time)
        boundary = Boundary(
            self._next_msn,
            time,
            timescale,
            self._next_discontinuity,
            is_break,
            previous_end,
            self._rule.expected_end(),
        )
        self._next_msn += 1
        self._boundaries += 1
        self._boundary = boundary
        if is_break:
            self._recent.clear()
        self._recent.append(boundary)
        for other in self._lanes.values():
            other.expect(boundary)

    def _break(self) -> None:
        self._breaks += 1
        self._next_discontinuity += 1
        self._break_due = self._break_wanted = self._is_pausing = False

    def _add_period(self, time: int, timescale: int) -> None:
        listed = [r.segments[0].discontinuity for r in self.renditions.values() if r.segments]
        oldest = min(listed, default=0)
        self._period_starts = [
            start for start in self._period_starts if start.discontinuity >= oldest
        ]
        ticks = time * PERIOD_TICKS_PER_SECOND // timescale
        self._period_starts.append(PeriodStart(self._next_discontinuity, ticks))

    def _decide_target_duration(self, first: Boundary, end: int, lane: Lane) -> None:
        """When the first segment is complete, for good (RFC 8216bis 6.2.1)."""
        if self.target_duration:
            return
        end = min(end, self._watermark) if self._break_due else end
        longest_s = Fraction(end - first.ticks(lane.timescale), lane.timescale)
        self.target_duration = max(
            target_duration_for(self._segment_duration, longest_s),
            # A track that led for a while may have gone further than the one that leads now.
            *(math.floor(other.since_s(first) + HALF) for other in self._lanes.values()),
        )
        for other in self._lanes.values():
            other.set_target_duration(self.target_duration)
        if self._rule is not None:
            self._rule.set_target_duration(self.target_duration)

    def _settle_target_duration(self) -> None:
        """Decide by what there is: the first segment is about to end without a boundary."""
        boundary, leader = self._boundary, self._leader
        if boundary is not None and leader is not None:
            end = max(leader.end, boundary.ticks(leader.timescale) + 1)
            self._decide_target_duration(boundary, end, leader)

    def _take_run(
        self, samples: list[Sample], index: int, now_utc: float, events: list[Event]
    ) -> int:
        """Push samples from ``index`` on in C while they are ordinary; gives where they end."""
        leader, rule = self._leader, self._rule
        if native is None or leader is None or leader is not self._primary or rule is None:
            return index
        if self._boundary is None or self._break_due or self._awaited:
            return index
        self._now_utc = now_utc
        index, self._watermark, needs_drain = native.take_run(
            self._lanes,
            leader.track.name,
            leader,
            rule,
            self._watermark,
            samples,
            index,
            now_utc,
        )
        if needs_drain:
            for lane in self._lanes.values():
                events += self._drain(lane)
        return index

    # -- the other tracks --------------------------------------------------------------------

    def _drain(self, lane: Lane) -> list[Event]:
        """Take what the leading track has passed: its boundaries up to there are known."""
        leader = self._leader
        if leader is None or self._boundary is None:
            return []
        events: list[Event] = []
        queue = lane.queue
        limit = self._watermark * lane.timescale
        timescale = leader.timescale
        while queue and queue[0].dts * timescale < limit:
            sample = queue.popleft()
            lane.queued_bytes -= sample.size_bytes
            events += lane.take(sample, self._now_utc)
        return events

    def _flush(self, lane: Lane, count: int) -> list[Event]:
        """Take the first ``count`` that wait, if they have room before the next boundary, which
        will be a break."""
        events: list[Event] = []
        for _ in range(count):
            sample = lane.queue.popleft()
            lane.queued_bytes -= sample.size_bytes
            if lane.has_room(sample):
                events += lane.take(sample, self._now_utc)
            else:
                lane.dropped += 1
        return events

    def _is_overdue(self, lane: Lane) -> bool:
        """Whether its queue has waited long enough for the leading track."""
        queue = lane.queue
        if not queue:
            return False
        waits = queue[-1].dts - queue[0].dts
        if waits > QUEUE_LIMIT_S * lane.timescale or lane.queued_bytes > QUEUE_LIMIT_BYTES:
            return True
        if self._leader is None:
            return self._now_utc - self._awaited_utc > EXPECTED_WAIT_S
        if self._now_utc - self._leader.last_push_utc <= LEADER_SILENCE_S:
            return False
        return waits >= LEADER_SILENCE_S * lane.timescale

    def _begin_waiting(self, now_utc: float) -> None:
        """The first sample after an announcement: from now on the others may be waited for."""
        for lane in self._awaited:
            lane.last_push_utc = now_utc + HEAD_START_S
        self._awaited.clear()
        self._awaited_utc = now_utc

    def _stand_in(self) -> list[Event]:
        """The track that is furthest leads, until the one that should is back."""
        lane = max(
            (lane for lane in self._lanes.values() if lane.queue),
            key=lambda lane: Fraction(lane.queue_end, lane.timescale),
        )
        self._stand_ins += 1
        self._set_leader(lane)
        queued = list(lane.queue)
        lane.queue.clear()
        lane.queued_bytes = 0
        events: list[Event] = []
        for sample in queued:
            events += self._lead(lane, sample)
        for other in self._lanes.values():
            events += self._drain(other)
        return events

    def _lead_again(self, lane: Lane, sample: Sample) -> list[Event]:
        """The track that should lead is back: it does, once it is in the segment in progress.

        If it has no key frame yet it only tells the time; its segments begin with the next one.
        """
        leader = self._leader
        assert leader is not None
        if self._boundary is not None:
            lags = self._watermark * lane.timescale - sample.dts * leader.timescale
            is_far_behind = lags > LEADER_SILENCE_S * lane.timescale * leader.timescale
            if is_far_behind or sample.dts < self._boundary.ticks(lane.timescale):
                return lane.take(sample, self._now_utc)
        if lane.joins(sample):
            events = lane.take(sample, self._now_utc)
            self._set_leader(lane)
            self._watermark = sample.dts + (sample.duration or 1)
        else:
            events = lane.pass_over(self._now_utc)
            self._set_leader(lane)
            events += self._lead(lane, sample)
        for other in self._lanes.values():
            events += self._drain(other)
        return events

    # -- the end, or a pause -----------------------------------------------------------------

    def _settle_pause(self) -> list[Event]:
        """Close what has nothing more to come."""
        lanes = list(self._lanes.values())
        ends = {lane.track.name: Fraction(lane.life_end, lane.timescale) for lane in lanes}
        furthest = max(ends.values(), default=NOWHERE)
        done = [
            lane
            for lane in lanes
            if furthest - ends[lane.track.name] <= TOGETHER_S
            or self._now_utc - lane.last_push_utc > DRAIN_S
        ]
        if self._leader is not None and self._leader not in done:
            return []
        self._break_due = True
        self._is_pausing = len(done) < len(lanes)
        return self._close_all(done, furthest=furthest)

    def _close_all(
        self, lanes: list[Lane], *, is_end: bool = False, furthest: Fraction = NOWHERE
    ) -> list[Event]:
        """What waits after a discontinuity is of the next publisher, if there can be one.

        Sound goes on in silence up to ``furthest``, where the next publisher may begin.
        """
        self._settle_target_duration()
        events: list[Event] = []
        for lane in lanes:
            events += self._flush(lane, len(lane.queue) if is_end else lane.life_count)
            events += lane.fall_silent(furthest, self._now_utc)
            events += lane.interrupt(self._now_utc)
        return events


def _init_section(track: Track) -> InitSection:
    """Named by its content, so that the same is never fetched twice, not even after a restart."""
    data = write_init_section(track)
    return InitSection(f"init-{zlib.crc32(data)}.mp4", data, track, codec_string(track))
