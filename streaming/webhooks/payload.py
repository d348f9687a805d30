"""The body of a webhook: what Standard Webhooks asks for, and the rest of the event."""

from __future__ import annotations

import datetime

import msgspec

from streaming.events.event import read_event


def render_payload(body: bytes) -> bytes:
    """An event's JSON as a receiver gets it; the same bytes at each attempt."""
    event = read_event(body).event
    at = datetime.datetime.fromtimestamp(event.ts, datetime.UTC)
    return msgspec.json.encode(
        {
            "type": event.type,
            "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "data": event.data,
            "id": event.id,
            "path": event.path,
            "state_version": event.state_version,
        }
    )
