"""RFC 8216bis, one rule a test, by the numbers of the project's list of demands (H7 to H30).

The watched stage checks H15 and H21 to H25 after every event of every test that uses it; here
each stands alone, with what would break it.
"""

from __future__ import annotations

import dataclasses
import re

import m3u8
import pytest

from segmenter.hls.multivariant_playlist import render_multivariant_playlist
from segmenter.presentation import PresentationSettings
from tests.segmenter.made_anew import render_media_playlist
from tests.segmenter.stage import AUDIO, OPUS, SMALL, SOURCE, audio, renamed, video
from tests.segmenter.watched_stage import WatchedStage

NAMES = ("source", "360p", "audio")


def staged(seconds: float = 60, **cutting: float) -> WatchedStage:
    stage = WatchedStage(SOURCE, SMALL, AUDIO, settings=PresentationSettings(**cutting))
    stage.push(video(seconds=seconds), video(SMALL, seconds=seconds), audio(seconds=seconds))
    return stage


def returned() -> WatchedStage:
    """A publisher that went after 7 s and was back at 11.3 s."""
    stage = staged(7)
    stage.pause()
    stage.wait(4)
    rungs = [video(track, at=11.3, breaks=True) for track in (SOURCE, SMALL)]
    stage.push(*rungs, audio(at=11.3, breaks=True))
    return stage


def text(stage: WatchedStage, name: str) -> str:
    return render_media_playlist(stage.presentation.renditions[name])


def stream_infs(playlist: str) -> list[str]:
    return [line for line in playlist.split("\n") if line.startswith("#EXT-X-STREAM-INF")]


def test_h7_the_end_is_said_in_every_playlist_and_nothing_changes_after() -> None:
    stage = staged(8)
    stage.end()
    before = [text(stage, name) for name in NAMES]
    stage.wait(600)
    assert all(playlist.endswith("#EXT-X-ENDLIST\n") for playlist in before)
    assert [text(stage, name) for name in NAMES] == before


def test_h8_a_playlist_is_always_whole() -> None:
    stage = staged()
    assert stage.playlists["source"].duration >= 30


def test_h15_a_segment_stays_downloadable_for_its_own_and_the_longest_playlists_duration() -> None:
    stage = staged(120)
    expired = stage.expired["source"]
    assert expired
    first = stage.segments["source"][0]
    assert expired[0] == first
    # 2 s of its own and 32 s of playlist, after leaving a window of 30 s at 32 s at the earliest.
    assert len(expired) <= (120 - 32 - 34) / 2 + 1


def test_h16_missing_media_are_gaps_never_silence() -> None:
    stage = WatchedStage(SOURCE, SMALL)
    stage.push(video(seconds=20), video(SMALL, seconds=7), video(SMALL, at=14, seconds=6))
    gaps = [entry for entry in stage.playlists["360p"].entries if entry.is_gap]
    assert [entry.msn for entry in gaps] == stage.gaps("360p")
    assert len(gaps) == 3
    assert text(stage, "360p").count("#EXT-X-GAP\n#EXTINF:2.000000,\n") == 3


def test_h21_target_durations_are_constant_equal_and_not_exceeded() -> None:
    stage = returned()
    assert {stage.playlists[name].target_duration for name in NAMES} == {2}
    longest = max(entry.duration for name in NAMES for entry in stage.playlists[name].entries)
    assert round(longest) <= 2


def test_h22_numbers_rise_by_one_for_each_segment_removed() -> None:
    stage = staged(120)
    removed = len(stage.segments["source"]) - len(stage.playlists["source"].entries)
    assert removed > 30
    assert stage.playlists["source"].media_sequence == stage.numbers("source")[removed]


def test_h22_the_discontinuity_sequence_rises_when_a_discontinuity_leaves() -> None:
    stage = returned()
    before = stage.playlists["source"].discontinuity_sequence
    stage.push(video(at=19.3, seconds=40), video(SMALL, at=19.3, seconds=40))
    assert not any(e.starts_discontinuity for e in stage.playlists["source"].entries)
    assert stage.playlists["source"].discontinuity_sequence == before + 1


def test_h22_an_origin_without_memory_begins_above_all_it_ever_served() -> None:
    first = staged(60, segment_duration_s=0.5)
    again = WatchedStage(SOURCE)
    again.push(video(at=61, seconds=5))
    assert again.numbers("source")[0] > first.numbers("source")[-1]


def test_h23_a_live_playlist_is_never_shorter_than_three_target_durations() -> None:
    stage = staged(60, window_s=6, window_bytes=1)
    assert all(playlist.duration >= 6 for playlist in stage.playlists.values())
    assert len(stage.playlists["source"].entries) == 3


def test_h23_a_live_playlist_has_no_playlist_type() -> None:
    assert "EXT-X-PLAYLIST-TYPE" not in text(staged(), "source")


def test_h24_a_change_of_format_is_a_discontinuity_with_another_map() -> None:
    stage = WatchedStage(SOURCE, AUDIO)
    stage.push(video(seconds=8), audio(seconds=8))
    smaller = renamed(SMALL, "source")
    stage.start(smaller, AUDIO)
    stage.push(video(smaller, at=8, breaks=True), audio(at=8, breaks=True))
    pattern = r"#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init-\d+\.mp4\"\n#EXT-X-PROGRAM-DATE-TIME"
    assert len(re.findall(pattern, text(stage, "source"))) == 1
    assert text(stage, "source").count("#EXT-X-MAP") == 2
    assert text(stage, "audio").count("#EXT-X-MAP") == 1


def test_h24_all_renditions_break_at_the_same_number() -> None:
    stage = returned()
    breaks = {
        name: [
            (e.msn, e.discontinuity)
            for e in stage.playlists[name].entries
            if e.starts_discontinuity
        ]
        for name in NAMES
    }
    assert len(breaks["source"]) == 1
    assert breaks["source"] == breaks["360p"] == breaks["audio"]


def test_h25_every_segment_says_its_date_which_is_its_media_time() -> None:
    stage = returned()
    for name in NAMES:
        known = {segment.msn: segment for segment in stage.segments[name]}
        for entry in stage.playlists[name].entries:
            segment = known[entry.msn]
            media_s = segment.start / segment.timescale
            assert entry.date_time.timestamp() == pytest.approx(media_s, abs=0.001)


def test_h27_a_media_playlist_is_of_version_6_and_has_nothing_newer() -> None:
    stage = returned()
    assert {stage.playlists[name].version for name in NAMES} == {6}
    assert "EXT-X-SKIP" not in text(stage, "source")


def test_h27_a_multivariant_playlist_without_groups_is_of_version_1() -> None:
    stage = WatchedStage(SOURCE)
    stage.push(video())
    assert "EXT-X-VERSION" not in stage.multivariant


def test_h28_codecs_list_video_and_audio_of_every_variant() -> None:
    stage = staged(8)
    infs = stream_infs(stage.multivariant)
    assert len(infs) == 2
    assert 'CODECS="avc1.42c01f,mp4a.40.2"' in stage.multivariant
    assert 'CODECS="avc1.42c01e,mp4a.40.2"' in stage.multivariant


def test_h28_bandwidth_is_the_measured_peak_with_audio_and_not_below_the_average() -> None:
    stage = WatchedStage(SOURCE, AUDIO)
    calm, busy = video(seconds=10, size=1000), video(at=10, seconds=2, size=20_000)
    stage.push(calm, busy, video(at=12, seconds=9, size=1000), audio(seconds=21))
    inf = stream_infs(stage.multivariant)[0]
    peak, average = (int(number) for number in re.findall(r"BANDWIDTH=(\d+)", inf))
    audio_peak = stage.presentation.renditions["audio"].bitrates().peak
    busiest = max(s.size_bytes * 8 / s.duration_s for s in stage.segments["source"])
    assert peak == pytest.approx(busiest + audio_peak, rel=0.001)
    assert average < peak / 3


def test_h28_the_peak_of_another_format_is_forgotten() -> None:
    stage = WatchedStage(SOURCE)
    stage.push(video(seconds=8, size=20_000))
    high = stage.presentation.renditions["source"].bitrates().peak
    stage.start(renamed(SMALL, "source"))
    smaller = video(renamed(SMALL, "source"), at=8, breaks=True, seconds=60, size=500)
    stage.push(smaller)
    assert stage.presentation.renditions["source"].bitrates().peak < high / 20


def test_h28_members_of_a_group_have_distinct_names_and_one_default() -> None:
    second = dataclasses.replace(renamed(AUDIO, "audio2"), language="de")
    stage = WatchedStage(SOURCE, AUDIO, second)
    stage.push(video(), audio(), audio(second))
    media = [line for line in stage.multivariant.split("\n") if "EXT-X-MEDIA:" in line]
    assert [re.search(r'NAME="(\w+)"', line)[1] for line in media] == ["audio", "audio2"]  # type: ignore[index]
    assert sum("DEFAULT=YES" in line for line in media) == 1
    assert 'LANGUAGE="de"' in media[1]


def test_a_variant_of_modest_rate_is_listed_first_then_from_the_best_down() -> None:
    tiny = renamed(SMALL, "240p")
    stage = WatchedStage(SOURCE, SMALL, tiny)
    stage.push(video(size=20_000), video(SMALL, size=5_000), video(tiny, size=1_000))
    uris = [line for line in stage.multivariant.split("\n") if line.endswith("index.m3u8")]
    assert uris == ["360p/index.m3u8", "source/index.m3u8", "240p/index.m3u8"]


def test_several_audio_tracks_without_video_are_one_variant_with_a_group() -> None:
    stage = WatchedStage(AUDIO, renamed(AUDIO, "audio2"))
    stage.push(audio(), audio(renamed(AUDIO, "audio2")))
    assert len(stream_infs(stage.multivariant)) == 1
    assert stage.multivariant.count("#EXT-X-MEDIA:") == 2


def test_each_audio_codec_is_a_group_and_every_variant_is_listed_with_each() -> None:
    stage = WatchedStage(SOURCE, AUDIO, OPUS)
    stage.push(video(), audio(), audio(OPUS))
    assert [re.search(r'AUDIO="(\w+)"', inf)[1] for inf in stream_infs(stage.multivariant)] == [  # type: ignore[index]
        "aac",
        "opus",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_another_parser_reads_the_same_from_a_media_playlist(name: str) -> None:
    stage = returned()
    parsed = m3u8.loads(text(stage, name))
    ours = stage.playlists[name]
    assert parsed.target_duration == ours.target_duration
    assert parsed.media_sequence == ours.media_sequence
    assert [segment.uri for segment in parsed.segments] == [entry.uri for entry in ours.entries]
    assert [bool(segment.discontinuity) for segment in parsed.segments] == [
        entry.starts_discontinuity for entry in ours.entries
    ]
    assert all(segment.init_section is not None for segment in parsed.segments)


def test_h30_nothing_is_encrypted_so_no_playlist_names_a_key() -> None:
    stage = returned()
    for playlist in (stage.multivariant, *(text(stage, name) for name in NAMES)):
        assert "KEY" not in playlist


def test_another_parser_reads_variants_and_groups() -> None:
    parsed = m3u8.loads(render_multivariant_playlist(staged(8).presentation))
    assert [p.stream_info.resolution for p in parsed.playlists] == [(1280, 720), (640, 360)]
    assert [p.stream_info.frame_rate for p in parsed.playlists] == [30, 30]
    assert parsed.media[0].channels == "2"
    assert parsed.media[0].uri == "audio/index.m3u8"
