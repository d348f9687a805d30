"""A live HLS presentation: one look, or reloads over some seconds as players do them."""

from __future__ import annotations

from collections.abc import Callable

from streaming.inspect.boxes import describe_track_shortly
from streaming.inspect.fetch import Answer, Fetcher, check_headers, max_age_of, resolve
from streaming.inspect.low_latency_rules import check_low_latency
from streaming.inspect.media import COARSE_S, Dates, Measured, RenditionMedia, check_alignment
from streaming.inspect.media_rules import check_media_playlist
from streaming.inspect.multivariant_rules import (
    check_multivariant,
    media_of,
    variants_of,
)
from streaming.inspect.playlist import ListedSegment, Playlist, parse_playlist
from streaming.inspect.reload_rules import check_reload, check_renditions
from streaming.inspect.report import Node, Report, UnreadableError
from streaming.inspect.syntax_rules import check_syntax
from streaming.inspect.variants import Rendition, check_variant, describe_variant

PLAYLIST_TYPES = (
    "application/vnd.apple.mpegurl", "audio/mpegurl", "application/x-mpegurl", "audio/x-mpegurl",
)  # fmt: skip
NEWEST = 3
"""Segments of each rendition that are downloaded at the first look, the oldest one besides."""
RENDITIONS_MAX = 64
"""Of one presentation; further ones are not looked at."""
LATE_TARGETS = 1.5
"""Target durations within which a new segment must be listed (HLS 6.2.1)."""
HEADER_RULES = ("H29", "H29", "H31")


class HlsInspector:
    """Owns one inspection of one HLS URL."""

    def __init__(
        self,
        report: Report,
        fetcher: Fetcher,
        clock: Callable[[], float],
        wait: Callable[[float], None],
    ) -> None:
        self._report = report
        self._fetcher = fetcher
        self._clock = clock
        self._wait = wait
        self._renditions: dict[str, Rendition] = {}
        self._dates = Dates(report, "H25")

    def inspect(self, answer: Answer, watch_s: float) -> None:
        """``answer`` is the playlist that was asked for. Raises UnreadableError."""
        playlist = parse_playlist(answer.body)
        root = self._report.tree
        if not playlist.is_multivariant:
            self._add("playlist", answer, root)
        else:
            self._check_answer("multivariant", answer)
            check_syntax(self._report, "multivariant", answer.body, playlist)
            check_multivariant(self._report, "multivariant", playlist)
            self._add_renditions(answer.url, playlist, root)
        check_renditions(self._report, self._playlists())
        self._watch(watch_s)
        self._check_together()
        if playlist.is_multivariant:
            self._check_variants(answer.url, playlist)

    def _add_renditions(self, base: str, playlist: Playlist, root: Node) -> None:
        uris = {variant.uri: describe_variant(variant) for variant in variants_of(playlist)}
        for attributes in media_of(playlist):
            if uri := attributes.get("URI"):
                kind = attributes.get("TYPE", "").lower()
                uris.setdefault(uri, f"{kind} group {attributes.get('GROUP-ID')}")
        for uri, label in list(uris.items())[:RENDITIONS_MAX]:
            try:
                answer = self._fetcher.get(resolve(base, uri))
                self._add(uri, answer, root.add(f"{uri} {label}"))
            except UnreadableError as error:
                self._report.error("H29", uri, str(error))

    def _add(self, name: str, answer: Answer, node: Node) -> None:
        if not self._check_answer(name, answer):
            return
        playlist = parse_playlist(answer.body)
        self._check_text(name, answer, playlist)
        media = RenditionMedia(self._report, self._fetcher, name, HEADER_RULES)
        rendition = Rendition(answer.url, node, playlist, media, self._clock())
        self._renditions[name] = rendition
        node.add(
            f"{len(playlist.segments)} segments, {playlist.duration_s:.1f} s, "
            f"target duration {playlist.target_duration} s"
            + (", ended" if playlist.is_ended else "")
        )
        listed = [segment for segment in playlist.segments if not segment.is_gap]
        for segment in [*listed[:1], *listed[1:][-NEWEST:]]:
            self._load(rendition, segment)

    def _check_answer(self, where: str, answer: Answer) -> bool:
        if not check_headers(self._report, where, answer, PLAYLIST_TYPES, HEADER_RULES):
            return False
        if "gzip" not in answer.headers.get("content-encoding", "") and len(answer.body) > 1400:
            self._report.warn("H29", where, "not compressed for a client that accepts gzip")
        if max_age_of(answer) is None:
            self._report.warn("H29", where, "no Cache-Control with max-age or no-cache")
        return True

    def _check_text(self, name: str, answer: Answer, playlist: Playlist) -> None:
        check_syntax(self._report, name, answer.body, playlist)
        check_media_playlist(self._report, name, playlist)
        check_low_latency(self._report, name, playlist)
        age = max_age_of(answer)
        if age is not None and age > playlist.target_duration > 0 and not playlist.is_ended:
            self._report.error("H29", name, f"caches may keep it {age} s: longer than a segment")

    def _load(self, rendition: Rendition, segment: ListedSegment) -> None:
        if not segment.map_uri:
            self._report.note("H29", rendition.media.name, "no EXT-X-MAP: media not looked at")
            return
        init_url = resolve(rendition.url, segment.map_uri)
        init = rendition.media.load_init(init_url, _http_range(segment.map_range))
        if init is None or segment.msn in rendition.media.segments:
            return
        url = resolve(rendition.url, segment.uri)
        measured = rendition.media.load_segment(
            segment.msn, url, _http_range(segment.byte_range), init, segment.discontinuity
        )
        if measured is None:
            return
        where = f"{rendition.media.name} segment {segment.msn}"
        rendition.node.add(
            f"{segment.uri} {measured.duration_s:.3f} s {measured.size_bytes / 1000:.1f} kB "
            f"from {measured.start_s:.3f} s: {describe_track_shortly(init.track)}"
        )
        self._check_extinf(where, segment, measured)
        if segment.date_time_utc is not None:
            self._dates.check(where, measured, segment.date_time_utc)

    def _check_extinf(self, where: str, segment: ListedSegment, measured: Measured) -> None:
        off_s = measured.duration_s - segment.duration_s
        slack_s = max(COARSE_S, measured.sample_ticks / measured.timescale)
        text = f"EXTINF {segment.duration_s:g}, its samples last {measured.duration_s:.4f} s"
        if abs(off_s) > slack_s:
            self._report.error("H32", where, text)
        elif abs(off_s) > measured.sample_ticks / measured.timescale:
            self._report.warn("H32", where, text)

    def _watch(self, watch_s: float) -> None:
        end = self._clock() + watch_s
        targets = [r.playlist.target_duration for r in self._renditions.values()]
        step_s = max(0.5, min(targets, default=1) / 2)
        while self._clock() + step_s <= end:
            self._wait(step_s)
            for rendition in self._renditions.values():
                self._reload(rendition)
            check_renditions(self._report, self._playlists())

    def _reload(self, rendition: Rendition) -> None:
        name = rendition.media.name
        try:
            answer = self._fetcher.get(rendition.url)
            if not self._check_answer(name, answer):
                return
            playlist = parse_playlist(answer.body)
        except UnreadableError as error:
            self._report.error("H29", name, f"on reload: {error}")
            return
        before, rendition.playlist = rendition.playlist, playlist
        self._check_text(name, answer, playlist)
        check_reload(self._report, name, before, playlist)
        last = before.segments[-1].msn if before.segments else -1
        for segment in playlist.segments:
            if segment.msn > last:
                rendition.grew_at = self._clock()
                if not segment.is_gap:
                    self._load(rendition, segment)
        late_s = self._clock() - rendition.grew_at
        if late_s > LATE_TARGETS * playlist.target_duration and not playlist.is_ended:
            self._report.error("H16", name, f"no new segment for {late_s:.1f} s")

    def _check_together(self) -> None:
        media = {name: rendition.media for name, rendition in self._renditions.items()}
        for rendition in media.values():
            rendition.check_continuity("H24")
        check_alignment(self._report, "C5", media)

    def _check_variants(self, url: str, playlist: Playlist) -> None:
        """Against the latest text: what is measured now may have raised BANDWIDTH since."""
        try:
            latest = self._fetcher.get(url)
            if latest.status == 200:
                playlist = parse_playlist(latest.body)
        except UnreadableError as error:
            self._report.error("H29", "multivariant", str(error))
        for variant in variants_of(playlist):
            check_variant(self._report, variant, media_of(playlist), self._renditions)

    def _playlists(self) -> dict[str, Playlist]:
        return {name: rendition.playlist for name, rendition in self._renditions.items()}


def _http_range(byte_range: str) -> str:
    """EXT-X-BYTERANGE ``length@offset`` as ``first-last``; empty when it is not so."""
    length, _, offset = byte_range.partition("@")
    if not (length.isdigit() and offset.isdigit()):
        return ""
    return f"{offset}-{int(offset) + int(length) - 1}"
