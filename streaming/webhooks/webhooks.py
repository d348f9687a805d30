"""The webhook process seen from the main process: fed with the event log, told to post again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from streaming.config import WebhookConfig
from streaming.events.event import EventId
from streaming.events.event_feed import EventFeed
from streaming.events.event_log import EventLog
from streaming.webhooks.messages import (
    MEMORY,
    Enable,
    Endpoint,
    FromWebhooks,
    Redeliver,
    WebhookReport,
    WebhookSetup,
)
from streaming.worker_process import WorkerExit, WorkerProcess

logger = logging.getLogger(__name__)

MODULE: Final = "streaming.webhooks.process"
DATABASE: Final = "webhooks.sqlite3"
MOST_REDELIVERED: Final = 10_000
"""By one command; the next one goes on."""


class Webhooks:
    """Owns the webhook process; the composition root starts and closes it."""

    def __init__(
        self,
        webhooks: Sequence[WebhookConfig],
        root: Path | None,
        log: EventLog,
        feed: EventFeed,
        log_level: str,
        on_restart: Callable[[str], None] = lambda reason: None,
    ) -> None:
        """Without `root` the queue is in memory, and a restart loses what is in it."""
        self._setup = WebhookSetup(
            str(root / DATABASE) if root is not None else MEMORY,
            tuple(_endpoint(webhook) for webhook in webhooks),
            log_level,
        )
        self._log = log
        self._feed = feed
        self._on_restart = on_restart
        self._report = WebhookReport()
        self._worker: WorkerProcess[FromWebhooks] | None = None

    def start(self) -> None:
        """Begins; needs a running loop. Without webhooks there is no process."""
        if not self._setup.endpoints:
            return
        self._worker = WorkerProcess(
            MODULE, (), FromWebhooks, self._receive, self._ended, on_start=self._began,
            name="webhooks",
        )  # fmt: skip
        self._worker.start()

    async def close(self) -> None:
        """Ends the process; what is not delivered stays in the queue."""
        if self._worker is not None:
            await self._worker.close()

    def redeliver(self, endpoint: str, after: EventId, until: EventId) -> int | None:
        """Posts the kept events after one up to another again; how many. None: no such endpoint."""
        if self._worker is None or endpoint not in {e.name for e in self._setup.endpoints}:
            return None
        after = max(after, self._log.floor)
        events = [e for e in self._log.after(after, MOST_REDELIVERED) if e.id <= until]
        self._worker.send(Redeliver(endpoint, tuple(event.body for event in events)))
        return len(events)

    def enable(self, endpoint: str) -> None:
        """Tells an endpoint again that wanted no more."""
        if self._worker is not None:
            self._worker.send(Enable(endpoint))

    def statistics(self) -> WebhookReport:
        """The latest report."""
        return self._report

    def _began(self) -> None:
        assert self._worker is not None
        self._worker.send(self._setup)
        self._feed.attach(self._worker)

    def _receive(self, report: FromWebhooks) -> None:
        self._report = report

    def _ended(self, end: WorkerExit) -> None:
        assert self._worker is not None
        self._feed.detach(self._worker)
        self._on_restart(end.reason)


def _endpoint(webhook: WebhookConfig) -> Endpoint:
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
    )
