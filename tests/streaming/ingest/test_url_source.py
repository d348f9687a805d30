"""Files and streams through the outlet, on a clock of the test's own."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from segmenter.media import Sample, Track
from streaming.errors import RemoteError
from streaming.ingest.outlet import LATE_S, STUCK_S, Outlet
from streaming.ingest.pull_messages import PullNews, PullTracks
from streaming.ingest.url_source import read_url
from streaming.transcode.messages import SampleMessage
from tests.streaming.ingest.test_demux import CLIPS, make_clip


class EnoughError(Exception):
    """The test has seen what it wanted."""


class FakeOrigin:
    """Receives the news of an outlet; sleeping only moves its clock."""

    def __init__(self, stop_after: int = 100_000) -> None:
        self.now = 1_000.0
        self.tracks: list[list[Track]] = []
        self.samples: list[tuple[float, Sample]] = []
        self._stop_after = stop_after
        self.outlet = Outlet(self.send, clock=lambda: self.now, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def send(self, news: PullNews) -> None:
        if isinstance(news, PullTracks):
            self.tracks.append([t.to_track() for t in news.tracks])
        elif isinstance(news, SampleMessage):
            self.samples.append((self.now, news.to_sample()))
            if len(self.samples) >= self._stop_after:
                raise EnoughError


def test_a_file_is_sent_in_real_time() -> None:
    origin = FakeOrigin()
    read_url(str(CLIPS / "two-second-gop.mp4"), origin.outlet, loop=False)
    began, first = origin.samples[0]
    for at, sample in origin.samples:
        assert at - began == pytest.approx((sample.dts - first.dts) / 90_000, abs=0.001)
    assert origin.now - began == pytest.approx(6.0, abs=0.1)


def test_a_looped_file_goes_on_with_rising_timestamps_and_the_same_tracks() -> None:
    origin = FakeOrigin(stop_after=1_200)
    with pytest.raises(EnoughError):
        read_url(str(CLIPS / "two-second-gop.mp4"), origin.outlet, loop=True)
    assert len(origin.tracks) == 1
    for name, step in (("source", {3_000}), ("audio", {1_920})):
        stamps = [s.dts for _, s in origin.samples if s.track == name]
        steps = [b - a for a, b in itertools.pairwise(stamps)]
        usual = [s for s in steps if s in step]
        assert len(steps) - len(usual) <= (0 if name == "source" else 2)
        assert min(steps) > 900


def test_key_frames_stay_on_the_grid_of_the_file_over_the_seam() -> None:
    origin = FakeOrigin(stop_after=1_200)
    with pytest.raises(EnoughError):
        read_url(str(CLIPS / "two-second-gop.flv"), origin.outlet, loop=True)
    keys = [s.pts for _, s in origin.samples if s.track == "source" and s.is_sync]
    assert {round((b - a) / 90_000, 1) for a, b in itertools.pairwise(keys)} == {2.0}


def test_a_file_of_another_size_in_the_middle_announces_it_in_order() -> None:
    origin = FakeOrigin()
    read_url(str(CLIPS / "size-change.flv"), origin.outlet, loop=False)
    assert [tracks[0].width for tracks in origin.tracks] == [320, 480]


def test_an_encoded_source_loops_too(tmp_path: Path) -> None:
    origin = FakeOrigin(stop_after=400)
    with pytest.raises(EnoughError):
        read_url(
            str(make_clip(tmp_path / "c.mkv", "libvpx", "libmp3lame", 1)), origin.outlet, loop=True
        )
    assert len(origin.tracks) == 1
    stamps = [s.dts for _, s in origin.samples if s.track == "source"]
    assert all(a < b for a, b in itertools.pairwise(stamps))


def test_a_source_that_fell_behind_begins_anew() -> None:
    origin = FakeOrigin()

    def slow_send(news: PullNews) -> None:
        origin.send(news)
        origin.now += 0.1

    outlet = Outlet(slow_send, clock=lambda: origin.now, sleep=origin.sleep)
    with pytest.raises(RemoteError, match="behind real time"):
        read_url(str(CLIPS / "two-second-gop.mp4"), outlet, loop=True)
    assert origin.now - 1_000.0 >= LATE_S


def test_an_outlet_without_progress_stops_giving_signs_of_life() -> None:
    origin = FakeOrigin()
    assert origin.outlet.report() is not None
    origin.now += STUCK_S + 1
    assert origin.outlet.report() is None
    origin.outlet.note_alive()
    assert origin.outlet.report() is not None


def test_a_paced_source_that_waits_is_alive() -> None:
    origin = FakeOrigin()
    origin.outlet.wait_until(origin.now + 10 * STUCK_S)
    assert origin.outlet.report() is not None
