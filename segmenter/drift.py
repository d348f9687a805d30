"""How a publisher's clock runs against ours, and what media time does about it.

Media time is carried by the publisher's own stamps, and no crystal is exact: 200 ppm are 7.2 s in
ten hours. The rule, with offsets counted from what they were in the epoch's first seconds:

- Within BEHIND_S and AHEAD_S nothing happens: media are placed exactly as they are stamped.
- Beyond, media time is moved by SLEW_PPM until half of it is left. Video frames come a few ticks
  closer or wider; sound follows by a frame left out or made up now and then (audio_clock.py).
- When all media have come LOST_S late, steadily, the publisher's clock has stood still: no slewing
  brings that back in time, so a new epoch begins at the next sync sample, which is a discontinuity.
- Ahead of the clock media time cannot be set back, only slewed; beyond HOPELESS_S (a file pushed
  faster than real time) it is left alone, and `is_adrift` says so.

Offsets are judged by the sample that was least delayed within a while, so that a network's jitter,
pauses that are made up for and publishers which send in bursts are no drift.
"""

from __future__ import annotations

import enum
from collections import deque

BEHIND_S = 0.25
"""Players that go by the clock (DASH) have half a second to a second to spare in low latency."""

AHEAD_S = 1.0
"""Costs those players latency and nothing else."""

SLEW_PPM = 1_000
"""Five times what the worst crystals need; a frame of 40 ms becomes 40 µs longer or shorter."""

LOST_S = 1.0
"""From here on slewing would take longer than a quarter of an hour."""

HOPELESS_S = 30.0
"""Eight hours of slewing."""

MEASURE_EVERY_S = 0.1
"""Often enough to slew by steps of at most 0.1 ms."""

BLOCK_S = 5.0
REFERENCE_BLOCKS = 3
RECENT_BLOCKS = 6
"""Half a minute: publishers that send only every 10 s have their best sample in it."""

LEAST_MEASURED = 10
"""In a block: a second of media in five; fewer are a pause or a burst and prove nothing."""

STEADY_S = 0.1
"""Two blocks as late as each other within this: nobody is catching up."""


class Verdict(enum.Enum):
    """Whether slewing will do."""

    FOLLOWS = "follows"
    LOST = "lost"


class DriftWatch:
    """Owned by one epoch; its timeline measures and moves media time as told.

    ``measure`` takes media time minus arrival of a sample and gives the seconds by which media
    time is to be moved now.
    """

    def __init__(self) -> None:
        self.verdict = Verdict.FOLLOWS
        self._reference: float | None = None
        self._recent: deque[float] = deque(maxlen=RECENT_BLOCKS)
        self._last_block: float | None = None
        self._since_utc: float | None = None
        self._measured_utc = 0.0
        self._best = 0.0
        self._count = 0
        self._is_slewing = False

    @property
    def drift_s(self) -> float:
        """How much further ahead media time is than in the epoch's first seconds; may be < 0."""
        if self._reference is None:
            return 0.0
        return max(self._recent) - self._reference

    def measure(self, ahead_s: float, now_utc: float) -> float:
        """A sample has arrived ``ahead_s`` before its own media time."""
        elapsed_s = now_utc - self._measured_utc
        self._measured_utc = now_utc
        if self._since_utc is None or now_utc < self._since_utc:
            self._begin_block(ahead_s, now_utc)
            return 0.0
        if now_utc - self._since_utc >= BLOCK_S:
            self._end_block()
            self._begin_block(ahead_s, now_utc)
        self._best = max(self._best, ahead_s)
        self._count += 1
        return self._slew(min(elapsed_s, 2 * MEASURE_EVERY_S))

    def _begin_block(self, ahead_s: float, now_utc: float) -> None:
        self._since_utc = now_utc
        self._best, self._count = ahead_s, 0

    def _end_block(self) -> None:
        if self._count < LEAST_MEASURED:
            self._last_block = None
            return
        self._recent.append(self._best)
        if self._reference is None:
            if len(self._recent) == REFERENCE_BLOCKS:
                self._reference = max(self._recent)
        elif self._last_block is not None:
            late_s = self._reference - max(self._best, self._last_block)
            is_steady = abs(self._best - self._last_block) < STEADY_S
            if late_s > LOST_S and is_steady:
                self.verdict = Verdict.LOST
        self._last_block = self._best

    def _slew(self, elapsed_s: float) -> float:
        drift_s = self.drift_s
        limit_s = AHEAD_S if drift_s > 0 else BEHIND_S
        if abs(drift_s) > limit_s:
            self._is_slewing = abs(drift_s) < HOPELESS_S
        elif abs(drift_s) < limit_s / 2:
            self._is_slewing = False
        if not self._is_slewing:
            return 0.0
        step_s = elapsed_s * SLEW_PPM / 1e6
        return -step_s if drift_s > 0 else step_s
