"""One rendition's live window: what its playlists list, and what must stay downloadable after.

Only the edits of RFC 8216bis 6.2.1 are possible: segments are appended, leave at the head, and
the end is marked. Nothing listed is ever changed.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from segmenter.errors import UsageError
from segmenter.listed_formats import ListedFormats
from segmenter.media import Track
from segmenter.outlook import Outlook
from segmenter.saved_window import RenditionState, SavedRendition
from segmenter.segment import InitSection, Part, Segment, SegmentExpired

SHORTEST_WINDOW_TARGETS = 3
"""A live playlist never gets shorter than this many target durations (RFC 8216bis 6.2.2)."""

AVERAGE_TOLERANCE = 0.05
"""An average is announced anew only when the measured one differs from it by more than this: as
near as players and Apple's validator (10 %) look, and a multivariant playlist that seldom changes
is rendered, sent and fetched seldom."""

ROUNDING_S = 1e-6
"""Sums of seconds are floats; a microsecond is no reason to keep a segment longer."""


@dataclass(slots=True)
class Bitrates:
    """Bits per second of the media listed, as announced; 0 while nothing is."""

    peak: int
    """RFC 8216bis 4.4.6.2: of any run of segments between 0.5 and 1.5 target durations long, the
    highest since the track began."""
    average: int
    """Over the window, to within AVERAGE_TOLERANCE, and never more than the peak."""


@dataclass(slots=True)
class OpenSegment:
    """What is certain of the segment in progress before it ends."""

    msn: int
    init: InitSection
    discontinuity: int
    """Discontinuity Sequence Number, its own tag counted."""
    starts_discontinuity: bool
    expected_end: int | None = None
    """Ticks from which the next sample probably begins the next segment; None: nobody knows."""


class Rendition:
    """Owns a rendition's window; changed by its lane and the presentation, read by renderers."""

    def __init__(self, track: Track, position: int, window_s: float, window_bytes: int) -> None:
        self.name = track.name
        self.track = track
        self.codecs = ""
        """RFC 6381, of the latest init section."""
        self.position = position
        """Order of appearance in the path, never changed: stable ids are made from it."""
        self.target_duration = 0
        """Seconds; 0 until the first segment is complete, constant from then on."""
        self.part_target_ms = 0
        """PART-TARGET; 0 until the first part is complete, constant from then on."""
        self.open_segment: OpenSegment | None = None
        """The segment in progress, from its beginning on; its number follows on those listed."""
        self.open_parts: list[Part] = []
        """Parts of the segment in progress."""
        self.outlook = Outlook()
        self.is_ended = False
        self.is_independent = True
        """Whether every segment so far began with a sync sample."""
        self.is_shortened = False
        """Whether the window holds less than its seconds for the sake of its bytes."""
        self._segments: deque[Segment] = deque()
        self._removed: deque[tuple[float, Segment]] = deque()
        self._window_s = window_s
        self._window_limit_bytes = window_bytes
        self._window_bytes = 0
        self._listed_s = 0.0
        self._longest_s = 0.0
        self._peak = 0
        self._measured_init = ""
        self._bitrates = Bitrates(0, 0)
        self._lost_msn = self._lost_index = -1
        self._formats = ListedFormats()

    def restore(self, saved: SavedRendition, now_utc: float) -> None:
        """List again what ``saved`` listed; to be called before anything is added.

        What was no longer listed is served as long as if it had been removed just now.
        """
        state = saved.state
        self.part_target_ms = round(1000 * state.part_target_s)
        self.is_independent = state.is_independent
        self.is_shortened = state.is_shortened
        self._longest_s = state.longest_s
        self._peak = state.peak
        for segment in saved.contiguous:
            if segment.msn >= state.media_sequence:
                self._segments.append(segment)
                self._note_format(segment)
            elif not segment.is_gap:
                self._removed.append((self._served_until(segment, now_utc), segment))
        self._window_bytes = sum(segment.size_bytes for segment in self._segments)
        self._listed_s = sum(segment.duration_s for segment in self._segments)
        self._measured_init = next(
            (segment.init.name for segment in reversed(self._segments) if not segment.is_gap), ""
        )
        self._bitrates = self._measure()

    def saved_state(self) -> RenditionState:
        """What to keep for `restore` beside the segments; there has to be one."""
        return RenditionState(
            media_sequence=self._first.msn,
            part_target_s=self.part_target_s,
            is_independent=self.is_independent,
            is_shortened=self.is_shortened,
            longest_s=self._longest_s,
            peak=self._peak,
        )

    @property
    def part_target_s(self) -> float:
        """PART-TARGET in seconds; 0 until the first part is complete, or without parts."""
        return self.part_target_ms / 1000

    @property
    def segments(self) -> Sequence[Segment]:
        """Those of the window, in order, their numbers without a hole. Not to be changed.

        DASH lists them all, HLS those from ``media_sequence`` on.
        """
        return self._segments

    def listed(self, msn: int) -> Segment | None:
        """The segment of this number as it is in the window; None when it is not."""
        index = msn - self._segments[0].msn if self._segments else -1
        return self._segments[index] if 0 <= index < len(self._segments) else None

    @property
    def first_listed(self) -> Segment:
        """The first segment that HLS lists; UsageError before any."""
        return self.listed(self._formats.first_msn) or self._first

    @property
    def media_sequence(self) -> int:
        """EXT-X-MEDIA-SEQUENCE: the number of the first segment listed."""
        return self.first_listed.msn

    @property
    def discontinuity_sequence(self) -> int:
        """EXT-X-DISCONTINUITY-SEQUENCE: how many EXT-X-DISCONTINUITY tags have been removed.

        A tag leaves together with its own segment, not with the one before it.
        """
        first = self.first_listed
        return first.discontinuity - first.starts_discontinuity

    @property
    def listed_codecs(self) -> list[str]:
        """Codec strings of all that HLS lists and of what is to come, the newest first."""
        return list(dict.fromkeys([self.codecs, *self._formats.codecs]))

    @property
    def _first(self) -> Segment:
        if not self._segments:
            raise UsageError(f"rendition {self.name!r} has no segment yet")
        return self._segments[0]

    @property
    def has_media(self) -> bool:
        """Whether anything but gaps is listed."""
        return any(not segment.is_gap for segment in self._segments)

    @property
    def is_playable(self) -> bool:
        """Whether there is any media: listed segments, or parts of the first one."""
        return bool(self.open_parts) or self.has_media

    @property
    def is_offered(self) -> bool:
        """Whether players who come should find it."""
        return bool(self.open_parts) or self.outlook.is_offered(self._segments)

    @property
    def window_bytes(self) -> int:
        """Bytes of the segments listed."""
        return self._window_bytes

    @property
    def window_duration_s(self) -> float:
        """Duration of the playlist."""
        return self._listed_s

    def open(self, segment: OpenSegment) -> None:
        """A segment is in progress, after all that are listed."""
        self.open_segment = segment

    def add_part(self, part: Part) -> None:
        """A part of the segment in progress is complete."""
        self.open_parts.append(self._as_kept(part))
        if not part.is_gap:
            self.outlook.note_media()

    def add(self, segment: Segment, now_utc: float) -> None:
        """List a finished segment, and remove from the head what the window no longer holds.

        Raises UsageError if its number does not follow or the rendition has ended.
        """
        if self.is_ended:
            raise UsageError(f"rendition {self.name!r} has ended")
        if self._segments and segment.msn != self._segments[-1].msn + 1:
            raise UsageError(f"segment {segment.msn} after {self._segments[-1].msn}")
        self._close()
        if segment.msn == self._lost_msn:
            segment = self._as_gap(segment)
        if not segment.is_gap and segment.init.name != self._measured_init:
            self._measured_init, self._peak = segment.init.name, 0
        self._segments.append(segment)
        self._note_format(segment)
        self.is_independent &= segment.is_independent
        self._window_bytes += segment.size_bytes
        self._listed_s = sum([listed.duration / listed.timescale for listed in self._segments])
        self._longest_s = max(self._longest_s, self._listed_s)
        self._peak = max(self._peak, self._latest_peak())
        while self._can_remove():
            self._remove_first(now_utc)
        self._formats.remove_before(self.media_sequence)
        self.is_shortened &= self._listed_s + ROUNDING_S < self._window_s
        self._bitrates = self._measure()

    def _note_format(self, segment: Segment) -> None:
        if not segment.is_gap:
            self.outlook.note_media()
            self._formats.add(segment, self.target_duration)

    def lose(self, part: Part) -> None:
        """A part could not be kept, and no later one of its segment will be: it becomes a gap.

        To be told before the playlist is rendered that would list it. The parts before it stay.
        """
        self._lost_msn, self._lost_index = part.msn, part.index
        self.open_parts = [self._as_kept(each) for each in self.open_parts]
        for index in range(-1, -1 - len(self._segments), -1):
            segment = self._segments[index]
            if segment.msn == part.msn and not segment.is_gap:
                self._segments[index] = self._as_gap(segment)
                self._window_bytes -= segment.size_bytes
            if segment.msn <= part.msn:
                break
        self._bitrates = self._measure()

    def _as_kept(self, part: Part) -> Part:
        """A part that was lost, or follows one, is not there (GAP=YES)."""
        if part.msn != self._lost_msn or part.index < self._lost_index or part.is_gap:
            return part
        return dataclasses.replace(
            part, size_bytes=0, sample_count=0, is_independent=False, is_gap=True
        )

    def _as_gap(self, segment: Segment) -> Segment:
        return dataclasses.replace(
            segment,
            size_bytes=0,
            sample_count=0,
            is_independent=True,
            is_gap=True,
            parts=tuple(map(self._as_kept, segment.parts)),
        )

    def end(self) -> None:
        """Nothing will be added or removed any more (EXT-X-ENDLIST)."""
        self.is_ended = True
        self._close()

    def withdraw(self, now_utc: float) -> None:
        """The playlist is no longer served: everything listed may expire in its time."""
        while self._segments:
            self._remove_first(now_utc)

    def expire(self, now_utc: float) -> list[SegmentExpired]:
        """Segments which were removed long enough ago not to be served any more.

        RFC 8216bis 6.2.2: its own duration plus that of the longest playlist that listed it.
        """
        expired = []
        while self._removed and self._removed[0][0] <= now_utc:
            expired.append(SegmentExpired(self.name, self._removed.popleft()[1]))
        return expired

    @property
    def next_expiry_utc(self) -> float:
        """When the next segment expires; 0.0 when none waits for it."""
        return self._removed[0][0] if self._removed else 0.0

    def expire_early(self) -> SegmentExpired:
        """The segment that waits for the next expiry, now."""
        return SegmentExpired(self.name, self._removed.popleft()[1])

    @property
    def is_gone(self) -> bool:
        """Neither listed nor waiting to expire."""
        return not self._segments and not self._removed

    def change_track(self, track: Track, codecs: str) -> None:
        """The next segments carry ``track``."""
        self.track = track
        self.codecs = codecs

    def bitrates(self) -> Bitrates:
        """What the segments listed measure; before the first one, what is to be expected."""
        return self._bitrates if self._segments else self._expected_bitrates()

    def _measure(self) -> Bitrates:
        bits = 8 * self._window_bytes
        media_s = sum([s.duration / s.timescale for s in self._segments if not s.is_gap])
        average = round(bits / media_s) if media_s else 0
        # A lone segment of less than half a target duration is no run, but it is all there is.
        peak = max(self._peak, average)
        announced = self._bitrates.average
        if abs(average - announced) <= AVERAGE_TOLERANCE * average and announced <= peak:
            average = announced
        latest = self._bitrates
        is_same = latest.peak == peak and latest.average == average
        return latest if is_same else Bitrates(peak, average)

    def _expected_bitrates(self) -> Bitrates:
        """By what the track announces, else by the parts, which begin with a key frame."""
        average = self.track.bitrate
        if not average and self.open_parts:
            there = [part for part in self.open_parts if not part.is_gap]
            ticks = sum(part.duration for part in there) or 1
            bits = 8 * sum(part.size_bytes for part in there)
            average = bits * self.track.timescale // ticks
        return Bitrates(average * 5 // 4, average)

    def frame_rate(self) -> float:
        """Frames per second: as announced, else measured over the window; 0 when unknown."""
        if self.track.frame_rate:
            return float(self.track.frame_rate)
        media = [segment for segment in self._segments if not segment.is_gap]
        media_s = sum(segment.duration_s for segment in media)
        return sum(segment.sample_count for segment in media) / media_s if media_s else 0.0

    def _close(self) -> None:
        self.open_segment = None
        self.open_parts.clear()

    def _can_remove(self) -> bool:
        rest_s = self._listed_s - self._segments[0].duration_s + ROUNDING_S
        if rest_s < SHORTEST_WINDOW_TARGETS * self.target_duration:
            return False
        if rest_s >= self._window_s:
            return True
        is_heavy = self._window_bytes > self._window_limit_bytes
        self.is_shortened |= is_heavy
        return is_heavy

    def _remove_first(self, now_utc: float) -> None:
        segment = self._segments.popleft()
        self._listed_s -= segment.duration_s
        self._window_bytes -= segment.size_bytes
        if not segment.is_gap:
            self._removed.append((self._served_until(segment, now_utc), segment))

    def _served_until(self, segment: Segment, now_utc: float) -> float:
        """When a segment that is removed now need not be served any more (6.2.2)."""
        return now_utc + segment.duration_s + self._longest_s

    def _latest_peak(self) -> int:
        """The highest bit rate of the runs that end with the newest segment."""
        peak = bits = 0
        run_s = 0.0
        for segment in reversed(self._segments):
            if segment.is_gap:
                break
            bits += 8 * segment.size_bytes
            run_s += segment.duration_s
            if run_s > 1.5 * self.target_duration:
                break
            if run_s >= 0.5 * self.target_duration:
                peak = max(peak, round(bits / run_s))
        return peak
