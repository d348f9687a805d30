"""An origin that has nothing but an event log: ticks at a rate, told over real delivery processes.

    python -m tests.interop.event_origin <port> <state directory> <ticks per second> [<webhook>]

It says "ready" when it listens.

Log, files, links, delivery processes and HTTP are those of the product; what is missing is media.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from pathlib import Path

import uvloop

from streaming.config import WebhookConfig
from streaming.events.event_log import LogBounds
from streaming.events.events import Events
from streaming.media_store import MediaStore
from streaming.server.processes import DeliveryProcesses
from streaming.shelf_feed import ShelfFeed
from streaming.shelf_messages import DeliveryConfig
from streaming.webhooks.webhooks import Webhooks

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def webhooks_to(url: str) -> list[WebhookConfig]:
    """A webhook that is quick to try again, as tests cannot wait for days."""
    if not url:
        return []
    return [
        WebhookConfig(
            "mine",
            url,
            (SECRET,),
            types=("test.*",),
            max_in_flight=16,
            timeout_s=0.5,
            allow_private=True,
            retry_s=(0.2,) * 40,
        )
    ]


async def run(port: int, state_dir: Path, rate: float, webhook: str = "") -> None:
    """Serves until it is killed."""
    events = Events(state_dir, time.time, LogBounds(1_000_000, 1 << 30))
    events.start({})
    listening = socket.create_server(("127.0.0.1", port), backlog=4096)
    listening.setblocking(False)
    print("ready", flush=True)
    delivery = DeliveryProcesses(
        DeliveryConfig(log_level="warning"),
        listening,
        ShelfFeed(MediaStore(1 << 20)),
        events=events.feed,
    )
    webhooks = Webhooks(webhooks_to(webhook), state_dir, events.log, events.feed, "warning")
    webhooks.start()
    starting = asyncio.create_task(delivery.start())
    count, began = 0, time.monotonic()
    while True:
        await asyncio.sleep(min(0.05, 1 / rate))
        while count < (time.monotonic() - began) * rate:
            count += 1
            events.emit("test.tick", "live/a", {"count": count, "at": time.time()})
        if starting.done():
            starting.result()


if __name__ == "__main__":
    Path(sys.argv[2]).mkdir(parents=True, exist_ok=True)
    uvloop.run(run(int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:]))
