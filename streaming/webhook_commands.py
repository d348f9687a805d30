"""Carries out the API's commands that are about webhooks, in the main process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import msgspec

from streaming.command_messages import (
    CommandAnswer,
    EnableWebhook,
    ListDeliveries,
    ListWebhooks,
    RemoveWebhook,
    ReplayEvents,
    SetWebhook,
    WebhookCommand,
)
from streaming.config import WebhookConfig
from streaming.events.event_filter import EventFilter
from streaming.events.event_log import EventLog
from streaming.webhooks.messages import EndpointRecord, WebhookAnswer
from streaming.webhooks.replay import Chosen, ReplayError, choose_named, choose_range
from streaming.webhooks.webhooks import Webhooks

Answer = Callable[[CommandAnswer], None]
_UNKNOWN: Final = EndpointRecord("", 0, 0, 0, 0, 0, False)
"""Of a webhook that the process has not reported on yet."""


class WebhookSettings(Protocol):
    """The part of the live configuration that is about webhooks; changes raise ConfigError."""

    def webhooks(self) -> list[tuple[WebhookConfig, bool]]:
        """All of them, and whether the API has set something of each."""

    async def set_webhook(
        self, name: str, settings: Mapping[str, Any]
    ) -> tuple[dict[str, Any], str]:
        """A webhook from now on; what has changed, and the secret that was made for it."""

    async def unset_webhook(self, name: str) -> dict[str, Any] | None:
        """Takes that back; None where the API has set nothing of it."""


class WebhookCommands:
    """Owns nothing; the composition root wires it."""

    def __init__(self, settings: WebhookSettings, webhooks: Webhooks, log: EventLog) -> None:
        self._settings = settings
        self._webhooks = webhooks
        self._log = log

    def execute(self, number: int, command: WebhookCommand, answer: Answer) -> None:
        """Does what changes no setting; `answer` is called once, perhaps later."""
        try:
            self._execute(number, command, answer)
        except ReplayError as error:
            answer(CommandAnswer(number, 422, detail=str(error)))

    def _execute(self, number: int, command: WebhookCommand, answer: Answer) -> None:
        match command:
            case ListWebhooks():
                answer(CommandAnswer(number, 200, {"webhooks": self._list()}))
            case EnableWebhook():
                self._webhooks.enable(command.name, lambda told: answer(_answer(number, told)))
            case ListDeliveries():
                self._list_deliveries(number, command, answer)
            case ReplayEvents():
                self._replay(number, command, answer)

    async def change(self, number: int, command: SetWebhook | RemoveWebhook) -> CommandAnswer:
        """Sets one, or takes that back. Raises ConfigError."""
        if isinstance(command, SetWebhook):
            changes, secret = await self._settings.set_webhook(command.name, command.settings)
            told = {"name": command.name, "secret": secret, "changes": changes}
            return CommandAnswer(number, 200, told)
        unset = await self._settings.unset_webhook(command.name)
        if unset is None:
            detail = f"the API has set nothing of the webhook {command.name}"
            return CommandAnswer(number, 404, detail=detail)
        return CommandAnswer(number, 200, unset)

    def _list(self) -> list[dict[str, Any]]:
        reported = {one.name: one for one in self._webhooks.statistics().endpoints}
        return [
            {
                **{key: getattr(webhook, key) for key in _SHOWN},
                "url": shown_url(webhook.url),
                "set_by_api": by_api,
                **msgspec.structs.asdict(reported.get(webhook.name, _UNKNOWN)),
                "name": webhook.name,
            }
            for webhook, by_api in self._settings.webhooks()
        ]

    def _list_deliveries(self, number: int, command: ListDeliveries, answer: Answer) -> None:
        def told(found: WebhookAnswer) -> None:
            if found.status != 200:
                answer(_answer(number, found))
                return
            deliveries, rest = found.result[: command.limit], found.result[command.limit :]
            page: dict[str, Any] = {"deliveries": deliveries}
            if rest:
                page["next"] = str(deliveries[-1]["number"])
            answer(CommandAnswer(number, 200, page))

        self._webhooks.attempts(
            command.name,
            told,
            before=command.before,
            most=command.limit + 1,
            event=command.event,
            outcome=command.outcome,
        )

    def _replay(self, number: int, command: ReplayEvents, answer: Answer) -> None:
        webhook = next((w for w, _ in self._settings.webhooks() if w.name == command.name), None)
        if webhook is None:
            detail = f"there is no webhook {command.name}"
            answer(CommandAnswer(number, 404, detail=detail))
            return
        chosen = self._choose(command, webhook)

        def told(found: WebhookAnswer) -> None:
            if found.status == 200:
                result = {**found.result, "next": chosen.next}
                answer(CommandAnswer(number, 200, result))
            else:
                answer(_answer(number, found))

        self._webhooks.replay(command.name, [one.body for one in chosen.events], told)

    def _choose(self, command: ReplayEvents, webhook: WebhookConfig) -> Chosen:
        if command.events and not command.after and not command.until:
            return choose_named(self._log, command.events)
        if command.events or not command.after:
            raise ReplayError(
                "what is replayed is either events by their ids, or what is after one"
            )
        wanted = EventFilter(webhook.paths, webhook.types)
        return choose_range(self._log, command.after, command.until, wanted)


_SHOWN: Final = ("paths", "types", "max_in_flight", "timeout_s", "allow_private")


def shown_url(url: str) -> str:
    """Where a webhook goes, without what may be secret of it: many URLs are keys by their path."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}/{'…' if parts.path.strip('/') or parts.query else ''}"


def _answer(number: int, told: WebhookAnswer) -> CommandAnswer:
    return CommandAnswer(number, told.status, told.result, told.detail)
