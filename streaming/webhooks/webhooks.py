"""The webhook process seen from the main process: fed with the event log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from streaming.config import WebhookConfig
from streaming.events.event_feed import EventFeed
from streaming.webhooks.messages import (
    MEMORY,
    Endpoint,
    FromWebhooks,
    WebhookReport,
    WebhookSetup,
)
from streaming.worker_process import WorkerExit, WorkerProcess

logger = logging.getLogger(__name__)

MODULE: Final = "streaming.webhooks.process"
DATABASE: Final = "webhooks.sqlite3"


class Webhooks:
    """Owns the webhook process; the composition root starts and closes it."""

    def __init__(
        self,
        webhooks: Sequence[WebhookConfig],
        root: Path | None,
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
