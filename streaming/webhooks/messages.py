"""What the main process and the webhook process say to each other."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from msgspec import Struct

from streaming.events.event_messages import EventsBegin, EventsReplayed, EventsTold

MEMORY: Final = ":memory:"
"""The database that is no file."""


class Endpoint(Struct, array_like=True, frozen=True):
    """Who is told what; see WebhookConfig."""

    name: str
    url: str
    secrets: tuple[str, ...]
    paths: tuple[str, ...]
    types: tuple[str, ...]
    max_in_flight: int
    timeout_s: float
    allow_private: bool
    retry_s: tuple[float, ...]
    since: str = "0-0"
    """An endpoint that is new is told what comes after this event."""


class WebhookSetup(Struct, tag="setup", array_like=True, frozen=True):
    """The first message of each run. Secrets travel here, never in arguments."""

    database: str
    """A file, or ":memory:"."""
    endpoints: tuple[Endpoint, ...]
    log_level: str = "info"


class SetEndpoints(Struct, tag="endpoints", array_like=True, frozen=True):
    """Those there are from now on; what did not change is not touched."""

    endpoints: tuple[Endpoint, ...]


class Enable(Struct, tag="enable", array_like=True, frozen=True):
    """An endpoint that wanted no more is to be told again."""

    id: int
    """Comes back with the answer, as of the next two."""
    endpoint: str


class Replay(Struct, tag="replay", array_like=True, frozen=True):
    """Post these events once more, whatever became of them."""

    id: int
    endpoint: str
    bodies: tuple[bytes, ...]


class FindAttempts(Struct, tag="attempts", array_like=True, frozen=True):
    """Some of the delivery log, newest first."""

    id: int
    endpoint: str
    before: int | None
    """Only those with a smaller number."""
    most: int
    event: str = ""
    """Only those of this event."""
    outcome: str = ""
    """Only those that ended so."""


class WebhookAnswer(Struct, tag="answer", array_like=True, frozen=True):
    """What came of a request: an HTTP status, and JSON or, from 400 on, one sentence."""

    id: int
    status: int
    result: Any = None
    detail: str = ""


class EndpointRecord(Struct, array_like=True, frozen=True):
    """How an endpoint fares; counters since the process began."""

    name: str
    pending: int
    in_flight: int
    delivered: int
    failed_attempts: int
    given_up: int
    disabled: bool
    last_status: int = 0
    last_error: str = ""


class WebhookReport(Struct, tag="report", array_like=True, frozen=True):
    """Once a second, the sign of life."""

    endpoints: tuple[EndpointRecord, ...] = ()
    missed: int = 0
    """How often the log had forgotten events before they were taken in."""


ToWebhooks: TypeAlias = (
    WebhookSetup
    | SetEndpoints
    | Enable
    | Replay
    | FindAttempts
    | EventsBegin
    | EventsTold
    | EventsReplayed
)
FromWebhooks: TypeAlias = WebhookReport | WebhookAnswer
