"""The track that leads a presentation: its samples decide where segments begin."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

from segmenter.boundaries import Boundaries
from segmenter.boundary import Boundary, BoundaryRule, Cut, target_duration_for
from segmenter.lane import Lane
from segmenter.media import MediaType, Sample
from segmenter.native_choice import native
from segmenter.presentation_settings import PresentationSettings
from segmenter.segment import Event

HOLE_LIMIT_S = 30
"""A hole on the leading track is filled with gap segments up to here, or half the window if that
is shorter: beyond it little that was listed would be left, and time breaks."""

HALF = Fraction(1, 2)


class Leading:
    """Owns the question who leads, and the making of boundaries; only its `Lanes` calls it.

    They decide by ``follow`` who leads and by the flags when time has to break; every
    sample of the leading track comes through ``push`` or ``take_run``. It lasts for one life of
    the playlists.
    """

    def __init__(
        self, lanes: Mapping[str, Lane], boundaries: Boundaries, settings: PresentationSettings
    ) -> None:
        self.leader: Lane | None = None
        self.primary: Lane | None = None
        """The one that should lead."""
        self.watermark = 0
        """Ticks of the leader: all boundaries before it are made."""
        self.break_due = False
        """The leader goes on after a discontinuity only."""
        self.break_wanted = False
        """The next boundary is a discontinuity."""
        self.is_pausing = False
        """The publisher has gone, and some tracks may have more to come."""
        self.target_duration = settings.target_duration
        self.has_forced_cut = False
        self.forced_cuts = 0
        self._lanes = lanes
        self._boundaries = boundaries
        self._rule: BoundaryRule | None = None
        self.segment_duration = Fraction(settings.segment_duration_s).limit_denominator(1000)
        self._hole_limit_s = min(HOLE_LIMIT_S, settings.window_s / 2)

    def follow(self, lane: Lane) -> None:
        """This one leads from now on."""
        self.leader = lane
        self.set_rule(lane)

    def set_rule(self, lane: Lane) -> None:
        """Judge by this track from now on, in its ticks."""
        self._rule = BoundaryRule(
            self.segment_duration,
            lane.timescale,
            self.target_duration,
            counts_gops=lane.track.media_type is MediaType.VIDEO,
        )
        self.watermark = lane.end
        if self._boundaries.latest is not None:
            self._rule.start(self._boundaries.latest.ticks(lane.timescale))

    def push(self, lane: Lane, sample: Sample, now_utc: float) -> list[Event]:
        """A sample of the leading track: make the boundaries due with it, then take it."""
        rule = self._rule
        assert rule is not None
        if sample.discontinuity:
            self.break_due = True
        if self._boundaries.latest is None or self.break_due:
            if not sample.is_sync:
                lane.dropped += 1
                return []
            time = sample.dts
            if lane is not self.primary:
                # All tracks of a publisher begin together, and no later than this one ended.
                time = max(time - sample.duration, min(lane.end, time))
            self._make_boundary(lane, time, is_break=self._boundaries.latest is not None)
            rule.forget_gops()
            rule.judge(sample)
        else:
            self._judge(lane, rule, sample)
        self.watermark = sample.dts + (sample.duration or 1)
        if lane is not self.primary:
            self.watermark = min(self.watermark, rule.next_line)
        return lane.take(sample, now_utc)

    def _judge(self, lane: Lane, rule: BoundaryRule, sample: Sample) -> None:
        dts = sample.dts
        cut = rule.judge(sample)
        if dts > rule.last_moment:
            self._cross_hole(lane, rule, sample)
        elif cut is Cut.DUE and lane is not self.primary:
            self._make_boundary(lane, rule.next_line)
        elif cut is Cut.DUE or lane.needs_boundary(sample):
            self._make_boundary(lane, dts)
        elif cut is Cut.EARLY and self._boundaries.has_spare_number(dts, lane.timescale):
            self._make_boundary(lane, dts)
            rule.start(dts, is_early=True)
        elif cut is Cut.FORCED:
            self._make_boundary(lane, dts)
            self.forced_cuts += 1
            self.has_forced_cut |= lane.is_open

    def _cross_hole(self, lane: Lane, rule: BoundaryRule, sample: Sample) -> None:
        """No segment can last until this sample: boundaries on the grid up to it, and at it."""
        if sample.dts - rule.last_moment > self._hole_limit_s * lane.timescale:
            self.break_due = True
            if sample.is_sync:
                self._make_boundary(lane, sample.dts, is_break=True)
            return
        # None where there are media, of which others may have gone further than the line.
        line = rule.line_after(max(self.watermark, rule.start_time))
        self._make_boundary(lane, min(line, rule.last_moment))
        while sample.dts > rule.last_moment:
            self._make_boundary(lane, rule.next_line)
        if sample.dts > rule.start_time:
            self._make_boundary(lane, sample.dts)
        self.has_forced_cut |= lane.is_open and not sample.is_sync

    def _make_boundary(self, lane: Lane, time: int, *, is_break: bool = False) -> None:
        """A segment begins at ``time`` (ticks of ``lane``) in every rendition."""
        rule, boundaries = self._rule, self._boundaries
        assert rule is not None
        former, previous_end = boundaries.latest, None
        if former is not None:
            self._decide_target_duration(former, time, lane)
            if is_break or self.break_wanted:
                previous_end = min(self.watermark, time)
        rule.start(time)
        boundary = boundaries.make(
            time,
            lane.timescale,
            previous_end,
            rule.expected_end(),
            rule.rounding_at(time),
            is_key=rule.is_key_at(time),
        )
        if former is None or boundary.is_break:
            self.break_due = self.break_wanted = self.is_pausing = False
            self._begin_period(boundary, follows_gap=False)
        elif any(other.is_back or self._has_left(other) for other in self._lanes.values()):
            self._begin_period(boundary, follows_gap=True)
        for other in self._lanes.values():
            other.expect(boundary)

    def _has_left(self, lane: Lane) -> bool:
        """Whether it is offered no more, but in the period that lasts."""
        rendition = lane.rendition
        if rendition.is_offered:
            return False
        first_msn = self._boundaries.period_starts[-1].first_msn
        return any(s.msn >= first_msn and not s.is_gap for s in rendition.segments)

    def _begin_period(self, boundary: Boundary, *, follows_gap: bool) -> None:
        """No rendition has listed anything of it yet, so nothing moves from one to the other."""
        listed = [lane.rendition.segments for lane in self._lanes.values()]
        oldest_msn = min((each[0].msn for each in listed if each), default=0)
        self._boundaries.begin_period(boundary, oldest_msn, follows_gap=follows_gap)
        for lane in self._lanes.values():
            lane.is_back = False

    def _decide_target_duration(self, first: Boundary, end: int, lane: Lane) -> None:
        """When the first segment is complete, for good (RFC 8216bis 6.2.1)."""
        if self.target_duration:
            return
        end = min(end, self.watermark) if self.break_due else end
        longest_s = Fraction(end - first.ticks(lane.timescale), lane.timescale)
        self.target_duration = max(
            target_duration_for(self.segment_duration, longest_s),
            # A track that led for a while may have gone further than the one that leads now.
            *(math.floor(other.since_s(first) + HALF) for other in self._lanes.values()),
        )
        for other in self._lanes.values():
            other.set_target_duration(self.target_duration)
        if self._rule is not None:
            self._rule.set_target_duration(self.target_duration)

    def settle_target_duration(self) -> None:
        """Decide by what there is: the first segment is about to end without a boundary."""
        boundary, leader = self._boundaries.latest, self.leader
        if boundary is not None and leader is not None:
            end = max(leader.end, boundary.ticks(leader.timescale) + 1)
            self._decide_target_duration(boundary, end, leader)

    def take_run(self, samples: list[Sample], index: int, now_utc: float) -> tuple[int, bool]:
        """Push samples from ``index`` on in C while they are ordinary.

        Gives where they end, and whether what waits may be taken.
        """
        leader, rule = self.leader, self._rule
        if native is None or leader is None or leader is not self.primary or rule is None:
            return index, False
        if self._boundaries.latest is None or self.break_due:
            return index, False
        index, self.watermark, needs_drain = native.take_run(
            self._lanes,
            leader.track.name,
            leader,
            rule,
            self.watermark,
            samples,
            index,
            now_utc,
        )
        return index, needs_drain
