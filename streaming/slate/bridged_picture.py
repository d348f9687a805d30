"""One encoded picture, live or bridged by its slate: what of it goes out, and when. Sans-IO."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from segmenter.media import VIDEO_TIMESCALE, Sample
from streaming.slate.loop import SlateStrip
from streaming.transcode.key_grid import FrameDivider

MOST_LAG: Final = 2 * VIDEO_TIMESCALE
"""An encoder that looks ahead is so far behind its source; the slate is shown as late, so that
neither its beginning nor its end jumps. One that is further behind is overloaded."""
MOST_FILLED: Final = VIDEO_TIMESCALE
"""Of a hole before a slate that begins late: after so long packaging has gone on without."""
JOIN: Final = VIDEO_TIMESCALE // 2
"""A key frame that comes within this of the media before it need not be told: nothing has been
given up meanwhile, and segments are cut at told ones."""


@dataclass(frozen=True, slots=True)
class SourceFrame:
    """When a picture of the publisher is due."""

    dts: int
    captured_utc: float
    discontinuity: bool


class BridgedPicture:
    """Owns where one rung's media are; its bridge alone calls it.

    ``pass_on`` takes what its encoder brings. Between ``begin`` and ``resume`` the slate goes on
    instead, a picture of it for each of the publisher's that the rung would have had. Key frames
    are told where segments begin, which is the grid of the encoders, and after holes: those that
    the slate begins and ends with lie within a segment, and it goes on as if nothing had been.
    """

    def __init__(self, name: str, divisor: int, frame_rate: Fraction, line_ticks: int) -> None:
        self.name = name
        self.strip: SlateStrip | None = None
        self.is_bridged = False
        self.awaits_key = False
        """Its encoder is to go on with a key frame."""
        self.last: int | None = None
        """dts of the latest sample that went out."""
        self.lag = 0
        """How far it was behind the publisher then, as long as its encoder ran."""
        self.newest_live: int | None = None
        """Of what its encoder brings while it is bridged."""
        self._divider = FrameDivider(divisor, frame_rate)
        self._line_ticks = line_ticks
        self._offered = 0
        self._next: int | None = None
        self._breaks = False

    def pass_on(self, sample: Sample, newest: int) -> Sample:
        """A sample of its encoder, while the publisher's are at `newest`."""
        if self.awaits_key:
            return self.resume(sample)
        self.lag = min(max(0, newest - sample.dts), MOST_LAG)
        self.last = sample.dts
        return sample

    def begin(self, newest: int, *, breaks: bool, after: int | None = None) -> None:
        """Nothing comes from its encoder any more, while the publisher's pictures are at `newest`.
        `breaks`: the slate is of another format, and begins for all renditions after `after`."""
        self.is_bridged, self.awaits_key = True, False
        self.newest_live = self._next = None
        self._breaks = breaks
        if after is not None:
            self.last = after if self.last is None else max(self.last, after)
        self._offered = max(self.last or 0, newest - self.lag - MOST_FILLED)

    def end(self) -> None:
        """Its encoder goes on from its next key frame."""
        self.is_bridged, self.awaits_key = False, True

    def show(self, frame: SourceFrame) -> Sample | None:
        """The slate in the place of a picture; None where the rung has none or has had it."""
        strip = self.strip
        if strip is None or frame.dts <= self._offered:
            return None
        self._offered = frame.dts
        self._breaks = self._breaks or frame.discontinuity
        is_told = self._tells_key(frame.dts) or self._breaks
        begins = self._next is None or is_told
        if not self._divider.keeps(frame.dts, begins):
            return None
        index = 0 if begins or self._next is None else self._next % len(strip.samples)
        data, _ = strip.samples[index]
        is_told = is_told or (begins and self._follows_hole(frame.dts))
        duration = self._duration(strip, frame.dts)
        broken, self._breaks = self._breaks, False
        self.last, self._next = frame.dts, index + 1
        return Sample(
            self.name, frame.dts, frame.dts, data, is_told, duration, broken, frame.captured_utc
        )

    def resume(self, sample: Sample, *, breaks: bool = False) -> Sample:
        """The key frame that its encoder goes on with; after a change of format it `breaks`."""
        is_told = breaks or sample.discontinuity or self._tells_key(sample.dts)
        is_told = is_told or self._follows_hole(sample.dts)
        self.is_bridged = self.awaits_key = False
        self.last = sample.dts
        return dataclasses.replace(
            sample, is_sync=is_told, discontinuity=breaks or sample.discontinuity
        )

    def _tells_key(self, dts: int) -> bool:
        """Whether the picture is the first on or after a line of the grid."""
        return self.last is None or dts // self._line_ticks != self.last // self._line_ticks

    def _follows_hole(self, dts: int) -> bool:
        return self.last is None or dts - self.last > JOIN

    def _duration(self, strip: SlateStrip, dts: int) -> int:
        """Said where the encoder would say it."""
        rate = strip.track.frame_rate
        ticks = VIDEO_TIMESCALE / rate if rate else Fraction(0)
        return dts - self.last if self.last is not None and dts - self.last == ticks else 0
