"""Follows one HLS rendition at its live edge, by blocking reloads where the server has them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit, urlunsplit

from segmenter.errors import MediaError
from segmenter.fmp4.reader import InitTrack, read_init_tracks
from streaming.inspect.chunk_clock import ChunkClock
from streaming.inspect.fetch import Answer, StreamFetcher, resolve
from streaming.inspect.follower import POLL_S, RETRY_S, Follower
from streaming.inspect.latency import LatencyMeter
from streaming.inspect.multivariant_rules import variants_of
from streaming.inspect.playlist import Playlist, parse_playlist
from streaming.inspect.report import UnreadableError

LATE_TARGETS = 3.0
"""Target durations without anything new after which the stream stands (HLS 6.2.5.2)."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The last segment or part that a playlist lists."""

    msn: int
    part: int
    """Index in its segment; -1 is the whole segment."""
    uri: str
    byte_range: str
    """First and last byte, as in a Range header; empty for the whole resource."""
    end_utc: float | None
    """By PROGRAM-DATE-TIME and durations; None where there is no date."""
    init: tuple[str, str]


class HlsFollower(Follower):
    """Owns one following of one HLS URL."""

    def __init__(
        self,
        meter: LatencyMeter,
        fetcher: StreamFetcher,
        clock: Callable[[], float],
        wait: Callable[[float], None],
    ) -> None:
        super().__init__(meter, fetcher, clock, wait)
        self._inits: dict[tuple[str, str], InitTrack | None] = {}
        self._newest: Newest | None = None
        self.kind = "HLS"

    def follow(self, answer: Answer, seconds: float) -> None:
        """``answer`` is the playlist asked for. Raises UnreadableError unless it is live."""
        playlist = parse_playlist(answer.body)
        url = answer.url
        if playlist.is_multivariant:
            variants = variants_of(playlist)
            if not variants:
                raise UnreadableError(f"{url}: lists no variant")
            url = resolve(url, variants[0].uri)
            answer = self._fetcher.get(url)
            if not 200 <= answer.status < 300:
                raise UnreadableError(f"{url}: HTTP status {answer.status}")
            playlist = parse_playlist(answer.body)
        if playlist.is_ended:
            raise UnreadableError(f"{url}: has ended, so nothing is late")
        self.rendition = url
        self._newest = newest_of(playlist)
        self._grew_at = self._clock()
        end = self._clock() + seconds
        while self._clock() < end and not playlist.is_ended:
            playlist = self._reload(url, playlist)
        if playlist.is_ended:
            self._meter.trouble("the stream has ended meanwhile")

    def _reload(self, url: str, playlist: Playlist) -> Playlist:
        """One request; the playlist that holds after it."""
        can_block = playlist.server_control.get("CAN-BLOCK-RELOAD") == "YES"
        self.kind = "LL-HLS" if playlist.part_target_s else "HLS"
        asked = blocking_url(url, playlist) if can_block else url
        began = self._clock()
        try:
            answer = self._fetcher.get(asked)
            if answer.status == 200:
                playlist = parse_playlist(answer.body)
        except UnreadableError as error:
            self._meter.trouble(str(error))
            self._wait(RETRY_S)
            return playlist
        if answer.status != 200:
            self._meter.trouble(f"{urlsplit(url).path}: HTTP status {answer.status}")
            self._wait(RETRY_S)
            return playlist
        self._meter.add("blocked" if can_block else "answered", self._clock() - began)
        self._look(url, playlist)
        if not can_block:
            self._wait(POLL_S)
        return playlist

    def _look(self, base: str, playlist: Playlist) -> None:
        newest, now = newest_of(playlist), self._clock()
        if newest is None or (self._newest and _place(newest) <= _place(self._newest)):
            late_s = now - self._grew_at
            if late_s > LATE_TARGETS * playlist.target_duration:
                self._meter.trouble(f"nothing new for {LATE_TARGETS:g} target durations")
            return
        self._newest, self._grew_at = newest, now
        if newest.end_utc is None:
            self._meter.trouble("no EXT-X-PROGRAM-DATE-TIME: nobody can tell how late it is")
            return
        self._meter.add("listed", now - newest.end_utc)
        self._receive(base, newest, newest.end_utc)

    def _receive(self, base: str, newest: Newest, end_utc: float) -> None:
        began = self._clock()
        try:
            answer = self._fetcher.get(resolve(base, newest.uri), newest.byte_range)
        except UnreadableError as error:
            self._meter.trouble(str(error))
            return
        if not 200 <= answer.status < 300:
            self._meter.trouble(f"{newest.uri}: HTTP status {answer.status}")
            return
        now = self._clock()
        self._meter.add("answered", now - began)
        self._meter.add("received", now - end_utc)
        init = self._init(base, newest)
        for chunk in ChunkClock(init).push(answer.body) if init else []:
            if chunk.captured_utc is not None:
                self._meter.add("captured", now - chunk.captured_utc)
                break

    def _init(self, base: str, newest: Newest) -> InitTrack | None:
        """Read once; None where it cannot be."""
        if newest.init not in self._inits:
            uri, byte_range = newest.init
            self._inits[newest.init] = None
            try:
                answer = self._fetcher.get(resolve(base, uri), to_range(byte_range))
                self._inits[newest.init] = read_init_tracks(answer.body)[0]
            except (UnreadableError, MediaError, IndexError):
                self._meter.trouble(f"init section {uri!r} cannot be read")
        return self._inits[newest.init]


def newest_of(playlist: Playlist) -> Newest | None:
    """The last part, or the last segment where there are no parts; None when nothing is listed.

    The last part of a finished segment counts as the whole of it.
    """
    utc: float | None = None
    last = None
    for segment in playlist.segments:
        begins = segment.date_time_utc if segment.date_time_utc is not None else utc
        utc = None if begins is None else begins + segment.duration_s
        last = segment
    msn = last.msn + 1 if last else int(playlist.number("MEDIA-SEQUENCE", 0) or 0)
    if playlist.open_parts:
        part = playlist.open_parts[-1]
        begins = playlist.open_date_time_utc if playlist.open_date_time_utc is not None else utc
        length = sum(each.duration_s for each in playlist.open_parts)
        end = None if begins is None else begins + length
        index = len(playlist.open_parts) - 1
        span = to_range(part.byte_range)
        return Newest(msn, index, part.uri, span, end, playlist.open_map)
    if last is None or last.is_gap:
        return None
    init = last.map_uri, last.map_range
    if last.parts and not last.parts[-1].is_gap:
        part = last.parts[-1]
        span = to_range(part.byte_range)
        return Newest(last.msn, len(last.parts) - 1, part.uri, span, utc, init)
    return Newest(last.msn, -1, last.uri, to_range(last.byte_range), utc, init)


def blocking_url(url: str, playlist: Playlist) -> str:
    """Asks for what comes next (RFC 8216bis 6.2.5.2); other queries stay."""
    last = playlist.segments[-1].msn if playlist.segments else -1
    first = int(playlist.number("MEDIA-SEQUENCE", 0) or 0)
    directives = {"_HLS_msn": max(first, last + 1)}
    if playlist.part_target_s:
        directives["_HLS_part"] = len(playlist.open_parts)
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(directives))))
    return urlunsplit(parts._replace(query=query))


def to_range(byte_range: str) -> str:
    """``length@offset`` as first and last byte; empty when it is not so."""
    match = re.fullmatch(r"(\d{1,18})@(\d{1,18})", byte_range)
    return f"{match[2]}-{int(match[2]) + int(match[1]) - 1}" if match else ""


def _place(newest: Newest) -> tuple[int, int]:
    return newest.msn, newest.part
