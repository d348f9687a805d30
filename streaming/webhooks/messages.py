"""What the main process and the webhook process say to each other."""

from __future__ import annotations

from typing import Final, TypeAlias

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


class WebhookSetup(Struct, tag="setup", array_like=True, frozen=True):
    """The first message of each run. Secrets travel here, never in arguments."""

    database: str
    """A file, or ":memory:"."""
    endpoints: tuple[Endpoint, ...]
    log_level: str = "info"


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


ToWebhooks: TypeAlias = WebhookSetup | EventsBegin | EventsTold | EventsReplayed
FromWebhooks: TypeAlias = WebhookReport
