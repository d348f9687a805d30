"""What benchmark (g) measures: the real delivery process with a rendition that grows on command.

    python -m bench.live_shelf http_port control_port

This program stands for the origin; how late its timers are is what ingest would feel.
"""

from __future__ import annotations

import sys

import uvloop

from bench.live_rendition import PART_BYTES, PARTS, TARGET_S, Position, delta_text, obey
from segmenter.segment import Part
from streaming.listening import listening_socket
from streaming.media_store import MediaStore
from streaming.server.processes import DeliveryProcesses
from streaming.shelf_feed import ShelfFeed
from streaming.shelf_messages import DeliveryConfig, LivePlaylist, Put

PATH, RENDITION = "bench", "video"
TICKS = 18_000
"""200 ms of 90 kHz."""
KEPT_SEGMENTS = 15


class Origin:
    """Puts parts and playlists as the origin of a path does."""

    def __init__(self, feed: ShelfFeed) -> None:
        self._feed = feed
        self._data = bytes(PART_BYTES)
        self.position = Position()

    def add_part(self) -> None:
        """One part more, and what that changes."""
        at, feed = self.position, self._feed
        is_last = at.advance()
        index = at.parts - 1
        start = (at.msn * PARTS + index) * TICKS
        part = Part(
            at.msn, index, start, TICKS, 90_000, index * PART_BYTES, PART_BYTES, 6, index == 0
        )
        if not feed.put_part(PATH, RENDITION, "video/mp4", part, [self._data]):
            raise SystemExit("the media store is full")
        if is_last:
            feed.complete_segment(PATH, RENDITION, at.msn)
            feed.drop_segments(PATH, RENDITION, at.msn - KEPT_SEGMENTS)
        feed.put(self._playlist(is_last=is_last))

    def _playlist(self, *, is_last: bool) -> Put:
        at = self.position
        text = delta_text(at.msn, at.parts)
        msn, part = at.following
        live = LivePlaylist(
            delta=text,
            delta_v2=text,
            last_msn=at.msn if is_last else at.msn - 1,
            last_parts=PARTS,
            open_parts=0 if is_last else at.parts,
            target_duration=TARGET_S,
            part_target_s=0.2,
            is_ended=False,
            hint=f"{msn}.{part}.m4s",
        )
        return Put(
            path=PATH,
            url=f"/{PATH}/{RENDITION}/index.m3u8",
            body=text,
            content_type="application/vnd.apple.mpegurl",
            cache="playlist",
            max_age_s=1,
            live=live,
        )


async def serve(http_port: int, control_port: int) -> None:
    """Until killed."""
    feed = ShelfFeed(MediaStore())
    origin = Origin(feed)
    origin.add_part()
    listening = listening_socket(f"127.0.0.1:{http_port}", "port")
    delivery = DeliveryProcesses(DeliveryConfig(drain_s=0.5), listening, feed)
    await delivery.start()
    try:
        await obey(control_port, origin.position, origin.add_part)
    finally:
        await delivery.close()


def main() -> None:
    """Reads the command line."""
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))


if __name__ == "__main__":
    main()
