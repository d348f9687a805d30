"""Durations as people write them: "90s", "15m", "1h", "7d"."""

from __future__ import annotations

import re
from typing import Final

_UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhd])")


def parse_duration_s(text: str) -> int:
    """Seconds. Raises ValueError with what would be right."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{text[:32]!r} is no duration such as 90s, 15m, 1h or 7d")
    return int(match[1]) * _UNITS_S[match[2]]
