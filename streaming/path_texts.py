"""A path's playlists and manifests, rendered once per change or, at rest, once somebody asks.

All that players read of a path but its media. Nothing here is done per request or per viewer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from segmenter.dash.low_latency_mpd import LowLatencyMpd
from segmenter.dash.mpd import Mpd
from segmenter.hls.live_playlists import LivePlaylists
from segmenter.hls.multivariant_playlist import MultivariantPlaylist
from segmenter.hls.rendered_playlist import RenderedPlaylist
from segmenter.presentation import Presentation
from streaming.shelf_feed import ShelfFeed
from streaming.shelf_messages import LivePlaylist, Put

UTC_TIMING_URL: Final = "/time"

HLS_TYPE: Final = "application/vnd.apple.mpegurl"
DASH_TYPE: Final = "application/dash+xml"

PLAYLIST_MAX_AGE_S: Final = 1
"""Half of the shortest target duration: a cache may answer two viewers of the same second, and
never hides a segment for longer than players wait between reloads."""

JOIN_WAIT_S: Final = 0.4
"""How long after the first segment of any rendition the multivariant playlist waits for the
others: players read it once, so a rung that is missing then is missing for them for good; but a
viewer should not wait much longer than a segment for the first picture."""

VIDEO_WAIT_S: Final = 5.0
"""The same while there is sound but no picture yet: an encoder on a busy machine may take seconds,
and nobody wants to hear a film."""

_AUDIO_NAME: Final = re.compile(r"audio(\d+|_.*)?")


def is_audio(name: str) -> bool:
    """Whether a rendition is audio, by its name: those of rungs cannot begin like this."""
    return _AUDIO_NAME.fullmatch(name) is not None


class PathTexts:
    """Owns the texts of one path on the shelf; its origin says what has changed, then `publish`.

    While it rests only the low-latency manifest follows, which has to see every segment begin and
    seldom says anything new. The first texts are the same as if it had never rested.
    """

    def __init__(self, path: str, presentation: Presentation, feed: ShelfFeed) -> None:
        self._path = path
        self._presentation = presentation
        self._feed = feed
        self._is_low_latency = presentation.settings.part_duration_s > 0
        self._playlists = LivePlaylists(presentation, low_latency=self._is_low_latency)
        self._multivariant = MultivariantPlaylist(presentation)
        self._mpd = Mpd(presentation, UTC_TIMING_URL)
        self._low_latency_mpd = LowLatencyMpd(presentation, UTC_TIMING_URL)
        self._variants = self._low_latency_text = ""
        """The multivariant playlist and the low-latency manifest on the shelf."""
        self._expected: frozenset[str] = frozenset()
        self._ready: set[str] = set()
        self._first_media_utc = 0.0
        self._changed: set[str] = set()
        self._indexes_changed = self._periods_changed = False
        self.is_resting = False
        """Whether nobody watches."""
        self.is_listed = False
        """Whether the multivariant playlist is on the shelf."""
        self.renders = 0
        """How many texts were put; it only rises."""

    # -- what has happened -------------------------------------------------------------------

    def expect(self, names: Iterable[str]) -> None:
        """The renditions that there will be."""
        self._expected = frozenset(names)

    def note_format(self) -> None:
        """Media of another format are to come: CODECS names it before anything of it is listed."""
        self._indexes_changed = True

    def note_part(self, rendition: str, index: int, now_utc: float) -> None:
        """A part can be fetched, number ``index`` of its segment."""
        if self._is_low_latency:
            self._changed.add(rendition)
            self._periods_changed |= index == 0
            self.note_media(rendition, now_utc)

    def note_segment(self, rendition: str) -> None:
        """A segment is finished, or a gap."""
        self._changed.add(rendition)
        self._indexes_changed = self._periods_changed = True

    def note_media(self, rendition: str, now_utc: float) -> None:
        """It has something to play."""
        if rendition not in self._ready:
            self._ready.add(rendition)
            self._first_media_utc = self._first_media_utc or now_utc
            self._indexes_changed = True

    def note_end(self) -> None:
        """Nothing follows."""
        renditions = self._presentation.renditions
        self._changed.update(name for name in renditions if renditions[name].segments)
        self._indexes_changed = self._periods_changed = True

    def restore(self) -> None:
        """The presentation has been restored; `note_restored` follows when its media are there."""
        self._low_latency_mpd = LowLatencyMpd(self._presentation, UTC_TIMING_URL)

    def note_restored(self) -> None:
        """All that was listed before can be fetched again."""
        self.is_listed = self._presentation.has_media
        self._changed.update(self._presentation.renditions)
        self._indexes_changed = True

    # -- what is said ------------------------------------------------------------------------

    def publish(self, now_utc: float, *, is_timer: bool = False) -> None:
        """Puts on the shelf what has changed.

        What lists all renditions waits until those that were finished within a timer's interval
        are level: sound is finished some frames after its pictures.
        """
        if self._periods_changed and self._is_low_latency and self.is_listed:
            self._periods_changed = False
            self._render_low_latency_mpd(now_utc)
        if not self.is_resting:
            self._render_due(now_utc, waits=not is_timer)

    def rest(self) -> None:
        """Nobody watches: the rest is put into words when it is asked for.

        Not before there is anything to ask for, and not at the end, after which nobody would wake.
        """
        if not self.is_resting and self.is_listed and not self._presentation.is_ended:
            self.is_resting = True
            self._feed.rest(self._path)

    def wake(self, now_utc: float) -> None:
        """Somebody watches, or is about to: all texts as of now, and from now on at each change."""
        if self.is_resting:
            self.is_resting = False
            self._render_due(now_utc, waits=False)
            self._feed.wake(self._path)

    def _render_due(self, now_utc: float, *, waits: bool) -> None:
        """What has changed since the last time, once for everybody."""
        if self._changed:
            self._render()
        if waits and self.is_listed and not self._is_level():
            return
        if self._indexes_changed or (self._first_media_utc and not self.is_listed):
            self._indexes_changed = False
            self._render_indexes(now_utc)

    def _is_level(self) -> bool:
        """Whether all renditions have come as far; at the end they never will."""
        presentation = self._presentation
        listed = [r.segments[-1].msn for r in presentation.renditions.values() if r.segments]
        return presentation.is_ended or len(set(listed)) < 2

    def _render(self) -> None:
        """Renders the playlists of the renditions that changed."""
        for name, rendered in self._playlists.render(self._changed).items():
            self._put_playlist(name, rendered)
        self._changed.clear()

    def _render_low_latency_mpd(self, now_utc: float) -> None:
        """It changes with periods only, and says itself when it has not."""
        if not self._low_latency_mpd.update():  # nothing but gaps: what was listed stays
            return
        text = self._low_latency_mpd.render(now_utc)
        if text is not self._low_latency_text:
            self._low_latency_text = text
            self._put_text("low-latency.mpd", text.encode(), DASH_TYPE)

    def _render_indexes(self, now_utc: float) -> None:
        if not self.is_listed and not self._may_list(now_utc):
            return
        presentation = self._presentation
        if any(rendition.is_playable for rendition in presentation.renditions.values()):
            self.is_listed = True
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
        self.renders += 1
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
        self.renders += 1
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
