"""The shelf of a delivery process: every URL that media can be fetched from, and what was there.

Sans-IO: messages of `shelf_messages` go in, resources or the reason why there is none come out.
"""

from __future__ import annotations

import re
import zlib
from collections import OrderedDict
from collections.abc import Iterable
from enum import Enum
from typing import Final

from streaming.shelf_messages import (
    Drop,
    GoneSeries,
    GoneSnapshot,
    PathGone,
    PathState,
    Put,
)

MAX_GONE_SERIES: Final = 20_000
"""Three numbered series (init, segments, parts) for each of some 6,000 renditions: about 4 MB."""

MAX_GONE_URLS: Final = 10_000
"""Dropped URLs without a number are rare (a rendition's playlist): about 2 MB."""

PLAYLIST_NAMES: Final = ("index.m3u8", "manifest.mpd")

_NUMBERED: Final = re.compile(r"(.*/)(?:(init-)(\d{1,18})\.mp4|(\d{1,18})(?:\.(\d{1,6}))?\.m4s)")


def numbered(url: str) -> tuple[str, int] | None:
    """The series a media URL belongs to and its number in it; None for URLs without a number.

    "/a/720p/812.m4s" and "/a/720p/813.m4s" are of one series, "/a/720p/812.3.m4s" is of the
    rendition's parts, whose number is their segment's.
    """
    match = _NUMBERED.fullmatch(url)
    if match is None:
        return None
    folder, init, init_number, segment, part = match.groups()
    if init:
        return folder + "init-*", int(init_number)
    return folder + ("*" if part is None else "*.*"), int(segment)


class GoneMemory:
    """Remembers cheaply which URLs were served once: a range for each numbered series.

    Both ends of the link keep one, so that a restarted delivery process still says 410.
    """

    def __init__(self) -> None:
        self._series: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._urls: OrderedDict[str, None] = OrderedDict()

    def remember(self, url: str) -> None:
        """`url` was served and is no longer."""
        series = numbered(url)
        if series is None:
            self._remember_url(url)
            return
        name, number = series
        first, last = self._series.pop(name, (number, number))
        self._remember_series(name, min(first, number), max(last, number))

    def restore(self, snapshot: GoneSnapshot) -> None:
        """Takes over what the other end remembers."""
        for series in snapshot.series:
            self._series.pop(series.series, None)
            self._remember_series(series.series, series.first, series.last)
        for url in snapshot.urls:
            self._remember_url(url)

    def snapshot(self) -> GoneSnapshot:
        """Everything remembered, as a message."""
        series = tuple(GoneSeries(name, *ends) for name, ends in self._series.items())
        return GoneSnapshot(series=series, urls=tuple(self._urls))

    def has(self, url: str) -> bool:
        """Whether `url` was served once; asked only for URLs that are not on the shelf now."""
        series = numbered(url)
        if series is None:
            return url in self._urls
        ends = self._series.get(series[0])
        return ends is not None and ends[0] <= series[1] <= ends[1]

    def _remember_series(self, name: str, first: int, last: int) -> None:
        self._series[name] = (first, last)
        if len(self._series) > MAX_GONE_SERIES:
            self._series.popitem(last=False)

    def _remember_url(self, url: str) -> None:
        self._urls.pop(url, None)
        self._urls[url] = None
        if len(self._urls) > MAX_GONE_URLS:
            self._urls.popitem(last=False)


class Resource:
    """One prebuilt answer: body, validators and the header lines that never change.

    Immutable but for its gzip form, which is made when the first client asks for it.
    """

    __slots__ = (
        "_gzip_body",
        "body",
        "cache_control",
        "compressible",
        "content_type",
        "etag",
        "gzip_head",
        "head",
        "kind",
        "msn",
        "part",
        "path",
        "rendition",
        "url",
    )

    def __init__(self, put: Put) -> None:
        self.url = put.url
        self.path = put.path
        self.rendition = put.rendition
        self.msn = put.msn
        self.part = put.part
        self.body = put.body
        self.content_type = put.content_type
        self.compressible = is_text(put.content_type)
        self.kind = _kind(put)
        # CRC and length of one URL's bytes: any delivery process and any restart makes the same.
        self.etag = f'"{put.etag or f"{zlib.crc32(put.body):08x}-{len(put.body):x}"}"'
        self.cache_control = _cache_control(put)
        self.head: bytes = b""
        """Header lines that the server prepares for its fast path; empty until then."""
        self.gzip_head: bytes = b""
        """The same for the compressed form."""
        self._gzip_body: bytes | None = None

    @property
    def gzip_etag(self) -> str:
        """The compressed form is other bytes, so it needs another strong validator."""
        return f'{self.etag[:-1]}-gzip"'

    def gzip_body(self) -> bytes:
        """The body compressed, once."""
        if self._gzip_body is None:
            compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
            self._gzip_body = compressor.compress(self.body) + compressor.flush()
        return self._gzip_body


class Absence(Enum):
    """Why there is nothing at a URL."""

    NEVER = 404
    GONE = 410
    STARTING = 503


class Shelf:
    """Owns the resources of one delivery process; the link feeds it, requests look things up.

    For low latency a request will wait for a resource that is announced but not there yet: `put`
    is the one place where resources appear (with `msn` and `part` of segments, parts and
    playlists), so waiters will be released there.
    """

    def __init__(self) -> None:
        self._resources: dict[str, Resource] = {}
        self._urls_of_path: dict[str, set[str]] = {}
        self._gone = GoneMemory()
        self.paths: dict[str, PathState] = {}
        self.bytes_held = 0

    def __len__(self) -> int:
        return len(self._resources)

    def put(self, put: Put) -> Resource:
        """A resource appears or replaces the one at its URL."""
        resource = Resource(put)
        old = self._resources.get(put.url)
        if old is not None:
            self.bytes_held -= len(old.body)
        self._resources[put.url] = resource
        self._urls_of_path.setdefault(put.path, set()).add(put.url)
        self.bytes_held += len(put.body)
        return resource

    def drop(self, drop: Drop) -> None:
        """A resource goes; its URL is remembered as gone."""
        self._gone.remember(drop.url)
        self._remove(drop.url)

    def restore_gone(self, snapshot: GoneSnapshot) -> None:
        """What had gone before this process started."""
        self._gone.restore(snapshot)

    def path_state(self, state: PathState) -> None:
        """The path's newest state."""
        self.paths[state.path] = state

    def path_gone(self, gone: PathGone) -> None:
        """Everything of the path goes: media is remembered as gone, playlists are 404 again."""
        self.paths.pop(gone.path, None)
        for url in self._urls_of_path.pop(gone.path, ()):
            if numbered(url) is not None:
                self._gone.remember(url)
            self._remove(url)

    def get(self, url: str) -> Resource | None:
        """The resource at the decoded `url`; the fast path's question."""
        return self._resources.get(url)

    def find(self, url: str) -> Resource | Absence:
        """The resource at the decoded `url`, or why there is none."""
        resource = self._resources.get(url)
        if resource is not None:
            return resource
        if self._gone.has(url):
            return Absence.GONE
        state = self._state_above(url)
        if state is not None and state.state in ("idle", "starting"):
            return Absence.STARTING
        return Absence.NEVER

    def wanted_path(self, url: str) -> str | None:
        """The path that a request for the absent `url` would wake, if it asks to play one."""
        folder, _, name = url.rpartition("/")
        if name not in PLAYLIST_NAMES:
            return None
        state = self._state_above(url)
        return folder.lstrip("/") if state is None else state.path

    def _state_above(self, url: str) -> PathState | None:
        folder = url.strip("/")
        while folder := folder.rpartition("/")[0]:
            state = self.paths.get(folder)
            if state is not None:
                return state
        return None

    def _remove(self, url: str) -> None:
        resource = self._resources.pop(url, None)
        if resource is None:
            return
        self.bytes_held -= len(resource.body)
        urls = self._urls_of_path.get(resource.path)
        if urls is not None:
            urls.discard(url)
            if not urls:
                del self._urls_of_path[resource.path]

    def resources(self) -> Iterable[Resource]:
        """Everything on the shelf now."""
        return self._resources.values()


def is_text(content_type: str) -> bool:
    """Whether compressing pays."""
    base = content_type.partition(";")[0]
    return base.startswith("text/") or base in (
        "application/vnd.apple.mpegurl",
        "application/dash+xml",
        "application/javascript",
        "application/json",
        "image/svg+xml",
    )


def _cache_control(put: Put) -> str:
    if put.cache == "immutable":
        return f"public, max-age={put.max_age_s}, immutable"
    return f"public, max-age={put.max_age_s}" if put.max_age_s else "no-cache"


def _kind(put: Put) -> str:
    name = put.url.rpartition("/")[2]
    if put.cache == "playlist":
        return "playlist" if name.endswith((".m3u8", ".mpd")) else "page"
    return "media" if name.endswith((".m4s", ".mp4", ".ts")) else "page"
