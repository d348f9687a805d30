"""What a publisher had gathered before it was connected, and sends at once.

GStreamer's encoders run while ICE and DTLS come about, and its webrtcbin keeps what they made:
seven seconds are sent within one. Media time would begin with the oldest of it and be ahead of the
clock by as much for good. Live is what comes when that is over; the rest is dropped. Sans-IO.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Sequence

from segmenter.media import Sample

LOOK_S = 0.1
"""How long the first media are looked at. Pictures of browsers come later than that anyway."""

_GREW_S = 0.05
_QUIET_S = 0.3
"""What is sent at once has been sent when media have not come faster than real time for so long."""
_SUSPECT_S = 0.2
"""Further ahead than jitter makes it: look on."""
_LEAST_S = 1.0
"""Less is taken as it comes (segmenter/drift.py leaves a second)."""
_MOST_S = 5.0
"""Longer than that is a file that is pushed as fast as it goes."""


class Verdict(enum.Enum):
    """What the first media are."""

    LOOKING = "not known yet"
    LIVE = "they come as they are made"
    OLD = "they were made before, and live ones come from now on"


class Backlog:
    """Owned by a publisher, which tells it of its samples until it has a verdict."""

    def __init__(self, look_s: float) -> None:
        self._look_s = look_s
        self._began: float | None = None
        self._grew = 0.0
        self._ahead_s = 0.0

    def push(self, ahead_s: float, now: float) -> None:
        """A sample came, stamped by so much later than it came, counted from the first one."""
        if self._began is None:
            self._began = self._grew = now
        if ahead_s >= self._ahead_s + _GREW_S:
            self._ahead_s, self._grew = ahead_s, now

    def verdict(self, now: float) -> Verdict:
        """At present."""
        if self._began is None or now - self._began < self._look_s:
            return Verdict.LOOKING
        grows = self._ahead_s >= _SUSPECT_S and now - self._grew < _QUIET_S
        if self._look_s and grows and now - self._began < _MOST_S:
            return Verdict.LOOKING
        return Verdict.OLD if self._look_s and self._ahead_s >= _LEAST_S else Verdict.LIVE


def from_key_frame(samples: Sequence[Sample]) -> list[Sample]:
    """What of them can be decoded without those before."""
    return list(itertools.dropwhile(lambda sample: not sample.is_sync, samples))
