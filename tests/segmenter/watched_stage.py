"""A stage whose every playlist and manifest is looked at, after every event."""

from __future__ import annotations

import re
from decimal import Decimal

from segmenter.dash.mpd import Mpd
from segmenter.hls.multivariant_playlist import MultivariantPlaylist, render_multivariant_playlist
from segmenter.lane import AUDIO_JOIN_S
from segmenter.media import Track
from segmenter.presentation import Presentation, PresentationSettings
from segmenter.segment import Event, PresentationEnded, SegmentExpired, SegmentReady
from tests.segmenter.dash.watch import Manifest, ManifestWatch
from tests.segmenter.hls.watch import Playlist, PlaylistWatch, check_together
from tests.segmenter.made_anew import render_media_playlist, render_mpd
from tests.segmenter.stage import Stage


class Kept:
    """What an origin keeps of one presentation to render it again and again."""

    def __init__(self, presentation: Presentation) -> None:
        self.presentation = presentation
        self.mpd = Mpd(presentation, "/time")
        self.multivariant = MultivariantPlaylist(presentation)


class WatchedStage(Stage):
    """Renders what changed as an origin would, and checks it against all rules.

    ``apart_s``: how far segments of one number may begin apart; None does not compare, for
    stories in which media are lost and tracks begin late.
    """

    def __init__(
        self,
        *tracks: Track,
        settings: PresentationSettings | None = None,
        apart_s: float | None = 0.1,
    ) -> None:
        self.watches: dict[str, PlaylistWatch] = {}
        self.manifests = ManifestWatch()
        self.playlists: dict[str, Playlist] = {}
        self.multivariant = ""
        self._kept: Kept | None = None
        self._apart_s = apart_s
        self._unlisted_at: dict[tuple[str, int], float] = {}
        self._longest: dict[tuple[str, int], Decimal] = {}
        super().__init__(*tracks, settings=settings)

    def new_life(self) -> None:
        """The presentation begins anew: players of the former are gone."""
        self.watches = {}
        self.manifests = ManifestWatch()
        self.playlists = {}

    def _record(self, events: list[Event]) -> list[Event]:
        super()._record(events)
        changed = set()
        for event in events:
            if isinstance(event, SegmentReady):
                changed.add(event.rendition)
            elif isinstance(event, PresentationEnded):
                renditions = self.presentation.renditions
                changed.update(name for name in renditions if renditions[name].segments)
            elif isinstance(event, SegmentExpired):
                self._check_expiry(event)
        if changed:
            self._render(changed)
        return events

    def _render(self, changed: set[str]) -> None:
        hole_s = AUDIO_JOIN_S if self._apart_s is None else 0.0
        for name in sorted(changed):
            before = self.playlists.get(name)
            text = render_media_playlist(self.presentation.renditions[name])
            after = self.watches.setdefault(name, PlaylistWatch(hole_s)).see(text)
            self.playlists[name] = after
            self._check_served(name, after)
            for entry in after.entries:
                longest = self._longest.get((name, entry.msn), Decimal(0))
                self._longest[name, entry.msn] = max(longest, after.duration)
            for entry in before.entries if before else ():
                if entry.msn < after.media_sequence:
                    self._unlisted_at[name, entry.msn] = self.now
        if self._apart_s is not None:
            check_together(self.playlists, apart_s=self._apart_s)
        if not self.presentation.has_media:
            return
        self.multivariant = render_multivariant_playlist(self.presentation)
        if self._kept is None or self._kept.presentation is not self.presentation:
            self._kept = Kept(self.presentation)
        assert self._kept.multivariant.render() == self.multivariant, "made anew"
        self._check_codecs()
        text = self._kept.mpd.render(self.now)
        assert text == render_mpd(self.presentation, self.now, "/time"), "made anew"
        manifest = self.manifests.see(text)
        self._check_manifest(manifest)

    def _check_served(self, name: str, playlist: Playlist) -> None:
        expired = {segment.name for segment in self.expired[name]}
        for entry in playlist.entries:
            if not entry.is_gap:
                assert (name, entry.uri) in self.data, f"H29: {name}/{entry.uri}"
                assert (name, entry.init) in self.data, f"H29: {name}/{entry.init}"
                assert entry.uri not in expired, f"H15: {name}/{entry.uri}"

    def _check_manifest(self, manifest: Manifest) -> None:
        for (_, representation), listed in manifest.segments.items():
            name = representation.id
            segments = {segment.msn: segment for segment in self.segments[name]}
            for addressed in listed:
                segment = segments[addressed.number]
                assert addressed.url == f"{name}/{segment.name}"
                assert not segment.is_gap
                assert addressed.start * segment.timescale == segment.start, "D5: S@t"
                assert addressed.duration * segment.timescale == segment.duration, "D5: S@d"
                assert representation.init == f"{name}/{segment.init.name}"
                assert representation.timescale == segment.init.track.timescale, "D12"
                assert representation.codecs == segment.init.codecs, "D12"

    def _check_codecs(self) -> None:
        """H28: CODECS names each format that is listed, and none that neither is nor is to come."""
        groups: dict[str, set[str]] = {}
        for line in self.multivariant.split("\n"):
            said = dict(re.findall(r'([A-Z-]+)="([^"]*)"', line))
            if line.startswith("#EXT-X-MEDIA:"):
                name = said["URI"].partition("/")[0]
                groups.setdefault(said["GROUP-ID"], set()).update(self._formats(name))
        lines = iter(self.multivariant.split("\n"))
        for line in lines:
            if line.startswith("#EXT-X-STREAM-INF:"):
                said = dict(re.findall(r'([A-Z-]+)="([^"]*)"', line))
                listed = self._formats(next(lines).partition("/")[0])
                listed |= groups.get(said.get("AUDIO", ""), set())
                assert sorted(said["CODECS"].split(",")) == sorted(listed), "H28"

    def _formats(self, name: str) -> set[str]:
        """Codec strings of all segments that a playlist lists, and of what is to come."""
        known = {segment.msn: segment.init.codecs for segment in self.segments[name]}
        playlist = self.playlists.get(name)
        entries = playlist.entries if playlist else ()
        latest = self.presentation.renditions[name].codecs
        return {latest} | {known[entry.msn] for entry in entries if not entry.is_gap}

    def _check_expiry(self, event: SegmentExpired) -> None:
        """H15: it stays for its own duration and that of the longest playlist with it."""
        segment = event.segment
        watch = self.watches.get(event.rendition)
        if watch is None or segment.msn not in watch.ever:
            return  # of a former life, or it came and went with one change
        unlisted = self._unlisted_at.get((event.rendition, segment.msn))
        assert unlisted is not None, f"H15: {segment.name} expired while listed"
        longest = float(self._longest[event.rendition, segment.msn])
        assert self.now - unlisted >= segment.duration_s + longest - 0.001, "H15"
