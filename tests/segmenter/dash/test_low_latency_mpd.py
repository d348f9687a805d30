"""The low-latency MPD; standards.md A2 by number."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from segmenter.dash.low_latency_mpd import LowLatencyMpd
from segmenter.errors import UsageError
from segmenter.lane import AUDIO_JOIN_S
from segmenter.presentation import PresentationSettings
from tests.conftest import Golden
from tests.segmenter.dash.judges import broken_rules, validate
from tests.segmenter.dash.low_latency_mpd_stage import (
    INHERITED,
    MpdStage,
    first_number,
    root,
    staged,
    templates,
)
from tests.segmenter.dash.watch import NAMESPACE, seconds
from tests.segmenter.stage import AUDIO, SMALL, SOURCE, START, Stage, audio, renamed, video
from tests.segmenter.test_presentation_properties import Scene, cuts, play, scenes


def test_a_low_latency_manifest_is_the_golden_one_and_valid(golden: Golden) -> None:
    stage = staged()
    golden("dash_low_latency.mpd", stage.texts[-1])
    validate(stage.texts[-1])


UNKNOWN_PROFILE = "At least one unknown profile string found"
"""The rules are older than the profile of low latency."""


def test_a_low_latency_manifest_keeps_dash_ifs_rules() -> None:
    stage = staged()
    stage.pause()
    stage.wait(4)
    stage.push(video(at=34.3, breaks=True), video(SMALL, at=34.3, breaks=True), audio(at=34.3))
    for text in stage.texts:
        assert [r for r in broken_rules(text) if UNKNOWN_PROFILE not in r] == []


def test_a_regular_stream_needs_one_manifest() -> None:
    stage = staged(60)
    assert len(stage.texts) == 1
    assert set(stage.places("source").values()) == {0}


def test_nothing_is_said_before_the_first_part() -> None:
    mpd = LowLatencyMpd(Stage(SOURCE).presentation, "/time")
    assert not mpd.update()
    with pytest.raises(UsageError):
        mpd.render(START)


def test_the_manifest_is_there_with_the_first_parts_if_the_target_duration_is_settled() -> None:
    stage = MpdStage(SOURCE, AUDIO, settings=PresentationSettings(target_duration=2))
    stage.push(video(seconds=0.5), audio(seconds=0.5))
    assert [r.attrib["id"] for r in root(stage).iter(f"{NAMESPACE}Representation")] == [
        "source",
        "audio",
    ]
    bandwidths = [
        int(r.attrib["bandwidth"]) for r in root(stage).iter(f"{NAMESPACE}Representation")
    ]
    assert min(bandwidths) > 0
    validate(stage.texts[-1])


def test_d1_a_publisher_that_is_back_gets_a_period_with_all_renditions() -> None:
    stage = staged(7)
    stage.pause()
    stage.wait(4)
    stage.push(video(at=11.3, breaks=True), video(SMALL, at=11.3, breaks=True), audio(at=11.3))
    last = list(stage.periods.values())[-1]
    assert [r.attrib["id"] for r in last.iter(f"{NAMESPACE}Representation")] == [
        "source",
        "360p",
        "audio",
    ]
    validate(stage.texts[-1])


@pytest.mark.parametrize("late_s", [0.0, 0.1, 0.3])
def test_d1_no_period_begins_with_a_stub_that_has_no_sound_yet(late_s: float) -> None:
    stage = MpdStage(SOURCE, AUDIO)
    stage.push(video(seconds=7), audio(seconds=7))
    stage.pause()
    stage.wait(4)
    stub = video(at=11.9, seconds=4 / 30, breaks=True)
    stage.push(stub, video(at=11.9 + 4 / 30), audio(at=11.9), late={"audio": late_s})
    assert stage.lengths("source")[4:6] == [0.133, 2.0]
    periods = [
        [r.attrib["id"] for r in period.iter(f"{NAMESPACE}Representation")]
        for period in stage.periods.values()
    ]
    assert periods == [["source", "audio"]] * 2
    assert first_number(list(stage.periods.values())[1]) == stage.numbers("source")[5]


def test_d2_the_clock_to_go_by_is_served_by_us() -> None:
    (timing,) = root(staged()).findall(f"{NAMESPACE}UTCTiming")
    assert timing.attrib["value"] == "/time"


def test_d3_a_segment_has_a_part_when_it_is_said_to_be_available() -> None:
    stage = MpdStage(SOURCE)
    template = None
    frames = video(seconds=30)
    for tenth in range(300):
        stage.push(frames[3 * tenth : 3 * tenth + 3])
        if not stage.texts:
            continue
        template = templates(stage)[0].attrib
        scale = int(template["timescale"])
        (inherited,) = root(stage).findall(INHERITED)
        ahead_s = float(inherited.attrib["availabilityTimeOffset"])
        since = stage.now - int(template["presentationTimeOffset"]) / scale + ahead_s
        latest = int(template["startNumber"]) + int(since * scale // int(template["duration"])) - 1
        rendition = stage.presentation.renditions["source"]
        opened = rendition.open_segment if rendition.open_parts else None
        begun = opened.msn if opened else rendition.segments[-1].msn
        assert begun >= latest
    assert template is not None


def test_d4_segments_are_available_one_part_after_they_begin_and_grow() -> None:
    document = root(staged())
    inherited = document.findall(INHERITED)
    assert len(inherited) == len(list(document.iter(f"{NAMESPACE}AdaptationSet"))) == 2
    for template in inherited:
        assert template.attrib["availabilityTimeOffset"] == "1.784"
        assert template.attrib["availabilityTimeComplete"] == "false"


def test_d4_no_representation_says_of_itself_when_it_is_available() -> None:
    for template in templates(staged()):
        assert "availabilityTimeOffset" not in template.attrib
        assert "availabilityTimeComplete" not in template.attrib


@pytest.mark.parametrize(("gop", "fps"), [(61, 30), (57, 30), (60, Fraction(30_000, 1001))])
def test_d6_segments_of_any_rhythm_are_within_half_a_duration_of_their_place(
    gop: int, fps: Fraction
) -> None:
    stage = MpdStage(SOURCE, AUDIO)
    stage.push(video(seconds=90, gop=gop, fps=fps), audio(seconds=90))
    for name in ("source", "audio"):
        places = stage.places(name)
        assert len(places) >= 40
        assert max(abs(place) for place in places.values()) <= Fraction(1, 2)
    assert len(stage.periods) <= 2


@pytest.mark.parametrize("first_s", [0.1, 0.6, 1.0, 1.3, 1.7, 1.95])
def test_d3_the_grid_is_that_of_whole_segments_whenever_a_publisher_came(first_s: float) -> None:
    """Its first one ends with the first key frame on a line: who asked by that for all that follow
    would ask for each up to 0.8 s late, as late as players are at all."""
    stage = MpdStage(SOURCE, AUDIO)
    begin = 4.0 - first_s
    pictures = video(at=begin, seconds=first_s, gop=300) + video(at=4.0, seconds=30)
    stage.push(pictures, audio(at=begin, seconds=30))
    places = stage.places("source")
    assert len(places) >= 14
    assert max(abs(place) for place in list(places.values())[1:]) <= Fraction(1, 20)
    assert len(stage.periods) <= 2


def test_d5_no_timeline_lists_what_has_only_begun() -> None:
    assert not list(root(staged()).iter(f"{NAMESPACE}SegmentTimeline"))


def test_d7_segments_are_found_by_number_and_duration() -> None:
    for template in templates(staged()):
        assert int(template.attrib["duration"]) > 0
        assert template.attrib["media"].count("$Number$") == 1


def test_d8_an_ended_presentation_has_a_duration_and_no_update_period() -> None:
    stage = staged(9)
    assert "minimumUpdatePeriod" in root(stage).attrib
    stage.end()
    assert "minimumUpdatePeriod" not in root(stage).attrib
    assert float(seconds(root(stage).attrib["mediaPresentationDuration"])) == pytest.approx(
        START + 9, abs=0.05
    )
    validate(stage.texts[-1])


def test_d9_the_service_description_names_a_latency_and_rates() -> None:
    (description,) = root(staged()).findall(f"{NAMESPACE}ServiceDescription")
    latency, rate = description
    assert dict(latency.attrib) == {
        "referenceId": "0",
        "target": "864",
        "max": "3240",
        "min": "432",
    }
    assert dict(rate.attrib) == {"max": "1.04", "min": "0.96"}


def test_d12_another_format_is_another_period_with_its_init_section() -> None:
    stage = MpdStage(SOURCE, AUDIO)
    stage.push(video(seconds=6), audio(seconds=6))
    smaller = renamed(SMALL, "source")
    stage.start(smaller, AUDIO)
    stage.push(video(smaller, at=6, breaks=True), audio(at=6, breaks=True))
    said = [template.attrib["initialization"] for template in templates(stage)]
    assert len(stage.periods) == 2
    assert len(set(said)) == 3


def test_d13_periods_follow_on_each_other_without_one_of_no_length() -> None:
    stage = MpdStage(SOURCE)
    stage.push(video(seconds=20, gop=47), video(at=20, seconds=20, gop=75))
    starts = [seconds(period.attrib["start"]) for period in root(stage).iter(f"{NAMESPACE}Period")]
    assert len(starts) > 1
    assert starts == sorted(set(starts))


def test_d15_manifests_are_sent_whole_and_promise_no_patches() -> None:
    assert root(staged()).find(f"{NAMESPACE}PatchLocation") is None


def test_a_rung_that_is_lost_is_in_no_further_period_until_it_is_back() -> None:
    stage = MpdStage(SOURCE, SMALL)
    stage.push(video(seconds=30), video(SMALL, seconds=7), video(SMALL, at=14, seconds=16))
    rungs = [
        [r.attrib["id"] for r in period.iter(f"{NAMESPACE}Representation")]
        for period in stage.periods.values()
    ]
    assert rungs == [["source", "360p"], ["source"], ["source", "360p"]]


@settings(max_examples=12, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
@given(
    story=st.lists(scenes, min_size=1, max_size=5),
    cutting=cuts.filter(lambda cutting: cutting.part_duration_s > 0),
)
def test_d6_no_story_moves_a_segment_from_where_players_ask_for_it(
    story: list[Scene], cutting: PresentationSettings
) -> None:
    stage = MpdStage(settings=cutting, apart_s=None)
    at = 0.0
    for number, scene in enumerate(story):
        at += scene.before_s
        play(stage, scene, at, is_first=number == 0)
        at += scene.seconds
    stage.wait(3)
    stage.end()
    late = Fraction(AUDIO_JOIN_S) / Fraction(cutting.segment_duration_s) * 4
    for name in stage.segments:
        for place in stage.places(name).values():
            assert Fraction(-1, 2) <= place <= Fraction(1, 2) + late
