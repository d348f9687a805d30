"""The program that benchmark (d) measures: one delivery process with files on its shelf.

    python -m bench.shelf_server port directory

The delivery process and its link are the real ones; this program stands for the origin.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from pathlib import Path

import uvloop

from streaming.app import listening_socket
from streaming.server.processes import DeliveryProcesses
from streaming.shelf_feed import ShelfFeed
from streaming.shelf_messages import DeliveryConfig, Put


def fill(directory: Path) -> ShelfFeed:
    """A shelf with the files of `directory` below /bench/."""
    feed = ShelfFeed()
    for file in sorted(directory.iterdir()):
        is_playlist = file.suffix == ".m3u8"
        feed.put(
            Put(
                path="bench",
                url=f"/bench/{file.name}",
                body=file.read_bytes(),
                content_type="application/vnd.apple.mpegurl" if is_playlist else "video/mp4",
                cache="playlist" if is_playlist else "immutable",
                max_age_s=1 if is_playlist else 3600,
            )
        )
    return feed


async def serve(port: int, feed: ShelfFeed) -> None:
    """Serves what is on the shelf until told to stop."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    listening = listening_socket(f"127.0.0.1:{port}", "port")
    delivery = DeliveryProcesses(DeliveryConfig(drain_s=0.5), listening, feed)
    await delivery.start()
    await stop.wait()
    await delivery.close()
    listening.close()


def main() -> None:
    """Reads the command line."""
    logging.basicConfig(level="WARNING")
    uvloop.run(serve(int(sys.argv[1]), fill(Path(sys.argv[2]))))


if __name__ == "__main__":
    main()
