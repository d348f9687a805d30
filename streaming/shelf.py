"""The shelf of a delivery process: every URL that media can be fetched from, and what was there.

Sans-IO: messages of `shelf_messages` go in, resources or the reason why there is none come out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Final

from streaming.gone_memory import GoneMemory, numbered
from streaming.media_shelf import ShelvedRendition
from streaming.resource import MediaBodies, MediaResource, PlaylistResource, Resource
from streaming.shelf_messages import (
    Drop,
    GoneSnapshot,
    Media,
    PartAdded,
    PathGone,
    PathState,
    Put,
    RenditionOpened,
    SegmentCompleted,
    SegmentDropped,
    SegmentState,
    TextsRest,
)

PLAYLIST_NAMES: Final = ("index.m3u8", "manifest.mpd", "low-latency.mpd")

_NUMBER: Final = "(0|[1-9][0-9]{0,17})"
_MEDIA_URL: Final = re.compile(rf"(/.+/){_NUMBER}(?:\.{_NUMBER})?\.m4s")


class Absence(Enum):
    """Why there is nothing at a URL."""

    NEVER = 404
    GONE = "410 gone"
    ENDED = "410 ended"
    """A text, which comes back with its path."""
    STARTING = "503 starting"
    LATE = "503 late"

    @property
    def status(self) -> int:
        """The HTTP status that says so."""
        return int(str(self.value)[:3])


class Shelf:
    """Owns the resources of one delivery process; the link feeds it, requests look things up.

    `put` and `put_media` are the places where resources appear, one for text and one for media;
    requests that wait for one are `streaming.live_requests`' business.
    """

    def __init__(self, bodies: MediaBodies) -> None:
        self.bodies = bodies
        self._resources: dict[str, Resource] = {}
        self._urls_of_path: dict[str, set[str]] = {}
        self._renditions: dict[int, ShelvedRendition] = {}
        self._by_folder: dict[str, ShelvedRendition] = {}
        self._inits: dict[str, str] = {}
        """Folder of a rendition to the URL of its newest init section."""
        self._asked_for: dict[str, MediaResource] = {}
        self._gone = GoneMemory()
        self._resting: set[str] = set()
        self.paths: dict[str, PathState] = {}
        self.bytes_held = 0
        self.changes = 0
        """Rises with each change of what can be fetched."""

    def __len__(self) -> int:
        media = sum(rendition.resource_count for rendition in self._renditions.values())
        return len(self._resources) + media

    def put(self, put: Put) -> Resource:
        """A resource appears or replaces the one at its URL."""
        self.changes += 1
        live = put.live
        resource = Resource.from_put(put) if live is None else PlaylistResource(put, live)
        old = self._resources.get(put.url)
        if old is not None:
            self.bytes_held -= old.size_bytes
        self._resources[put.url] = resource
        if put.content_type == "video/mp4":
            self._inits[_folder(put.url)] = put.url
        self._urls_of_path.setdefault(put.path, set()).add(put.url)
        self.bytes_held += resource.size_bytes
        return resource

    def drop(self, drop: Drop) -> None:
        """A resource goes; its URL is remembered as gone."""
        self.changes += 1
        self._gone.remember(drop.url)
        self._remove(drop.url)

    def rest(self, news: TextsRest) -> None:
        """A path's texts are out of date from now on, or as of now again."""
        self.changes += 1
        if news.is_resting:
            self._resting.add(news.path)
        else:
            self._resting.discard(news.path)

    def is_stale(self, resource: Resource) -> bool:
        """Whether it is a text that is left as it is because nobody asked for any."""
        return resource.path in self._resting and resource.kind == "playlist"

    def put_media(self, news: Media) -> str:
        """Parts and segments appear and go; gives the folder of their rendition."""
        self.changes += 1
        if isinstance(news, RenditionOpened):
            rendition = ShelvedRendition(news, self.bodies)
            self._renditions[news.handle] = self._by_folder[rendition.folder] = rendition
            return rendition.folder
        found = self._renditions.get(news.handle)
        if found is None:  # of a path that has gone
            return ""
        match news:
            case PartAdded():
                found.add_part(news)
            case SegmentCompleted():
                found.complete(news.msn)
            case SegmentState():
                found.restore(news)
            case SegmentDropped():
                self._drop_segment(found, news.msn)
        return found.folder

    def rendition(self, folder: str) -> ShelvedRendition | None:
        """The rendition at `folder`, once it has media."""
        return self._by_folder.get(folder)

    def init_section(self, folder: str) -> Resource | None:
        """The newest init section of the video rendition at `folder`."""
        return self._resources.get(self._inits.get(folder, ""))

    def playlist(self, folder: str) -> PlaylistResource | None:
        """The media playlist of the rendition at `folder`, if requests may wait for it."""
        found = self._resources.get(f"{folder}index.m3u8")
        return found if isinstance(found, PlaylistResource) else None

    def restore_gone(self, snapshot: GoneSnapshot) -> None:
        """What had gone before this process started."""
        self._gone.restore(snapshot)

    def path_state(self, state: PathState) -> None:
        """The path's newest state."""
        self.paths[state.path] = state

    def path_gone(self, gone: PathGone) -> None:
        """Everything of the path goes, and is remembered."""
        self.changes += 1
        self.paths.pop(gone.path, None)
        self._resting.discard(gone.path)
        for url in self._urls_of_path.pop(gone.path, ()):
            self._gone.remember(url)
            self._remove(url)
        for rendition in [r for r in self._renditions.values() if r.path == gone.path]:
            self._close(rendition)

    def get(self, url: str) -> Resource | None:
        """The resource at the decoded `url`; the fast path's question."""
        return self._resources.get(url) or self._asked_for.get(url) or self._media(url)

    def find(self, url: str) -> Resource | Absence:
        """The resource at the decoded `url`, or why there is none."""
        resource = self.get(url)
        if resource is not None:
            return resource
        is_text = numbered(url) is None
        has_gone = self._gone.has(url)
        state = self._state_above(url)
        if state is not None and state.state in ("idle", "starting") and (is_text or not has_gone):
            return Absence.STARTING
        if has_gone:
            return Absence.ENDED if is_text else Absence.GONE
        return Absence.NEVER

    def wanted_path(self, url: str) -> str | None:
        """The path that a request for the absent `url` would wake, if it asks to play one."""
        return self._path_above(url) if url.rpartition("/")[2] in PLAYLIST_NAMES else None

    def path_of(self, url: str) -> str:
        """The path that the decoded `url` belongs to, as far as its name tells."""
        resource = self.get(url)
        if resource is not None:
            return resource.path
        rendition = self._by_folder.get(_folder(url))
        return self._path_above(url) if rendition is None else rendition.path

    def _path_above(self, url: str) -> str:
        """The known path below which `url` is, or else the folder it is in."""
        state = self._state_above(url)
        return url.rpartition("/")[0].lstrip("/") if state is None else state.path

    def _state_above(self, url: str) -> PathState | None:
        folder = url.strip("/")
        while folder := folder.rpartition("/")[0]:
            state = self.paths.get(folder)
            if state is not None:
                return state
        return None

    def _media(self, url: str) -> MediaResource | None:
        match = _MEDIA_URL.fullmatch(url)
        if match is None:
            return None
        folder, msn, part = match.groups()
        rendition = self._by_folder.get(folder)
        if rendition is None:
            return None
        resource = rendition.resource(int(msn), None if part is None else int(part))
        if resource is not None:
            self._asked_for[url] = resource
        return resource

    def _drop_segment(self, rendition: ShelvedRendition, msn: int) -> None:
        self._gone.remember_segment(rendition.folder, msn)
        for resource in rendition.drop(msn):
            self._asked_for.pop(resource.url, None)
            self.bodies.drop(resource)

    def _close(self, rendition: ShelvedRendition) -> None:
        for msn in list(rendition.segments):
            self._drop_segment(rendition, msn)
        del self._renditions[rendition.handle]
        if self._by_folder.get(rendition.folder) is rendition:
            del self._by_folder[rendition.folder]

    def _remove(self, url: str) -> None:
        resource = self._resources.pop(url, None)
        if resource is None:
            return
        self.bytes_held -= resource.size_bytes
        if self._inits.get(_folder(url)) == url:
            del self._inits[_folder(url)]
        urls = self._urls_of_path.get(resource.path)
        if urls is not None:
            urls.discard(url)
            if not urls:
                del self._urls_of_path[resource.path]

    def resources(self) -> Iterator[Resource]:
        """Everything on the shelf now."""
        yield from self._resources.values()
        for rendition in self._renditions.values():
            yield from rendition.resources()


def _folder(url: str) -> str:
    return url.rpartition("/")[0] + "/"
