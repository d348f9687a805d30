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

from segmenter.segment import Part
from streaming.listening import listening_socket
from streaming.media_store import MediaStore
from streaming.server.processes import DeliveryProcesses
from streaming.shelf_feed import ShelfFeed
from streaming.shelf_messages import DeliveryConfig, Put


def fill(directory: Path) -> ShelfFeed:
    """A shelf with the files of `directory` below /bench/, media in a media store."""
    feed = ShelfFeed(MediaStore())
    for file in sorted(directory.rglob("*.m3u8")):
        feed.put(
            Put(
                path="bench",
                url=f"/bench/{file.relative_to(directory)}",
                body=file.read_bytes(),
                content_type="application/vnd.apple.mpegurl",
                cache="playlist",
                max_age_s=1,
            )
        )
    for file in sorted(directory.rglob("*.m4s")):
        _put_media(feed, file)
    return feed


def _put_media(feed: ShelfFeed, file: Path) -> None:
    """ "7.0.m4s" is a part, "8.m4s" a segment, of the rendition that their directory names."""
    msn, _, part = file.stem.partition(".")
    data, rendition = file.read_bytes(), file.parent.name
    record = Part(int(msn), 0, 0, 1, 1, 0, len(data), 1, True)
    if not feed.put_part("bench", rendition, "video/mp4", record, [data]):
        raise SystemExit("the media store is full")
    if not part:
        feed.complete_segment("bench", rendition, int(msn))


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
