"""What another origin's HLS playlists say: which variant to take, which segments are new.

Sans-IO: text in, segments out; time arrives as `now` in monotonic seconds. Parsing is left to
the m3u8 library, this file is the only one that knows it.
"""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from fractions import Fraction

import m3u8

from streaming.errors import RemoteError

MAX_SEGMENTS = 20_000
"""Eleven hours of two-second segments; more is not a live window."""
MAX_VARIANTS = 100
START_TARGETS = 3
"""A live playlist is joined so many target durations before its end (RFC 8216bis 6.3.3)."""
MIN_RELOAD_S = 0.5
"""A hostile TARGETDURATION of 0 must not make us hammer its server."""
MAX_TARGET_S = 60.0
STALE_TARGETS = 5
MIN_STALE_S = 20.0
"""A live playlist that has not changed for the longer of the two has stopped."""
_PACKAGED = ("avc1", "avc3", "hvc1", "hev1", "av01", "vp09")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Part of a resource, or all of it where `length` is 0."""

    url: str
    first: int = 0
    length: int = 0


@dataclass(frozen=True, slots=True)
class MediaSegment:
    """One segment to fetch."""

    msn: int
    place: ByteRange
    duration_s: float
    init: ByteRange | None
    """The media initialization section (EXT-X-MAP); None for transport streams."""
    discontinuity_sequence: int
    is_gap: bool = False
    """There is nothing to fetch (EXT-X-GAP)."""


@dataclass(frozen=True, slots=True)
class MediaPlaylist:
    """What a media playlist lists."""

    segments: tuple[MediaSegment, ...]
    first_msn: int
    target_s: float
    has_ended: bool


@dataclass(frozen=True, slots=True)
class Variant:
    """The renditions to follow."""

    video_url: str
    """The variant's own playlist; it may have audio in it as well."""
    audio_url: str
    """A separate audio rendition, or empty."""
    frame_rate: Fraction = Fraction(0)
    bandwidth: int = 0


def parse_playlist(text: str, url: str) -> Variant | MediaPlaylist:
    """The best variant of a multivariant playlist, or a media playlist.

    Raises RemoteError when the text is neither, or lists what we cannot read.
    """
    if not text.lstrip("\ufeff").startswith("#EXTM3U"):
        raise RemoteError(f"{url}: not an HLS playlist")
    try:
        playlist = m3u8.loads(text.lstrip("\ufeff"), uri=url)
        if playlist.playlists:
            return _choose_variant(playlist, url)
        return _media_playlist(playlist, url)
    except RemoteError:
        raise
    except Exception as error:  # the library raises whatever its parsing stumbles over
        raise RemoteError(f"{url}: broken playlist: {error}") from error


def _choose_variant(playlist: m3u8.M3U8, url: str) -> Variant:
    known = [p for p in playlist.playlists[:MAX_VARIANTS] if p.uri and _is_packaged(p)]
    if not known:
        raise RemoteError(f"{url}: no variant has a codec that we package")
    best = max(known, key=lambda p: p.stream_info.bandwidth or 0)
    audio = [
        m
        for m in playlist.media
        if m.type == "AUDIO" and m.group_id == best.stream_info.audio and m.uri
    ]
    audio.sort(key=lambda m: (m.default != "YES", m.autoselect != "YES"))
    return Variant(
        video_url=urllib.parse.urljoin(url, best.uri),
        audio_url=urllib.parse.urljoin(url, audio[0].uri) if audio else "",
        frame_rate=_frame_rate(best.stream_info.frame_rate),
        bandwidth=best.stream_info.bandwidth or 0,
    )


def _frame_rate(written: float | None) -> Fraction:
    """FRAME-RATE has three decimals: 29.970 is 30000/1001."""
    if not written or not 1 <= written <= 300:
        return Fraction(0)
    whole = round(written * 1.001)
    if abs(written - whole / 1.001) < 0.001:
        return Fraction(whole * 1000, 1001)
    return Fraction(written).limit_denominator(1000)


def _is_packaged(playlist: m3u8.Playlist) -> bool:
    codecs = playlist.stream_info.codecs
    if not codecs or playlist.stream_info.resolution is None:
        return True  # says nothing, or is audio alone
    return any(codec.strip().startswith(_PACKAGED) for codec in codecs.split(","))


def _media_playlist(playlist: m3u8.M3U8, url: str) -> MediaPlaylist:
    if not playlist.target_duration:
        raise RemoteError(f"{url}: a media playlist without a target duration")
    if len(playlist.segments) > MAX_SEGMENTS:
        raise RemoteError(f"{url}: more than {MAX_SEGMENTS} segments")
    first_msn = int(playlist.media_sequence or 0)
    sequence = int(playlist.discontinuity_sequence or 0)
    ends: dict[str, int] = {}
    segments: list[MediaSegment] = []
    for index, segment in enumerate(playlist.segments):
        if not segment.uri:  # the parts of a segment that is not complete yet
            continue
        if segment.key is not None and segment.key.method not in (None, "NONE"):
            raise RemoteError(f"{url}: encrypted with {segment.key.method}, which we cannot read")
        # The tag before the first segment is counted in EXT-X-DISCONTINUITY-SEQUENCE already.
        sequence += bool(segment.discontinuity and index)
        place = _place(url, segment.uri, segment.byterange, ends)
        init = segment.init_section
        segments.append(
            MediaSegment(
                msn=first_msn + index,
                place=place,
                duration_s=float(segment.duration or 0),
                init=_place(url, init.uri, init.byterange, {}) if init and init.uri else None,
                discontinuity_sequence=sequence,
                is_gap=bool(segment.gap_tag),
            )
        )
    return MediaPlaylist(
        segments=tuple(segments),
        first_msn=first_msn,
        target_s=min(float(playlist.target_duration), MAX_TARGET_S),
        has_ended=bool(playlist.is_endlist),
    )


def _place(url: str, uri: str, byte_range: str | None, ends: dict[str, int]) -> ByteRange:
    """`byte_range` is "length[@first]"; without first it begins where the last one ended."""
    target = urllib.parse.urljoin(url, uri)
    if not byte_range:
        return ByteRange(target)
    length, _, first = byte_range.partition("@")
    begin = int(first) if first else ends.get(target, 0)
    if begin < 0 or int(length) <= 0:
        raise RemoteError(f"{url}: impossible byte range {byte_range}")
    ends[target] = begin + int(length)
    return ByteRange(target, begin, int(length))


class PlaylistFollower:
    """Owns the position in one media playlist; whoever loads the playlist calls it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._next_msn: int | None = None
        self._last: MediaPlaylist | None = None
        self._changed_at = 0.0
        self._reload_s = MIN_RELOAD_S
        self.has_ended = False
        self.restarts = 0
        """How often the origin's sequence numbers began anew."""

    def update(self, playlist: MediaPlaylist, now: float) -> list[MediaSegment]:
        """The segments that are new. Raises RemoteError when a live playlist has stopped."""
        changed = playlist != self._last
        if changed:
            self._changed_at = now
        elif now - self._changed_at > max(STALE_TARGETS * playlist.target_s, MIN_STALE_S):
            raise RemoteError(f"{self._url}: has not changed for {now - self._changed_at:.0f} s")
        self._last = playlist
        self._reload_s = playlist.target_s if changed else playlist.target_s / 2
        self.has_ended = playlist.has_ended
        if self._next_msn is None:
            new = self._join(playlist)
        elif self._has_restarted(playlist):
            self.restarts += 1
            new = self._join(playlist)
        else:
            new = [s for s in playlist.segments if s.msn >= self._next_msn]
        if playlist.segments:
            self._next_msn = playlist.segments[-1].msn + 1
        return new

    def reload_after_s(self) -> float:
        """How long to wait after a load began (RFC 8216bis 6.3.4): a target duration, or half of
        one when nothing had changed."""
        return min(max(MIN_RELOAD_S, self._reload_s), MAX_TARGET_S)

    def _has_restarted(self, playlist: MediaPlaylist) -> bool:
        """Sequence numbers never fall, but origins that forget them exist."""
        if self._next_msn is None or not playlist.segments:
            return False
        return playlist.segments[-1].msn + 1 < self._next_msn

    def _join(self, playlist: MediaPlaylist) -> list[MediaSegment]:
        if playlist.has_ended and self._next_msn is None:
            return list(playlist.segments)
        wanted_s = START_TARGETS * playlist.target_s
        start = len(playlist.segments)
        while start > 0 and wanted_s > 0:
            start -= 1
            wanted_s -= playlist.segments[start].duration_s
        return list(playlist.segments[start:])
