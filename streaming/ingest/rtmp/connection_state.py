"""How far an RTMP connection has come; the drawing is in connection.py."""

from __future__ import annotations

import enum


class State(enum.Enum):
    """How far a connection has come."""

    HANDSHAKE = "handshake"
    OPEN = "open"
    CONNECTED = "connected"
    PUBLISH_PENDING = "publish pending"
    PUBLISHING = "publishing"
    CLOSING = "closing"
    CLOSED = "closed"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.HANDSHAKE: frozenset({State.OPEN, State.CLOSED}),
    State.OPEN: frozenset({State.CONNECTED, State.CLOSED}),
    State.CONNECTED: frozenset({State.PUBLISH_PENDING, State.CLOSING, State.CLOSED}),
    State.PUBLISH_PENDING: frozenset({State.PUBLISHING, State.CLOSING, State.CLOSED}),
    State.PUBLISHING: frozenset({State.CONNECTED, State.CLOSING, State.CLOSED}),
    State.CLOSING: frozenset({State.CLOSED}),
    State.CLOSED: frozenset(),
}
ENDING = frozenset({State.CLOSING, State.CLOSED})
