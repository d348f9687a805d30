"""The tracks of a path, kept in step while its playlists live.

One track leads: the first video track, else the first audio track; when it is announced no more,
the first of those that are, without a break. Its samples decide where segments begin (see
`segmenter.boundary`); every other track begins its segment with its first sample at or after the
same instant. Samples of the others wait in bounded queues until the leading track has come as far.

When it stays silent while the others go on, the track that is furthest stands in for it and cuts
on the grid, and the silent rendition gets gap segments: EXT-X-GAP in HLS; in DASH, where numbers
count on without holes, a period begins once it is back. It leads again from its first usable
sample. A rendition that stays silent behind the others gets gaps in the same way.

Late is better than lost: an encoder on a starved machine may be behind by any time that its own
queue allows, and whatever it brings gets into the segments it belongs to. Only silence is a loss.
While another track stands in it therefore cuts where encoders force their key frames, on the very
lines of the grid, and not at its own first sample after them.

A discontinuity of the leading track is one of all renditions: the other tracks carry a mark of
their own for the same break, which closes their segments and makes no second one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from fractions import Fraction

from segmenter.boundaries import Boundaries
from segmenter.errors import UsageError
from segmenter.lane import Lane
from segmenter.leading import Leading
from segmenter.media import MediaType, Sample, Track
from segmenter.presentation_settings import PresentationSettings
from segmenter.segment import Event, InitSection

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

DRAIN_S = 1.0
"""After the publisher has gone, encoders give their last frames within this."""

NOWHERE = Fraction(0)
"""Before all media."""

TOGETHER_S = Fraction(1, 10)
"""Tracks that end within this of the furthest have nothing more to come: a few frames."""


class Lanes:
    """Owns every track's lane, who leads and who waits for whom; only its presentation calls it.

    It lasts for one life of the playlists, which is from their first segment to EXT-X-ENDLIST.
    ``add`` and ``replace_track`` bring tracks, and ``announce`` follows them; ``push`` takes their
    samples; ``end`` is the last call. All give the events that this caused, in order.
    """

    def __init__(self, boundaries: Boundaries, settings: PresentationSettings) -> None:
        self.stand_ins = 0
        """How often another track had to lead."""
        self._boundaries = boundaries
        self._lanes: dict[str, Lane] = {}
        self.lead = Leading(self._lanes, boundaries, settings)
        self._awaited: list[Lane] = []
        self._awaited_utc = 0.0
        self._dropped = 0

    def __iter__(self) -> Iterator[Lane]:
        """In the order in which they came."""
        return iter(self._lanes.values())

    def get(self, name: str) -> Lane | None:
        """The lane of a track; None where there is none."""
        return self._lanes.get(name)

    @property
    def end_s(self) -> Fraction:
        """Where the media taken so far end, seconds since 1970; 0 before any."""
        return max((Fraction(lane.end, lane.timescale) for lane in self), default=NOWHERE)

    @property
    def samples_dropped(self) -> int:
        """Samples that did not get into any segment."""
        return self._dropped + sum(lane.samples_dropped for lane in self)

    # -- tracks ------------------------------------------------------------------------------

    def add(self, lane: Lane) -> None:
        """Another track, which may begin with the latest segments."""
        for boundary in self._boundaries.recent:
            lane.expect(boundary)
        self._lanes[lane.track.name] = lane

    def replace_track(
        self, lane: Lane, track: Track, init: InitSection, now_utc: float
    ) -> list[Event]:
        """The samples to come are of another format."""
        self.lead.settle_target_duration()
        events = self._flush(lane, len(lane.queue), now_utc)
        events += lane.replace_track(track, init, now_utc)
        if lane is self.lead.leader:
            self.lead.break_due = True
            self.lead.set_rule(lane)
        elif not lane.expects_break:
            self.lead.break_wanted = True
        return events

    def announce(
        self, names: Sequence[str], expected: Sequence[str], now_utc: float
    ) -> list[Event]:
        """There are tracks of these names now, and those of ``expected`` are to come."""
        announced = [
            self._lanes[name] for name in dict.fromkeys([*names, *expected]) if name in self._lanes
        ]
        for lane in self:
            lane.rendition.outlook.is_announced = lane in announced
        self._awaited += announced
        self._choose_primary(expected)
        return self._replace_primary(announced, now_utc)

    def withhold(self, names: Collection[str]) -> None:
        """Of these tracks nothing comes for now, announced as they are."""
        for lane in self:
            lane.rendition.outlook.withhold(lane.track.name in names)

    def _choose_primary(self, expected: Sequence[str]) -> None:
        """The first video track; audio only where no video is to be expected."""
        primary = self.lead.primary
        if primary is not None and primary.track.media_type is MediaType.VIDEO:
            return
        lanes = list(self)
        video = _video(lanes)
        if video:
            self.lead.primary = video[0]
        elif lanes and all(name in self._lanes or name.startswith("audio") for name in expected):
            self.lead.primary = lanes[0]
        if self.lead.leader is None and self.lead.primary is not None:
            self.lead.follow(self.lead.primary)

    def _replace_primary(self, announced: list[Lane], now_utc: float) -> list[Event]:
        """A track that is announced no more leads no longer, where another picture is."""
        video = _video(announced)
        if self.lead.primary is None or self.lead.primary in announced or not video:
            return []
        self.lead.primary = video[0]
        return self._let_lead(video[0], now_utc)

    # -- samples, and time without any -------------------------------------------------------

    def push_all(self, samples: list[Sample], now_utc: float) -> list[Event]:
        """Samples that arrived together, of any tracks; the same as ``push`` for each."""
        events: list[Event] = []
        index = 0
        while index < len(samples):
            if not self._awaited:
                index, needs_drain = self.lead.take_run(samples, index, now_utc)
                if needs_drain:
                    events += self._drain_all(now_utc)
            if index < len(samples):
                events += self.push(samples[index], now_utc)
                index += 1
        return events

    def push(self, sample: Sample, now_utc: float) -> list[Event]:
        """One sample, in media time and decode order. Raises UsageError without a lane for it."""
        lane = self._lanes.get(sample.track)
        if lane is None:
            raise UsageError(f"sample of track {sample.track!r}, which was not announced")
        lane.last_push_utc = now_utc
        if self._awaited:
            self._begin_waiting(now_utc)
        if lane is self.lead.leader:
            events = self.lead.push(lane, sample, now_utc)
            for other in self:
                if other.queue:
                    events += self._drain(other, now_utc)
            return events
        if lane is self.lead.primary and self.lead.leader is not None:
            return self._lead_again(lane, sample, now_utc)
        lane.queue.append(sample)
        lane.queued_bytes += sample.size_bytes
        if self._is_overdue(lane, now_utc):
            return self._stand_in(now_utc)
        return self._drain(lane, now_utc)

    def handle_timer(self, now_utc: float) -> list[Event]:
        """Whoever has been silent for too long is waited for no longer."""
        events: list[Event] = []
        if self.lead.is_pausing:
            events += self._settle_pause(now_utc)
        elif any(self._is_overdue(lane, now_utc) for lane in self):
            events += self._stand_in(now_utc)
        for lane in self:
            silence_s = now_utc - lane.last_push_utc
            is_announced = lane.rendition.outlook.is_announced
            is_waited_for = is_announced and silence_s <= RENDITION_SILENCE_S
            if not lane.queue and not is_waited_for:
                events += lane.pass_over(now_utc)
        return events

    # -- who waits for whom ------------------------------------------------------------------

    def _begin_waiting(self, now_utc: float) -> None:
        """The first sample after an announcement: from now on the others may be waited for."""
        for lane in self._awaited:
            lane.last_push_utc = now_utc + HEAD_START_S
        self._awaited.clear()
        self._awaited_utc = now_utc

    def _drain_all(self, now_utc: float) -> list[Event]:
        events: list[Event] = []
        for lane in self:
            events += self._drain(lane, now_utc)
        return events

    def _drain(self, lane: Lane, now_utc: float) -> list[Event]:
        """Take what the leading track has passed: its boundaries up to there are known."""
        leader = self.lead.leader
        if leader is None or self._boundaries.latest is None:
            return []
        events: list[Event] = []
        queue = lane.queue
        limit = self.lead.watermark * lane.timescale
        timescale = leader.timescale
        while queue and queue[0].dts * timescale < limit:
            sample = queue.popleft()
            lane.queued_bytes -= sample.size_bytes
            events += lane.take(sample, now_utc)
        return events

    def _flush(self, lane: Lane, count: int, now_utc: float) -> list[Event]:
        """Take the first ``count`` that wait, if they have room before the next boundary, which
        will be a break."""
        events: list[Event] = []
        for _ in range(count):
            sample = lane.queue.popleft()
            lane.queued_bytes -= sample.size_bytes
            if lane.has_room(sample):
                events += lane.take(sample, now_utc)
            else:
                lane.dropped += 1
        return events

    def _is_overdue(self, lane: Lane, now_utc: float) -> bool:
        """Whether its queue has waited long enough for the leading track."""
        queue = lane.queue
        if not queue:
            return False
        waits = queue[-1].dts - queue[0].dts
        if waits > QUEUE_LIMIT_S * lane.timescale or lane.queued_bytes > QUEUE_LIMIT_BYTES:
            return True
        if self.lead.leader is None:
            return now_utc - self._awaited_utc > EXPECTED_WAIT_S
        if now_utc - self.lead.leader.last_push_utc <= LEADER_SILENCE_S:
            return False
        return waits >= LEADER_SILENCE_S * lane.timescale

    def _stand_in(self, now_utc: float) -> list[Event]:
        """The track that is furthest leads, until the one that should is back."""
        lane = max(
            (lane for lane in self if lane.queue),
            key=lambda lane: Fraction(lane.queue_end, lane.timescale),
        )
        self.stand_ins += 1
        return self._let_lead(lane, now_utc)

    def _let_lead(self, lane: Lane, now_utc: float) -> list[Event]:
        """This one leads, with what of it has waited for the one before."""
        self.lead.follow(lane)
        queued = list(lane.queue)
        lane.queue.clear()
        lane.queued_bytes = 0
        events: list[Event] = []
        for sample in queued:
            events += self.lead.push(lane, sample, now_utc)
        return events + self._drain_all(now_utc)

    def _lead_again(self, lane: Lane, sample: Sample, now_utc: float) -> list[Event]:
        """The track that should lead is back: it does, once it is in the segment in progress.

        If it has no key frame yet it only tells the time; its segments begin with the next one.
        """
        leader = self.lead.leader
        assert leader is not None
        if self._boundaries.latest is not None:
            lags = self.lead.watermark * lane.timescale - sample.dts * leader.timescale
            is_far_behind = lags > LEADER_SILENCE_S * lane.timescale * leader.timescale
            if is_far_behind or sample.dts < self._boundaries.latest.ticks(lane.timescale):
                return lane.take(sample, now_utc)
        if lane.joins(sample):
            events = lane.take(sample, now_utc)
            self.lead.follow(lane)
            self.lead.watermark = sample.dts + (sample.duration or 1)
        else:
            events = lane.pass_over(now_utc)
            self.lead.follow(lane)
            events += self.lead.push(lane, sample, now_utc)
        return events + self._drain_all(now_utc)

    # -- a pause, or the end -----------------------------------------------------------------

    def pause(self, now_utc: float) -> list[Event]:
        """The publisher has gone; tracks that lag behind are waited for, for DRAIN_S."""
        self.lead.is_pausing = True
        return self._settle_pause(now_utc)

    def end(self, now_utc: float) -> list[Event]:
        """Nothing follows: what there is of all segments in progress is all that they get."""
        events = self._close_all(list(self), now_utc, is_end=True)
        self._dropped = self.samples_dropped
        self._lanes.clear()
        self.lead.leader = self.lead.primary = None
        return events

    def _settle_pause(self, now_utc: float) -> list[Event]:
        """Close what has nothing more to come."""
        lanes = list(self)
        ends = {lane.track.name: Fraction(lane.life_end, lane.timescale) for lane in lanes}
        furthest = max(ends.values(), default=NOWHERE)
        done = [
            lane
            for lane in lanes
            if furthest - ends[lane.track.name] <= TOGETHER_S
            or now_utc - lane.last_push_utc > DRAIN_S
        ]
        if self.lead.leader is not None and self.lead.leader not in done:
            return []
        self.lead.break_due = True
        self.lead.is_pausing = len(done) < len(lanes)
        return self._close_all(done, now_utc, furthest=furthest)

    def _close_all(
        self,
        lanes: list[Lane],
        now_utc: float,
        *,
        is_end: bool = False,
        furthest: Fraction = NOWHERE,
    ) -> list[Event]:
        """What waits after a discontinuity is of the next publisher, if there can be one.

        Sound goes on in silence up to ``furthest``, where the next publisher may begin.
        """
        self.lead.settle_target_duration()
        events: list[Event] = []
        for lane in lanes:
            events += self._flush(lane, len(lane.queue) if is_end else lane.life_count, now_utc)
            events += lane.fall_silent(furthest, now_utc)
            events += lane.interrupt(now_utc)
        return events


def _video(lanes: list[Lane]) -> list[Lane]:
    return [lane for lane in lanes if lane.track.media_type is MediaType.VIDEO]
