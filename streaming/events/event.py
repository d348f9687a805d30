"""An event, its id, and the JSON that everybody gets of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

import msgspec

RESET: Final = "reset"
"""The type of what is told in the place of events that a follower cannot have any more."""
STARTED: Final = "server.started"
"""The first event of each epoch: what was known of paths before it no longer holds."""
STATE: Final = "path.state"
CLOSED: Final = "path.closed"
FREQUENT: Final = frozenset(
    {"chat", "metadata", "session.opened", "session.closed", "viewer.count", "segment.ready"}
)
"""Types of which there are as many as the audience, or the media, bring about. They have a share of
the log, so that they do not push out what operators want to know."""

_ID: Final = re.compile(r"(0|[1-9][0-9]{0,15})-(0|[1-9][0-9]{0,15})")

encoder = msgspec.json.Encoder()


class EventId(NamedTuple):
    """Where in the log: the start of the server, then a count from 1. Ids compare in log order."""

    epoch: int
    """Milliseconds since 1970 at the server's start, or one more than the epoch before."""
    number: int
    """Of the event in its epoch; 0 is the place before the first."""

    def __str__(self) -> str:
        return f"{self.epoch}-{self.number}"


def parse_id(text: str) -> EventId | None:
    """An id as it was told; None where it is none of ours."""
    found = _ID.fullmatch(text)
    return EventId(int(found[1]), int(found[2])) if found else None


class Event(msgspec.Struct, frozen=True):
    """What followers get as JSON."""

    id: str
    ts: float
    """When it happened, seconds since 1970, by the server's clock."""
    type: str
    path: str = ""
    """Empty where it is not of one path."""
    state_version: int = 0
    """The path's by then; 0 where it is not of one path."""
    data: dict[str, Any] = {}


_decoder = msgspec.json.Decoder(Event)


class Emit(Protocol):
    """How news gets into the log."""

    def __call__(
        self,
        kind: str,
        path: str = "",
        data: Mapping[str, Any] | None = None,
        state_version: int = 0,
    ) -> object:
        """Something happened, just now."""


def no_events(
    kind: str, path: str = "", data: Mapping[str, Any] | None = None, state_version: int = 0
) -> None:
    """Where there is no log."""


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event with the bytes that are told, kept and sent of it."""

    id: EventId
    event: Event
    body: bytes
    """JSON, without line breaks."""


def log_event(number: EventId, event: Event) -> LoggedEvent:
    """`event`, whose id is `number`, encoded once for everybody."""
    return LoggedEvent(number, event, encoder.encode(event))


def read_event(body: bytes) -> LoggedEvent:
    """An event from its JSON. Raises ValueError."""
    event = _decoder.decode(body)
    number = parse_id(event.id)
    if number is None:
        raise ValueError(f"{event.id!r} is no event id")
    return LoggedEvent(number, event, body)
