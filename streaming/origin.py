"""The origin of one path: its presentation, and its playlists rendered once per change.

Whatever the presentation reports goes to the shelf, from which delivery processes serve it.
Nothing here is done per request or per viewer.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from segmenter.boundary import target_duration_for
from segmenter.dash.low_latency_mpd import LowLatencyMpd
from segmenter.dash.mpd import Mpd
from segmenter.errors import UsageError
from segmenter.hls.live_playlists import LivePlaylists
from segmenter.hls.multivariant_playlist import MultivariantPlaylist
from segmenter.hls.rendered_playlist import RenderedPlaylist
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
from segmenter.window_records import WindowRecorder
from streaming.config import PathConfig
from streaming.latency_histogram import LatencyCounts, LatencyHistogram
from streaming.live_state.journal_format import Place, fragments
from streaming.live_state.path_journal import PathJournal
from streaming.shelf_feed import ShelfFeed
from streaming.shelf_messages import LivePlaylist, Put

UTC_TIMING_URL = "/time"

HLS_TYPE = "application/vnd.apple.mpegurl"
DASH_TYPE = "application/dash+xml"

PLAYLIST_MAX_AGE_S = 1
"""Half of the shortest target duration: a cache may answer two viewers of the same second, and
never hides a segment for longer than players wait between reloads."""

JOIN_WAIT_S = 0.4
"""How long after the first segment of any rendition the multivariant playlist waits for the
others: players read it once, so a rung that is missing then is missing for them for good; but a
viewer should not wait much longer than a segment for the first picture."""


VIDEO_WAIT_S = 5.0
"""The same while there is sound but no picture yet: an encoder on a busy machine may take seconds,
and nobody wants to hear a film."""


_AUDIO_NAME = re.compile(r"audio(\d+|_.*)?")


def is_audio(name: str) -> bool:
    """Whether a rendition is audio, by its name: those of rungs cannot begin like this."""
    return _AUDIO_NAME.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class NumberFloor:
    """What the first numbers of a path are to be above: an earlier origin may have used them."""

    msn: int
    discontinuity: int


NO_FLOOR = NumberFloor(0, 0)


@dataclass(frozen=True, slots=True)
class OriginStatistics:
    """What has been packaged; counters only rise."""

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
        self._is_low_latency = config.part_duration_s > 0
        self._presentation = Presentation(_settings(config, floor))
        self._playlists = LivePlaylists(self._presentation, low_latency=self._is_low_latency)
        self._multivariant = MultivariantPlaylist(self._presentation)
        self._mpd = Mpd(self._presentation, UTC_TIMING_URL)
        self._low_latency_mpd = LowLatencyMpd(self._presentation, UTC_TIMING_URL)
        self._low_latency_text = ""
        """The low-latency manifest on the shelf."""
        self._journal = journal
        self._recorder = WindowRecorder(self._presentation)
        self._expected: frozenset[str] = frozenset()
        self._ready: set[str] = set()
        self._changed: set[str] = set()
        self._lost: dict[str, int] = {}
        """Rendition -> number of its latest segment that could not be kept."""
        self._latencies: defaultdict[str, LatencyHistogram] = defaultdict(LatencyHistogram)
        self._first_media_utc = 0.0
        self._listed = False
        self._variants = ""
        """The multivariant playlist on the shelf."""
        self._indexes_changed = False
        self._segments = 0
        self._segment_bytes = 0
        self._renders = 0
        self._restored: list[Event] = []

    @property
    def is_playable(self) -> bool:
        """Whether the multivariant playlist is on the shelf."""
        return self._listed

    def set_tracks(self, tracks: Sequence[Track], expected: Sequence[str], now_utc: float) -> None:
        """The renditions to package from now on; those of `expected` names follow soon."""
        self._expected = frozenset(expected) | {track.name for track in tracks}
        self._publish(self._presentation.start(tracks, expected=expected), now_utc)

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
        self._publish(self._presentation.handle_timer(now_utc), now_utc)

    def end(self, now_utc: float) -> None:
        """Players are told that nothing follows."""
        self._publish(self._presentation.end(now_utc), now_utc)

    # -- after a restart ---------------------------------------------------------------------

    def begin_restore(self, saved: SavedPresentation, now_utc: float) -> None:
        """Goes on with what an earlier origin left, before anything else happens.

        `restore_segment` follows for each segment but gaps, in order, then `finish_restore`.
        """
        events = self._presentation.restore(saved, now_utc)
        self._low_latency_mpd = LowLatencyMpd(self._presentation, UTC_TIMING_URL)
        self._recorder.restore(saved)
        for rendition in saved.renditions:
            inits = {s.init.name: s.init for s in rendition.contiguous}
            for init in (*inits.values(), rendition.init):
                self._put_init(rendition.name, init)
        self._restored = events

    def restore_segment(
        self, rendition: str, segment: Segment, data: bytes | None, now_utc: float
    ) -> None:
        """Its media are served again; without media it becomes a gap."""
        offset = 0
        for part in fragments(segment):
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
        self._listed = self._presentation.has_media
        self._changed.update(self._presentation.renditions)
        self._indexes_changed = True
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
            segments=self._segments,
            segment_bytes=self._segment_bytes,
            playlist_renders=self._renders,
            window_bytes=sum(rendition.window_bytes for rendition in renditions),
            renditions=len(renditions),
            presentation=self._presentation.statistics(),
            latencies={name: seen.counts() for name, seen in self._latencies.items()},
        )

    # -- what happened goes to the shelf -----------------------------------------------------

    def _publish(self, events: list[Event], now_utc: float) -> None:
        for event in events:
            self._shelve(event, now_utc)
        if self._journal is not None and events:
            self._keep(self._journal, events, now_utc)
        if self._changed:
            self._render(now_utc)
        if self._indexes_changed or (self._first_media_utc and not self._listed):
            self._indexes_changed = False
            self._render_indexes(now_utc)

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
            case PartReady(rendition, part, pieces):
                self._put_part(rendition, part, pieces)
                if self._is_low_latency:
                    self._changed.add(rendition)
                    self._note_media(rendition, now_utc)
                if part.captured_utc:
                    self._latencies[rendition].observe(now_utc - part.captured_utc)
            case SegmentReady(rendition, segment):
                self._changed.add(rendition)
                self._indexes_changed = True
                if not segment.is_gap and segment.msn != self._lost.get(rendition):
                    self._complete_segment(rendition, segment, now_utc)
            case SegmentExpired(rendition, segment):
                self._feed.drop_segments(self._path, rendition, segment.msn)
            case PresentationEnded():
                renditions = self._presentation.renditions
                self._changed.update(name for name in renditions if renditions[name].segments)
                self._indexes_changed = True

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
        self._note_media(rendition, now_utc)
        self._segments += 1
        self._segment_bytes += segment.size_bytes

    def _render(self, now_utc: float) -> None:
        """Renders what changed: those renditions' playlists, and what lists all of them."""
        for name, rendered in self._playlists.render(self._changed).items():
            self._put_playlist(name, rendered)
        self._changed.clear()
        if self._is_low_latency and self._listed:
            self._render_low_latency_mpd(now_utc)

    def _render_low_latency_mpd(self, now_utc: float) -> None:
        """It changes with periods only, and says itself when it has not."""
        try:
            text = self._low_latency_mpd.render(now_utc)
        except UsageError:  # nothing but gaps: what was listed stays
            return
        if text is not self._low_latency_text:
            self._low_latency_text = text
            self._put_text("low-latency.mpd", text.encode(), DASH_TYPE)

    def _note_media(self, rendition: str, now_utc: float) -> None:
        """It has something to play."""
        if rendition not in self._ready:
            self._ready.add(rendition)
            self._first_media_utc = self._first_media_utc or now_utc
            self._indexes_changed = True

    def _render_indexes(self, now_utc: float) -> None:
        if not self._listed and not self._may_list(now_utc):
            return
        presentation = self._presentation
        if any(rendition.is_playable for rendition in presentation.renditions.values()):
            self._listed = True
            variants = self._multivariant.render()
            if variants is not self._variants:
                self._variants = variants
                self._put_text("index.m3u8", variants.encode(), HLS_TYPE)
            if self._is_low_latency:
                self._render_low_latency_mpd(now_utc)
        if presentation.has_media:  # else there is nothing but gaps: what was listed stays
            mpd = self._mpd.render(now_utc)
            self._put_text("manifest.mpd", mpd.encode(), DASH_TYPE)

    def _may_list(self, now_utc: float) -> bool:
        """Whether enough renditions have media for players to make their choice once."""
        if self._ready >= self._expected:
            return bool(self._ready)
        if not self._first_media_utc:
            return False
        video = {name for name in self._expected if not is_audio(name)}
        wait_s = self._join_wait_s if not video or video & self._ready else VIDEO_WAIT_S
        return now_utc - self._first_media_utc >= wait_s

    @property
    def _join_wait_s(self) -> float:
        # With parts the first rendition is there when others have not begun their first segment.
        config = self._presentation.settings
        return JOIN_WAIT_S + (config.segment_duration_s if self._is_low_latency else 0.0)

    def _put_playlist(self, rendition: str, rendered: RenderedPlaylist) -> None:
        self._renders += 1
        self._feed.put(
            Put(
                path=self._path,
                url=f"/{self._path}/{rendition}/index.m3u8",
                body=rendered.full,
                content_type=HLS_TYPE,
                cache="playlist",
                max_age_s=PLAYLIST_MAX_AGE_S,
                rendition=rendition,
                live=_live_playlist(rendered) if rendered.state.can_block else None,
            )
        )

    def _put_text(self, name: str, body: bytes, content_type: str) -> None:
        self._renders += 1
        self._feed.put(
            Put(
                path=self._path,
                url=f"/{self._path}/{name}",
                body=body,
                content_type=content_type,
                cache="playlist",
                max_age_s=PLAYLIST_MAX_AGE_S,
            )
        )

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


def _live_playlist(rendered: RenderedPlaylist) -> LivePlaylist:
    state = rendered.state
    return LivePlaylist(
        delta=b"" if rendered.delta is rendered.full else rendered.delta,
        delta_v2=b"" if rendered.delta_v2 is rendered.full else rendered.delta_v2,
        last_msn=state.last_msn,
        last_parts=state.last_parts,
        open_parts=state.open_parts,
        target_duration=state.target_duration,
        part_target_s=state.part_target_s,
        is_ended=state.is_ended,
        hint=state.hint,
    )


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
