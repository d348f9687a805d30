"""Delta updates of low-latency playlists (RFC 8216bis 6.2.5.1)."""

from __future__ import annotations

from segmenter.hls.rendered_playlist import Skip
from tests.segmenter.hls.low_latency_stories import half_a_minute, returned, staged
from tests.segmenter.hls.low_latency_text import merge_delta, parse
from tests.segmenter.low_latency_stage import LowLatencyStage
from tests.segmenter.stage import (
    AUDIO,
    SMALL,
    SOURCE,
    audio,
    renamed,
    video,
)


def test_h9_the_skip_boundary_is_six_target_durations() -> None:
    assert staged(4).low_latency["source"].control["CAN-SKIP-UNTIL"] == "12.0"


def test_h9_a_delta_replaces_only_segments_beyond_the_boundary() -> None:
    stage = half_a_minute()
    delta = parse(stage.rendered["source"].delta)
    assert stage.low_latency["source"].last_msn == delta.last_msn
    assert sum(segment.duration for segment in delta.segments) == 12
    assert delta.skip == "SKIPPED-SEGMENTS=8"
    assert delta.version == 9


def test_h9_a_delta_for_v2_tells_of_date_ranges_that_there_are_none_of() -> None:
    delta = parse(half_a_minute().rendered["source"].version(Skip.V2))
    assert delta.skip == 'SKIPPED-SEGMENTS=8,RECENTLY-REMOVED-DATERANGES=""'
    assert delta.version == 9


def test_h9_with_nothing_beyond_the_boundary_the_delta_is_the_whole_playlist() -> None:
    versions = staged(11).rendered["source"]
    assert versions.delta is versions.full


def test_h10_a_delta_across_a_discontinuity_is_right() -> None:
    stage = returned(after=20)
    watch = stage.low_latency_watches["source"]
    deltas = [parse(versions.delta) for versions in stage.history["source"]]
    assert watch.merged > 80
    kept = ["#EXT-X-DISCONTINUITY" in str(delta.segments) for delta in deltas if delta.skip]
    assert True in kept
    assert kept[-1] is False
    last = stage.history["source"][-1]
    sequence = "#EXT-X-DISCONTINUITY-SEQUENCE"
    assert parse(last.delta).head[sequence] == parse(last.full).head[sequence]


def test_h10_a_delta_of_a_stream_that_changed_its_format_is_right() -> None:
    stage = LowLatencyStage(SOURCE, AUDIO)
    stage.push(video(seconds=20), audio(seconds=20))
    smaller = renamed(SMALL, "source")
    stage.start(smaller, AUDIO)
    stage.push(
        video(smaller, at=20, seconds=20, breaks=True), audio(at=20, seconds=20, breaks=True)
    )
    versions = stage.history["source"]
    assert stage.low_latency_watches["source"].merged > 100
    assert any(b"EXT-X-MAP" in version.delta for version in versions if b"SKIP" in version.delta)


def test_h9_a_delta_says_once_which_init_section_applies_after_what_it_skips() -> None:
    deltas = [v.delta.decode().splitlines() for v in half_a_minute().history["source"]]
    skipping = [lines for lines in deltas if any("EXT-X-SKIP" in line for line in lines)]
    assert skipping
    for lines in skipping:
        (at,) = (i for i, line in enumerate(lines) if line.startswith("#EXT-X-MAP"))
        assert lines[at - 1].startswith("#EXT-X-SKIP")


def test_h10_a_player_that_lacks_what_was_skipped_notices() -> None:
    early, late = (staged(seconds).rendered["source"] for seconds in (4, 40))
    assert merge_delta(parse(early.full), parse(late.delta)) is None
