"""One track on its way into one rendition: in which segment each of its samples belongs."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from fractions import Fraction

from segmenter.boundary import Boundary
from segmenter.errors import UsageError
from segmenter.gaps import Gaps
from segmenter.lane_state import TRANSITIONS, LaneState
from segmenter.media import MediaType, Sample, Track
from segmenter.rendition import OpenSegment, Rendition
from segmenter.segment import (
    Event,
    InitReady,
    InitSection,
    PartReady,
    SegmentReady,
)
from segmenter.segmenter import TrackSegmenter
from segmenter.timed_message import MOST_WAITING, TimedMessage

VIDEO_JOIN_S = 0.1
"""A video track may begin its segment by this much later than the track that leads: one frame
where the frame rate is a fraction of the source's. More would not be aligned (DASH)."""

AUDIO_JOIN_S = 0.5
"""Audio that starts late within a segment is better than a gap as long as the segment."""

FILL_S = 3.0
"""Sound that is missing for longer has been given up (lanes.RENDITION_SILENCE_S)."""

_NEVER = 1 << 62
"""Later than any media time, and within 64 bits with one added (C)."""


class Lane:
    """Owns a rendition's segmenter and queue; only `Lanes` and `Leading` call it.

    Boundaries come through ``expect``, samples through ``take``, in decode order. A segment
    without media between two boundaries becomes a gap once the rendition has begun, so that its
    numbers stay those of the others.
    """

    def __init__(
        self, track: Track, init: InitSection, rendition: Rendition, part_duration_s: float
    ) -> None:
        self.rendition = rendition
        self.queue: deque[Sample] = deque()
        self.queued_bytes = 0
        self.messages: deque[TimedMessage] = deque(maxlen=MOST_WAITING)
        """They go with the next fragment."""
        self.last_push_utc = 0.0
        self.dropped = 0
        self.needs_break = False
        """Its format changed: it may only go on after a discontinuity."""
        self.is_back = False
        """It goes on after a gap within its period, and waits for the next one."""
        self._part_duration_s = part_duration_s
        self._pending: deque[tuple[int, Boundary]] = deque()
        self._next_ticks = _NEVER
        self._gaps = Gaps(rendition)
        self._is_broken = True
        self._begins_break = False
        """The segment in progress begins with a discontinuity."""
        self._state = LaneState.WAITING
        self._segmenter_dropped = 0
        self._end = 0
        self._segment_start = self._last_moment = 0
        self.timescale = track.timescale
        self._set_track(track, init)

    @property
    def is_open(self) -> bool:
        """Whether samples get into a segment."""
        return self._state is LaneState.OPEN

    def has_room(self, sample: Sample) -> bool:
        """Whether the segment in progress, if any, may last until the end of ``sample``."""
        if self._state is not LaneState.OPEN or sample.dts >= self._next_ticks:
            return True
        return sample.dts + sample.duration <= self._last_moment

    def set_target_duration(self, target_duration: int) -> None:
        """No segment may be longer than this allows (seconds), not even the one in progress."""
        self.rendition.target_duration = target_duration
        if self._state is not LaneState.WAITING:
            self._last_moment = self._segment_start + self._longest_ticks

    @property
    def end(self) -> int:
        """Where the media taken so far ends, ticks; 0 before any."""
        return max(self._segmenter.end, self._end)

    def since_s(self, boundary: Boundary) -> Fraction:
        """Seconds from ``boundary`` to where the media taken so far ends; 0 without a segment."""
        if self._state is not LaneState.OPEN:
            return Fraction(0)
        return Fraction(self.end - boundary.ticks(self.timescale), self.timescale)

    @property
    def queue_end(self) -> int:
        """Where the media pushed so far ends, ticks; 0 before any."""
        if self.queue:
            return self.queue[-1].dts + max(self.queue[-1].duration, 1)
        return self.end

    @property
    def life_count(self) -> int:
        """How many of the samples that wait come before a discontinuity among them."""
        breaks = (n for n, sample in enumerate(self.queue) if sample.discontinuity)
        return next(breaks, len(self.queue))

    @property
    def life_end(self) -> int:
        """Where the media ends that came before any discontinuity among what waits, ticks."""
        count = self.life_count
        if not count:
            return self.end
        last = self.queue[count - 1]
        return last.dts + max(last.duration, 1)

    def _is_break(self, sample: Sample) -> bool:
        """Whether the next boundary is a discontinuity and ``sample`` at or after it."""
        return sample.dts >= self._next_ticks and self._pending[0][1].is_break

    def _is_at_break(self, sample: Sample) -> bool:
        """Whether a discontinuity is where all renditions have one; before this sample, where a
        track that stays as it is, such as sound, ran a frame ahead of the key frame that broke."""
        if self._is_break(sample):
            return True
        has_passed = self._begins_break and not self.expects_break
        return has_passed and sample.is_sync and sample.dts <= self._segmenter.end

    def needs_boundary(self, sample: Sample) -> bool:
        """Whether a segment could begin with ``sample`` if only there were a boundary."""
        if self._state is LaneState.OPEN or sample.dts >= self._next_ticks:
            return False
        return self.can_resume(sample)

    def joins(self, sample: Sample) -> bool:
        """Whether ``sample`` may begin the segment of the latest boundary ahead."""
        return bool(self._pending) and self._may_join(sample, *self._pending[-1])

    def can_resume(self, sample: Sample) -> bool:
        """Whether a segment may begin with ``sample``."""
        return sample.is_sync or not self._is_broken

    @property
    def expects_break(self) -> bool:
        """Whether a discontinuity is ahead of it."""
        return any(boundary.is_break for _, boundary in self._pending)

    @property
    def samples_dropped(self) -> int:
        """Samples that did not get into any segment."""
        return self.dropped + self._segmenter_dropped + self._segmenter.dropped

    def announce(self) -> list[Event]:
        """The init section, to be served before the segments that need it."""
        return [InitReady(self.rendition.name, self.init)]

    def replace_track(self, track: Track, init: InitSection, now_utc: float) -> list[Event]:
        """The samples to come are of another format; they wait for a discontinuity."""
        events = self.interrupt(now_utc)
        self._segmenter_dropped += self._segmenter.dropped
        self._set_track(track, init)
        self.needs_break = bool(self.rendition.segments)
        return [*events, *self.announce()]

    def expect(self, boundary: Boundary) -> None:
        """A boundary is ahead, after those expected before."""
        ticks = self._first_ticks(boundary)
        self._pending.append((ticks, boundary))
        if len(self._pending) == 1:
            self._next_ticks = ticks

    def take(self, sample: Sample, now_utc: float) -> list[Event]:
        """A sample of which all boundaries that concern it are known."""
        events: list[Event] = []
        if sample.discontinuity and self._state is LaneState.OPEN and not self._is_at_break(sample):
            # What was lost lasts until the next boundary: without a discontinuity in all
            # renditions there can be no hole in the times of this one (RFC 8216bis 4.4.4.3).
            self._set_state(LaneState.BROKEN)
            self._is_broken = True
        if self._is_past(sample):
            for silent in self._silence_before(sample):
                events += self.take(silent, now_utc)
            if self._is_past(sample):
                events += self._cross(sample, now_utc)
        elif self._state is LaneState.OPEN and not self.has_room(sample):
            # After a hole, and the boundaries that it should have crossed were never made.
            self._set_state(LaneState.BROKEN)
        if self._state is not LaneState.OPEN:
            self.dropped += 1
            self._is_broken = True
            return events
        media = self._segmenter.push(sample)
        if media:
            self._list(media, now_utc)
            events += media
        return events

    def restore(
        self, boundaries: Sequence[Boundary], end_s: Fraction, now_utc: float
    ) -> list[Event]:
        """Go on after the rendition's segments, which an earlier origin made.

        Of ``boundaries``, the latest ones, those after its last segment become gaps, the very last
        of them until ``end_s``. It may only go on after a discontinuity.
        """
        last = self.rendition.segments[-1]
        self.needs_break = True
        self._end = -(-last.end * self.timescale // last.timescale)
        for boundary in boundaries:
            if boundary.msn > last.msn:
                self.expect(boundary)
        events = self.pass_over(now_utc)
        if self._gaps.is_due:
            end = math.ceil(end_s * self.timescale)
            events += self._gaps.end(end, self.init, now_utc)
            self._end = max(self._end, end)
        return events

    def pass_over(self, now_utc: float) -> list[Event]:
        """No media will come for the boundaries expected: close, and make gaps up to the last."""
        if not self._pending:
            return []
        crossed = list(self._pending)
        self._pending.clear()
        self._next_ticks = _NEVER
        events = self._finish(crossed[0][1], None, now_utc)
        events += self._gaps.pass_by([boundary for _, boundary in crossed], self.init, now_utc)
        return events

    def fall_silent(self, until_s: Fraction, now_utc: float) -> list[Event]:
        """The publisher has gone: let sound last as long as the picture did, less a frame."""
        end = math.floor(until_s * self.timescale)
        if self._state is not LaneState.OPEN or end - self.end > self._fill_ticks:
            return []
        events: list[Event] = []
        for silent in self._segmenter.silence_until(end):
            events += self.take(silent, now_utc)
        return events

    def interrupt(self, now_utc: float) -> list[Event]:
        """Close the segment in progress, where its media end unless a boundary is ahead."""
        if self._state is LaneState.WAITING:
            return []
        self._is_broken = True
        if self._pending:
            return self.pass_over(now_utc)
        events = self._close(min(self._segmenter.end, self._last_moment), now_utc)
        self._set_state(LaneState.WAITING)
        return events

    def _silence_before(self, sample: Sample) -> list[Sample]:
        """For sound that was lost around a boundary; longer than that and it is a gap."""
        if self._state is not LaneState.OPEN or self._is_break(sample):
            return []
        if sample.dts - self._segmenter.end > self._fill_ticks:
            return []
        return self._segmenter.silence_before(sample)

    def _cross(self, sample: Sample, now_utc: float) -> list[Event]:
        """The sample is at or after the next boundary, perhaps after several."""
        crossed = []
        while self._is_past(sample):
            crossed.append(self._pending.popleft())
            self._next_ticks = self._pending[0][0] if self._pending else _NEVER
        ticks, boundary = crossed[-1]
        begins = self._begins(sample, boundary)
        follows = self._continues(crossed, begins)
        joins = follows or self._may_join(sample, ticks, boundary)
        meets = joins and len(crossed) == 1 and not boundary.is_break
        if meets and self._state is not LaneState.WAITING:
            meets = begins - self._segmenter.start <= self._longest_ticks
        events = self._finish(crossed[0][1], begins if meets else None, now_utc)
        events += self._gaps.pass_by([boundary for _, boundary in crossed], self.init, now_utc)
        if joins:
            self._gaps.join()
            if not follows and not boundary.is_break:
                begins = self._after_listed(begins, sample)
            self._segment_start = begins
            self._last_moment = begins + self._longest_ticks
            self.needs_break = self._is_broken = False
            self.is_back |= self._gaps.lead_to(boundary)
            self._begins_break = boundary.is_break
            self._segmenter.open(boundary, begins, follows=follows)
            self.rendition.open(
                OpenSegment(
                    boundary.msn,
                    self.init,
                    boundary.discontinuity,
                    boundary.is_break,
                    boundary.expected_end_ticks(self.timescale),
                )
            )
            self._set_state(LaneState.OPEN)
        return events

    def _is_past(self, sample: Sample) -> bool:
        """Whether the next boundary is not after ``sample``."""
        if sample.dts < self._next_ticks:
            return False
        return self._pending[0][1].is_before(sample, self.timescale)

    def _first_ticks(self, boundary: Boundary) -> int:
        """A sample from there on is not before the boundary."""
        if self.track.media_type is MediaType.VIDEO:
            return boundary.first_ticks(self.timescale)
        return boundary.ticks(self.timescale)

    def _begins(self, sample: Sample, boundary: Boundary) -> int:
        """Where its segment begins: at the boundary, if it is of the next picture after that."""
        ticks = boundary.ticks(self.timescale)
        if self.track.media_type is not MediaType.VIDEO or boundary.is_break:
            return sample.dts
        late = sample.dts - ticks
        return ticks if late <= max(self._join_ticks, self._segmenter.frame) else sample.dts

    def _after_listed(self, begins: int, sample: Sample) -> int:
        """Not before what is listed ends, unless that is far into the sample."""
        end = self._gaps.listed_end(self.timescale)
        return max(begins, min(end, sample.dts + self._segmenter.frame // 2))

    def _continues(self, crossed: list[tuple[int, Boundary]], begins: int) -> bool:
        """Whether a segment that begins there goes on from the one in progress without a hole to
        speak of."""
        if self._state is not LaneState.OPEN or len(crossed) > 1 or crossed[0][1].is_break:
            return False
        return begins - self._segmenter.start <= self._longest_ticks

    @property
    def _longest_ticks(self) -> int:
        """The longest segment that rounds to the target duration, if that is known."""
        if not self.rendition.target_duration:
            return _NEVER
        return (2 * self.rendition.target_duration + 1) * self.timescale // 2 - 1

    def _finish(self, boundary: Boundary, end: int | None, now_utc: float) -> list[Event]:
        """Close the segment in progress; after a hole it lasts up to the boundary."""
        if self._state is LaneState.WAITING:
            return []
        if end is None:
            ticks = boundary.ticks(self.timescale)
            end = min(self._segmenter.end, ticks) if boundary.is_break else ticks
        events = self._close(end, now_utc)
        self._set_state(LaneState.WAITING)
        return events

    def _may_join(self, sample: Sample, ticks: int, boundary: Boundary) -> bool:
        """After a mere hole in time decoding goes on; after a loss only a sync sample will do."""
        if self.needs_break and not boundary.is_break:
            return False
        if not sample.is_sync and (self._is_broken or boundary.is_break):
            return False
        return sample.dts - ticks <= self._join_ticks

    def _close(self, end: int | None, now_utc: float) -> list[Event]:
        events = self._segmenter.close(end)
        self._end = self._segmenter.end
        self._list(events, now_utc)
        return events

    def _list(self, events: list[Event], now_utc: float) -> None:
        for event in events:
            if isinstance(event, PartReady):
                if self._part_duration_s > 0:
                    self.rendition.part_target_ms = self._segmenter.part_target_ms
                    self.rendition.add_part(event.part)
            elif isinstance(event, SegmentReady):
                self.rendition.add(event.segment, now_utc)

    def _set_track(self, track: Track, init: InitSection) -> None:
        self._end = -(-self._end * track.timescale // self.timescale)
        self.track = track
        self.timescale = track.timescale
        self.init = init
        join_s = VIDEO_JOIN_S if track.media_type is MediaType.VIDEO else AUDIO_JOIN_S
        self._join_ticks = round(join_s * track.timescale)
        self._fill_ticks = round(FILL_S * track.timescale)
        self._segmenter = TrackSegmenter(
            track, init, self._part_duration_s, self.rendition.part_target_ms, self.messages
        )
        self._pending = deque(
            (self._first_ticks(boundary), boundary) for _, boundary in self._pending
        )
        self._next_ticks = self._pending[0][0] if self._pending else _NEVER
        self.rendition.change_track(track, init.codecs)

    def _set_state(self, state: LaneState) -> None:
        if state not in TRANSITIONS[self._state]:
            raise UsageError(f"lane {self.rendition.name!r}: {self._state} to {state}")
        self._state = state
