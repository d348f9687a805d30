"""How much a rendition has brought lately, and how soon it could be fetched. Sans-IO."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from segmenter.segment import Part

METER_S: Final = 5.0
"""Media time looked at: two groups of pictures, so that key frames make no waves."""
SILENT_S: Final = 10.0
"""A rendition without news for so long brings nothing: longer than segments without parts are."""


@dataclass(frozen=True, slots=True)
class RenditionRates:
    """Of the last seconds; 0 is unknown, or nothing."""

    bits_per_second: int = 0
    samples_per_second: float = 0.0
    """Of video: pictures."""
    latency_s: float = 0.0
    """From the capture of a part's last sample until the part could be fetched, on average."""


@dataclass(slots=True)
class _Seen:
    at_utc: float
    duration_s: float
    size_bytes: int
    samples: int
    latency_s: float | None


class RenditionMeter:
    """Owns what was seen of one rendition; whoever makes its parts available calls `add`."""

    def __init__(self) -> None:
        self._seen: deque[_Seen] = deque()
        self._held_s = 0.0

    def add(self, part: Part, now_utc: float) -> None:
        """A part can be fetched from now on."""
        latency_s = max(0.0, now_utc - part.captured_utc) if part.captured_utc else None
        duration_s = part.duration / part.timescale
        self._seen.append(_Seen(now_utc, duration_s, part.size_bytes, part.sample_count, latency_s))
        self._held_s += duration_s
        while self._held_s - self._seen[0].duration_s >= METER_S:
            self._held_s -= self._seen.popleft().duration_s

    def rates(self, now_utc: float) -> RenditionRates:
        """As of now."""
        if not self._seen or self._held_s <= 0 or now_utc - self._seen[-1].at_utc > SILENT_S:
            return RenditionRates()
        late = [one.latency_s for one in self._seen if one.latency_s is not None]
        return RenditionRates(
            bits_per_second=round(8 * sum(one.size_bytes for one in self._seen) / self._held_s),
            samples_per_second=round(sum(one.samples for one in self._seen) / self._held_s, 2),
            latency_s=round(sum(late) / len(late), 3) if late else 0.0,
        )
