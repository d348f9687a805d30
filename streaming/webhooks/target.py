"""One endpoint, and what is going on with it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from streaming.events.event import EventId, LoggedEvent
from streaming.events.event_filter import EventFilter
from streaming.webhooks.messages import Endpoint, EndpointRecord
from streaming.webhooks.verdict import Answer


class Target:
    """Owns the senders of an endpoint and its counters; the dispatcher's thread calls it."""

    def __init__(self, endpoint: Endpoint, since: EventId, *, disabled: bool) -> None:
        self.disabled = disabled
        self.in_flight: set[int] = set()
        self.paused_until_utc = 0.0
        self.delivered = 0
        self.failed_attempts = 0
        self.given_up = 0
        self.last = Answer(0)
        self.since = since
        """It is told what comes after this."""
        self._begin(endpoint)

    def _begin(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._wanted = EventFilter(endpoint.paths, endpoint.types)
        self.pool = ThreadPoolExecutor(endpoint.max_in_flight, f"to-{endpoint.name}")

    def change(self, endpoint: Endpoint) -> bool:
        """Other settings; whether it is another receiver now. What is under way ends by itself."""
        is_another = endpoint.url != self.endpoint.url
        self.pool.shutdown(wait=False)
        self._begin(endpoint)
        if is_another:
            self.paused_until_utc = 0.0
        return is_another

    def close(self) -> None:
        """It is not an endpoint any more."""
        self.pool.shutdown(wait=False, cancel_futures=True)

    def wants(self, event: LoggedEvent) -> bool:
        """Whether it is to be told."""
        return event.id > self.since and self._wanted.matches(event.event)

    def misses(self, position: EventId, forgotten: Mapping[str, EventId]) -> list[str]:
        """The types that it is to be told of which something after `position` is forgotten."""
        since = max(position, self.since)
        return sorted(kind for kind in self._wanted.frequent if forgotten.get(kind, since) > since)

    def record(self, pending: int) -> EndpointRecord:
        """How it fares."""
        return EndpointRecord(
            self.endpoint.name,
            pending,
            len(self.in_flight),
            self.delivered,
            self.failed_attempts,
            self.given_up,
            self.disabled,
            self.last.status,
            self.last.error,
        )
