"""`inspect --latency`: each stage is as late as the origin made it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from segmenter.fmp4.init_section import write_init_section
from segmenter.fmp4.reader import read_init_tracks
from streaming.cli import app
from streaming.inspect.chunk_clock import ChunkClock
from streaming.inspect.fetch import StreamFetcher
from streaming.inspect.follower import POLL_S
from streaming.inspect.latency import LatencyMeter, LatencyReport
from streaming.inspect.report import UnreadableError
from streaming.inspect.target import follow_url

from .fake_low_latency import BASE, FIRST_MSN, PART_S, PARTS, LowLatencyOrigin
from .fake_origin import FakeOrigin


class SteadyOrigin(FakeOrigin):
    """The origin of the other tests, its media also as a stream."""

    def stream(self, url: str) -> Iterator[bytes]:
        yield self.get(url).body


def follow(origin: LowLatencyOrigin | SteadyOrigin, name: str, seconds: float) -> LatencyReport:
    fetcher: StreamFetcher = origin
    return follow_url(BASE + name, seconds, fetcher=fetcher, clock=origin.clock, wait=origin.wait)


def test_a_blocking_reload_shows_each_part_as_late_as_the_origin_made_it() -> None:
    origin = LowLatencyOrigin(delay_s=0.05)
    report = follow(origin, "index.m3u8", 4.0)
    assert (report.kind, report.exit_status, report.troubles) == ("LL-HLS", 0, [])
    for stage in ("listed", "received"):
        assert report.stages[stage].p50_s == pytest.approx(0.05, abs=1e-3)
        assert report.stages[stage].max_s == pytest.approx(0.05, abs=1e-3)
    assert report.stages["captured"].p50_s == pytest.approx(PART_S + 0.05, abs=1e-3)
    assert report.stages["blocked"].max_s == pytest.approx(PART_S, abs=1e-3)
    assert report.stages["received"].count == pytest.approx(4.0 / PART_S, abs=1)


def test_each_part_is_asked_for_by_its_own_number() -> None:
    origin = LowLatencyOrigin()
    follow(origin, "index.m3u8", 1.0)
    asked = [url.partition("?")[2] for url in origin.asked if "_HLS_msn" in url]
    assert len(asked) == len(set(asked))
    assert all("_HLS_part=" in query for query in asked)


def test_without_blocking_a_playlist_is_polled_and_media_are_a_poll_late_at_most() -> None:
    report = follow(SteadyOrigin(), "index.m3u8", 8.0)
    assert (report.kind, report.exit_status) == ("HLS", 0)
    assert 0 <= report.stages["listed"].p50_s <= report.stages["listed"].max_s
    # The pushed encode has a B-frame: a segment is known complete a frame or two after its end.
    assert report.stages["listed"].max_s < POLL_S + 0.2
    assert "blocked" not in report.stages


def test_each_chunk_of_a_growing_segment_counts() -> None:
    origin = LowLatencyOrigin(delay_s=0.08)
    report = follow(origin, "manifest.mpd", 5.0)
    assert (report.kind, report.rendition, report.exit_status) == ("LL-DASH", "360p", 0)
    assert report.stages["received"].p50_s == pytest.approx(0.08, abs=1e-3)
    assert report.stages["captured"].p50_s == pytest.approx(PART_S + 0.08, abs=1e-3)
    assert report.stages["received"].count >= 4 * PARTS


def test_a_whole_dash_segment_is_as_late_as_its_end() -> None:
    report = follow(SteadyOrigin(), "manifest.mpd", 8.0)
    assert (report.kind, report.exit_status) == ("DASH", 0)
    assert 0 <= report.stages["received"].max_s < POLL_S + 0.2


def test_what_goes_wrong_on_the_way_is_said_and_makes_the_status_1() -> None:
    class Failing(LowLatencyOrigin):
        def get(self, url: str, byte_range: str = "") -> object:  # type: ignore[override]
            self.status = 503 if len(self.asked) in (4, 5) else 200
            return super().get(url, byte_range)

    report = follow(Failing(), "index.m3u8", 4.0)
    assert report.exit_status == 1
    assert any("HTTP status 503" in text for text in report.troubles)
    assert report.stages["received"].count > 5


@pytest.mark.parametrize("name", ["index.m3u8", "manifest.mpd"])
def test_a_stream_that_stands_is_told(name: str) -> None:
    origin = LowLatencyOrigin()
    origin.stands_from = origin.now_utc + 2.0
    report = follow(origin, name, 20.0)
    assert report.exit_status == 1
    assert report.troubles


def test_a_playlist_without_dates_cannot_be_measured_and_says_why() -> None:
    origin = LowLatencyOrigin()
    origin.has_dates = False
    report = follow(origin, "index.m3u8", 2.0)
    assert report.exit_status == 1
    assert "PROGRAM-DATE-TIME" in report.troubles[0]


@pytest.mark.parametrize("name", ["index.m3u8", "manifest.mpd"])
def test_what_has_ended_is_not_late(name: str) -> None:
    origin = LowLatencyOrigin()
    origin.ended = True
    with pytest.raises(UnreadableError, match="nothing is late"):
        follow(origin, name, 2.0)


@pytest.mark.parametrize("step", [1, 7, 100, 10_000])
def test_chunks_are_found_however_the_network_cuts_them(step: int) -> None:
    origin = LowLatencyOrigin()
    data = b"".join(origin.stream(f"{BASE}{FIRST_MSN}.m4s"))
    clock = ChunkClock(read_init_tracks(write_init_section(origin.track))[0])
    chunks = [c for i in range(0, len(data), step) for c in clock.push(data[i : i + step])]
    ticks = round(PART_S * origin.track.timescale)
    start = FIRST_MSN * origin.track.timescale
    assert [chunk.end for chunk in chunks] == [start + ticks * (n + 1) for n in range(PARTS)]
    assert [chunk.captured_utc for chunk in chunks] == pytest.approx(
        [FIRST_MSN + PART_S * n for n in range(PARTS)]
    )


def test_garbage_is_no_chunk() -> None:
    clock = ChunkClock(read_init_tracks(write_init_section(LowLatencyOrigin().track))[0])
    assert clock.push(b"\0\0\0\x10mdat" + bytes(8) + bytes(100)) == []


def test_a_stage_must_be_a_known_one() -> None:
    with pytest.raises(KeyError):
        LatencyMeter().add("vibes", 1.0)


@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_nothing_to_follow_gives_status_2(extra: list[str]) -> None:
    result = CliRunner().invoke(app, ["inspect", "-l", *extra, "http://127.0.0.1:1/index.m3u8"])
    assert result.exit_code == 2


def test_the_command_shows_stages_to_people_and_to_programs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def measured(url: str, seconds: float) -> LatencyReport:
        return follow(LowLatencyOrigin(delay_s=0.05), "index.m3u8", seconds)

    monkeypatch.setattr("streaming.inspect.target.follow_url", measured)
    shown = CliRunner().invoke(app, ["inspect", "--latency", "--watch", "2", BASE])
    assert shown.exit_code == 0
    assert "LL-HLS" in shown.output
    told = json.loads(CliRunner().invoke(app, ["inspect", "-l", "--json", BASE]).output)
    assert told["ok"]
    assert told["seconds"] == 10.0
    assert told["stages"]["received"]["p50_s"] == pytest.approx(0.05, abs=1e-3)
