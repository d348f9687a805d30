"""How the OpenAPI document describes the events' URL, which is answered in three ways."""

from __future__ import annotations

from typing import Any, Final

from streaming.events.event_filter import MOST_PATTERN_CHARS, MOST_PATTERNS
from streaming.server.events import LONGEST_WAIT_S, SHORTEST_HEARTBEAT_S
from streaming.server.followers import HEARTBEAT_S

_PATTERNS: Final = {"type": "array", "items": {"type": "string"}}
# Not in the schema: each may hold several with commas between them, and empty ones are left out.
_LIMITS: Final = f"{MOST_PATTERNS} at most, of {MOST_PATTERN_CHARS} characters"
_SUMMARY: Final = "What happens: by Server-Sent Events, by long-poll, or, upgraded, by WebSocket."


def describe_events(event: Any, problem: Any) -> dict[str, Any]:
    """The operation; `event` and `problem` are schemas."""
    refused = {"content": {"application/problem+json": {"schema": problem}}}
    return {
        "operationId": "followEvents",
        "summary": _SUMMARY,
        "parameters": _parameters(),
        "responses": {
            "200": {
                "description": "A stream of events, or, of a long-poll, those that there are.",
                "headers": {"ETag": _text("Of a long-poll: the position that was reached.")},
                "content": {
                    "text/event-stream": {"schema": {"type": "string"}},
                    "application/json": {"schema": {"type": "array", "items": event}},
                },
            },
            "204": {"description": "Of a long-poll: nothing has happened."},
            "304": {"description": "Of a long-poll with If-None-Match: nothing has happened."},
            "400": {"description": "A parameter cannot be understood.", **refused},
            "401": {"description": "Events are for callers with the scope read here.", **refused},
        },
        "security": [{}, {"token": []}],
    }


def _parameters() -> list[dict[str, Any]]:
    heartbeat = f"{SHORTEST_HEARTBEAT_S:.0f} to {HEARTBEAT_S:.0f}"
    return [
        _query("after", {"type": "string"}, "The id after which; 0: all that are kept."),
        _query("path", _PATTERNS, f"Only events of paths like these: {_LIMITS}."),
        _query("type", _PATTERNS, f"Only types like these: {_LIMITS}."),
        _query("heartbeat", {"type": "number"}, f"Seconds of silence at most, {heartbeat}."),
        _query("wait", {"type": "number"},
               f"Long-poll: for so many seconds, {LONGEST_WAIT_S:.0f} at most."),
        {"name": "Last-Event-ID", "in": "header", **_text("As `after`, before which it goes.")},
    ]  # fmt: skip


def _query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _text(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}
