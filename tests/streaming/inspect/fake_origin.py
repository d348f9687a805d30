"""A live origin without sockets: real packaging and playlists, a clock of its own, and faults."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
from collections import defaultdict
from collections.abc import Callable
from urllib.parse import urlsplit

from segmenter.hls.media_lines import format_date_time
from segmenter.hls.multivariant_playlist import render_multivariant_playlist
from segmenter.media import Codec, MediaType, Sample, Track
from segmenter.presentation import Presentation, PresentationSettings
from segmenter.segment import Event, InitReady, PartReady, SegmentReady
from streaming.inspect.fetch import Answer
from streaming.inspect.report import Report, UnreadableError
from streaming.inspect.target import inspect_url
from tests.segmenter.fmp4.encodes import EPOCH_S, encode
from tests.segmenter.made_anew import render_media_playlist, render_mpd

BASE = "http://origin.example/live/"
RUNGS = ("source", "360p")
LOOPS = 20
LOOP_S = 1.2
"""The encode is 30 frames of 25 a second."""
START_S = 7.0
"""How much is live before anybody looks."""

Change = Callable[[bytes], bytes]


@functools.cache
def stream() -> tuple[list[Track], list[tuple[float, Sample]]]:
    """Two rungs of one video and its audio for LOOPS loops; samples by when they are complete."""
    video, pictures = encode(Codec.H264)
    audio, sounds = encode(Codec.AAC)
    tracks = [dataclasses.replace(video, name=name) for name in RUNGS] + [audio]
    rows: list[tuple[float, Sample]] = []
    for loop in range(LOOPS):
        shift = round(loop * LOOP_S * video.timescale)
        for name, sample in itertools.product(RUNGS, pictures):
            rows.append(_at(dataclasses.replace(sample, track=name), shift, video))
    length = sum(sample.duration for sample in sounds)
    for loop in range(int(LOOPS * LOOP_S * audio.timescale / length)):
        rows += [_at(sample, loop * length, audio) for sample in sounds]
    return tracks, sorted(rows, key=lambda row: row[0])


def _at(sample: Sample, shift: int, track: Track) -> tuple[float, Sample]:
    moved = dataclasses.replace(sample, dts=sample.dts + shift, pts=sample.pts + shift)
    return (moved.dts + moved.duration) / track.timescale, moved


class FakeOrigin:
    """Answers GET as an origin does; ``wait`` lets its clock and its stream go on."""

    def __init__(self) -> None:
        tracks, self._rows = stream()
        self._presentation = Presentation(
            PresentationSettings(segment_duration_s=1.2, part_duration_s=0, window_s=6.0)
        )
        self._media: dict[str, tuple[bytes, str]] = {}
        self._growing: defaultdict[str, list[bytes]] = defaultdict(list)
        self._changes: list[tuple[str, Change, int]] = []
        self._headers: list[tuple[str, str, str | None]] = []
        self._gets: dict[str, int] = {}
        self._position = 0
        self.stalled = False
        self.now_utc = float(EPOCH_S)
        self._keep(self._presentation.start(tracks))
        self.wait(START_S)

    @property
    def asked(self) -> set[str]:
        """What was asked for at least once."""
        return {*self._gets}

    def clock(self) -> float:
        """Seconds since 1970."""
        return self.now_utc

    def wait(self, seconds: float) -> None:
        """Time passes, and what is due by then is pushed."""
        self.now_utc += seconds
        while self._position < len(self._rows) and not self.stalled:
            due, sample = self._rows[self._position]
            if due > self.now_utc:
                break
            self._keep(self._presentation.push(sample, due))
            self._position += 1

    def change(self, url: str, old: str, new: str, *, first_get: int = 1) -> None:
        """From the n-th GET of URLs that match on, text that matches ``old`` becomes ``new``."""
        self.change_bytes(
            url,
            lambda data: re.sub(old, new, data.decode("latin-1"), flags=re.M).encode("latin-1"),
            first_get=first_get,
        )

    def change_bytes(self, url: str, change: Change, *, first_get: int = 1) -> None:
        """The same for any bytes."""
        self._changes.append((url, change, first_get))

    def set_header(self, url: str, name: str, value: str | None) -> None:
        """A header of URLs that match; None takes it away. ``:status`` is the status."""
        self._headers.append((url, name, value))

    def get(self, url: str, byte_range: str = "") -> Answer:
        """See Fetcher."""
        if not url.startswith("http://origin.example/"):
            raise UnreadableError(f"{url}: nobody there")
        name = urlsplit(url).path.removeprefix("/live/").removeprefix("/")
        self._gets[name] = self._gets.get(name, 0) + 1
        status, body, kind = self._resource(name)
        headers = {
            "content-type": kind,
            "access-control-allow-origin": "*",
            "cache-control": "max-age=1",
            "content-encoding": "gzip" if "m4s" not in name else "",
            "date": _http_date(self.now_utc),
        }
        for pattern, change, first in self._changes:
            if re.search(pattern, name) and self._gets[name] >= first:
                body = change(body)
        for pattern, field, value in self._headers:
            if re.search(pattern, name):
                headers.pop(field, None)
                headers |= {field: value} if value is not None else {}
        return Answer(url, int(headers.pop(":status", status)), headers, body)

    def _resource(self, name: str) -> tuple[int, bytes, str]:
        hls = "application/vnd.apple.mpegurl"
        if name == "index.m3u8":
            return 200, render_multivariant_playlist(self._presentation).encode(), hls
        if name == "manifest.mpd":
            text = render_mpd(self._presentation, self.now_utc, "/time")
            return 200, text.encode(), "application/dash+xml"
        if name == "time":
            text = format_date_time(round(self.now_utc * 1000), 1000)
            return 200, text.encode(), "text/plain"
        if name.endswith("/index.m3u8"):
            rendition = self._presentation.renditions[name.partition("/")[0]]
            return 200, render_media_playlist(rendition).encode(), hls
        if name in self._media:
            return 200, *self._media[name]
        return 404, b"", "text/plain"

    def _keep(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, PartReady):
                self._growing[event.rendition].append(event.data)
            if not isinstance(event, InitReady | SegmentReady):
                continue
            rendition = self._presentation.renditions[event.rendition]
            kind = "audio/mp4" if rendition.track.media_type is MediaType.AUDIO else "video/mp4"
            if isinstance(event, InitReady):
                self._media[f"{event.rendition}/{event.init.name}"] = event.init.data, kind
            else:
                data = b"".join(self._growing.pop(event.rendition, ()))
                self._media[f"{event.rendition}/{event.segment.name}"] = data, kind


def _http_date(utc: float) -> str:
    from email.utils import formatdate

    return formatdate(utc, usegmt=True)


def inspect(origin: FakeOrigin, name: str, watch_s: float = 0.0) -> Report:
    """The report on one of the origin's URLs."""
    return inspect_url(BASE + name, watch_s, fetcher=origin, clock=origin.clock, wait=origin.wait)
