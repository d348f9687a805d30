"""The origin of one path: its presentation, its media, and its texts.

Whatever the presentation reports goes to the shelf, from which delivery processes serve it.
Nothing here is done per request or per viewer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from segmenter.boundary import target_duration_for
from segmenter.media import MediaType, Payload, Sample, Track
from segmenter.presentation import Presentation, PresentationSettings, PresentationStatistics
from segmenter.saved_window import SavedPresentation
from segmenter.segment import (
    Event,
    InitReady,
    InitSection,
    Part,
    PartReady,
    PresentationEnded,
    Segment,
    SegmentExpired,
    SegmentReady,
)
from segmenter.timed_message import TimedMessage
from segmenter.window_records import WindowRecorder
from streaming.config_paths import PathConfig
from streaming.latency_histogram import LatencyCounts, LatencyHistogram
from streaming.live_state.journal_format import Place, fragments
from streaming.live_state.path_journal import PathJournal
from streaming.path_texts import PathTexts
from streaming.rendition_meter import RenditionMeter, RenditionRates
from streaming.shelf_feed import ShelfFeed
from streaming.shelf_messages import Put


@dataclass(frozen=True, slots=True)
class NumberFloor:
    """What the first numbers of a path are to be above: an earlier origin may have used them."""

    msn: int
    discontinuity: int


NO_FLOOR = NumberFloor(0, 0)


@dataclass(frozen=True, slots=True)
class OriginStatistics:
    """What has been packaged; counters only rise."""

    parts: int
    segments: int
    segment_bytes: int
    playlist_renders: int
    window_bytes: int
    renditions: int
    presentation: PresentationStatistics
    latencies: Mapping[str, LatencyCounts]
    """Rendition -> from the capture of each part's last sample until the part could be fetched."""


class Origin:
    """Owns a path's presentation and everything of the path that is on the shelf.

    The pipeline calls it, in packet order; it never waits and never raises for media's sake.
    """

    def __init__(
        self,
        path: str,
        config: PathConfig,
        feed: ShelfFeed,
        journal: PathJournal | None = None,
        floor: NumberFloor = NO_FLOOR,
    ) -> None:
        self._path = path
        self._feed = feed
        self._presentation = Presentation(_settings(config, floor))
        self._texts = PathTexts(path, self._presentation, feed)
        self._journal = journal
        self._recorder = WindowRecorder(self._presentation)
        self._lost: dict[str, int] = {}
        """Rendition -> number of its latest segment that could not be kept."""
        self._latencies: defaultdict[str, LatencyHistogram] = defaultdict(LatencyHistogram)
        self._meters: defaultdict[str, RenditionMeter] = defaultdict(RenditionMeter)
        self._parts = 0
        self._segments = 0
        self._segment_bytes = 0
        self._restored: list[Event] = []

    @property
    def is_playable(self) -> bool:
        """Whether the multivariant playlist is on the shelf."""
        return self._texts.is_listed

    def set_tracks(self, tracks: Sequence[Track], expected: Sequence[str], now_utc: float) -> None:
        """The renditions to package from now on; those of `expected` names follow soon."""
        self._texts.expect([*expected, *(track.name for track in tracks)])
        self._publish(self._presentation.start(tracks, expected=expected), now_utc)

    def withhold(self, names: Collection[str]) -> None:
        """Of these renditions, and of no others, nothing comes for now, announced as they are."""
        self._presentation.withhold(names)

    def write(self, samples: list[Sample], now_utc: float) -> None:
        """Samples of the tracks that came together, in media time."""
        events = self._presentation.push_all(samples, now_utc)
        if events:
            self._publish(events, now_utc)

    def pause(self, now_utc: float) -> None:
        """The publisher has gone; what is there becomes the last segment for now."""
        self._publish(self._presentation.pause(now_utc), now_utc)

    def handle_timer(self, now_utc: float) -> None:
        """Lets segments expire, and late renditions no longer be waited for."""
        self._publish(self._presentation.handle_timer(now_utc), now_utc, is_timer=True)

    def end(self, now_utc: float) -> None:
        """Players are told that nothing follows."""
        self.wake(now_utc)
        self._publish(self._presentation.end(now_utc), now_utc)

    def tell(self, message: TimedMessage) -> bool:
        """Goes along with the next fragments; whether playlists list it."""
        return self._presentation.tell(message)

    # -- while nobody watches ----------------------------------------------------------------

    @property
    def is_resting(self) -> bool:
        """Whether nobody watches."""
        return self._texts.is_resting

    def rest(self) -> None:
        """Nobody watches: see PathTexts."""
        self._texts.rest()

    def wake(self, now_utc: float) -> None:
        """Somebody watches, or is about to."""
        self._texts.wake(now_utc)

    # -- after a restart ---------------------------------------------------------------------

    def begin_restore(self, saved: SavedPresentation, now_utc: float) -> None:
        """Goes on with what an earlier origin left, before anything else happens.

        `restore_segment` follows for each segment but gaps, in order, then `finish_restore`.
        """
        events = self._presentation.restore(saved, now_utc)
        self._texts.restore()
        self._recorder.restore(saved)
        for rendition in saved.renditions:
            inits = {s.init.name: s.init for s in rendition.contiguous}
            for init in (*inits.values(), rendition.init):
                self._put_init(rendition.name, init)
        self._restored = events

    def restore_messages(self, messages: Iterable[TimedMessage]) -> None:
        """Playlists list again what is in their window of these; emsg boxes are in the media."""
        oldest_ms = self._presentation.oldest_ms
        for message in messages:
            if message.time_ms >= oldest_ms:
                self._presentation.list_message(message)

    def restore_segment(
        self, rendition: str, segment: Segment, data: bytes | None, now_utc: float
    ) -> None:
        """Its media are served again; without media it becomes a gap."""
        offset = 0
        for part in fragments(segment):
            if part.is_gap:
                break  # only the last ones of a segment are
            if data is None:
                self._lost[rendition] = part.msn
                self._presentation.lose(rendition, part)
                return
            self._put_part(rendition, part, [data[offset : offset + part.size_bytes]])
            offset += part.size_bytes
        if self._lost.get(rendition) != segment.msn:
            self._complete_segment(rendition, segment, now_utc)

    def finish_restore(self, now_utc: float) -> None:
        """Its playlists are there again."""
        self._texts.note_restored()
        events, self._restored = self._restored, []
        self._publish(events, now_utc)

    @property
    def end_utc(self) -> float:
        """Where the media end, seconds since 1970; 0 before any."""
        return float(self._presentation.end_s)

    def close(self) -> None:
        """Takes everything of this path from the shelf."""
        self._feed.path_gone(self._path)

    def statistics(self) -> OriginStatistics:
        """What has been packaged until now."""
        renditions = self._presentation.renditions.values()
        return OriginStatistics(
            parts=self._parts,
            segments=self._segments,
            segment_bytes=self._segment_bytes,
            playlist_renders=self._texts.renders,
            window_bytes=sum(rendition.window_bytes for rendition in renditions),
            renditions=len(renditions),
            presentation=self._presentation.statistics(),
            latencies={name: seen.counts() for name, seen in self._latencies.items()},
        )

    def rates(self, now_utc: float) -> dict[str, RenditionRates]:
        """What each rendition has brought lately."""
        return {name: meter.rates(now_utc) for name, meter in self._meters.items()}

    # -- what happened goes to the shelf -----------------------------------------------------

    def _publish(self, events: list[Event], now_utc: float, *, is_timer: bool = False) -> None:
        for event in events:
            self._shelve(event, now_utc)
        if self._journal is not None and events:
            self._keep(self._journal, events, now_utc)
        self._texts.publish(now_utc, is_timer=is_timer)

    def _keep(self, journal: PathJournal, events: list[Event], now_utc: float) -> None:
        """To disk, before any playlist says so."""
        records = self._recorder.push(events)
        if records:
            journal.write(records, self._recorder.head, self._place_of, now_utc)

    def _place_of(self, rendition: str, msn: int) -> Place | None:
        found = self._feed.place_of(self._path, rendition, msn)
        return Place(*found) if found is not None else None

    def _shelve(self, event: Event, now_utc: float) -> None:
        match event:
            case InitReady(rendition, init):
                self._put_init(rendition, init)
                self._texts.note_format()
            case PartReady(rendition, part, pieces):
                self._put_part(rendition, part, pieces)
                self._texts.note_part(rendition, part.index, now_utc)
                self._meters[rendition].add(part, now_utc)
                self._parts += 1
                if part.captured_utc:
                    self._latencies[rendition].observe(now_utc - part.captured_utc)
            case SegmentReady(rendition, segment):
                self._texts.note_segment(rendition)
                if not segment.is_gap and segment.msn != self._lost.get(rendition):
                    self._complete_segment(rendition, segment, now_utc)
            case SegmentExpired(rendition, segment):
                self._feed.drop_segments(self._path, rendition, segment.msn)
            case PresentationEnded():
                self._texts.note_end()

    def _put_part(self, rendition: str, part: Part, pieces: Sequence[Payload]) -> None:
        """Where there is no room for it, what playlists list no longer leaves before its time.

        If that does not suffice its segment becomes a gap: no playlist may name what cannot be
        fetched (RFC 8216bis 6.2.1).
        """
        kind = self._media_type(rendition)
        while self._lost.get(rendition) != part.msn:
            if self._feed.put_part(self._path, rendition, kind, part, pieces):
                return
            expired = self._presentation.expire_early()
            if expired is None:
                self._lost[rendition] = part.msn
                self._presentation.lose(rendition, part)
            else:
                self._feed.drop_segments(self._path, expired.rendition, expired.segment.msn)

    def _complete_segment(self, rendition: str, segment: Segment, now_utc: float) -> None:
        self._feed.complete_segment(self._path, rendition, segment.msn)
        self._texts.note_media(rendition, now_utc)
        self._segments += 1
        self._segment_bytes += segment.size_bytes

    def _put_init(self, rendition: str, init: InitSection) -> None:
        self._feed.put(
            Put(
                path=self._path,
                url=f"/{self._path}/{rendition}/{init.name}",
                body=init.data,
                content_type=self._media_type(rendition),
                rendition=rendition,
            )
        )

    def _media_type(self, rendition: str) -> str:
        kind = self._presentation.renditions[rendition].track.media_type
        return "audio/mp4" if kind is MediaType.AUDIO else "video/mp4"


def _settings(config: PathConfig, floor: NumberFloor) -> PresentationSettings:
    """With parts the playlist begins with the first one, so the target duration is decided before
    the first segment is there to be measured: GOPs must then fit the segment duration."""
    segment_duration = Fraction(config.segment_duration_s).limit_denominator(1000)
    target = target_duration_for(segment_duration, segment_duration)
    return PresentationSettings(
        segment_duration_s=config.segment_duration_s,
        part_duration_s=config.part_duration_s,
        window_s=config.window_s,
        window_bytes=config.window_bytes,
        floor_msn=floor.msn,
        floor_discontinuity=floor.discontinuity,
        target_duration=target if config.part_duration_s > 0 else 0,
    )
