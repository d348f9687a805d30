"""The automatic ladder: as many rungs below the source as fit the budget. Pure.

The source itself is on top where browsers can play it, below it those of `AUTO_HEIGHTS` that are
clearly smaller, counted by the shorter side (so portrait video gets the same names), kept from the
lowest upwards as long as their estimated cost fits the budget. Rungs of `HALF_RATE_HEIGHT` and
below run at half rate when the source has more than 30 frames/s. What the publisher sends in that
size itself (a simulcast layer) is not encoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from segmenter.media import Track
from streaming.config_paths import PathConfig, RungConfig
from streaming.transcode.browser_support import plays_in_browsers
from streaming.transcode.planned_rung import (
    PlannedRung,
    even_size,
    frame_rate,
    ladder_cores,
    plan_rung,
)

AUTO_HEIGHTS = (1080, 720, 480, 360, 240)
LOWEST_ONLY_BELOW = 480
"""240 lines are offered only where the source has no more than this."""
CLEARLY_SMALLER = 0.9
"""A rung must have less than this share of the source's lines, or it saves nobody anything."""
HALF_RATE_HEIGHT = 480


def plan_automatic(
    config: PathConfig, video: Track, budget: float, reasons: list[str], layers: Sequence[Track]
) -> tuple[bool, list[PlannedRung]]:
    """Whether the source is offered as it is, and what is encoded; why is added to ``reasons``."""
    copies, why_not = plays_in_browsers(video)
    if copies and config.frame_hook:
        copies, why_not = False, "a frame hook changes its frames"
    if not copies:
        reasons.append(f"the source is not offered as it is: {why_not}")
    if not video.width or not video.height:
        reasons.append("the source's size is unknown: nothing is encoded")
        return True, []
    wanted = [] if copies else [_source_sized_rung(video, config)]
    heights = [lines for lines in _auto_heights(video) if _allowed(lines, config)]
    sent = [lines for lines in heights if copies and _has_size(lines, layers)]
    reasons += [f"{lines}p is not encoded: the publisher sends it" for lines in sent]
    wanted += [_auto_rung(video, lines) for lines in heights if lines not in sent]
    kept = _fit(video, _distinct(wanted), budget, needs_one=not copies)
    if kept:
        cores = f"{ladder_cores(video, kept):.2f} of the CPU budget of {budget:.2f} cores"
        reasons.append(f"encoding takes about {cores}")
    kept_names = {rung.name for rung in kept}
    reasons += [
        f"{rung.name} does not fit the CPU budget of {budget:.2f} cores"
        for rung in wanted
        if rung.name not in kept_names
    ]
    return copies, kept


def _allowed(lines: int, config: PathConfig) -> bool:
    return not config.max_height or lines <= config.max_height


def _auto_heights(video: Track) -> list[int]:
    lines = min(video.width, video.height)
    return [
        h
        for h in AUTO_HEIGHTS
        if h < lines * CLEARLY_SMALLER and (h != AUTO_HEIGHTS[-1] or lines <= LOWEST_ONLY_BELOW)
    ]


def _has_size(lines: int, layers: Sequence[Track]) -> bool:
    sizes = [min(layer.width, layer.height) for layer in layers]
    return any(lines * CLEARLY_SMALLER < size < lines / CLEARLY_SMALLER for size in sizes)


def _auto_rung(video: Track, lines: int) -> PlannedRung:
    scale = Fraction(lines, min(video.width, video.height))
    halves = lines <= HALF_RATE_HEIGHT and frame_rate(video) > 30
    return plan_rung(
        RungConfig(name=f"{lines}p", fps_divisor=2 if halves else 1),
        video,
        even_size(video.width * scale, video.width),
        even_size(video.height * scale, video.height),
    )


def _source_sized_rung(video: Track, config: PathConfig) -> PlannedRung:
    lines = min(video.width, video.height)
    if config.max_height and lines > config.max_height:
        return _auto_rung(video, config.max_height)
    rung = RungConfig(name=f"{lines}p")
    return plan_rung(rung, video, video.width // 2 * 2, video.height // 2 * 2)


def _distinct(rungs: list[PlannedRung]) -> list[PlannedRung]:
    return list({rung.name: rung for rung in rungs}.values())


def _fit(
    video: Track, rungs: list[PlannedRung], budget: float, *, needs_one: bool
) -> list[PlannedRung]:
    """The longest run of `rungs` from the lowest upwards that fits."""
    for first in range(len(rungs)):
        if ladder_cores(video, rungs[first:]) <= budget:
            return rungs[first:]
    return rungs[-1:] if needs_one else []
