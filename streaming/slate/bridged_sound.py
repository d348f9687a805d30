"""Encoded sound, live or bridged by its slate: what of it goes out, and when. Sans-IO."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from segmenter.media import Sample
from streaming.slate.loop import SlateStrip

MOST_LAG_S: Final = Fraction(1)
"""Encoders look ahead by a frame; one that is further behind is overloaded."""
HOLD_S: Final = Fraction(3, 10)
"""How long its slate waits for an encoder that is nearly there: it would stay ahead for ever."""


@dataclass(frozen=True, slots=True)
class SourceSound:
    """From when to when a sample of the publisher's sound lasts, seconds."""

    start: Fraction
    end: Fraction
    captured_utc: float
    discontinuity: bool


class BridgedSound:
    """Owns where the encoded sound is; its bridge alone calls it. All its samples are key frames,
    so that it goes back to its encoder as soon as that has come as far."""

    def __init__(self, name: str, timescale: int) -> None:
        """`timescale` is that of its encoder; its slate has one of its own."""
        self.name = name
        self.strip: SlateStrip | None = None
        self.is_bridged = False
        self._timescale = timescale
        self._end: Fraction | None = None
        """Of the media that went out, seconds."""
        self._lag = Fraction(0)
        self._next = 0
        self._awaits = False
        """Its encoder has nearly come as far."""

    def begin(self) -> None:
        """Nothing comes from its encoder any more."""
        self.is_bridged, self._awaits = True, False

    def pass_on(self, sample: Sample, heard: Fraction) -> bool:
        """Whether a sample of its encoder goes out, while the publisher's sound ends at `heard`,
        seconds: the slate may have gone further."""
        start = Fraction(sample.dts, self._timescale)
        duration = Fraction(sample.duration, self._timescale)
        if self.is_bridged and self._end is not None and start < self._end - duration / 2:
            self._awaits = start > self._end - HOLD_S
            return False
        self.is_bridged = self._awaits = False
        self._end = start + duration
        self._lag = min(max(Fraction(0), heard - self._end), MOST_LAG_S)
        return True

    def play(self, heard: SourceSound) -> list[Sample]:
        """The slate until where the publisher's sound ends."""
        strip = self.strip
        if strip is None or not self.is_bridged:
            return []
        until, broken = heard.end - self._lag, heard.discontinuity
        if self._awaits and self._end is not None and until - self._end < HOLD_S:
            return []
        if self._end is None or broken or until - self._end > MOST_LAG_S:
            self._end = heard.start
        timescale = strip.track.timescale
        samples = []
        while self._end + strip.duration <= until:
            data, _ = strip.samples[self._next % len(strip.samples)]
            dts, duration = round(self._end * timescale), round(strip.duration * timescale)
            samples.append(
                Sample(self.name, dts, dts, data, True, duration, broken, heard.captured_utc)
            )
            self._end += strip.duration
            self._next += 1
            broken = False
        return samples
