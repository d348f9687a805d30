"""What a follower would know of all paths had it followed from the beginning."""

from __future__ import annotations

from typing import Any

from streaming.events.event import CLOSED, STARTED, STATE, Event

Record = dict[str, Any]


class PathStates:
    """Events in, the states of paths out: the snapshot that a `reset` carries."""

    def __init__(self, paths: dict[str, Record] | None = None) -> None:
        self.paths: dict[str, Record] = dict(paths or {})

    def push(self, event: Event) -> None:
        """The next event in order."""
        if event.type == STATE:
            self.paths[event.path] = {
                "state": event.data.get("state", ""),
                "reason": event.data.get("reason", ""),
                "detail": event.data.get("detail", ""),
                "state_version": event.state_version,
                "since": event.ts,
            }
        elif event.type == CLOSED:
            self.paths.pop(event.path, None)
        elif event.type == STARTED:
            self.paths.clear()
