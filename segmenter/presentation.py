"""A path's renditions, cut on the same boundaries.

Which segment each sample belongs to is decided below, in `segmenter.lanes`; here are the playlists'
lives: a presentation begins, ends, begins anew with higher numbers, and is restored after a kill.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from fractions import Fraction

from segmenter.boundaries import Boundaries
from segmenter.boundary import Boundary
from segmenter.codecs.codec_string import codec_string
from segmenter.errors import UsageError
from segmenter.fmp4.init_section import write_init_section
from segmenter.lane import Lane
from segmenter.lanes import Lanes
from segmenter.media import Sample, Track
from segmenter.period_start import PeriodStart
from segmenter.presentation_settings import PresentationSettings, PresentationStatistics
from segmenter.rendition import Rendition
from segmenter.saved_window import PresentationState, SavedPresentation, SavedRendition
from segmenter.segment import Event, InitSection, Part, PresentationEnded, SegmentExpired
from segmenter.timed_message import MessageWindow, TimedMessage

__all__ = ["Presentation", "PresentationSettings", "PresentationStatistics"]


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
        self._forced_cuts = self._stand_ins = self._dropped = 0
        """Of former lives."""
        self._begin_life()

    def _begin_life(self) -> None:
        """A playlist's life is from its first segment to EXT-X-ENDLIST."""
        self._boundaries.begin_life()
        self._lanes = Lanes(self._boundaries, self.settings)

    # -- what callers do ---------------------------------------------------------------------

    def restore(self, saved: SavedPresentation, now_utc: float) -> list[Event]:
        """Go on where an origin that is no more left off, as if its publisher had just gone.

        To be called before anything else. The segments in ``saved`` are listed again without
        events of their own; what was lost of others becomes gaps, which are announced.
        """
        if self.renditions or self._boundaries.latest is not None:
            raise UsageError("only a presentation that has not begun can be restored")
        self._now_utc = now_utc
        lead = self._lanes.lead
        lead.target_duration = saved.state.target_duration
        lead.has_forced_cut = saved.state.has_forced_cut
        boundaries = saved.boundaries()
        end_s = saved.end_of_last(lead.segment_duration, now_utc)
        events: list[Event] = []
        for rendition in saved.renditions:
            events += self._restore_lane(rendition, boundaries, end_s)
        self._boundaries.restore(saved, boundaries)
        lead.break_due = True
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
                events += self._lanes.replace_track(lane, track, init, self._now_utc)
        names = [track.name for track in tracks]
        return events + self._lanes.announce(names, expected, self._now_utc)

    def withhold(self, names: Collection[str]) -> None:
        """Of these tracks, and of no others, nothing comes for now, announced as they are: after
        some gaps players are not pointed to them until there is something again."""
        self._lanes.withhold(names)

    def push_all(self, samples: list[Sample], now_utc: float) -> list[Event]:
        """Samples that arrived together, of any tracks; the same as ``push`` for each."""
        self._now_utc = now_utc
        return self._lanes.push_all(samples, now_utc)

    def push(self, sample: Sample, now_utc: float) -> list[Event]:
        """One sample of an announced track, in media time and decode order."""
        self._now_utc = now_utc
        return self._lanes.push(sample, now_utc)

    def pause(self, now_utc: float) -> list[Event]:
        """The publisher has gone: what there is of the segments in progress is published.

        Tracks that lag behind (encoders) are waited for, for DRAIN_S. Media that come later
        begin after a discontinuity.
        """
        self._now_utc = now_utc
        return self._lanes.pause(now_utc)

    def handle_timer(self, now_utc: float) -> list[Event]:
        """Time passes: call it every half second or so."""
        self._now_utc = now_utc
        events = self._lanes.handle_timer(now_utc)
        for rendition in [*self._former, *self.renditions.values()]:
            events += rendition.expire(now_utc)
        self._former = [rendition for rendition in self._former if not rendition.is_gone]
        return events

    def end(self, now_utc: float) -> list[Event]:
        """Nothing follows: EXT-X-ENDLIST. Does nothing the second time."""
        self._now_utc = now_utc
        if self.is_ended:
            return []
        events = self._lanes.end(now_utc)
        for rendition in self.renditions.values():
            rendition.end()
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
        for lane in self._lanes:
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
            self._lanes.lead.target_duration,
            self._lanes.lead.has_forced_cut,
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
        return self._lanes.end_s

    @property
    def has_media(self) -> bool:
        """Whether any rendition lists more than gaps; before that there is nothing to play."""
        return any(rendition.has_media for rendition in self.renditions.values())

    @property
    def is_independent(self) -> bool:
        """Whether all segments so far could claim EXT-X-INDEPENDENT-SEGMENTS.

        Once one could not, playlists rendered from then on do not claim it any more.
        """
        if self._lanes.lead.has_forced_cut:
            return False
        return all(rendition.is_independent for rendition in self.renditions.values())

    @property
    def target_duration(self) -> int:
        """Seconds, of all renditions; 0 until the first segment is complete."""
        return self._lanes.lead.target_duration

    def period_start(self, msn: int) -> PeriodStart:
        """Where the period of a listed segment begins."""
        return self._boundaries.period_start(msn)

    def statistics(self) -> PresentationStatistics:
        """A snapshot."""
        lanes = self._lanes
        return PresentationStatistics(
            boundaries=self._boundaries.count,
            breaks=self._boundaries.breaks,
            forced_cuts=self._forced_cuts + lanes.lead.forced_cuts,
            stand_ins=self._stand_ins + lanes.stand_ins,
            samples_dropped=self._dropped + lanes.samples_dropped,
            queued_samples=sum(len(lane.queue) for lane in lanes),
            queued_bytes=sum(lane.queued_bytes for lane in lanes),
        )

    # -- tracks ------------------------------------------------------------------------------

    def _add_lane(self, track: Track, init: InitSection) -> list[Event]:
        position = 1 + max((r.position for r in self.renditions.values()), default=-1)
        return self._lane(self._rendition(track, position), init).announce()

    def _restore_lane(
        self, saved: SavedRendition, boundaries: Sequence[Boundary], end_s: Fraction
    ) -> list[Event]:
        """A rendition goes on; it has gaps for the numbers that others have and it has not."""
        rendition = self._rendition(saved.init.track, saved.position)
        rendition.restore(saved, self._now_utc)
        return self._lane(rendition, saved.init).restore(boundaries, end_s, self._now_utc)

    def _rendition(self, track: Track, position: int) -> Rendition:
        settings = self.settings
        rendition = Rendition(track, position, settings.window_s, settings.window_bytes)
        rendition.target_duration = self.target_duration
        self.renditions[track.name] = rendition
        return rendition

    def _lane(self, rendition: Rendition, init: InitSection) -> Lane:
        lane = Lane(init.track, init, rendition, self.settings.part_duration_s)
        self._lanes.add(lane)
        return lane

    def _withdraw(self) -> None:
        """The ended playlists make way for new ones of the same names."""
        for rendition in self.renditions.values():
            rendition.withdraw(self._now_utc)
        self._former += self.renditions.values()
        self.renditions = {}
        self.is_ended = False
        self._forced_cuts += self._lanes.lead.forced_cuts
        self._stand_ins += self._lanes.stand_ins
        self._dropped += self._lanes.samples_dropped
        self._begin_life()


def _init_section(track: Track) -> InitSection:
    """Named by its content, so that the same is never fetched twice, not even after a restart."""
    data = write_init_section(track)
    return InitSection(f"init-{zlib.crc32(data)}.mp4", data, track, codec_string(track))
