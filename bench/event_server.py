"""What benchmark (h) measures: an event log with a real delivery process, and events on command.

    python -m bench.event_server http_port control_port rate

Any datagram to the control port begins `rate` events a second, each with the monotonic clock's
time in it, which is the same in every process.
"""

from __future__ import annotations

import asyncio
import sys
import time

import uvloop

from streaming.events.events import Events
from streaming.listening import listening_socket, udp_socket
from streaming.media_store import MediaStore
from streaming.server.processes import DeliveryProcesses
from streaming.shelf_feed import ShelfFeed
from streaming.shelf_messages import DeliveryConfig


async def serve(http_port: int, control_port: int, rate: float) -> None:
    """Until killed."""
    loop = asyncio.get_running_loop()
    events = Events(None, time.time)
    events.start({})
    listening = listening_socket(f"127.0.0.1:{http_port}", "port")
    delivery = DeliveryProcesses(
        DeliveryConfig(drain_s=0.5), listening, ShelfFeed(MediaStore(1 << 20)), events=events.feed
    )
    control = udp_socket("127.0.0.1", control_port)
    await delivery.start()
    await loop.sock_recv(control, 64)
    began = time.monotonic()
    count = 0
    while True:
        count += 1
        await asyncio.sleep(max(0.0, began + count / rate - time.monotonic()))
        events.emit("viewer.count", "live/one", {"viewers": count, "at": time.monotonic()})


def main() -> None:
    """Reads the command line."""
    http_port, control_port, rate = sys.argv[1:]
    uvloop.run(serve(int(http_port), int(control_port), float(rate)))


if __name__ == "__main__":
    main()
