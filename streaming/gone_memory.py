"""What was served once and is no longer, as ranges of numbers: 410 instead of 404. Sans-IO."""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Final

from streaming.shelf_messages import GoneSeries, GoneSnapshot

MAX_GONE_SERIES: Final = 20_000
"""Three numbered series (init, segments, parts) for each of some 6,000 renditions: about 4 MB."""

MAX_GONE_URLS: Final = 10_000
"""URLs without a number: the playlists and manifests of some 1,500 paths that ended; about 2 MB."""

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
        self._remember_number(*series)

    def remember_segment(self, folder: str, msn: int) -> None:
        """A segment below the rendition's `folder` ("/a/720p/") and its parts, likewise."""
        self._remember_number(folder + "*", msn)
        self._remember_number(folder + "*.*", msn)

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

    def _remember_number(self, name: str, number: int) -> None:
        first, last = self._series.pop(name, (number, number))
        self._remember_series(name, min(first, number), max(last, number))

    def _remember_series(self, name: str, first: int, last: int) -> None:
        self._series[name] = (first, last)
        if len(self._series) > MAX_GONE_SERIES:
            self._series.popitem(last=False)

    def _remember_url(self, url: str) -> None:
        self._urls.pop(url, None)
        self._urls[url] = None
        if len(self._urls) > MAX_GONE_URLS:
            self._urls.popitem(last=False)
