"""Operations of the API on sessions: who publishes and who views, and ending one."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from streaming.command_messages import EndSession, GetSession, ListSessions, SessionRecord
from streaming.path_name import MAX_NAME_CHARS, NAME_PATTERN
from streaming.server.api_call import AsCommand
from streaming.server.openapi import Operation

PROTOCOLS: Final = ("rtmp", "whip", "pull", "whep")
OVER_HTTP: Final = ("hls", "dash")


class SessionList(Struct, frozen=True, omit_defaults=True):
    """A page of sessions in the order of their paths."""

    sessions: list[SessionRecord]
    next: str = ""
    """What `after` is for the next page; absent on the last one."""
    http_viewers: dict[str, dict[str, int]] = {}
    """Path to protocol to viewers over HTTP. They have no sessions: each of their requests is by
    itself, and who asked lately is counted by address and user agent."""


class EndedSession(Struct, frozen=True):
    """The session has been ended."""

    path: str
    session: str


OPERATIONS: Final = (
    Operation("listSessions", "GET", "/sessions", "Publishers and viewers, a page at a time.",
              "read", SessionList, paged=True,
              query=(
                  ("path", {"type": "string", "pattern": f"^{NAME_PATTERN}$",
                            "maxLength": MAX_NAME_CHARS}),
                  ("protocol", {"type": "string", "enum": list(PROTOCOLS)}),
              ), problems=(503,)),
    Operation("getSession", "GET", "/sessions/{path}/{session}",
              "One publisher or viewer.", "read", SessionRecord, problems=(404, 503)),
    Operation("endSession", "DELETE", "/sessions/{path}/{session}",
              "Close one publisher, or end a WHEP or WHIP session.", "control", EndedSession,
              matched=True, problems=(503,)),
)  # fmt: skip

COMMANDS: Final[dict[str, AsCommand]] = {
    "listSessions": lambda call: ListSessions(
        call.query["limit"],
        call.query.get("after", ""),
        call.query.get("path", ""),
        call.query.get("protocol", ""),
    ),
    "getSession": lambda call: GetSession(call.path, call.names["session"]),
    "endSession": lambda call: EndSession(call.path, call.names["session"]),
}
