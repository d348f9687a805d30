"""Where a path is in its life, and what may follow what.

The life of a path:

    IDLE ──occupy──→ STARTING ──first sample placed──→ LIVE ⇄ DEGRADED (encoder cannot keep up)
                        ↑  │                             │ ↑ │
                occupy  │  └──publisher gone──→ RECONNECTING │ └──silent──→ SLATE
                        ├─────────────────────────┘  │ │     └──delivers again──┘ ↑ │
                        │                            │ └──slate due───────────────┘ │
                        │                            └──linger over──→ ENDED ←──────┘
                        └────────────────────────────────occupy──────────┘

While RECONNECTING playlists stay as they are and whoever is on air next continues them. In SLATE
the slate is on air: because publishers are away or silent, or by choice. A path with a slate that
is always there begins in it. ENDED means that players were told the end. A path that is restored
after a restart of the origin goes from IDLE right to RECONNECTING.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final


class PathState(enum.Enum):
    """Where a path is in its life; the value is the word of the API, logs and metrics."""

    IDLE = "idle"
    STARTING = "starting"
    LIVE = "live"
    DEGRADED = "degraded"
    SLATE = "slate"
    RECONNECTING = "reconnecting"
    ENDED = "ended"


_S = PathState
TRANSITIONS: Final[dict[PathState, frozenset[PathState]]] = {
    _S.IDLE: frozenset({_S.STARTING, _S.SLATE, _S.RECONNECTING}),
    _S.STARTING: frozenset({_S.LIVE, _S.SLATE, _S.RECONNECTING}),
    _S.LIVE: frozenset({_S.DEGRADED, _S.SLATE, _S.RECONNECTING}),
    _S.DEGRADED: frozenset({_S.LIVE, _S.SLATE, _S.RECONNECTING}),
    _S.SLATE: frozenset({_S.LIVE, _S.RECONNECTING, _S.ENDED}),
    _S.RECONNECTING: frozenset({_S.STARTING, _S.SLATE, _S.ENDED}),
    _S.ENDED: frozenset({_S.STARTING}),
}


@dataclass(frozen=True, slots=True)
class StateChange:
    """One transition; `version` counts a path's transitions from 1."""

    path: str
    old: PathState
    new: PathState
    reason: str
    version: int
    at_utc: float
