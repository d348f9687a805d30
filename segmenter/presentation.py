"""A path's renditions, cut on the same boundaries.

One track leads: the first video track, else the first audio track; when it is announced no more,
the first of those that are, without a break. Its samples decide where
segments begin (see `segmenter.boundary`); every other track begins its segment with its first
sample at or after the same instant. Samples of the others wait in bounded queues until the
leading track has come as far.

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

import zlib
from collections.abc import Iterable, Sequence
from fractions import Fraction

from segmenter.boundaries import Boundaries
from segmenter.boundary import Boundary
from segmenter.codecs.codec_string import codec_string
from segmenter.errors import UsageError
from segmenter.fmp4.init_section import write_init_section
from segmenter.lane import Lane
from segmenter.leading import Leading
from segmenter.media import MediaType, Sample, Track
from segmenter.period_start import PeriodStart
from segmenter.presentation_settings import PresentationSettings, PresentationStatistics
from segmenter.rendition import Rendition
from segmenter.saved_window import PresentationState, SavedPresentation, SavedRendition
from segmenter.segment import Event, InitSection, Part, PresentationEnded, SegmentExpired
from segmenter.timed_message import MessageWindow, TimedMessage

__all__ = ["Presentation", "PresentationSettings", "PresentationStatistics"]

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
        self.messages = MessageWindow()
        """What playlists list beside media."""
        self.is_ended = False
        self._former: list[Rendition] = []
        self._boundaries = Boundaries(settings.floor_msn, settings.floor_discontinuity)
        self._now_utc = 0.0
        self._forced_cuts = self._stand_ins = 0
        self._dropped = 0
        self._begin_life()

    def _begin_life(self) -> None:
        """A playlist's life is from its first segment to EXT-X-ENDLIST."""
        self._lanes: dict[str, Lane] = {}
        self._boundaries.begin_life()
        self._lead = Leading(self._lanes, self._boundaries, self.settings)
        self._awaited: list[Lane] = []
        self._awaited_utc = 0.0

    # -- what callers do ---------------------------------------------------------------------

    def restore(self, saved: SavedPresentation, now_utc: float) -> list[Event]:
        """Go on where an origin that is no more left off, as if its publisher had just gone.

        To be called before anything else. The segments in ``saved`` are listed again without
        events of their own; what was lost of others becomes gaps, which are announced.
        """
        if self.renditions or self._boundaries.latest is not None:
            raise UsageError("only a presentation that has not begun can be restored")
        self._now_utc = now_utc
        self._lead.target_duration = saved.state.target_duration
        self._lead.has_forced_cut = saved.state.has_forced_cut
        boundaries = saved.boundaries()
        end_s = saved.end_of_last(self._lead.segment_duration, now_utc)
        events: list[Event] = []
        for rendition in saved.renditions:
            events += self._restore_lane(rendition, boundaries, end_s)
        self._boundaries.restore(saved, boundaries)
        self._lead.break_due = True
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
        return events + self._replace_primary(announced)

    def push_all(self, samples: list[Sample], now_utc: float) -> list[Event]:
        """Samples that arrived together, of any tracks; the same as ``push`` for each."""
        self._now_utc = now_utc
        events: list[Event] = []
        index = 0
        while index < len(samples):
            if not self._awaited:
                index, needs_drain = self._lead.take_run(samples, index, now_utc)
                if needs_drain:
                    events += self._drain_all()
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
        if lane is self._lead.leader:
            events = self._lead.push(lane, sample, self._now_utc)
            for other in self._lanes.values():
                if other.queue:
                    events += self._drain(other)
            return events
        if lane is self._lead.primary and self._lead.leader is not None:
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
        self._lead.is_pausing = True
        return self._settle_pause()

    def handle_timer(self, now_utc: float) -> list[Event]:
        """Time passes: call it every half second or so."""
        self._now_utc = now_utc
        events: list[Event] = []
        if self._lead.is_pausing:
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
        self._lanes.clear()
        self._lead.leader = self._lead.primary = None
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

    def tell(self, message: TimedMessage) -> bool:
        """Goes along with the next fragment of every rendition; whether playlists list it, too."""
        for lane in self._lanes.values():
            lane.messages.append(message)
        return self.list_message(message)

    def list_message(self, message: TimedMessage) -> bool:
        """Playlists list it from the next change on; False where there is no room for it."""
        return self.messages.add(message, self.oldest_ms)

    @property
    def oldest_ms(self) -> int:
        """Where the first segment listed begins, milliseconds since 1970; 0 before any."""
        firsts = [r.segments[0] for r in self.renditions.values() if r.segments]
        return min([first.start * 1000 // first.timescale for first in firsts], default=0)

    def saved_state(self) -> PresentationState:
        """What to keep for `restore` beside the renditions."""
        return PresentationState(
            self._lead.target_duration,
            self._lead.has_forced_cut,
            tuple(self._boundaries.period_starts),
            self._boundaries.latest,
        )

    @property
    def boundary(self) -> Boundary | None:
        """Where the latest segment begins; None before the first."""
        return self._boundaries.latest

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
        if self._lead.has_forced_cut:
            return False
        return all(rendition.is_independent for rendition in self.renditions.values())

    @property
    def target_duration(self) -> int:
        """Seconds, of all renditions; 0 until the first segment is complete."""
        return self._lead.target_duration

    def period_start(self, msn: int) -> PeriodStart:
        """Where the period of a listed segment begins."""
        return self._boundaries.period_start(msn)

    def statistics(self) -> PresentationStatistics:
        """A snapshot."""
        lanes = self._lanes.values()
        return PresentationStatistics(
            boundaries=self._boundaries.count,
            breaks=self._boundaries.breaks,
            forced_cuts=self._forced_cuts + self._lead.forced_cuts,
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
        for boundary in self._boundaries.recent:
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
        self._lead.settle_target_duration()
        events = self._flush(lane, len(lane.queue))
        events += lane.replace_track(track, init, self._now_utc)
        if lane is self._lead.leader:
            self._lead.break_due = True
            self._lead.set_rule(lane)
        elif not lane.expects_break:
            self._lead.break_wanted = True
        return events

    def _choose_primary(self, expected: Sequence[str]) -> None:
        """The first video track; audio only where no video is to be expected."""
        if (
            self._lead.primary is not None
            and self._lead.primary.track.media_type is MediaType.VIDEO
        ):
            return
        lanes = list(self._lanes.values())
        video = [lane for lane in lanes if lane.track.media_type is MediaType.VIDEO]
        if video:
            self._lead.primary = video[0]
        elif lanes and all(name in self._lanes or name.startswith("audio") for name in expected):
            self._lead.primary = lanes[0]
        if self._lead.leader is None and self._lead.primary is not None:
            self._lead.follow(self._lead.primary)

    def _replace_primary(self, announced: Iterable[str]) -> list[Event]:
        """A track that is announced no more leads no longer, where another picture is."""
        primary = self._lead.primary
        if primary is None or primary.track.name in announced:
            return []
        lanes = [self._lanes[name] for name in announced if name in self._lanes]
        video = [lane for lane in lanes if lane.track.media_type is MediaType.VIDEO]
        if not video:
            return []
        self._lead.primary = video[0]
        return self._let_lead(video[0])

    def _withdraw(self) -> None:
        """The ended playlists make way for new ones of the same names."""
        for rendition in self.renditions.values():
            rendition.withdraw(self._now_utc)
        self._former += self.renditions.values()
        self.renditions = {}
        self.is_ended = False
        self._forced_cuts += self._lead.forced_cuts
        self._begin_life()

    # -- the other tracks --------------------------------------------------------------------

    def _drain_all(self) -> list[Event]:
        events: list[Event] = []
        for lane in self._lanes.values():
            events += self._drain(lane)
        return events

    def _drain(self, lane: Lane) -> list[Event]:
        """Take what the leading track has passed: its boundaries up to there are known."""
        leader = self._lead.leader
        if leader is None or self._boundaries.latest is None:
            return []
        events: list[Event] = []
        queue = lane.queue
        limit = self._lead.watermark * lane.timescale
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
        if self._lead.leader is None:
            return self._now_utc - self._awaited_utc > EXPECTED_WAIT_S
        if self._now_utc - self._lead.leader.last_push_utc <= LEADER_SILENCE_S:
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
        return self._let_lead(lane)

    def _let_lead(self, lane: Lane) -> list[Event]:
        """This one leads, with what of it has waited for the one before."""
        self._lead.follow(lane)
        queued = list(lane.queue)
        lane.queue.clear()
        lane.queued_bytes = 0
        events: list[Event] = []
        for sample in queued:
            events += self._lead.push(lane, sample, self._now_utc)
        return events + self._drain_all()

    def _lead_again(self, lane: Lane, sample: Sample) -> list[Event]:
        """The track that should lead is back: it does, once it is in the segment in progress.

        If it has no key frame yet it only tells the time; its segments begin with the next one.
        """
        leader = self._lead.leader
        assert leader is not None
        if self._boundaries.latest is not None:
            lags = self._lead.watermark * lane.timescale - sample.dts * leader.timescale
            is_far_behind = lags > LEADER_SILENCE_S * lane.timescale * leader.timescale
            if is_far_behind or sample.dts < self._boundaries.latest.ticks(lane.timescale):
                return lane.take(sample, self._now_utc)
        if lane.joins(sample):
            events = lane.take(sample, self._now_utc)
            self._lead.follow(lane)
            self._lead.watermark = sample.dts + (sample.duration or 1)
        else:
            events = lane.pass_over(self._now_utc)
            self._lead.follow(lane)
            events += self._lead.push(lane, sample, self._now_utc)
        return events + self._drain_all()

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
        if self._lead.leader is not None and self._lead.leader not in done:
            return []
        self._lead.break_due = True
        self._lead.is_pausing = len(done) < len(lanes)
        return self._close_all(done, furthest=furthest)

    def _close_all(
        self, lanes: list[Lane], *, is_end: bool = False, furthest: Fraction = NOWHERE
    ) -> list[Event]:
        """What waits after a discontinuity is of the next publisher, if there can be one.

        Sound goes on in silence up to ``furthest``, where the next publisher may begin.
        """
        self._lead.settle_target_duration()
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
