"""Low-latency playlists (RFC 8216bis), one rule a test; standards.md A1 by number.

The stage checks all of them after every event of every test that uses it; here each stands alone,
with what would break it.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from segmenter.fmp4.reader import read_fragments
from segmenter.hls import media_playlist
from segmenter.hls.directives import Answer, Wait, decide, recheck
from segmenter.hls.live_playlists import LivePlaylists
from segmenter.hls.rendered_playlist import Skip
from segmenter.presentation import PresentationSettings
from segmenter.segment import PartReady, SegmentReady
from tests.conftest import Golden
from tests.segmenter.hls.low_latency_watch import merge_delta, parse, plain_text
from tests.segmenter.low_latency_stage import LowLatencyStage
from tests.segmenter.stage import (
    AUDIO,
    SMALL,
    SOURCE,
    START,
    Stage,
    audio,
    interleaved,
    renamed,
    video,
)

NAMES = ("source", "360p", "audio")


def staged(seconds: float = 60, **cutting: float) -> LowLatencyStage:
    stage = LowLatencyStage(SOURCE, SMALL, AUDIO, settings=PresentationSettings(**cutting))
    stage.push(video(seconds=seconds), video(SMALL, seconds=seconds), audio(seconds=seconds))
    return stage


@functools.cache
def half_a_minute() -> LowLatencyStage:
    """For those that only look."""
    return staged(29)


def returned(after: float = 8, went: float = 27) -> LowLatencyStage:
    """A publisher that went after 27 s, in the middle of a segment, and was back 4.3 s later."""
    stage = staged(went)
    stage.pause()
    stage.wait(4)
    rungs = [video(t, at=went + 4.3, seconds=after, breaks=True) for t in (SOURCE, SMALL)]
    stage.push(*rungs, audio(at=went + 4.3, seconds=after, breaks=True))
    return stage


def full(stage: LowLatencyStage, name: str = "source") -> str:
    return stage.rendered[name].full.decode()


def test_a_playlist_its_delta_and_that_of_audio_are_the_golden_ones(golden: Golden) -> None:
    stage = staged(20.5)
    golden("hls_low_latency_source.m3u8", full(stage))
    golden("hls_low_latency_source_delta.m3u8", stage.rendered["source"].delta)
    golden("hls_low_latency_audio.m3u8", full(stage, "audio"))


def test_a_playlist_begins_with_the_first_part_if_the_target_duration_is_settled() -> None:
    stage = LowLatencyStage(SOURCE, AUDIO, settings=PresentationSettings(target_duration=2))
    stage.push(video(seconds=0.3), audio(seconds=0.3))
    playlist = stage.low_latency["source"]
    assert playlist.segments == ()
    assert playlist.opened is not None
    assert [part.uri for part in playlist.opened.parts] == [f"{playlist.media_sequence}.0.m4s"]
    assert stage.rendered["source"].state.last_msn == playlist.media_sequence - 1


def test_without_parts_playlists_are_plain() -> None:
    stage = Stage(SOURCE, settings=PresentationSettings(part_duration_s=0))
    stage.push(video())
    live = LivePlaylists(stage.presentation, low_latency=True).render(["source"])["source"]
    assert plain_text(live.full) == live.full.decode()
    assert live.delta is live.full
    assert not live.state.can_block
    assert live.state.hint == ""


def test_h7_the_end_is_said_and_nothing_is_hinted_or_skipped_any_more() -> None:
    stage = staged(25)
    assert stage.rendered["source"].delta != stage.rendered["source"].full
    stage.end()
    for name in NAMES:
        versions = stage.rendered[name]
        assert versions.full.endswith(b"#EXT-X-ENDLIST\n")
        assert b"PRELOAD-HINT" not in versions.full
        assert versions.delta is versions.delta_v2 is versions.full
        assert versions.state.is_ended


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


def test_h11_hold_backs_are_three_targets() -> None:
    playlist = staged(4).low_latency["source"]
    assert playlist.control["HOLD-BACK"] == "6.0"
    assert playlist.control["PART-HOLD-BACK"] == "0.648"
    assert playlist.part_target == Decimal("0.216")


def test_h13_durations_of_parts_add_up_to_that_of_their_segment() -> None:
    for name in NAMES:
        for segment in staged(20).low_latency[name].segments[-2:]:
            together = sum(part.duration for part in segment.parts)
            assert together == pytest.approx(segment.duration, abs=Decimal("0.00001"))


def test_h14_what_applies_to_a_segment_stands_before_its_first_part_from_the_beginning() -> None:
    stage = returned(after=0.3)
    lines = full(stage).split("\n")
    first = next(i for i, line in enumerate(lines) if "31.200" in line or "31.300" in line)
    assert lines[first - 1] == "#EXT-X-DISCONTINUITY"
    assert lines[first].startswith("#EXT-X-PROGRAM-DATE-TIME")
    assert lines[first + 1].startswith("#EXT-X-PART:")
    assert lines[first + 2].startswith("#EXT-X-PRELOAD-HINT")


def test_h14_an_init_section_that_changed_stands_before_the_first_part() -> None:
    stage = LowLatencyStage(SOURCE)
    stage.push(video(seconds=6))
    smaller = renamed(SMALL, "source")
    stage.start(smaller)
    stage.push(video(smaller, at=6, seconds=0.3, breaks=True))
    end = full(stage).split("\n")[-6:-2]
    assert [line.partition(":")[0] for line in end] == [
        "#EXT-X-DISCONTINUITY",
        "#EXT-X-MAP",
        "#EXT-X-PROGRAM-DATE-TIME",
        "#EXT-X-PART",
    ]


def test_h15_parts_are_listed_up_to_three_target_durations_from_the_end() -> None:
    playlist = half_a_minute().low_latency["source"]
    assert [len(segment.parts) for segment in playlist.segments[-4:]] == [0, 0, 10, 10]
    assert playlist.opened is not None
    assert len(playlist.opened.parts) == 5


def test_h17_parts_with_key_frames_say_so() -> None:
    stage = LowLatencyStage(SOURCE)
    stage.push(video(seconds=5, gop=30))
    (segment, *_) = stage.low_latency["source"].segments
    assert [p.is_independent for p in segment.parts] == [n % 5 == 0 for n in range(10)]


def test_h19_every_hinted_part_comes_or_is_taken_back_only_at_a_segments_end() -> None:
    stage = staged(30)
    for name in NAMES:
        versions = stage.history[name]
        broken = []
        for before, after in itertools.pairwise(versions):
            playlist = parse(after.full)
            listed = [p.uri for s in playlist.segments for p in s.parts]
            listed += [p.uri for p in playlist.opened.parts] if playlist.opened else []
            hinted = before.state.hint
            if hinted not in listed and hinted != after.state.hint:
                broken.append(hinted)
        # Before a rhythm is known the first segment's end comes as a surprise.
        assert len(broken) <= 1


def test_h19_at_the_expected_end_of_a_segment_the_next_ones_first_part_is_hinted() -> None:
    stage = LowLatencyStage(SOURCE)
    stage.push(video(seconds=10))
    state = stage.rendered["source"].state
    assert state.open_parts == 10
    assert state.hint == f"{state.last_msn + 2}.0.m4s"
    stage.push(video(at=10, seconds=0.2))
    assert stage.rendered["source"].state.open_parts == 1
    assert stage.rendered["source"].state.last_msn == state.last_msn + 1


def test_h19_a_segment_that_lasts_longer_than_expected_is_hinted_on() -> None:
    stage = LowLatencyStage(SOURCE)
    stage.push(video(seconds=10), [*video(at=10, seconds=1, gop=100)][1:])
    state = stage.rendered["source"].state
    assert state.hint == f"{state.last_msn + 1}.{state.open_parts}.m4s"


def test_h20_every_other_rendition_is_reported_as_it_is_now() -> None:
    stage = staged(9.3)
    stage.push(video(at=9.3, seconds=0.3))
    reports = stage.low_latency["source"].reports
    assert list(reports) == ["../360p/index.m3u8", "../audio/index.m3u8"]
    state = stage.rendered["audio"].state
    at = f",LAST-MSN={state.last_msn + 1},LAST-PART={state.open_parts - 1}"
    assert reports["../audio/index.m3u8"] == at


def test_h20_a_rendition_behind_a_gap_reports_its_last_part() -> None:
    stage = LowLatencyStage(SOURCE, SMALL)
    stage.push(video(seconds=12), video(SMALL, seconds=7))
    last = [s for s in stage.segments["360p"] if not s.is_gap][-1]
    report = f",LAST-MSN={last.msn},LAST-PART={len(last.parts) - 1}"
    assert stage.gaps("360p")
    assert stage.low_latency["source"].reports["../360p/index.m3u8"] == report


def test_h21_part_targets_stay_when_the_publisher_is_back_with_another_frame_rate() -> None:
    stage = LowLatencyStage(SOURCE, AUDIO)
    stage.push(video(seconds=7), audio(seconds=7))
    stage.pause()
    film = dataclasses.replace(SOURCE, frame_rate=Fraction(24))
    other = dataclasses.replace(
        AUDIO, timescale=44_100, sample_rate=44_100, codec_config=bytes.fromhex("1210")
    )
    stage.start(film, other)
    stage.push(video(film, at=11, breaks=True, fps=24, gop=48), audio(other, at=11, breaks=True))
    targets = {
        parse(versions.full).part_target
        for name in ("source", "audio")
        for versions in stage.history[name]
    }
    assert targets == {Decimal("0.216")}


def test_h26_server_control_is_the_same_in_all_renditions_and_never_changes() -> None:
    stage = returned()
    lines = {
        parse(versions.full).head["#EXT-X-SERVER-CONTROL"]
        for versions in stage.history["source"] + stage.history["audio"]
    }
    assert len(lines) == 1


def test_h26_hold_back_suits_the_longest_part_target_of_the_renditions() -> None:
    slow = dataclasses.replace(SOURCE, frame_rate=Fraction(3))
    stage = LowLatencyStage(slow, AUDIO)
    stage.push(video(slow, fps=3, gop=6), audio())
    playlists = stage.low_latency
    assert playlists["source"].part_target == Decimal("0.338")
    assert playlists["audio"].part_target == Decimal("0.216")
    assert playlists["audio"].control["PART-HOLD-BACK"] == "1.014"


def test_h27_parts_need_version_6_and_deltas_version_9() -> None:
    versions = half_a_minute().rendered["source"]
    assert b"#EXT-X-VERSION:6\n" in versions.full
    assert b"#EXT-X-VERSION:9\n" in versions.delta


def test_everybody_gets_the_same_bytes() -> None:
    versions = half_a_minute().rendered["source"]
    assert versions.version(Skip.NO) is versions.full
    assert versions.version(Skip.YES) is versions.delta
    assert versions.version(Skip.V2) is versions.delta_v2


def test_each_part_and_each_segment_is_one_change_of_one_playlist() -> None:
    stage = staged(10)
    for name in NAMES:
        batches = sum(
            isinstance(e, PartReady | SegmentReady) and e.rendition == name for e in stage.events
        )
        assert 0 < len(stage.history[name]) <= batches


def test_each_part_and_each_segment_is_put_into_words_once(monkeypatch: pytest.MonkeyPatch) -> None:
    worded: list[str] = []

    def word(line: Callable[[Any], str]) -> Callable[[Any], str]:
        def counting(what: Any) -> str:
            worded.append(what.name)
            return line(what)

        return counting

    for name in ("part_line", "closing_lines"):
        monkeypatch.setattr(media_playlist, name, word(getattr(media_playlist, name)))
    stage = Stage(SOURCE)
    live = LivePlaylists(stage.presentation, low_latency=True)
    for tenth in range(400):
        stage.push(video(at=tenth / 10, seconds=0.1, gop=1000 if tenth % 20 else 1))
        live.render(["source"])
    assert len(worded) > 200
    assert len(set(worded)) == len(worded)


def test_playlists_after_the_end_begin_anew() -> None:
    stage = staged(8)
    stage.end()
    stage.new_life()
    stage.start(SOURCE, AUDIO)
    stage.push(video(at=20, seconds=9), audio(at=20, seconds=9))
    assert list(stage.low_latency) == ["audio", "source"]
    assert not stage.low_latency["source"].is_ended
    assert list(stage.low_latency["source"].reports) == ["../audio/index.m3u8"]


@pytest.mark.parametrize("settled", [True, False], ids=["lengths told", "lengths unknown"])
@pytest.mark.parametrize("fps", [24, 25, 30, 60])
def test_h16_parts_and_segments_come_in_time(fps: int, settled: bool) -> None:
    stage = LowLatencyStage(dataclasses.replace(SOURCE, frame_rate=Fraction(fps)), AUDIO)
    frames = video(seconds=20, fps=fps, gop=2 * fps)
    if not settled:
        frames = [dataclasses.replace(f, duration=0) for f in frames]
    came: dict[tuple[type, str], list[float]] = {}
    for sample in interleaved(frames, audio(seconds=20)):
        for event in stage.push([sample]):
            if isinstance(event, PartReady | SegmentReady):
                came.setdefault((type(event), event.rendition), []).append(stage.now)
    for name in ("source", "audio"):
        playlist = stage.low_latency[name]
        for kind, limit_s in (
            (PartReady, float(playlist.part_target)),
            (SegmentReady, 1.5 * playlist.target_duration),
        ):
            waits_s = [after - before for before, after in itertools.pairwise(came[kind, name])]
            # Where a segment ends is known with the next frame of the video.
            assert max(waits_s) <= limit_s + 1 / fps, (kind, name)


def test_h16_a_segment_that_lost_a_part_is_a_gap_that_still_lists_the_parts_it_had() -> None:
    stage = Stage(SOURCE)
    live = LivePlaylists(stage.presentation, low_latency=True)
    frames = video(seconds=11)
    stage.push(frames[:250])
    live.render(["source"])
    events = stage.push(frames[250:255])
    (lost,) = [event.part for event in events if isinstance(event, PartReady)]
    stage.presentation.lose("source", lost)
    before = live.render(["source"])["source"]
    opened = parse(before.full).opened
    assert opened is not None
    assert [part.is_gap for part in opened.parts] == [False] * lost.index + [True]
    assert before.state.hint == f"{lost.msn + 1}.0.m4s", "no part of it will come"
    stage.push(frames[255:])
    after = live.render(["source"])["source"]
    segment = parse(after.full).segments[-1]
    assert segment.is_gap
    assert segment.parts[: len(opened.parts)] == opened.parts
    assert all(part.is_gap for part in segment.parts[lost.index :])
    assert sum(part.duration for part in segment.parts) == 2
    assert after.state.last_parts == len(segment.parts) == 10


def test_h16_waiters_for_a_part_that_was_lost_are_answered_when_it_would_have_come() -> None:
    stage = Stage(SOURCE)
    live = LivePlaylists(stage.presentation, low_latency=True)
    frames = video(seconds=11)
    stage.push(frames[:250])
    state = live.render(["source"])["source"].state
    waiting = decide(f"_HLS_msn={state.last_msn + 1}&_HLS_part={state.open_parts}", state)
    assert isinstance(waiting, Wait)
    (lost,) = [e.part for e in stage.push(frames[250:255]) if isinstance(e, PartReady)]
    stage.presentation.lose("source", lost)
    state = live.render(["source"])["source"].state
    assert recheck(waiting.until, state, Skip.NO) == Answer(Skip.NO)


def held(seconds: float, *, settled: bool) -> LowLatencyStage:
    """A publisher that captured nothing for three seconds from then on, with its frames' lengths
    known or not."""
    stage = LowLatencyStage(SOURCE, AUDIO, apart_s=None)
    frames = video(seconds=20)
    paused = [f for f in frames if not seconds <= f.dts / 90_000 - START < seconds + 3]
    if not settled:
        paused = [dataclasses.replace(f, duration=0) for f in paused]
    stage.push(paused, audio(seconds=20))
    return stage


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("seconds", [8.3, 8.9, 9.4])
def test_h16_what_a_publisher_did_not_capture_is_told_as_parts_that_are_not_there(
    seconds: float, settled: bool
) -> None:
    stage = held(seconds, settled=settled)
    watch = stage.low_latency_watches["source"]
    segments = {s.msn: s for s in stage.segments["source"]}
    short = next(s for s in segments.values() if any(part.is_gap for part in s.parts))
    media = [part for part in short.parts if not part.is_gap]
    assert short.starts_discontinuity is False
    assert [part.is_gap for part in short.parts] == sorted(part.is_gap for part in short.parts)
    assert sum(part.duration for part in short.parts) == short.duration
    assert sum(part.size_bytes for part in media) == short.size_bytes > 0
    gaps = stage.gaps("source")
    assert gaps == [short.msn + 1 + index for index in range(len(gaps))]
    assert watch.odd_parts == [], "H12"
    assert any(b"GAP=YES" in versions.full for versions in stage.history["source"])


def test_h16_a_frame_that_stands_over_what_is_missing_leaves_no_hole_in_the_media() -> None:
    stage = held(8.3, settled=False)
    short = next(s for s in stage.segments["source"] if any(part.is_gap for part in s.parts))
    *_, last = read_fragments(stage.data["source", short.name], SOURCE)
    assert last.dts + last.duration == short.end


def test_h16_an_encoder_that_was_lost_leaves_parts_that_are_not_there_and_then_gaps() -> None:
    stage = LowLatencyStage(SOURCE, SMALL)
    stage.push(video(seconds=14), video(SMALL, seconds=7))
    last = [s for s in stage.segments["360p"] if not s.is_gap][-1]
    assert [part.is_gap for part in last.parts] == [False] * 5 + [True] * 5
    assert stage.gaps("360p")
    assert stage.low_latency_watches["360p"].odd_parts == [], "H12"
