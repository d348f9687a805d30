"""The program that benchmark (a) measures: an FLV file through the origin into a directory.

    python -m bench.package_flv clip.flv directory [part duration]

Bytes take the way of a live publisher's: FLV tags, timeline, presentation, playlists rendered at
each change; only RTMP and HTTP are missing. What the origin puts on its shelf becomes files.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.flv_file import read_messages
from segmenter.segment import Part
from segmenter.timeline import RTMP_CLOCK, Timeline
from streaming.config import PathConfig
from streaming.ingest.flv import FlvDemuxer, TracksReady
from streaming.media_store import MediaStore
from streaming.origin import Origin
from streaming.shelf_feed import ShelfFeed
from streaming.shelf_messages import Put

START_UTC = 1_790_000_000.0
IOV_MAX = 1024
TICK_S = 0.5
"""Of media time, between two looks for expired segments."""


class DirectoryFeed(ShelfFeed):
    """Owns a directory; playlists are replaced by renaming, as ffmpeg does it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(MediaStore())
        self._directory = directory
        self._growing: dict[str, int] = {}

    def put(self, put: Put) -> None:
        """A resource becomes a file."""
        file = f"{self._directory}{put.url}"
        if put.cache == "immutable":
            _write(file, put.body)
        else:
            _write(file + ".tmp", put.body)
            os.replace(file + ".tmp", file)

    def put_part(
        self, path: str, rendition: str, content_type: str, part: Part, pieces: Sequence[bytes]
    ) -> bool:
        """A segment's file grows by a part."""
        name = f"{self._directory}/{path}/{rendition}/{part.msn}.m4s"
        file = self._growing.get(name)
        if file is None:
            file = self._growing[name] = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for start in range(0, len(pieces), IOV_MAX):
            os.writev(file, pieces[start : start + IOV_MAX])
        return True

    def complete_segment(self, path: str, rendition: str, msn: int) -> None:
        """A segment's file is whole."""
        os.close(self._growing.pop(f"{self._directory}/{path}/{rendition}/{msn}.m4s"))

    def drop_segments(self, path: str, rendition: str, last_msn: int) -> None:
        """A segment that left the window is deleted; one does at a time."""
        os.unlink(f"{self._directory}/{path}/{rendition}/{last_msn}.m4s")


def _write(file: str, body: bytes) -> None:
    try:
        with open(file, "wb", buffering=0) as target:
            target.write(body)
    except FileNotFoundError:
        Path(file).parent.mkdir(parents=True)
        _write(file, body)


def package(file: Path, directory: Path, part_duration_s: float) -> None:
    """Packages all of `file` as if it were live."""
    config = PathConfig(ladder="copy", part_duration_s=part_duration_s)
    origin = Origin("live", config, DirectoryFeed(directory))
    demuxer, timeline = FlvDemuxer(), Timeline()
    now = next_tick = START_UTC
    for message in read_messages(file):
        now = START_UTC + message.timestamp / 1000
        for item in demuxer.push(message, now):
            if isinstance(item, TracksReady):
                timeline.start(item.tracks, RTMP_CLOCK)
                origin.set_tracks(item.tracks, (), now)
            else:
                for sample in timeline.push(item, now):
                    origin.write(sample, now)
        if now >= next_tick:
            next_tick = now + TICK_S
            origin.handle_timer(now)
    for sample in timeline.flush():
        origin.write(sample, now)
    origin.end(now)


def main() -> None:
    """Reads the command line."""
    part_duration_s = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    package(Path(sys.argv[1]), Path(sys.argv[2]), part_duration_s)


if __name__ == "__main__":
    main()
