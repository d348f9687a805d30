"""A WHEP or WHIP request on its way from HTTP to the WebRTC process, and its answer back.

A delivery process speaks HTTP and understands no SDP; the WebRTC process has no HTTP. The main
process passes requests on, because it alone knows which paths are live.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Verb = Literal[
    "view", "offer", "answer", "publish", "patch", "delete", "layers", "choose", "mute",
    "statistics", "attach", "kick", "figures",
]  # fmt: skip


class TokenShare(Struct, array_like=True, frozen=True):
    """A viewing token that only so many sessions may go by at once."""

    name: str
    """Of the token, which it does not tell."""
    most: int


EventKind = Literal["connected", "closed", "layers", "active", "inactive", "viewercount", "taken"]
"""What a channel hears. "active" and "inactive": whether media come from the publisher; "taken":
another channel has the session's events from now on."""


class SignalRequest(Struct, tag="signal", array_like=True, frozen=True):
    """What a client wants of the WebRTC process."""

    id: int
    """Of the sender's choosing; the answer carries it."""
    verb: Verb
    """"view": a WHEP offer; "offer": a viewer would rather have one of ours; "publish": a WHIP
    offer; the others are of a session: "answer" is to an offer of ours, "layers" tells
    which renditions a viewer may be sent, "choose" takes one of them, "mute" stops picture or
    sound, "statistics" tells what its peer reports, "attach" sends its events to `channel`,
    "kick" ends it for the operator. "figures" is of all sessions that `body` lists (JSON)."""
    path: str
    session: str = ""
    """Empty with an offer."""
    if_match: str | None = None
    """The header field as it came; None without it."""
    key: str = ""
    """Bearer token or `?key=`, with an offer; never logged. Whoever knows a session's URL needs no
    more (RFC 9725 7)."""
    rank: str = ""
    """`?role=`, with an offer to publish: primary or backup; empty is primary."""
    remote: str = ""
    """Address of the client, for limits and logs."""
    body: str = ""
    channel: str = ""
    """Where events of the session are to be sent: a WebSocket or an event stream, by a name of the
    sender's choosing. Empty: nobody wants them."""
    share: TokenShare | None = None
    """With an offer to view: by which token, where that has a limit."""
    after: str = ""
    """With "attach": the number of the last event that the client has heard (`Last-Event-ID`)."""


class SignalAnswer(Struct, tag="signal_answer", array_like=True, frozen=True):
    """What the client is told; an error's body is one sentence."""

    id: int
    status: int
    body: str = ""
    headers: dict[str, str] = {}
    session: str = ""
    """After 201, or with an offer of ours (406, or 200 where one was asked for): what the session's
    URL ends with."""
    is_json: bool = False


class SessionEnded(Struct, tag="session_ended", array_like=True, frozen=True):
    """A session is over, whoever followed it."""

    session: str
    reason: str


class SignalEvent(Struct, tag="signal_event", array_like=True, frozen=True):
    """Something happened to a session without being asked for; for its channel alone."""

    channel: str
    session: str
    kind: EventKind
    text: str = ""
    """Why it was closed; or JSON."""
    number: int = 0
    """Of those that tell how things are; it rises by one within the session. 0: of others."""
