"""The webhook process seen from the main process: fed with the event log, asked and changed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from streaming.config import WebhookConfig
from streaming.events.event import EventId
from streaming.events.event_feed import EventFeed
from streaming.events.event_log import EventLog
from streaming.webhooks.messages import (
    MEMORY,
    Enable,
    Endpoint,
    FindAttempts,
    FromWebhooks,
    Replay,
    SetEndpoints,
    WebhookAnswer,
    WebhookReport,
    WebhookSetup,
)
from streaming.worker_process import WorkerExit, WorkerProcess

logger = logging.getLogger(__name__)

MODULE: Final = "streaming.webhooks.process"
DATABASE: Final = "webhooks.sqlite3"
MOST_ASKED: Final = 64
"""Questions on their way: each is answered within milliseconds."""
Answer: TypeAlias = Callable[[WebhookAnswer], None]


class Webhooks:
    """Owns the webhook process; the composition root starts and closes it."""

    def __init__(
        self,
        webhooks: Sequence[WebhookConfig],
        root: Path | None,
        log: EventLog,
        feed: EventFeed,
        log_level: str,
        on_restart: Callable[[str], object] = lambda reason: None,
    ) -> None:
        """Without `root` the queue is in memory, and a restart loses what is in it."""
        self._database = str(root / DATABASE) if root is not None else MEMORY
        self._log = log
        self._feed = feed
        self._log_level = log_level
        self._on_restart = on_restart
        self._report = WebhookReport()
        self._worker: WorkerProcess[FromWebhooks] | None = None
        self._is_started = False
        self._asked: dict[int, Answer] = {}
        self._next_id = 0
        since = EventId(log.epoch, 0)
        self._endpoints = {one.name: _endpoint(one, since) for one in webhooks}
        if self._endpoints and root is not None:
            _remember_beginning(self._database, tuple(self._endpoints), since)

    def start(self) -> None:
        """Begins; needs a running loop. Without webhooks there is no process until there is one."""
        self._is_started = True
        if not self._endpoints:
            return
        self._worker = WorkerProcess(
            MODULE, (), FromWebhooks, self._receive, self._ended, on_start=self._began,
            name="webhooks",
        )  # fmt: skip
        self._worker.start()

    def apply(self, webhooks: Sequence[WebhookConfig]) -> None:
        """Others from now on; new ones are told what happens from then on."""
        old, last = self._endpoints, self._log.last
        made = [_endpoint(one, last) for one in webhooks]
        self._endpoints = {
            one.name: msgspec.structs.replace(one, since=old[one.name].since)
            if one.name in old
            else one
            for one in made
        }
        if self._endpoints == old:
            return
        if self._worker is not None:
            self._worker.send(SetEndpoints(tuple(self._endpoints.values())))
        elif self._is_started:
            self.start()

    async def close(self) -> None:
        """Ends the process; what is not delivered stays in the queue."""
        if self._worker is not None:
            await self._worker.close()
        self._lose_questions()

    def statistics(self) -> WebhookReport:
        """The latest report."""
        return self._report

    # -- what can be asked of one --------------------------------------------------------------

    def enable(self, name: str, answer: Answer) -> None:
        """Tells an endpoint again that wanted no more; `answer` is called once."""
        self._ask(name, answer, lambda number: Enable(number, name))

    def attempts(
        self,
        name: str,
        answer: Answer,
        *,
        before: int | None,
        most: int,
        event: str = "",
        outcome: str = "",
    ) -> None:
        """Some of its delivery log, newest first."""
        self._ask(
            name,
            answer,
            lambda number: FindAttempts(number, name, before, most, event, outcome),
        )

    def replay(self, name: str, bodies: Sequence[bytes], answer: Answer) -> None:
        """Posts events again, under their own ids; answered when they are in the queue."""
        self._ask(name, answer, lambda number: Replay(number, name, tuple(bodies)))

    def _ask(self, name: str, answer: Answer, question: Callable[[int], object]) -> None:
        if name not in self._endpoints:
            answer(WebhookAnswer(0, 404, detail=f"there is no webhook {name}"))
            return
        self._next_id += 1
        number = self._next_id
        is_busy = len(self._asked) >= MOST_ASKED
        if is_busy or self._worker is None or not self._worker.send(question(number)):
            answer(WebhookAnswer(0, 503, detail="the webhook process is busy or starting"))
            return
        self._asked[number] = answer

    def _lose_questions(self) -> None:
        asked, self._asked = self._asked, {}
        for answer in asked.values():
            answer(WebhookAnswer(0, 503, detail="the webhook process has been restarted"))

    # -- the process ---------------------------------------------------------------------------

    def _began(self) -> None:
        assert self._worker is not None
        endpoints = tuple(self._endpoints.values())
        self._worker.send(WebhookSetup(self._database, endpoints, self._log_level))
        self._feed.attach(self._worker)

    def _receive(self, news: FromWebhooks) -> None:
        if isinstance(news, WebhookReport):
            self._report = news
            return
        answer = self._asked.pop(news.id, None)
        if answer is not None:
            answer(news)

    def _ended(self, end: WorkerExit) -> None:
        assert self._worker is not None
        self._feed.detach(self._worker)
        self._lose_questions()
        self._on_restart(end.reason)


def _remember_beginning(database: str, names: Sequence[str], since: EventId) -> None:
    """Here, because an origin may be killed before its webhook process has come up."""
    # Only where there are webhooks does the main process need a database, and only at its start.
    import sqlite3

    from streaming.webhooks.queue import DeliveryQueue

    try:
        queue = DeliveryQueue(database)
        for name in names:
            if not queue.has_begun(name):
                queue.begin(name, since)
        queue.close()
    except (OSError, sqlite3.Error) as error:
        logger.warning("webhooks: %s cannot be written to: %s", database, error)


def _endpoint(webhook: WebhookConfig, since: EventId) -> Endpoint:
    return Endpoint(
        webhook.name,
        webhook.url,
        webhook.secrets,
        webhook.paths,
        webhook.types,
        webhook.max_in_flight,
        webhook.timeout_s,
        webhook.allow_private,
        webhook.retry_s,
        str(since),
    )
