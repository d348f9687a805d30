"""What a viewer has seen and heard, from the raw records of `web/glass.js` and `web/ears.js`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

SETTLE_S = 5.0
"""After the first picture: players come to their target by playing faster or by seeking."""
SHORTEST_STALL_S = 0.05
"""A seek within the buffer waits for a frame or two, which is no stall."""
FREEZE_FACTOR = 3
FREEZE_BEYOND_S = 0.15
"""A picture that stands longer than max(3 × usual, usual + 150 ms) is a freeze (W3C webrtc-stats,
freezeCount); usual is the median, which a freeze does not move."""

NEAR_BEEP_MS: Final = 1000.0

SCREEN_MS: Final = 12.0
"""A picture is seen so much later than the compositor has it, as in static/lip_sync.js, and sound
is heard as much later as the browser tells of its output. Headless ones have neither."""


@dataclass(frozen=True, slots=True)
class GlassReport:
    """One player's viewing; latencies are from capture to screen, seconds, when it had settled."""

    player: str
    p50_s: float
    p95_s: float
    samples: int
    """Time codes read, after SETTLE_S."""
    unreadable: int
    """Pictures whose code could not be read: none, unless the encoder destroyed it."""
    join_s: float
    """From asking for the page to the first picture."""
    stalls: int
    """Times that the player ran dry after its first picture."""
    stall_s: float
    freezes: int
    """Times that a picture stood longer than it should, for whatever reason: stalls among them."""
    freeze_s: float
    seeks: int
    """After the first picture: each is a jump that the viewer sees."""
    frames: int
    dropped: int
    own_error_s: float | None
    """The median of the player's own estimate minus the truth; None where it has none."""
    sound_p50_s: float | None = None
    """By how much sound is heard after its picture is seen; None where nothing was heard, as by
    whatever is not WebRTC."""
    sound_p5_s: float | None = None
    sound_p95_s: float | None = None

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def judge(
    player: str,
    record: dict[str, Any],
    estimates: Sequence[Sequence[float]],
    heard: dict[str, Any] | None = None,
) -> GlassReport:
    """The report of a `record` as `Glass.record()` gives it.

    `estimates` are pairs of UTC milliseconds and the player's own latency in seconds, `heard` is
    what `Ears.record()` gives. Raises ValueError when no picture has been read.
    """
    ages = record["ages"]
    frames = record["frames"]
    if not ages:
        raise ValueError(f"{player}: no picture with a time code ({len(frames)} pictures)")
    settled = [age for age in ages if age[0] - ages[0][0] >= SETTLE_S * 1000] or ages[-1:]
    latencies = [age[1] / 1000 for age in settled]
    freezes = freezes_of(frames, record["now"])
    lags = sound_lags(settled, heard) if heard else []
    stalls = [length / 1000 for _, length in record["stalls"] if length / 1000 >= SHORTEST_STALL_S]
    return GlassReport(
        player=player,
        p50_s=percentile(latencies, 50),
        p95_s=percentile(latencies, 95),
        samples=len(latencies),
        unreadable=record["unreadable"],
        join_s=record["firstFrameMs"] / 1000,
        stalls=len(stalls),
        stall_s=sum(stalls),
        freezes=len(freezes),
        freeze_s=sum(freezes),
        seeks=record["seeks"],
        frames=len(frames),
        dropped=record["dropped"],
        own_error_s=_own_error(settled, estimates),
        sound_p50_s=percentile(lags, 50) if lags else None,
        sound_p5_s=percentile(lags, 5) if lags else None,
        sound_p95_s=percentile(lags, 95) if lags else None,
    )


def sound_lags(ages: Sequence[Sequence[float]], heard: dict[str, Any]) -> list[float]:
    """Of each beep: how much older it was when it was heard than pictures were that were on screen
    about then, seconds. Screens show a picture for 17 ms, so it takes the middle of several."""
    lags = []
    for at, age in heard["beeps"]:
        near = [picture for when, picture in ages if abs(when - at) <= NEAR_BEEP_MS]
        if near:
            seen = statistics.median(near) + SCREEN_MS
            lags.append((age + heard["outputMs"] - seen) / 1000)
    return lags


def freezes_of(frames_ms: Sequence[float], now_ms: float) -> list[float]:
    """How long each picture stood that stood too long, seconds; the last one until now."""
    gaps = [(b - a) / 1000 for a, b in zip(frames_ms, [*frames_ms[1:], now_ms], strict=True)]
    usual = statistics.median(gaps) if gaps else 0.0
    limit = max(FREEZE_FACTOR * usual, usual + FREEZE_BEYOND_S)
    return [gap for gap in gaps if gap > limit]


def percentile(values: Sequence[float], percent: float) -> float:
    """By the nearest rank; `values` must not be empty."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def _own_error(
    ages: Sequence[Sequence[float]], estimates: Sequence[Sequence[float]]
) -> float | None:
    """Each estimate beside the truth that was read nearest to it."""
    errors = [
        estimate - min(ages, key=lambda age: abs(age[0] - at))[1] / 1000
        for at, estimate in estimates
        if at >= ages[0][0]
    ]
    return statistics.median(errors) if errors else None
