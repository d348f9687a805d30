"""How long parts may be: PART-TARGET (RFC 8216bis 4.4.3.7, 4.4.4.9).

No part may be longer than it and, but for a segment's last ones, none shorter than 85 % of it.
Frames cannot be split, so not every target suits every frame rate, and a target never changes
while publishers come back with other rates. One that is 8 % above the wanted duration suits, at
200 ms, all that is usual: video of 10, 15, 20, 23.976 to 30, 48 to 120 frames/s, AAC of 16 to
48 kHz, Opus. Only for a track that it does not suit, or that asks for other durations, it is made
of the track's own frames.
"""

from __future__ import annotations

import math
from fractions import Fraction

LEAST_OF_TARGET = Fraction(85, 100)
"""The shortest part, as a fraction of the target."""

COMMON_MARGIN = Fraction(8, 100)
"""What the common target is above the wanted duration: five frames of 23.976/s, nine of AAC at
44.1 kHz and ten at 48 kHz then fit into it at 200 ms, and six of 30/s are still 93 %."""

JITTER_MS = 2
"""Parts of n frames differ by this: RTMP's whole milliseconds move both ends by up to one each."""


def longest_part_target_ms(part_duration_s: float) -> int:
    """No track whose frames are shorter than a part gets a longer target than this."""
    wanted_ms = _milliseconds(part_duration_s)
    return math.ceil(max(wanted_ms * (1 + COMMON_MARGIN), wanted_ms + 4 * JITTER_MS))


def choose_part_target_ms(part_duration_s: float, frame_s: Fraction) -> int:
    """The target of a track whose frames last ``frame_s``, for good."""
    common_ms = longest_part_target_ms(part_duration_s)
    if suits(common_ms, frame_s):
        return common_ms
    frame_ms = 1000 * frame_s
    frames = max(1, (_milliseconds(part_duration_s) + JITTER_MS) // frame_ms)
    return math.ceil(frames * frame_ms + 2 * JITTER_MS)


def suits(target_ms: int, frame_s: Fraction) -> bool:
    """Whether whole frames fill a part by 85 % at least, even if they jitter."""
    frame_ms = 1000 * frame_s
    filled_ms = (target_ms - JITTER_MS) // frame_ms * frame_ms
    return filled_ms - JITTER_MS >= LEAST_OF_TARGET * target_ms


def _milliseconds(seconds: float) -> Fraction:
    return 1000 * Fraction(seconds).limit_denominator(1000)
