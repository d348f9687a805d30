"""What a URL of the shelf holds: validators, header lines, and the bytes or where they are.

Sans-IO: media bytes come through a function that reads the media store.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from segmenter.hls.rendered_playlist import PlaylistState, Skip
from streaming.shelf_messages import LivePlaylist, Put

MEDIA_MAX_AGE_S: Final = 3600
"""How long caches may keep media, seconds: longer than any player asks for a live segment."""

BLOCKED_MAX_AGE_TARGETS: Final = 6
"""Target durations that caches may keep the answer to a request with directives (RFC 8216bis
6.2.5.2)."""

GZIP_LEVEL: Final = 6
"""zlib's own choice, for what is compressed once."""

PLAYLIST_GZIP_LEVEL: Final = 3
"""With parts each rendition has a new playlist five times a second: a third of the time of level 6
for a tenth more bytes (a window of 30 s: 40 µs and 500 B; of an hour: 1.5 ms and 16 KB)."""

LARGEST_SHARE: Final = 4
"""A body of more than the cache's limit by this is not kept: it would push out all others."""


class Resource:
    """One answer: its validators and the header lines that never change, prebuilt.

    Immutable but for what is made when the first client asks for it.
    """

    __slots__ = (
        "_body",
        "_gzip_body",
        "cache_control",
        "compressible",
        "content_type",
        "etag",
        "gzip_head",
        "head",
        "kind",
        "path",
        "size_bytes",
        "url",
    )

    def __init__(
        self,
        url: str,
        path: str,
        content_type: str,
        *,
        body: bytes | None,
        size_bytes: int,
        etag: str,
        cache_control: str,
        kind: str,
    ) -> None:
        self.url = url
        self.path = path
        self.content_type = content_type
        self.size_bytes = size_bytes
        self.etag = f'"{etag}"'
        self.cache_control = cache_control
        self.kind = kind
        self.compressible = is_text(content_type)
        self.head: bytes = b""
        """Header lines that the server prepares for its fast path; empty until then."""
        self.gzip_head: bytes = b""
        """The same for the compressed form."""
        self._body = body
        self._gzip_body: bytes | None = None

    @classmethod
    def from_put(cls, put: Put) -> Resource:
        """What was put, body and all."""
        return cls(
            put.url,
            put.path,
            put.content_type,
            body=put.body,
            size_bytes=len(put.body),
            etag=put.etag or _etag(put.body),
            cache_control=_cache_control(put),
            kind=_kind(put),
        )

    def load(self) -> bytes | None:
        """The body; None when it has just gone."""
        return self._body

    def load_range(self, first: int, end: int) -> bytes | None:
        """Bytes `first` to before `end` of the body; None when they have just gone."""
        return None if self._body is None else self._body[first:end]

    @property
    def gzip_etag(self) -> str:
        """The compressed form is other bytes, so it needs another strong validator."""
        return f'{self.etag[:-1]}-gzip"'

    def gzip_body(self) -> bytes:
        """The body of a compressible resource compressed, once."""
        if self._gzip_body is None:
            level = PLAYLIST_GZIP_LEVEL if self.kind == "playlist" else GZIP_LEVEL
            compressor = zlib.compressobj(level, zlib.DEFLATED, 31)
            self._gzip_body = compressor.compress(self._body or b"") + compressor.flush()
        return self._gzip_body


class PlaylistResource(Resource):
    """A media playlist that requests may wait for, in all its versions.

    As a resource it is the whole playlist, for those who ask without directives.
    """

    __slots__ = ("_live", "_versions", "state")

    def __init__(self, put: Put, live: LivePlaylist) -> None:
        super().__init__(
            put.url,
            put.path,
            put.content_type,
            body=put.body,
            size_bytes=len(put.body),
            etag=_etag(put.body),
            cache_control=_cache_control(put),
            kind="playlist",
        )
        self._live = live
        self._versions: dict[tuple[Skip, bool], Resource] = {}
        self.state = PlaylistState(
            last_msn=live.last_msn,
            last_parts=live.last_parts,
            open_parts=live.open_parts,
            target_duration=live.target_duration,
            part_target_s=live.part_target_s,
            can_block=True,
            is_ended=live.is_ended,
            hint=live.hint,
        )

    def version(self, skip: Skip, *, is_lasting: bool) -> Resource:
        """The answer to a request with directives: the same object for everybody.

        Lasting is one that named the segment it wants: it answers that very URL for as long as
        somebody may ask for it. What is asked for as of now is soon out of date.
        """
        if skip is Skip.NO and not is_lasting:
            return self
        version = self._versions.get((skip, is_lasting))
        if version is None:
            version = self._versions[skip, is_lasting] = self._build(skip, is_lasting)
        return version

    def _build(self, skip: Skip, is_lasting: bool) -> Resource:
        body = {Skip.NO: b"", Skip.YES: self._live.delta, Skip.V2: self._live.delta_v2}[skip]
        body = body or self._body or b""
        max_age_s = BLOCKED_MAX_AGE_TARGETS * self.state.target_duration
        return Resource(
            self.url,
            self.path,
            self.content_type,
            body=body,
            size_bytes=len(body),
            etag=_etag(body),
            cache_control=f"public, max-age={max_age_s}" if is_lasting else self.cache_control,
            kind="playlist",
        )


class MediaBodies:
    """Owns the media bytes that a delivery process has read lately, up to `limit_bytes`.

    Those asked for longest ago leave first. `read` gives `size` bytes at an offset of the media
    store, or None when they have been freed.
    """

    def __init__(self, read: Callable[[int, int], bytes | None], limit_bytes: int) -> None:
        self._read = read
        self.limit_bytes = limit_bytes
        self._bodies: OrderedDict[MediaResource, bytes] = OrderedDict()
        self.held_bytes = 0
        self.hits = 0
        self.misses = 0

    def load(self, resource: MediaResource) -> bytes | None:
        """The whole body, from now on among those kept."""
        body = self._bodies.get(resource)
        if body is not None:
            self.hits += 1
            self._bodies.move_to_end(resource)
            return body
        self.misses += 1
        body = self._read(resource.offset, resource.size_bytes)
        if body is not None and len(body) <= self.limit_bytes // LARGEST_SHARE:
            self._keep(resource, body)
        return body

    def load_range(self, resource: MediaResource, first: int, end: int) -> bytes | None:
        """Some bytes of a body, which need not be kept for their sake."""
        body = self._bodies.get(resource)
        if body is not None:
            return body[first:end]
        return self._read(resource.offset + first, end - first)

    def drop(self, resource: MediaResource) -> None:
        """The resource has gone."""
        body = self._bodies.pop(resource, None)
        if body is not None:
            self.held_bytes -= len(body)

    def _keep(self, resource: MediaResource, body: bytes) -> None:
        self._bodies[resource] = body
        self.held_bytes += len(body)
        while self.held_bytes > self.limit_bytes:
            _, oldest = self._bodies.popitem(last=False)
            self.held_bytes -= len(oldest)


class MediaResource(Resource):
    """A part or a segment: a range of the media store, read when somebody asks for it."""

    __slots__ = ("_bodies", "offset")

    def __init__(
        self,
        url: str,
        path: str,
        content_type: str,
        *,
        start: int,
        offset: int,
        size_bytes: int,
        bodies: MediaBodies,
    ) -> None:
        # A URL's number and its media's start name its bytes: no need to read them.
        super().__init__(
            url,
            path,
            content_type,
            body=None,
            size_bytes=size_bytes,
            etag=f"{start:x}-{size_bytes:x}",
            cache_control=f"public, max-age={MEDIA_MAX_AGE_S}, immutable",
            kind="media",
        )
        self.offset = offset
        self._bodies = bodies

    def load(self) -> bytes | None:
        """See Resource."""
        return self._bodies.load(self)

    def load_range(self, first: int, end: int) -> bytes | None:
        """See Resource."""
        return self._bodies.load_range(self, first, end)


def _etag(body: bytes) -> str:
    """CRC and length of one URL's bytes: any delivery process and any restart makes the same."""
    return f"{zlib.crc32(body):08x}-{len(body):x}"


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
