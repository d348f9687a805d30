"""Reads a path's media playlists again and again: their numbers may only rise."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Sequence

from bench.poller import Poller

EVERY_S = 0.25
_TAGS = ("EXT-X-MEDIA-SEQUENCE", "EXT-X-DISCONTINUITY-SEQUENCE", "EXT-X-TARGETDURATION")


class NumbersWatch(Poller):
    """Polls; ``complaints`` and ``seen`` may be read at any time.

    While ``is_down`` is set nobody has to answer.
    """

    def __init__(self, base: str, renditions: Sequence[str]) -> None:
        super().__init__("numbers watch", EVERY_S)
        self.complaints: list[str] = []
        self.seen = 0
        """Versions of playlists."""
        self.is_down = False
        self._urls = [f"{base}/{name}/index.m3u8" for name in renditions]
        self._latest: dict[str, tuple[int, int, int, int]] = {}
        self._texts: dict[str, str] = {}

    def look(self) -> None:
        """See Poller."""
        for url in self._urls:
            self._fetch(url)

    def _fetch(self, url: str) -> None:
        was_down = self.is_down
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                text = response.read().decode()
        except (urllib.error.URLError, OSError) as error:
            # A successor that still reads its window from disk says 503.
            status = getattr(error, "code", None)
            if status != 503 and not (was_down or self.is_down):
                self.complaints.append(f"{url}: {error}")
            return
        if text != self._texts.get(url):
            self._texts[url] = text
            self.see(url, text)

    def see(self, url: str, text: str) -> None:
        """One more version of a playlist."""
        self.seen += 1
        found = [re.search(rf"^#{tag}:(\d+)$", text, re.M) for tag in _TAGS]
        if not all(found):
            self.complaints.append(f"{url}: no {_TAGS}")
            return
        first, discontinuity, target = (int(match[1]) for match in found if match)
        last = first + len(re.findall(r"^(?!#).", text, re.M)) - 1
        before = self._latest.get(url)
        self._latest[url] = first, last, discontinuity, target
        if before is None:
            return
        if first < before[0] or last < before[1] or discontinuity < before[2]:
            self.complaints.append(f"{url}: {before} then {self._latest[url]}")
        if first > before[1] + 1:
            self.complaints.append(f"{url}: after {before[1]} comes {first}")
        if target != before[3]:
            self.complaints.append(f"{url}: target duration {before[3]} then {target}")
