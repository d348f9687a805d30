"""A command of the API on its way from a delivery process to the main process, and its answer."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct

from streaming.rtc.session_figures import WebrtcFigures


class Kick(Struct, tag="kick", frozen=True):
    """Close the publishers of a path."""

    path: str


class ChooseOnAir(Struct, tag="on_air", frozen=True):
    """Put a rank on air; None lets the policy decide again."""

    path: str
    rank: Literal["primary", "backup", "slate"] | None


class SessionRecord(Struct, frozen=True):
    """Somebody who publishes to a path, or views it by WebRTC."""

    path: str
    session: str
    """By which it can be ended. Of WebRTC the first characters alone: the whole is a secret."""
    protocol: str
    """"rtmp", "whip", "pull" or "whep"."""
    role: Literal["publisher", "viewer"]
    rank: str
    """Of a publisher: primary or backup."""
    is_on_air: bool
    remote: str
    """Where it is, as far as is known; of a pull its URL without secrets."""
    since_utc: float
    received_bytes: int
    webrtc: WebrtcFigures | None = None
    """Of WHIP and WHEP sessions, once media flow: loss, round trip, bit rates."""


class ListSessions(Struct, tag="list_sessions", frozen=True):
    """Who publishes and who views, some of them."""

    limit: int
    after: str = ""
    """Those whose path and session, joined by a slash, are greater."""
    path: str = ""
    """Of this path alone."""
    protocol: str = ""
    """By this protocol alone."""


class GetSession(Struct, tag="get_session", frozen=True):
    """One publisher, or a WHEP or WHIP session."""

    path: str
    session: str


class EndSession(Struct, tag="end_session", frozen=True):
    """Close one publisher, or end a WHEP or WHIP session."""

    path: str
    session: str


class SendMessage(Struct, tag="send_message", frozen=True):
    """Metadata or chat for whoever watches a path."""

    path: str
    kind: Literal["metadata", "chat"]
    data: bytes = b""
    """Of metadata: a JSON object."""
    text: str = ""
    """Of chat."""
    sender: str = ""
    """Of chat: what the sender calls itself."""
    by_viewer: bool = False
    """Whether it comes from a viewer, who may do less."""


class SetSource(Struct, tag="set_source", frozen=True):
    """What a path pulls, kept beside the configuration file."""

    path: str
    settings: dict[str, Any]


class RemoveSource(Struct, tag="remove_source", frozen=True):
    """That goes; the configuration file's holds again."""

    path: str


class ListSources(Struct, tag="list_sources", frozen=True):
    """What every path pulls."""


class GetSettings(Struct, tag="get_settings", frozen=True):
    """What a path of this name has, and what of that the API has set."""

    path: str


class ChangeSettings(Struct, tag="change_settings", frozen=True):
    """Other settings of a path, kept beside the configuration file; None takes one back."""

    path: str
    settings: dict[str, Any]


class ForgetSettings(Struct, tag="forget_settings", frozen=True):
    """All of those go, but not its source."""

    path: str


class ListWebhooks(Struct, tag="list_webhooks", frozen=True):
    """All webhooks and how they fare."""


class SetWebhook(Struct, tag="set_webhook", frozen=True):
    """A webhook, kept beside the configuration file."""

    name: str
    settings: dict[str, Any]


class RemoveWebhook(Struct, tag="remove_webhook", frozen=True):
    """That goes; the configuration file's holds again, if it has one of that name."""

    name: str


class EnableWebhook(Struct, tag="enable_webhook", frozen=True):
    """Tell a webhook again that wanted no more."""

    name: str


class ListDeliveries(Struct, tag="list_deliveries", frozen=True):
    """The delivery log of a webhook, newest first."""

    name: str
    limit: int
    before: int | None = None
    event: str = ""
    outcome: str = ""


class ReplayEvents(Struct, tag="replay_events", frozen=True):
    """Post events to a webhook again: those named, or those after one up to another."""

    name: str
    events: tuple[str, ...] = ()
    after: str = ""
    until: str = ""


WebhookCommand: TypeAlias = (
    ListWebhooks | SetWebhook | RemoveWebhook | EnableWebhook | ListDeliveries | ReplayEvents
)


class GetConfig(Struct, tag="get_config", frozen=True):
    """The effective configuration without its secrets."""


class ValidateConfig(Struct, tag="validate_config", frozen=True):
    """Whether a text could be the configuration file."""

    toml: str


class ReloadConfig(Struct, tag="reload_config", frozen=True):
    """Read the configuration again and apply what has changed."""


Command: TypeAlias = (
    Kick
    | ChooseOnAir
    | ListSessions
    | GetSession
    | EndSession
    | SendMessage
    | SetSource
    | RemoveSource
    | ListSources
    | GetSettings
    | ChangeSettings
    | ForgetSettings
    | WebhookCommand
    | GetConfig
    | ValidateConfig
    | ReloadConfig
)


class CommandRequest(Struct, tag="command", array_like=True, frozen=True):
    """One command; the answer carries its `id`."""

    id: int
    command: Command
    actor: str
    """Name of the token, for the log."""
    if_match: int | None = None
    """Only while the state_version of the command's path is this."""


class CommandAnswer(Struct, tag="command_answer", array_like=True, frozen=True):
    """What came of it: an HTTP status, and JSON or, from 400 on, one sentence."""

    id: int
    status: int
    result: Any = None
    detail: str = ""
