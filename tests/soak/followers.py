"""Clients that follow one rendition as a player does and verify everything they are given.

Both read their list again and again and download each segment as soon as it is listed. They
demand: lists and segments are always there (200), numbers rise by one without a hole, media time
goes on to the tick within each segment and from one to the next, except where a discontinuity or a
period says that it does not, no segment is a gap, and something new comes in time.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

import aiohttp
import m3u8

from segmenter.errors import MediaError
from segmenter.fmp4.reader import InitTrack, read_init_tracks
from tests.soak.findings import Findings
from tests.soak.media_times import MediaTimes

POLL_S = 1.0
"""Half a target duration, as RFC 8216bis 6.3.4 asks of a client whose list did not change."""
STALL_S = 10.0
"""Without anything new: the pause between two pushes, two segments, and a slow second or two."""
MPD = "{urn:mpeg:dash:schema:mpd:2011}"


@dataclass(frozen=True, slots=True)
class Listed:
    """One segment in a list."""

    number: int
    url: str
    init: str
    """URL of its init section."""
    stretch: int
    """Discontinuity number or start of the period: within it media time goes on without a hole."""
    start: int | None = None
    """Ticks, where the list says it."""
    is_gap: bool = False


class Follower(ABC):
    """Owns what one client has seen of one rendition."""

    protocol = ""

    def __init__(self, http: aiohttp.ClientSession, base: str, name: str, found: Findings) -> None:
        self.name = name
        self.segments = 0
        self.bytes = 0
        self.discontinuities = 0
        self._http = http
        self._base = base
        self._found = found
        self._last: int | None = None
        self._times = MediaTimes()
        self._inits: dict[str, InitTrack] = {}
        self._progress_at = time.monotonic()

    async def run(self) -> None:
        """Follows until it is cancelled."""
        while True:
            try:
                await self._look()
            except (aiohttp.ClientError, TimeoutError) as error:
                self._complain(f"{type(error).__name__} {error}")
            if time.monotonic() - self._progress_at > STALL_S:
                self._complain(f"nothing new for {STALL_S:g} s after segment {self._last}")
                self._progress_at = time.monotonic()
            await asyncio.sleep(POLL_S)

    @abstractmethod
    def read(self, text: str) -> Sequence[Listed]:
        """The segments of a list; complains about what is wrong with it."""

    @property
    @abstractmethod
    def list_url(self) -> str:
        """Where the list is, below the path."""

    async def _look(self) -> None:
        text = await self._get(self.list_url)
        if text is None:
            return
        for listed in self.read(text.decode()):
            if self._last is None or listed.number > self._last:
                await self._take(listed)

    async def _take(self, listed: Listed) -> None:
        if self._last is not None and listed.number != self._last + 1:
            self._complain(f"segment {listed.number} follows {self._last}")
        self._last = listed.number
        self._progress_at = time.monotonic()
        if listed.is_gap:
            self._complain(f"segment {listed.number} is a gap")
            return
        data = await self._get(listed.url)
        if data is None:
            return
        self.segments += 1
        self.bytes += len(data)
        track = await self._init(listed.init)
        if track is not None:
            for what in self._times.push(data, track, listed.stretch, listed.start):
                self._complain(f"segment {listed.number} {what}")

    async def _init(self, url: str) -> InitTrack | None:
        if url not in self._inits:
            data = await self._get(url)
            if data is None:
                return None
            try:
                self._inits[url] = read_init_tracks(data)[0]
            except MediaError as error:
                self._complain(f"{url}: {error}")
        return self._inits.get(url)

    async def _get(self, url: str) -> bytes | None:
        async with self._http.get(f"{self._base}/{url}") as response:
            body = await response.read()
            if response.status == 200 and body:
                return body
            self._complain(f"{url} gave {response.status} with {len(body)} bytes")
            return None

    def _complain(self, what: str) -> None:
        self._found.add(f"{self.protocol} {self.name}", what)


class HlsFollower(Follower):
    """Follows a media playlist, read by the m3u8 package."""

    protocol = "HLS"

    def __init__(self, http: aiohttp.ClientSession, base: str, name: str, found: Findings) -> None:
        super().__init__(http, base, name, found)
        self._target_duration: float | None = None
        self._media_sequence = 0
        self._breaks: dict[int, int] = {}

    @property
    def list_url(self) -> str:
        return f"{self.name}/index.m3u8"

    def read(self, text: str) -> Sequence[Listed]:
        playlist = m3u8.loads(text)
        target: float = playlist.target_duration
        if self._target_duration not in (None, target):
            self._complain(f"TARGETDURATION became {target}, was {self._target_duration}")
        self._target_duration = target
        sequence: int = playlist.media_sequence
        if sequence < self._media_sequence:
            self._complain(f"MEDIA-SEQUENCE went back to {sequence} from {self._media_sequence}")
        self._media_sequence = sequence
        if playlist.is_endlist:
            self._complain("ENDLIST")
        stretches = self._check_breaks(playlist)
        listed = []
        for index, segment in enumerate(playlist.segments):
            if segment.uri is None:  # parts of the segment in progress
                continue
            if round(segment.duration) > target:
                self._complain(f"segment {sequence + index} lasts {segment.duration} s")
            url, msn = f"{self.name}/{segment.uri}", sequence + index
            init = f"{self.name}/{segment.init_section.uri}" if segment.init_section else ""
            listed.append(Listed(msn, url, init, stretches[msn], is_gap=bool(segment.gap_tag)))
        return listed

    def _check_breaks(self, playlist: m3u8.M3U8) -> dict[int, int]:
        """Each segment's discontinuity sequence number, which never changes (RFC 8216bis 6.2.2)."""
        number = playlist.discontinuity_sequence or 0
        breaks = {}
        for index, segment in enumerate(playlist.segments):
            if segment.uri is None:  # in progress: the tag before its parts is not read as its own
                continue
            number += bool(segment.discontinuity)
            msn = playlist.media_sequence + index
            breaks[msn] = number
            before = self._breaks.get(msn, number)
            if before != number:
                self._complain(f"segment {msn} has discontinuity {number}, had {before}")
            elif msn not in self._breaks and segment.discontinuity:
                self.discontinuities += 1
        self._breaks = breaks
        return breaks


class DashFollower(Follower):
    """Follows one Representation of the MPD."""

    protocol = "DASH"

    def __init__(self, http: aiohttp.ClientSession, base: str, name: str, found: Findings) -> None:
        super().__init__(http, base, name, found)
        self._period_ms = 0

    @property
    def list_url(self) -> str:
        return "manifest.mpd"

    def read(self, text: str) -> Sequence[Listed]:
        listed: list[Listed] = []
        for period in ElementTree.fromstring(text).iter(f"{MPD}Period"):
            for representation in period.iter(f"{MPD}Representation"):
                if representation.get("id") == self.name:
                    start_ms = round(1000 * float(period.get("start", "")[2:-1]))
                    listed += read_template(representation, start_ms)
                    self._note_period(start_ms)
        if not listed:
            self._complain("the MPD has no segment of it")
        return listed

    def _note_period(self, start_ms: int) -> None:
        if start_ms > self._period_ms:
            self.discontinuities += bool(self._period_ms)
            self._period_ms = start_ms


def read_template(representation: ElementTree.Element, period: int) -> list[Listed]:
    """Segments of a SegmentTemplate with SegmentTimeline and $Number$ (ISO/IEC 23009-1 5.3.9)."""
    template = representation.find(f"{MPD}SegmentTemplate")
    assert template is not None
    number, start = int(template.get("startNumber", "1")), 0
    listed = []
    for entry in template.iter(f"{MPD}S"):
        start = int(entry.get("t", start))
        for _ in range(1 + int(entry.get("r", "0"))):
            url = template.get("media", "").replace("$Number$", str(number))
            listed.append(Listed(number, url, template.get("initialization", ""), period, start))
            number += 1
            start += int(entry.get("d", "0"))
    return listed
