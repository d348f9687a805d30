"""What a lane may be doing, and what it may do next."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping


class LaneState(enum.Enum):
    """Whether samples are taken.

    WAITING ──sample at a boundary──▶ OPEN ──hole, stall or end──▶ WAITING
                                       └──it alone breaks──▶ BROKEN ──boundary──▶ WAITING
    """

    WAITING = "waiting"
    """No segment is in progress."""
    OPEN = "open"
    BROKEN = "broken"
    """The segment in progress gets no more samples, and ends at the next boundary."""


TRANSITIONS: Mapping[LaneState, Collection[LaneState]] = {
    LaneState.WAITING: {LaneState.OPEN},
    LaneState.OPEN: {LaneState.WAITING, LaneState.BROKEN},
    LaneState.BROKEN: {LaneState.WAITING},
}
