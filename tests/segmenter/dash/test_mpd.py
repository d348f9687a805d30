"""The MPD in every state that a presentation can be in; standards.md A2 by number."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import chain

import pytest
from lxml import etree

from segmenter.errors import UsageError
from segmenter.presentation import PresentationSettings
from tests.conftest import Golden
from tests.segmenter.dash.judges import broken_rules, validate
from tests.segmenter.dash.watch import NAMESPACE, parse, seconds
from tests.segmenter.made_anew import render_mpd
from tests.segmenter.stage import (
    AUDIO,
    OPUS,
    SMALL,
    SOURCE,
    START,
    Stage,
    audio,
    renamed,
    video,
)
from tests.segmenter.watched_stage import WatchedStage


def mpd(stage: Stage) -> str:
    return render_mpd(stage.presentation, stage.now, "/time")


def test_a_live_manifest_is_the_golden_one_and_valid(golden: Golden) -> None:
    stage = Stage(SOURCE, SMALL, AUDIO)
    stage.push(video(), video(SMALL), audio())
    golden("dash_live.mpd", mpd(stage))
    validate(mpd(stage))


def returned() -> WatchedStage:
    """A publisher that went after 7 s and was back at 11.3 s."""
    stage = WatchedStage(SOURCE, SMALL, AUDIO)
    stage.push(video(seconds=7), video(SMALL, seconds=7), audio(seconds=7))
    stage.pause()
    stage.wait(4)
    rungs = [video(track, at=11.3, breaks=True) for track in (SOURCE, SMALL)]
    stage.push(*rungs, audio(at=11.3, breaks=True))
    return stage


def several_formats() -> WatchedStage:
    stage = WatchedStage(SOURCE, AUDIO)
    stage.push(video(seconds=6), audio(seconds=6))
    smaller = renamed(SMALL, "source")
    other = dataclasses.replace(
        AUDIO, timescale=44_100, sample_rate=44_100, codec_config=bytes.fromhex("1210")
    )
    stage.start(smaller, other)
    stage.push(video(smaller, at=6, breaks=True), audio(other, at=6, breaks=True))
    return stage


def gapped() -> WatchedStage:
    stage = WatchedStage(SOURCE, SMALL)
    stage.push(video(seconds=20), video(SMALL, seconds=7), video(SMALL, at=14, seconds=6))
    return stage


def video_alone() -> WatchedStage:
    stage = WatchedStage(SOURCE)
    stage.push(video())
    return stage


def audio_alone() -> WatchedStage:
    stage = WatchedStage(dataclasses.replace(AUDIO, language="de"), OPUS)
    stage.push(audio(), audio(OPUS))
    return stage


def ended() -> WatchedStage:
    stage = returned()
    stage.end()
    return stage


def long_gop() -> WatchedStage:
    stage = WatchedStage(SOURCE, AUDIO)
    stage.push(video(seconds=6), video(at=6, seconds=14, gop=1000), audio(seconds=20))
    return stage


STATES = (returned, several_formats, gapped, video_alone, audio_alone, ended, long_gop)


def attributes(stage: Stage) -> dict[str, str]:
    return dict(etree.fromstring(mpd(stage).encode()).attrib)


@pytest.mark.parametrize("state", STATES)
def test_the_manifest_is_valid_in_every_state(state: Callable[[], WatchedStage]) -> None:
    validate(mpd(state()))


@pytest.mark.parametrize("state", STATES)
def test_the_manifest_keeps_dash_ifs_rules_in_every_state(
    state: Callable[[], WatchedStage],
) -> None:
    assert broken_rules(mpd(state())) == []


def test_dash_ifs_rules_do_mind_what_is_wrong() -> None:
    assert broken_rules(mpd(returned()).replace("publishTime=", "published="))
    assert broken_rules(mpd(returned()).replace("availabilityStartTime=", "since="))


def test_an_ended_manifest_of_two_periods_is_the_golden_one(golden: Golden) -> None:
    golden("dash_ended.mpd", mpd(ended()))


def test_there_is_no_manifest_before_the_first_media() -> None:
    with pytest.raises(UsageError):
        mpd(Stage(SOURCE))


def test_d1_availability_starts_at_the_epoch_and_every_version_says_when_it_was_made() -> None:
    first = attributes(returned())
    assert first["availabilityStartTime"] == "1970-01-01T00:00:00Z"
    assert first["publishTime"] == "2027-01-15T08:00:19.300Z"


def test_d1_periods_keep_their_ids_and_starts_when_others_leave() -> None:
    stage = returned()
    before = stage.manifests.latest
    stage.push(
        video(at=19.3, seconds=40), video(SMALL, at=19.3, seconds=40), audio(at=19.3, seconds=40)
    )
    after = stage.manifests.latest
    assert before is not None
    assert after is not None
    assert list(after.periods.items()) == list(before.periods.items())[1:]


def test_d1_a_rung_that_comes_late_moves_no_other() -> None:
    stage = WatchedStage(SOURCE, SMALL, AUDIO)
    stage.push(video(seconds=12), audio(seconds=12), video(SMALL, at=6, seconds=6))
    assert stage.manifests.latest is not None
    ids = [representation.id for _, representation in stage.manifests.latest.segments]
    assert ids == ["source", "360p", "audio"]


def test_d2_the_clock_to_go_by_is_served_by_us() -> None:
    timing = etree.fromstring(mpd(returned()).encode()).find(f"{NAMESPACE}UTCTiming")
    assert timing is not None
    assert timing.get("schemeIdUri") == "urn:mpeg:dash:utc:http-xsdate:2014"
    assert timing.get("value") == "/time"


def test_d3_whatever_is_listed_has_ended_by_the_clock_and_is_served() -> None:
    stage = returned()
    assert stage.manifests.latest is not None
    for listed in stage.manifests.latest.segments.values():
        for segment in listed:
            assert segment.start + segment.duration <= stage.now
            assert tuple(segment.url.split("/")) in stage.data


def test_d3_the_time_shift_buffer_is_what_every_rendition_lists() -> None:
    settings = PresentationSettings(window_bytes=200_000)
    stage = WatchedStage(SOURCE, AUDIO, settings=settings)
    stage.push(video(seconds=60), audio(seconds=60))
    depth = seconds(attributes(stage)["timeShiftBufferDepth"])
    assert depth == stage.presentation.renditions["source"].window_duration_s < 30


def test_d5_timelines_are_compact_and_contiguous() -> None:
    stage = WatchedStage(SOURCE)
    stage.push(video(seconds=120))
    (entry,) = etree.fromstring(mpd(stage).encode()).iter(f"{NAMESPACE}S")
    assert entry.get("d") == "180000"
    assert entry.get("r") == str(len(stage.playlists["source"].entries) - 1)


def listed(stage: WatchedStage, name: str) -> list[list[int]]:
    """Numbers of a rendition in each period that has it."""
    assert stage.manifests.latest is not None
    return [
        [segment.number for segment in segments]
        for (_, representation), segments in stage.manifests.latest.segments.items()
        if representation.id == name
    ]


def test_d5_after_a_gap_a_period_begins_with_what_no_rendition_has_listed() -> None:
    stage = gapped()
    before, after = listed(stage, "360p")
    assert before == stage.numbers("360p")[:4]
    assert after[0] == stage.gaps("360p")[-1] + 2
    assert listed(stage, "source")[1][0] == after[0]
    assert [*chain(*listed(stage, "source"))] == stage.numbers("source")


def test_d5_a_late_encoder_that_is_back_takes_nothing_from_the_period_before() -> None:
    stage = WatchedStage(SOURCE, SMALL)
    rung = video(SMALL, seconds=30)
    stage.push(video(seconds=30), rung[:210], rung[420:], late={"360p": 2.6})
    assert len(listed(stage, "360p")) == 2
    assert [*chain(*listed(stage, "source"))] == stage.numbers("source")


def test_d5_a_source_that_stalls_ends_the_period_of_all() -> None:
    stage = WatchedStage(SOURCE, AUDIO, apart_s=None)
    frames = video(seconds=24)
    stage.push(frames[:210], frames[420:], audio(seconds=24))
    assert stage.gaps("source")
    assert len(listed(stage, "source")) == len(listed(stage, "audio")) == 2
    assert listed(stage, "source")[0][0] == listed(stage, "audio")[0][0]


def test_d5_a_window_that_has_left_a_gap_behind_is_listed_whole() -> None:
    stage = WatchedStage(SOURCE, SMALL, settings=PresentationSettings(window_s=12))
    rung = video(SMALL, seconds=40)
    stage.push(video(seconds=40), rung[:210], rung[420:])
    (numbers,) = listed(stage, "360p")
    assert numbers == listed(stage, "source")[0]


def test_d5_periods_after_gaps_survive_the_origin() -> None:
    stage = gapped()
    before = parse(mpd(stage))
    stage.kill()
    after = parse(mpd(stage))
    assert after.periods == before.periods
    assert after.segments == before.segments


def test_d5_a_rendition_that_is_lost_keeps_what_it_had() -> None:
    stage = WatchedStage(SOURCE, SMALL)
    stage.push(video(seconds=20), video(SMALL, seconds=7))
    assert stage.manifests.latest is not None
    listed = {r.id: segments for (_, r), segments in stage.manifests.latest.segments.items()}
    assert [segment.number for segment in listed["360p"]] == stage.numbers("360p")[:4]


def test_d1_a_rendition_that_has_gone_leaves_its_period_with_its_last_segment() -> None:
    """A deviation: players that come later are not offered what nobody can play any more."""
    stage = WatchedStage(SOURCE, SMALL)
    stage.push(video(seconds=20), video(SMALL, seconds=7))
    stage.push(video(at=20, seconds=60))
    assert stage.manifests.latest is not None
    assert [r.id for _, r in stage.manifests.latest.segments] == ["source"]


def test_d4_what_is_listed_is_finished_and_promises_nothing_earlier() -> None:
    root = etree.fromstring(mpd(returned()).encode())
    for template in root.iter(f"{NAMESPACE}SegmentTemplate"):
        assert "availabilityTimeOffset" not in template.attrib
        assert "availabilityTimeComplete" not in template.attrib


@pytest.mark.parametrize("state", STATES)
def test_d7_segments_are_found_by_number_and_listed_by_a_timeline(
    state: Callable[[], WatchedStage],
) -> None:
    root = etree.fromstring(mpd(state()).encode())
    for representation in root.iter(f"{NAMESPACE}Representation"):
        (template,) = representation.findall(f"{NAMESPACE}SegmentTemplate")
        assert "duration" not in template.attrib
        assert len(template.findall(f"{NAMESPACE}SegmentTimeline")) == 1
        assert template.get("media", "").count("$Number$") == 1
        assert "$Time$" not in template.get("media", "")


def test_d8_times_are_far_from_what_players_cannot_count() -> None:
    root = etree.fromstring(mpd(returned()).encode())
    times = [int(s.get("t", "0")) for s in root.iter(f"{NAMESPACE}S")]
    assert START * 48_000 < max(times) < 2**53 / 4


def test_d8_an_ended_presentation_has_a_duration_and_no_update_period() -> None:
    stage = ended()
    said = attributes(stage)
    assert "minimumUpdatePeriod" not in said
    assert "timeShiftBufferDepth" not in said
    last = max(s.end / s.timescale for name in stage.segments for s in stage.segments[name])
    assert float(seconds(said["mediaPresentationDuration"])) == pytest.approx(last, abs=1e-5)
    *_, period = etree.fromstring(mpd(stage).encode()).iter(f"{NAMESPACE}Period")
    assert float(seconds(period.get("start", "")) + seconds(period.get("duration", ""))) == (
        pytest.approx(last, abs=1e-5)
    )


def test_d12_the_longest_segment_ever_is_announced() -> None:
    stage = long_gop()
    longest = max(s.duration_s for name in stage.segments for s in stage.segments[name])
    assert seconds(attributes(stage)["maxSegmentDuration"]) >= longest


def test_d12_codecs_size_and_timescale_are_those_of_the_init_section() -> None:
    stage = several_formats()
    root = etree.fromstring(mpd(stage).encode())
    said = [
        (r.get("codecs"), r.get("width"), r[-1].get("timescale"))
        for r in root.iter(f"{NAMESPACE}Representation")
    ]
    assert said == [
        ("avc1.42c01f", "1280", "90000"),
        ("mp4a.40.2", None, "48000"),
        ("avc1.42c01e", "640", "90000"),
        ("mp4a.40.2", None, "44100"),
    ]


def test_d13_periods_are_none_of_no_length_and_promise_no_continuity() -> None:
    root = etree.fromstring(mpd(several_formats()).encode())
    starts = [seconds(period.get("start", "")) for period in root.iter(f"{NAMESPACE}Period")]
    assert starts == sorted(set(starts))
    schemes = [p.get("schemeIdUri", "") for p in root.iter(f"{NAMESPACE}SupplementalProperty")]
    assert not any("period-connectivity" in s or "period-continuity" in s for s in schemes)


def test_d13_a_period_starts_within_40_ms_before_its_first_segment() -> None:
    stage = returned()
    assert stage.manifests.latest is not None
    starts = list(stage.manifests.latest.periods.values())
    assert [float(start - START) for start in starts] == [0, 11.28]


def test_d15_manifests_are_sent_whole_and_promise_no_patches() -> None:
    for state in STATES:
        root = etree.fromstring(mpd(state()).encode())
        assert root.find(f"{NAMESPACE}PatchLocation") is None
        assert "id" not in root.attrib, "a patch would name it"


def test_video_of_a_long_gop_does_not_claim_to_start_with_key_frames() -> None:
    sets = etree.fromstring(mpd(long_gop()).encode()).findall(f".//{NAMESPACE}AdaptationSet")
    assert [s.get("startWithSAP") for s in sets] == [None, "1"]


def test_names_from_outside_cannot_break_the_markup() -> None:
    odd = renamed(SOURCE, 'a"<&>b')
    stage = Stage(odd)
    stage.push(video(odd))
    ids = [
        r.get("id")
        for r in etree.fromstring(mpd(stage).encode()).iter(f"{NAMESPACE}Representation")
    ]
    assert ids == ['a"<&>b']
