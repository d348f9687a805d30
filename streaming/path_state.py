"""Where a path is in its life, and what leads where: the one table of it.

ARCHITECTURE.md has the table drawn, docs/events.md has the causes; tests keep both in step.

While RECONNECTING, playlists stay as they are and whoever is on air next continues them. STALLED
is the same with a publisher that is still connected. In SLATE the slate is on air: because
publishers are away or silent, or by choice; what publishers do meanwhile changes nothing until one
of them is on air. AUTHORIZING and CONNECTING are told only where nothing else is: who asks to
publish on a path that lives, or a source that is opened again, is no news of the path. ENDING
waits for what encoders still bring; in ENDED players were told the end.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final


class PathState(enum.Enum):
    """Where a path is in its life; the value is the word of the API, logs and metrics."""

    IDLE = "idle"
    AUTHORIZING = "authorizing"
    CONNECTING = "connecting"
    PROBING = "probing"
    STARTING = "starting"
    LIVE = "live"
    DEGRADED = "degraded"
    STALLED = "stalled"
    RECONNECTING = "reconnecting"
    SLATE = "slate"
    ENDING = "ending"
    ENDED = "ended"
    FAILED = "failed"


class Cause(enum.Enum):
    """Why a path changed its state; the value is the reason code of events, logs and metrics."""

    PUBLISHER_ASKS = "publisher-asks"
    PUBLISHER_REFUSED = "publisher-refused"
    SOURCE_WANTED = "source-wanted"
    SOURCE_DROPPED = "source-dropped"
    SOURCE_FAILING = "source-failing"
    PUBLISHER_CONNECTED = "publisher-connected"
    TRACKS_KNOWN = "tracks-known"
    FIRST_SAMPLE = "first-sample"
    ENCODER_BEHIND = "encoder-behind"
    ENCODER_RECOVERED = "encoder-recovered"
    PUBLISHER_SILENT = "publisher-silent"
    PUBLISHER_RESUMED = "publisher-resumed"
    PUBLISHER_LEFT = "publisher-left"
    PUBLISHER_REPLACED = "publisher-replaced"
    PUBLISHER_KICKED = "publisher-kicked"
    PUBLISHER_EXPELLED = "publisher-expelled"
    NOTHING_CAME = "nothing-came"
    SLATE_ON_AIR = "slate-on-air"
    SLATE_GONE = "slate-gone"
    RESTORED = "restored"
    NOBODY_CAME_BACK = "nobody-came-back"
    DRAINED = "drained"


_S, _C = PathState, Cause
_BEGINNING: Final = (_S.PROBING, _S.STARTING)
_ON_AIR: Final = (*_BEGINNING, _S.LIVE, _S.DEGRADED, _S.STALLED)
_OFF_AIR: Final = (
    _S.IDLE, _S.AUTHORIZING, _S.CONNECTING, _S.RECONNECTING, _S.ENDING, _S.ENDED, _S.FAILED,
)  # fmt: skip

TRANSITIONS: Final[dict[Cause, dict[PathState, PathState]]] = {
    _C.PUBLISHER_ASKS: {_S.IDLE: _S.AUTHORIZING},
    _C.PUBLISHER_REFUSED: {_S.AUTHORIZING: _S.IDLE},
    _C.SOURCE_WANTED: {_S.IDLE: _S.CONNECTING},
    _C.SOURCE_DROPPED: {_S.CONNECTING: _S.IDLE, _S.FAILED: _S.ENDED},
    _C.SOURCE_FAILING: {_S.CONNECTING: _S.FAILED, _S.ENDING: _S.FAILED},
    _C.PUBLISHER_CONNECTED: dict.fromkeys(_OFF_AIR, _S.PROBING),
    _C.TRACKS_KNOWN: {_S.PROBING: _S.STARTING},
    _C.FIRST_SAMPLE: {_S.STARTING: _S.LIVE, _S.SLATE: _S.LIVE},
    _C.ENCODER_BEHIND: {_S.LIVE: _S.DEGRADED},
    _C.ENCODER_RECOVERED: {_S.DEGRADED: _S.LIVE},
    _C.PUBLISHER_SILENT: {_S.LIVE: _S.STALLED, _S.DEGRADED: _S.STALLED},
    _C.PUBLISHER_RESUMED: {_S.STALLED: _S.LIVE},
    _C.PUBLISHER_LEFT: dict.fromkeys(_ON_AIR, _S.RECONNECTING),
    _C.PUBLISHER_REPLACED: dict.fromkeys(_ON_AIR, _S.RECONNECTING),
    _C.PUBLISHER_KICKED: dict.fromkeys(_ON_AIR, _S.RECONNECTING),
    _C.PUBLISHER_EXPELLED: dict.fromkeys(_ON_AIR, _S.RECONNECTING),
    _C.NOTHING_CAME: dict.fromkeys(_BEGINNING, _S.RECONNECTING),
    _C.SLATE_ON_AIR: dict.fromkeys(
        (_S.IDLE, _S.AUTHORIZING, _S.CONNECTING, *_ON_AIR, _S.RECONNECTING, _S.FAILED), _S.SLATE
    ),
    _C.SLATE_GONE: {_S.SLATE: _S.RECONNECTING},
    _C.RESTORED: {_S.IDLE: _S.RECONNECTING},
    _C.NOBODY_CAME_BACK: {_S.RECONNECTING: _S.ENDING, _S.SLATE: _S.ENDING},
    _C.DRAINED: {_S.ENDING: _S.ENDED},
}
"""From where a cause leads where."""

UNCHANGED: Final[dict[Cause, frozenset[PathState]]] = {
    _C.PUBLISHER_ASKS: frozenset(PathState) - {_S.IDLE},
    _C.PUBLISHER_REFUSED: frozenset(PathState) - {_S.AUTHORIZING},
    _C.SOURCE_WANTED: frozenset(PathState) - {_S.IDLE},
    _C.SOURCE_DROPPED: frozenset(PathState) - {_S.CONNECTING, _S.FAILED},
    _C.SOURCE_FAILING: frozenset(PathState) - {_S.CONNECTING, _S.ENDING},
    _C.TRACKS_KNOWN: frozenset({*_ON_AIR, _S.SLATE}) - {_S.PROBING},
    _C.FIRST_SAMPLE: frozenset({_S.LIVE, _S.DEGRADED, _S.STALLED}),
    _C.ENCODER_BEHIND: frozenset(PathState) - {_S.LIVE},
    _C.ENCODER_RECOVERED: frozenset(PathState) - {_S.DEGRADED},
    _C.PUBLISHER_SILENT: frozenset(PathState) - {_S.LIVE, _S.DEGRADED},
    _C.PUBLISHER_RESUMED: frozenset(PathState) - {_S.STALLED},
}
"""Where a cause may come and changes nothing. Anywhere else it is a mistake of ours."""

LONGEST_S: Final[dict[PathState, float]] = {_S.PROBING: 60.0, _S.STARTING: 60.0, _S.ENDING: 4.0}
"""After so long a state is given up. Who has sent no key frame for a minute does better to connect
again, as encoders begin with one; ingests with time-outs of their own are faster. What an encoder
of ours has not brought after four seconds is lost by the presentation's own rule."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """One transition."""

    path: str
    old: PathState
    new: PathState
    cause: Cause
    detail: str
    """For people; carries no address, for events are told to many."""
    version: int
    """Rises by one with each transition of the path."""
    at_utc: float
    spent_s: float
    """How long the path was in the old state."""
