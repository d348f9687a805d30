"""The words of signalling by WebSocket (docs/webrtc.md): JSON, one object in a message."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Raw, Struct

Id: TypeAlias = int | str | None
"""Of the client's choosing; its answer carries it."""


class Numbered(Struct, frozen=True):
    """What a message has that cannot be read otherwise."""

    id: Id = None


class Join(Struct, tag="join", forbid_unknown_fields=True, frozen=True):
    """An offer to view or publish a path; a viewer that makes none is made one."""

    path: str
    sdp: str = ""
    role: Literal["view", "publish"] = "view"
    key: str = ""
    rank: Literal["", "primary", "backup"] = ""
    """Of who publishes; empty is primary."""
    id: Id = None


class TakeAnswer(Struct, tag="answer", forbid_unknown_fields=True, frozen=True):
    """A viewer's answer to an offer of ours."""

    session: str
    sdp: str
    id: Id = None


class Trickle(Struct, tag="trickle", forbid_unknown_fields=True, frozen=True):
    """Candidates of the client, or new credentials for an ICE restart (RFC 8840 fragment)."""

    session: str
    fragment: str
    id: Id = None


class ChooseLayer(Struct, tag="layer", forbid_unknown_fields=True, rename="camel", frozen=True):
    """Which rendition to send; without a name the bandwidth decides."""

    session: str
    encoding_id: str | None = None
    id: Id = None


class Mute(Struct, tag="mute", forbid_unknown_fields=True, frozen=True):
    """Stop sending picture or sound, or go on."""

    session: str
    kind: Literal["video", "audio"]
    muted: bool = True
    id: Id = None


class AskStatistics(Struct, tag="stats", forbid_unknown_fields=True, frozen=True):
    """What the peer of a session reports."""

    session: str
    id: Id = None


class Leave(Struct, tag="leave", forbid_unknown_fields=True, frozen=True):
    """The end of a session."""

    session: str
    id: Id = None


class ResumedSession(Struct, forbid_unknown_fields=True, frozen=True):
    """A session of a connection that was lost."""

    session: str
    path: str


class Resume(Struct, tag="resume", forbid_unknown_fields=True, frozen=True):
    """Goes on with sessions of a connection that was lost; media have not stopped meanwhile."""

    sessions: tuple[ResumedSession, ...]
    id: Id = None


class Ping(Struct, tag="ping", forbid_unknown_fields=True, frozen=True):
    """Asks for a pong."""

    id: Id = None


FromClient: TypeAlias = (
    Join | TakeAnswer | Trickle | ChooseLayer | Mute | AskStatistics | Leave | Resume | Ping
)


class Joined(Struct, tag="answer", frozen=True, rename="camel"):
    """The answer to an offer."""

    id: Id
    session: str
    sdp: str
    ice_servers: str = ""
    """As in WHEP's Link header."""


class Offered(Struct, tag="offer", frozen=True, rename="camel"):
    """An offer of ours; the session begins with its answer, within 30 s."""

    id: Id
    session: str
    sdp: str
    ice_servers: str = ""


class Done(Struct, tag="done", frozen=True):
    """What was asked for has been done; `result` is JSON where there is something to tell."""

    id: Id
    result: Raw | None = None


class Restarted(Struct, tag="restarted", frozen=True):
    """ICE has begun anew: our credentials and candidates."""

    id: Id
    fragment: str


class Resumed(Struct, tag="resumed", frozen=True):
    """Those of the sessions that are still there."""

    id: Id
    sessions: list[str]


class Failed(Struct, tag="error", frozen=True):
    """What was asked for is not possible; statuses are HTTP's, as for WHEP."""

    id: Id
    status: int
    detail: str


class Happened(Struct, tag="event", frozen=True):
    """Something happened to a session: connected, closed, layers."""

    session: str
    kind: str
    detail: Any = None


class Pong(Struct, tag="pong", frozen=True):
    """The answer to a ping."""

    id: Id
