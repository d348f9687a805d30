"""Operations of the API on webhooks: which there are, their delivery logs, replay."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from streaming.command_messages import (
    EnableWebhook,
    ListDeliveries,
    ListWebhooks,
    RemoveWebhook,
    ReplayEvents,
    SetWebhook,
)
from streaming.config import WebhookConfig
from streaming.server.api_call import AsCommand, Call, Refused
from streaming.server.api_types import Changes
from streaming.server.openapi import Operation

EventIdText: TypeAlias = Annotated[str, Meta(pattern="^[0-9]{1,16}-[0-9]{1,16}$")]
Outcome: TypeAlias = Literal["delivered", "retry", "given up", "disabled"]


class WebhookRecord(Struct, frozen=True):
    """A webhook and how it fares; counters since its process began."""

    name: str
    url: str
    """Scheme and host alone: many URLs are secrets by their paths."""
    paths: list[str]
    types: list[str]
    max_in_flight: int
    timeout_s: float
    allow_private: bool
    set_by_api: bool
    pending: int
    in_flight: int
    delivered: int
    failed_attempts: int
    given_up: int
    disabled: bool
    """The receiver answered 410."""
    last_status: int
    """0: the latest attempt got no answer, or there was none."""
    last_error: str


class WebhookList(Struct, frozen=True):
    """All webhooks."""

    webhooks: list[WebhookRecord]


WebhookSettings: TypeAlias = msgspec.defstruct(  # type: ignore[valid-type]
    "WebhookSettings",
    [
        (one.name, one.type) if one.name == "url" else (one.name, one.type | UnsetType, UNSET)
        for one in msgspec.structs.fields(WebhookConfig)
        if one.name != "name"
    ],
    frozen=True,
    forbid_unknown_fields=True,
    module=__name__,
)
"""A webhook as in the configuration; without secrets it keeps its own, or is made one."""


class WebhookSet(Struct, frozen=True):
    """The webhook is there."""

    name: str
    secret: str
    """What was made to sign with, told this once; "" where there were secrets."""
    changes: Changes


class WebhookEnabled(Struct, frozen=True):
    """The webhook is told again."""

    name: str
    disabled: bool


class DeliveryRecord(Struct, frozen=True):
    """One attempt to deliver an event."""

    number: int
    endpoint: str
    event: str
    at_utc: float
    attempt: int
    """From 1; a replay begins again."""
    status: int
    """0: no answer, for the reason in `error`."""
    error: str
    took_s: float
    outcome: Outcome


class DeliveryList(Struct, frozen=True, omit_defaults=True):
    """A page of the delivery log, newest first."""

    deliveries: list[DeliveryRecord]
    next: str = ""
    """What `after` is for older ones; absent on the last page."""


class ReplayWish(Struct, frozen=True, forbid_unknown_fields=True):
    """Either events by their ids, or what comes after one."""

    events: Annotated[list[EventIdText], Meta(max_length=1_000)] = []
    after: Annotated[str, Meta(pattern="^(0|(0:)?[0-9]{1,16}-[0-9]{1,16})?$")] = ""
    """Events behind this one that the webhook wants; "0": all that are kept."""
    until: Annotated[str, Meta(pattern="^([0-9]{1,16}-[0-9]{1,16})?$")] = ""
    """Up to and with this one; "": the latest."""


class Replayed(Struct, frozen=True):
    """They are in the queue."""

    replayed: int
    next: str
    """`after` of the rest, which is replayed by another request; "" when that was all."""


OPERATIONS: Final = (
    Operation("listWebhooks", "GET", "/webhooks", "Webhooks and how they fare.",
              "read", WebhookList, problems=(503,)),
    Operation("setWebhook", "PUT", "/webhooks/{webhook}", "Tell a webhook from now on.",
              "admin", WebhookSet, WebhookSettings, problems=(422, 500, 503)),
    Operation("removeWebhook", "DELETE", "/webhooks/{webhook}", "Take back what the API has set.",
              "admin", Changes, problems=(422, 500, 503)),
    Operation("enableWebhook", "POST", "/webhooks/{webhook}/enable",
              "Tell a webhook again that answered 410.", "control", WebhookEnabled,
              problems=(503,)),
    Operation("listDeliveries", "GET", "/webhooks/{webhook}/deliveries",
              "The delivery log, newest first.", "read", DeliveryList, paged=True,
              query=(
                  ("event", {"type": "string", "pattern": "^[0-9]{1,16}-[0-9]{1,16}$"}),
                  ("outcome", {"type": "string",
                               "enum": ["delivered", "retry", "given up", "disabled"]}),
              ), problems=(503,)),
    Operation("replayEvents", "POST", "/webhooks/{webhook}/replay",
              "Post events again, under their own ids.", "control", Replayed, ReplayWish,
              problems=(409, 422, 503)),
)  # fmt: skip


def _deliveries(call: Call) -> ListDeliveries:
    after = call.query.get("after", "")
    if after and not (after.isascii() and after.isdigit() and len(after) <= 18):
        raise Refused(400, "after is what an earlier page said in next")
    return ListDeliveries(
        call.names["webhook"],
        call.query["limit"],
        int(after) if after else None,
        call.query.get("event", ""),
        call.query.get("outcome", ""),
    )


def _replay(call: Call) -> ReplayEvents:
    wish: ReplayWish = call.body
    return ReplayEvents(call.names["webhook"], tuple(wish.events), wish.after, wish.until)


def _set(call: Call) -> SetWebhook:
    settings: dict[str, Any] = msgspec.to_builtins(call.body)
    return SetWebhook(call.names["webhook"], settings)


COMMANDS: Final[dict[str, AsCommand]] = {
    "listWebhooks": lambda call: ListWebhooks(),
    "setWebhook": _set,
    "removeWebhook": lambda call: RemoveWebhook(call.names["webhook"]),
    "enableWebhook": lambda call: EnableWebhook(call.names["webhook"]),
    "listDeliveries": _deliveries,
    "replayEvents": _replay,
}
