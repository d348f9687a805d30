"""A path with its pipeline, whose encoder does what the test says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

import streaming.pipeline
from segmenter.media import Sample, Track
from segmenter.timeline import SourceClock
from streaming.config_paths import PathConfig, RungConfig
from streaming.media_store import MediaStore
from streaming.path import Path
from streaming.pipeline import Pipeline
from streaming.publisher_slot import Slot
from streaming.shelf_feed import ShelfFeed
from streaming.transcode.ladder import LadderPlan
from streaming.transcode.messages import StatusMessage
from streaming.transcode.transcode_link import (
    TranscodePhase,
    TranscodeState,
    TranscodeStatistics,
)
from streaming.worker_process import WorkerStatistics
from tests.segmenter.stage import SMALL, START
from tests.streaming.test_path import FakePublisher

CLOCK = SourceClock(1000, None)
LADDER = (RungConfig(name="source", copy=True), RungConfig(name="360p", height=360))


class FakeLink:
    """A transcoder that encodes nothing until the test says so."""

    made: list[FakeLink]

    def __init__(
        self,
        path: str,
        config: PathConfig,
        *,
        on_tracks: Callable[[Sequence[Track]], None],
        on_sample: Callable[[Sample], None],
        on_state: Callable[[TranscodeState], None],
    ) -> None:
        self.on_tracks, self.on_sample, self.on_state = on_tracks, on_sample, on_state
        self.state = TranscodeState(TranscodePhase.IDLE)
        self.plans: list[LadderPlan | None] = []
        self.written: list[Sample] = []
        self.key_asked: int | None = None
        self.starts = 1
        self.status = StatusMessage()
        self.is_closed = False
        self.made.append(self)

    def start(self, tracks: Sequence[Track], plan: LadderPlan | None = None) -> None:
        self.plans.append(plan)
        self.state = TranscodeState(TranscodePhase.STARTING)

    def write(self, sample: Sample) -> None:
        self.written.append(sample)

    def ask_for_key_frame(self, from_pts: int = 0) -> None:
        self.key_asked = from_pts

    def enter(
        self, phase: TranscodePhase, reason: str = "", *shed: str, failed: tuple[str, ...] = ()
    ) -> None:
        self.state = TranscodeState(phase, reason, shed, failed)
        self.on_state(self.state)

    def statistics(self) -> TranscodeStatistics:
        worker = WorkerStatistics(1, self.starts, 0, None)
        return TranscodeStatistics(self.state, worker, self.status, 0, 0, 0)

    async def close(self) -> None:
        self.is_closed = True


class Scene:
    """A path with a pipeline; its publisher sends 30 frames and 47 audio frames each second."""

    def __init__(self, **settings: object) -> None:
        FakeLink.made = []
        self.now = float(START)
        config = PathConfig(**settings)  # type: ignore[arg-type]
        self.path = Path("live/a", config, self.now, lambda change: None)
        self.feed = ShelfFeed(MediaStore())
        self.pipeline = Pipeline(self.path, self.feed, lambda name: 1.2, lambda: self.now)
        self.slot: Slot | None = None
        self.sent_ms = 0

    @property
    def link(self) -> FakeLink:
        [link] = FakeLink.made
        return link

    def publish(self, *tracks: Track) -> None:
        self.slot = self.path.occupy(FakePublisher(), "10.0.0.1:1", "rtmp", self.now)
        self.path.set_tracks(self.slot, tracks, CLOCK, self.now)

    def send(self, seconds: float, *names: str) -> None:
        assert self.slot is not None
        end_ms = self.sent_ms + int(seconds * 1000)
        while self.sent_ms < end_ms:
            for name in names:
                is_sync = name == "audio" or self.sent_ms % 2000 == 0
                sample = Sample(name, self.sent_ms, self.sent_ms, b"media", is_sync)
                self.path.write(self.slot, [sample], self.now)
            self.sent_ms += 40
            self.now += 0.04
        self.pipeline.handle_timer(self.now)

    def send_encoded(self, seconds: float, name: str = "source") -> None:
        """What is sent is in the rung a fifth of a second later."""
        for _ in range(round(seconds / 0.2)):
            before = len(self.link.written)
            self.send(0.2, name)
            self.encode(self.link.written[before:])

    def encode(self, samples: list[Sample]) -> None:
        for sample in samples:
            self.link.on_sample(Sample("360p", sample.dts, sample.pts, b"small", sample.is_sync))

    def variants(self) -> list[str]:
        """What the multivariant playlist points to."""
        text = self.feed._current["/live/a/index.m3u8"].body.decode()
        return [line.partition("/")[0] for line in text.splitlines() if line[:1] not in ("#", "")]

    def segments(self, rendition: str) -> int:
        """How many of its segments are listed, gaps not counted."""
        playlists = [
            put.body.decode()
            for key, put in self.feed._current.items()
            if key == f"/live/a/{rendition}/index.m3u8"
        ]
        return playlists[0].count("#EXTINF") if playlists else 0


@pytest.fixture(autouse=True)
def fake_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming.pipeline, "TranscodeLink", FakeLink)


LAYER = replace(SMALL, name="source_l")
