"""How late a live stream is for a client at this place, stage by stage."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from streaming.inspect.report import EXIT_BROKEN, EXIT_FINE

STAGES: Final = {
    "listed": "end of the newest media until its playlist or MPD was here",
    "received": "end of a segment, part or chunk until its last byte was here",
    "captured": "capture (prft) of its first sample until its last byte was here",
    "blocked": "a request that had to wait for media",
    "answered": "any other request",
}
"""What is measured, in seconds, in the order of a packet's way."""

MAX_TROUBLES: Final = 20
"""Sentences kept; a server that is down says the same each second."""


@dataclass(frozen=True, slots=True)
class Stage:
    """All measurements of one stage, seconds."""

    count: int
    p50_s: float
    p95_s: float
    max_s: float


@dataclass(slots=True)
class LatencyReport:
    """What following a stream for a while has shown."""

    target: str
    kind: str
    """HLS, LL-HLS, DASH or LL-DASH."""
    rendition: str
    """The URL or id of the one that was followed."""
    seconds: float
    stages: dict[str, Stage]
    troubles: list[str]
    """What went wrong on the way, one sentence each."""

    @property
    def exit_status(self) -> int:
        """EXIT_FINE, or EXIT_BROKEN after any trouble or when nothing new ever came."""
        return EXIT_BROKEN if self.troubles or "received" not in self.stages else EXIT_FINE

    def to_builtins(self) -> dict[str, Any]:
        """For JSON."""
        return {"ok": self.exit_status == EXIT_FINE, **asdict(self)}


class LatencyMeter:
    """Collects what followers measure; whoever started them asks for the stages at the end."""

    def __init__(self) -> None:
        self._values: defaultdict[str, list[float]] = defaultdict(list)
        self.troubles: list[str] = []

    def add(self, stage: str, seconds: float) -> None:
        """One measurement of one of STAGES."""
        if stage not in STAGES:
            raise KeyError(stage)
        self._values[stage].append(seconds)

    def trouble(self, text: str) -> None:
        """Something went wrong; each sentence is kept once."""
        if text not in self.troubles and len(self.troubles) < MAX_TROUBLES:
            self.troubles.append(text)

    def stages(self) -> dict[str, Stage]:
        """Those that have been measured, in their order."""
        return {name: _stage(self._values[name]) for name in STAGES if self._values[name]}


def _stage(values: Sequence[float]) -> Stage:
    ordered = sorted(values)
    figures = (_rank(ordered, 50), _rank(ordered, 95), ordered[-1])
    return Stage(len(ordered), *(round(figure, 6) for figure in figures))


def _rank(ordered: Sequence[float], percent: float) -> float:
    """By the nearest rank."""
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]
