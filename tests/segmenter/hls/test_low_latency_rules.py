"""Low-latency playlists (RFC 8216bis), one rule a test; standards.md A1 by number.

The stage checks all of them after every event of every test that uses it; here each stands alone,
with what would break it.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from segmenter.hls import media_playlist
from segmenter.hls.live_playlists import LivePlaylists
from segmenter.hls.rendered_playlist import Skip
from segmenter.presentation import PresentationSettings
from segmenter.segment import PartReady, SegmentReady
from tests.conftest import Golden
from tests.segmenter.hls.low_latency_stories import NAMES, full, half_a_minute, returned, staged
from tests.segmenter.hls.low_latency_text import parse, plain_text
from tests.segmenter.low_latency_stage import LowLatencyStage
from tests.segmenter.stage import (
    AUDIO,
    SMALL,
    SOURCE,
    Stage,
    audio,
    renamed,
    video,
)


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
