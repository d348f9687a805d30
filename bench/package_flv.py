"""The program that benchmark (a) measures: an FLV file through the origin into a directory.

    python -m bench.package_flv clip.flv directory [part duration [hls]]

Bytes take the way of a live publisher's: FLV tags, timeline, presentation, playlists rendered at
each change; only RTMP and HTTP are missing. What the origin puts on its shelf becomes files; with
`hls` but for the MPD, which is rendered all the same.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.flv_file import MappedFlv
from bench.segment_files import SegmentFiles
from bench.swapped_file import SwappedFile
from segmenter.media import Payload, Sample
from segmenter.segment import Part
from segmenter.timeline import RTMP_CLOCK, Timeline
from streaming.config_paths import PathConfig
from streaming.ingest.flv import TracksReady, in_runs
from streaming.media_store import MediaStore
from streaming.origin import Origin
from streaming.path_texts import DASH_TYPE
from streaming.shelf_feed import ShelfFeed
from streaming.shelf_messages import Put

START_UTC = 1_790_000_000.0
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
TICK_S = 0.5
"""Of media time, between two looks for expired segments."""


class DirectoryFeed(ShelfFeed):
    """Owns a directory; playlists are replaced at once, as ffmpeg does it."""

    def __init__(self, directory: Path, *, has_mpd: bool = True) -> None:
        super().__init__(MediaStore())
        self._directory = directory
        self._has_mpd = has_mpd
        self._folder = os.open(directory, os.O_RDONLY)
        self._media: dict[tuple[str, str], SegmentFiles] = {}
        self._texts: dict[str, SwappedFile] = {}

    def put(self, put: Put) -> None:
        """A resource becomes a file."""
        name = put.url[1:]
        if put.cache == "immutable":
            file = self._create(name)
            os.write(file, put.body)
            os.close(file)
        elif self._has_mpd or put.content_type != DASH_TYPE:
            self._replace(name, put.body)

    def put_part(
        self, path: str, rendition: str, content_type: str, part: Part, pieces: Sequence[Payload]
    ) -> bool:
        """A segment's file grows by a part."""
        files = self._media.get((path, rendition))
        if files is None:
            files = SegmentFiles(self._directory / path / rendition)
            self._media[path, rendition] = files
        files.append(pieces)
        return True

    def complete_segment(self, path: str, rendition: str, msn: int) -> None:
        """A segment's file is whole."""
        self._media[path, rendition].complete(msn)

    def drop_segments(self, path: str, rendition: str, last_msn: int) -> None:
        """A segment that left the window goes; one does at a time."""
        self._media[path, rendition].drop(last_msn)

    def close(self) -> None:
        """Nothing more is written."""
        for text in self._texts.values():
            text.close()
        for files in self._media.values():
            files.close()

    def _replace(self, name: str, body: bytes) -> None:
        text = self._texts.get(name)
        if text is None:
            (self._directory / name).parent.mkdir(parents=True, exist_ok=True)
            text = self._texts[name] = SwappedFile(self._folder, name)
        text.write(body)

    def _create(self, name: str) -> int:
        try:
            return os.open(name, _NEW_FILE, 0o666, dir_fd=self._folder)
        except FileNotFoundError:
            (self._directory / name).parent.mkdir(parents=True)
            return os.open(name, _NEW_FILE, 0o666, dir_fd=self._folder)


def package(file: Path, directory: Path, part_duration_s: float, *, has_mpd: bool = True) -> None:
    """Packages all of `file`, as fast as it can be read, as if it were live."""
    config = PathConfig(ladder="copy", part_duration_s=part_duration_s)
    feed = DirectoryFeed(directory, has_mpd=has_mpd)
    origin = Origin("live", config, feed)
    source, timeline = MappedFlv(file), Timeline()
    now = next_tick = START_UTC
    while (demuxed := source.read(now)) is not None:
        for run in in_runs(demuxed):
            if isinstance(run, TracksReady):
                timeline.start(run.tracks, RTMP_CLOCK)
                origin.set_tracks(run.tracks, (), now)
            else:
                _place(timeline, run, origin, now)
                now = START_UTC + run[-1].dts / 1000
        if now >= next_tick:
            next_tick = now + TICK_S
            origin.handle_timer(now)
    origin.write(timeline.flush(), now)
    origin.end(now)
    feed.close()


def _place(timeline: Timeline, samples: list[Sample], origin: Origin, now_utc: float) -> None:
    placed: list[Sample] = []
    timeline.push_all(samples, now_utc, placed)
    origin.write(placed, now_utc)


def main() -> None:
    """Reads the command line; what is imported stays, as in the origin."""
    gc.freeze()
    part_duration_s = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    package(Path(sys.argv[1]), Path(sys.argv[2]), part_duration_s, has_mpd=sys.argv[4:] != ["hls"])


if __name__ == "__main__":
    main()
