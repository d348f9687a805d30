from __future__ import annotations

import asyncio
import os
import pathlib
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from segmenter.media import Sample, Track
from streaming.config_paths import PathConfig, RungConfig
from streaming.restart_backoff import RestartBackoff
from streaming.transcode import transcode_link
from streaming.transcode.ladder import plan_ladder
from streaming.transcode.transcode_link import TranscodeLink, TranscodePhase, TranscodeState
from tests.streaming.transcode.clips import (
    EPOCH,
    Clip,
    decode,
    opus_clip,
    steady,
    video_clip,
)

LADDER = (
    RungConfig(name="source", copy=True),
    RungConfig(name="mid", height=96, preset="ultrafast"),
    RungConfig(name="low", height=64, preset="ultrafast"),
)
CONFIG = PathConfig(ladder=LADDER, encoder="software")
MINUTE = 60 * 90_000


class Path:
    """Stands where the pipeline stands."""

    def __init__(self, config: PathConfig = CONFIG) -> None:
        self.tracks: list[tuple[Track, ...]] = []
        self.samples: dict[str, list[Sample]] = {}
        self.states: list[TranscodeState] = []
        self._news = asyncio.Event()
        self.link = TranscodeLink(
            "live/test",
            config,
            on_tracks=self._on_tracks,
            on_sample=self._on_sample,
            on_state=self._on_state,
            cores=8.0,
            backoff=RestartBackoff(first_s=0.01),
        )

    def _on_tracks(self, tracks: Sequence[Track]) -> None:
        self.tracks.append(tuple(tracks))
        self._news.set()

    def _on_sample(self, sample: Sample) -> None:
        assert sample.track in {track.name for track in self.tracks[-1]}
        self.samples.setdefault(sample.track, []).append(sample)
        self._news.set()

    def _on_state(self, state: TranscodeState) -> None:
        self.states.append(state)
        self._news.set()

    async def wait_samples(self, **counts: int) -> None:
        while any(len(self.samples.get(name, ())) < n for name, n in counts.items()):
            await self.wait_news()

    async def wait_phase(self, phase: TranscodePhase) -> None:
        while self.link.state.phase is not phase:
            await self.wait_news()

    async def wait_news(self) -> None:
        self._news.clear()
        await asyncio.wait_for(self._news.wait(), 30)

    def write(self, clip: Clip, after: int = 0) -> None:
        for sample in clip.samples:
            self.link.write(replace(sample, dts=sample.dts + after, pts=sample.pts + after))


@pytest.fixture
async def path() -> AsyncIterator[Path]:
    made = Path()
    yield made
    await made.link.close()


@pytest.fixture(scope="module")
def clip() -> Clip:
    return video_clip(steady(30, 30), gop=15, frame_rate=30)


async def started(path: Path, clip: Clip) -> None:
    path.link.start([clip.track])
    path.write(clip)
    await path.wait_samples(low=30)


async def test_a_source_becomes_two_rungs_aligned_to_the_tick(path: Path, clip: Clip) -> None:
    path.link.start([clip.track])
    path.write(clip)
    await path.wait_samples(mid=30, low=30)
    for name in ("mid", "low"):
        made = path.samples[name]
        assert [s.pts for s in made] == [s.pts for s in clip.samples]
        assert [s.pts for s in made if s.is_sync] == clip.key_pts
        track = next(t for t in path.tracks[-1] if t.name == name)
        assert len(decode(track, made)) == 30
    assert len(path.tracks) == 1
    assert path.states[0].phase is TranscodePhase.STARTING
    assert path.link.state.phase is TranscodePhase.RUNNING


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells of threads")
async def test_no_thread_of_an_av1_encoder_becomes_real_time(clip: Clip) -> None:
    """SVT-AV1 tries to, where the origin is run by root."""
    path = Path(PathConfig(ladder=(RungConfig(name="low", height=64, codec="av1"),)))
    path.link.start([clip.track])
    path.write(clip)
    await path.wait_samples(low=1)
    tasks = os.listdir(f"/proc/{path.link.statistics().worker.pid}/task")
    assert len(tasks) > 10
    assert {os.sched_getscheduler(int(task)) for task in tasks} == {os.SCHED_OTHER}
    await path.link.close()


async def test_a_hook_in_the_directory_of_the_start_is_called_in_the_worker(
    clip: Clip, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blackout.py").write_text(
        "import os\ndef draw(image, pts_s):\n"
        f"    return image * 0 if os.getpid() != {os.getpid()} else None\n"
    )
    # What is there by the name of a library of ours is not taken in its place.
    (tmp_path / "numpy.py").write_text("raise SystemExit('foreign')\n")
    monkeypatch.chdir(tmp_path)
    path = Path(PathConfig(ladder=LADDER[1:], encoder="software", frame_hook="blackout:draw"))
    try:
        await started(path, clip)
    finally:
        await path.link.close()
    frames = decode(next(t for t in path.tracks[-1] if t.name == "low"), path.samples["low"])
    assert len(frames) == 30
    assert max(frame.to_ndarray(format="gray").max() for frame in frames) < 20
    assert TranscodePhase.DEGRADED not in {state.phase for state in path.states}


async def test_what_a_hook_prints_is_in_the_log(
    clip: Clip,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hook = "def draw(image, pts_s):\n    print('score', image.shape)\n"
    (tmp_path / "chatty.py").write_text(hook)
    monkeypatch.chdir(tmp_path)
    path = Path(PathConfig(ladder=LADDER[2:], encoder="software", frame_hook="chatty:draw"))
    try:
        await started(path, clip)
    finally:
        await path.link.close()
    assert "worker says: score (" in caplog.text


async def test_a_killed_worker_is_replaced_and_goes_on_at_the_next_key_frame(
    path: Path, clip: Clip
) -> None:
    await started(path, clip)
    os.kill(path.link.statistics().worker.pid, signal.SIGKILL)
    await path.wait_phase(TranscodePhase.RESTARTING)
    assert path.link.state.reason == "signal 9"
    path.write(replace(clip, samples=clip.samples[7:]), after=MINUTE)
    await path.wait_samples(low=45)
    assert path.samples["low"][30].pts == clip.samples[15].pts + MINUTE
    assert path.samples["low"][30].is_sync
    assert path.link.state.phase is TranscodePhase.RUNNING
    statistics = path.link.statistics()
    assert statistics.worker.starts == 2
    assert statistics.withheld_samples == 8


async def test_new_tracks_make_a_new_ladder_in_the_same_worker(path: Path, clip: Clip) -> None:
    await started(path, clip)
    wide = video_clip(steady(10, 30, EPOCH + MINUTE), gop=10, frame_rate=30, size=(256, 96))
    path.link.start([wide.track])
    path.write(wide)
    await path.wait_samples(low=40)
    assert [(t.name, t.width, t.height) for t in path.tracks[-1]] == [
        ("mid", 256, 96),
        ("low", 170, 64),
    ]
    assert path.samples["low"][30].pts == EPOCH + MINUTE
    assert path.link.statistics().worker.starts == 1


async def test_what_was_too_much_of_a_former_source_is_not_said_of_the_next(
    clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcode_link, "MODULE", "tests.streaming.transcode.tired_worker")
    path = Path()
    path.link.start([clip.track])
    await path.wait_phase(TranscodePhase.DEGRADED)
    assert path.link.state.shed == ("mid",)
    path.link.start([clip.track])
    assert path.link.state.phase is TranscodePhase.STARTING
    told = len(path.tracks)
    while len(path.tracks) == told or path.link.state.phase is TranscodePhase.STARTING:
        await path.wait_news()
    assert path.link.state == TranscodeState(TranscodePhase.RUNNING)
    await path.link.close()


@pytest.mark.parametrize("others", [LADDER[::2], LADDER[:1]], ids=["beside another", "alone"])
async def test_a_rung_that_no_encoder_takes_is_named(
    clip: Clip, others: tuple[RungConfig, ...]
) -> None:
    wrong = RungConfig(name="mid", height=96, preset="quickly")
    path = Path(PathConfig(ladder=(*others, wrong), encoder="software"))
    path.link.start([clip.track])
    path.write(clip)
    await path.wait_phase(TranscodePhase.DEGRADED)
    assert path.link.state.failed == ("mid",)
    why = 'libx264 with preset "quickly": Invalid argument'
    assert path.link.state.reason == f"mid cannot be encoded ({why})"
    path.link.start([clip.track])
    assert path.link.state == TranscodeState(TranscodePhase.STARTING), "it is tried anew"
    await path.link.close()


async def test_a_source_that_needs_nothing_starts_no_process() -> None:
    copying = Path(PathConfig(ladder="copy"))
    track = video_clip(steady(1, 30)).track
    copying.link.start([track])
    assert copying.link.statistics().worker.starts == 0
    assert copying.link.state.phase is TranscodePhase.IDLE
    await copying.link.close()


async def test_opus_alone_is_encoded_to_aac() -> None:
    path = Path()
    clip = opus_clip(1.0)
    path.link.start([clip.track])
    path.write(clip)
    await path.wait_samples(audio=40)
    assert [t.name for t in path.tracks[-1]] == ["audio"]
    await path.link.close()


async def test_a_worker_that_does_not_read_is_sent_no_more_until_a_key_frame(
    path: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streaming.transcode.transcode_link.MOST_BUFFERED_BYTES", 2_000_000)
    await started(path, clip)
    pid = path.link.statistics().worker.pid
    os.kill(pid, signal.SIGSTOP)
    large = replace(clip.samples[1], data=bytes(1_000_000))
    for _ in range(20):
        path.link.write(large)
    assert path.link.statistics().withheld_samples >= 15
    os.kill(pid, signal.SIGCONT)
    withheld = path.link.statistics().withheld_samples
    path.link.write(clip.samples[2])
    assert path.link.statistics().withheld_samples == withheld + 1


async def test_a_plan_made_by_the_caller_is_followed(path: Path, clip: Clip) -> None:
    plan = plan_ladder(replace_ladder(LADDER[2]), clip.track, None, None, 8.0)
    path.link.start([clip.track], plan)
    path.write(clip)
    await path.wait_samples(low=30)
    assert list(path.samples) == ["low"]


def replace_ladder(*rungs: RungConfig) -> PathConfig:
    return PathConfig(ladder=rungs, encoder="software")


async def test_closing_ends_the_process_and_says_so(path: Path, clip: Clip) -> None:
    await started(path, clip)
    pid = path.link.statistics().worker.pid
    await path.link.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert path.states[-1].phase is TranscodePhase.CLOSED
