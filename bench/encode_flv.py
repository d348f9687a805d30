"""The program that benchmark (c) measures: an FLV file through the transcoder into a directory.

    python -m bench.encode_flv clip.flv directory

The worker's transcoder and the origin's packaging in one process, as fast as they can. Between
processes there would be a socket more: about 1 % of what encoding costs.
"""

from __future__ import annotations

import queue
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import av

from bench.flv_file import read_messages
from bench.package_flv import START_UTC, DirectoryFeed
from segmenter.media import MediaType, Sample, Track
from segmenter.timeline import RTMP_CLOCK, Timeline
from streaming.config_paths import PathConfig, RungConfig
from streaming.ingest.flv import FlvDemuxer, TracksReady
from streaming.origin import Origin
from streaming.transcode.ladder import LadderPlan, plan_ladder
from streaming.transcode.messages import StartMessage, TrackMessage
from streaming.transcode.transcoder import Transcoder

PRESET = "veryfast"
RUNGS = (
    RungConfig(name="1080p", height=1080, bitrate_kbps=4500, preset=PRESET),
    RungConfig(name="720p", height=720, bitrate_kbps=2500, preset=PRESET),
    RungConfig(name="480p", height=480, bitrate_kbps=1200, preset=PRESET),
    RungConfig(name="360p", height=360, bitrate_kbps=700, preset=PRESET),
)
CONFIG = PathConfig(ladder=RUNGS, part_duration_s=0.0, window_s=600.0)
MOST_LAG_S = 2.0
"""The transcoder drops what lags 4 s behind: a recording is held back before that."""


def plan(video: Track) -> LadderPlan:
    """Sizes and bit rates of the four rungs."""
    return plan_ladder(CONFIG, video, None, None, 1e3)


class Encoding:
    """Owns a transcoder and the origin that packages what it makes; used by one thread."""

    def __init__(self, directory: Path) -> None:
        self._origin = Origin("live", CONFIG, DirectoryFeed(directory))
        self._made: queue.SimpleQueue[Sample | tuple[Track, ...]] = queue.SimpleQueue()
        self._failures: list[BaseException] = []
        self._transcoder = Transcoder(self._made.put, self._put_tracks, self._failures.append)
        self._video = ""

    def start(self, tracks: Sequence[Track]) -> None:
        """Encodes the video of these tracks from now on."""
        video = next(track for track in tracks if track.media_type is MediaType.VIDEO)
        self._video = video.name
        self._transcoder.start(
            StartMessage(
                video=TrackMessage.from_track(video),
                audio=None,
                rungs=plan(video).rungs,
                follow_source=False,
                encode_audio=None,
                segment_duration_s=CONFIG.segment_duration_s,
                encoder="software",
                frame_hook="",
                frame_hook_budget_ms=10.0,
            )
        )

    def write(self, sample: Sample) -> None:
        """Waits while the encoders are far behind."""
        if sample.track != self._video:
            return
        self._transcoder.write(sample)
        while self._transcoder.statistics()[0].queue.lag_s > MOST_LAG_S:
            time.sleep(0.01)
            self._collect()

    def finish(self) -> None:
        """Waits until all has been encoded and packaged."""
        self._transcoder.close()
        self._collect()
        self._origin.end(START_UTC)
        for failure in self._failures:
            raise failure

    def _put_tracks(self, tracks: Sequence[Track]) -> None:
        self._made.put(tuple(tracks))

    def _collect(self) -> None:
        while not self._made.empty():
            made = self._made.get()
            if isinstance(made, Sample):
                self._origin.write([made], START_UTC)
            else:
                self._origin.set_tracks(made, (), START_UTC)


def main() -> None:
    """Reads the command line."""
    av.logging.set_level(None)
    encoding = Encoding(Path(sys.argv[2]))
    demuxer, timeline = FlvDemuxer(), Timeline()
    for message in read_messages(Path(sys.argv[1])):
        now = START_UTC + message.timestamp / 1000
        for item in demuxer.push(message, now):
            if isinstance(item, TracksReady):
                timeline.start(item.tracks, RTMP_CLOCK)
                encoding.start(item.tracks)
            else:
                for sample in timeline.push(item, now):
                    encoding.write(sample)
    encoding.finish()


if __name__ == "__main__":
    main()
