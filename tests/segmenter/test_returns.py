"""Publishers that are back with something else: another codec, size, frame rate, audio layout.

Each version of each playlist and of both manifests is judged on the way, deltas and the schema
included; what is left to say here is that it costs one discontinuity, and what is new.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import pytest
from lxml import etree

from segmenter.codecs.decoders import decoder_of
from segmenter.codecs.description import describe_track
from segmenter.media import Codec, MediaType, Track
from tests.segmenter.codecs.test_description import CONFIGS
from tests.segmenter.dash.low_latency_mpd_stage import MpdStage
from tests.segmenter.dash.watch import NAMESPACE
from tests.segmenter.low_latency_stage import LowLatencyStage
from tests.segmenter.stage import AUDIO, SMALL, SOURCE, audio, renamed, video

HIGH = dataclasses.replace(SOURCE, codec_config=bytes.fromhex("0164001f") + SOURCE.codec_config[4:])
"""The same as High profile, as far as codec strings tell."""

WENT_S, BACK_S = 7.3, 10.4
WAS = (SOURCE, AUDIO)


def picture(codec: Codec) -> Track:
    described = describe_track("source", codec, CONFIGS[codec], width=320, height=180)
    return dataclasses.replace(described, frame_rate=Fraction(30))


def sound(**other: object) -> Track:
    return dataclasses.replace(AUDIO, **other)  # type: ignore[arg-type]


OTHERS: dict[str, Sequence[Track]] = {
    "HEVC": (picture(Codec.H265), AUDIO),
    "AV1": (picture(Codec.AV1), AUDIO),
    "VP9": (picture(Codec.VP9), AUDIO),
    "another size": (renamed(SMALL, "source"), AUDIO),
    "24 frames/s": (dataclasses.replace(SOURCE, frame_rate=Fraction(24)), AUDIO),
    "60 frames/s": (dataclasses.replace(SOURCE, frame_rate=Fraction(60)), AUDIO),
    "mono": (SOURCE, sound(codec_config=bytes.fromhex("1188"), channels=1)),
    "5.1": (SOURCE, sound(codec_config=bytes.fromhex("11b0"), channels=6)),
    "44.1 kHz": (
        SOURCE,
        sound(codec_config=bytes.fromhex("1210"), timescale=44_100, sample_rate=44_100),
    ),
    "Opus": (SOURCE, describe_track("audio", Codec.OPUS, CONFIGS[Codec.OPUS])),
    "everything else": (
        dataclasses.replace(picture(Codec.H265), frame_rate=Fraction(25)),
        sound(codec_config=bytes.fromhex("1208"), timescale=44_100, sample_rate=44_100, channels=1),
    ),
}


class ReturnStage(LowLatencyStage, MpdStage):
    """All playlists and manifests of one presentation, each version of them."""

    def send(self, tracks: Sequence[Track], at: float, seconds: float, *, breaks: bool) -> None:
        self.start(*tracks)
        self.push_only(*tracks, at=at, seconds=seconds, breaks=breaks)

    def push_only(self, *tracks: Track, at: float, seconds: float, breaks: bool = False) -> None:
        """What is announced need not come."""
        streams = []
        for track in tracks:
            if track.media_type is MediaType.VIDEO:
                fps = int(track.frame_rate)
                gop = 2 * fps
                streams.append(
                    video(track, at=at, seconds=seconds, fps=fps, gop=gop, breaks=breaks)
                )
            else:
                streams.append(audio(track, at=at, seconds=seconds, breaks=breaks))
        self.push(*streams)

    def breaks(self, name: str) -> list[int]:
        return [s.msn for s in self.segments[name] if s.starts_discontinuity]


def returned(now: Sequence[Track], was: Sequence[Track] = WAS) -> ReturnStage:
    stage = ReturnStage(apart_s=None)
    stage.send(was, 0, WENT_S, breaks=False)
    stage.pause()
    stage.wait(BACK_S - WENT_S)
    stage.send(now, BACK_S, 20, breaks=True)
    return stage


@pytest.mark.parametrize("what", OTHERS)
@pytest.mark.parametrize("there_and_back", [False, True])
def test_a_publisher_that_is_back_with_something_else_costs_one_discontinuity(
    what: str, there_and_back: bool
) -> None:
    was, now = (OTHERS[what], WAS) if there_and_back else (WAS, OTHERS[what])
    stage = returned(now, was)
    assert len(stage.breaks("source")) == 1
    assert stage.breaks("source") == stage.breaks("audio")
    assert stage.numbers("source") == stage.numbers("audio")
    assert not stage.gaps("source") + stage.gaps("audio")
    assert len(stage.periods) == 2
    pairs = zip(was, now, strict=True)
    changed = {a.name for a, b in pairs if a.codec_config != b.codec_config}
    for name in ("source", "audio"):
        inits = {segment.init.name for segment in stage.segments[name]}
        assert len(inits) == 1 + (name in changed)
        assert stage.low_latency_watches[name].odd_parts == [], "H12"
        assert stage.low_latency[name].part_target == Decimal("0.216")
        assert stage.low_latency_watches[name].merged > 20, "deltas across it"


@pytest.mark.parametrize("what", OTHERS)
def test_h28_codecs_names_all_that_is_listed_and_the_newest_period_what_plays_now(
    what: str,
) -> None:
    stage = returned(OTHERS[what])
    seen = {
        name: list(dict.fromkeys(segment.init.codecs for segment in reversed(segments)))
        for name, segments in stage.segments.items()
    }
    # Of what another decoder takes nothing is listed any more: see `segmenter.listed_formats`.
    listed = [
        [codecs for codecs in seen[name] if decoder_of(codecs) == decoder_of(seen[name][0])]
        for name in ("source", "audio")
    ]
    assert f'CODECS="{",".join([*listed[0], *listed[1]])}"' in stage.multivariant
    *_, period = etree.fromstring(stage.texts[-1].encode()).iter(f"{NAMESPACE}Period")
    represented = [r.attrib["codecs"] for r in period.iter(f"{NAMESPACE}Representation")]
    assert represented == [codecs[0] for codecs in listed]


def codecs_said(stage: ReturnStage) -> str:
    return stage.multivariant.split('CODECS="')[1].partition('"')[0]


def test_h28_a_profile_that_all_players_have_stays_listed_until_the_window_has_passed() -> None:
    stage = returned((HIGH,), was=(SOURCE,))
    assert codecs_said(stage) == "avc1.64001f,avc1.42c01f"
    stage.send((HIGH,), BACK_S + 20, 22, breaks=False)
    assert codecs_said(stage) == "avc1.64001f"


def test_h28_a_format_that_players_may_lack_is_listed_until_there_is_enough_of_another() -> None:
    stage = ReturnStage(apart_s=None)
    stage.send((picture(Codec.H265),), 0, 14, breaks=False)
    stage.pause()
    stage.send((SOURCE,), 14, 4, breaks=True)
    assert codecs_said(stage) == "avc1.42c01f,hvc1.1.6.L60.90"
    first = stage.playlists["source"].media_sequence
    stage.send((SOURCE,), 18, 4, breaks=False)
    assert codecs_said(stage) == "avc1.42c01f"
    playlist = stage.playlists["source"]
    assert playlist.entries[0].starts_discontinuity
    assert playlist.media_sequence == first + 7
    assert playlist.duration >= 3 * playlist.target_duration
    periods = etree.fromstring(stage.texts[-1].encode()).iter(f"{NAMESPACE}Period")
    assert len(list(periods)) == 2, "DASH has a period of each for as long as the window"


def test_h28_what_has_left_for_its_format_stays_away_when_the_format_returns() -> None:
    stage = ReturnStage(apart_s=None)
    hevc = picture(Codec.H265)
    for number, track in enumerate((SOURCE, hevc, SOURCE, hevc)):
        stage.send((track,), 8 * number, 8, breaks=number > 0)
        stage.pause()
    stage.send((SOURCE,), 32, 2.5, breaks=True)
    assert codecs_said(stage) == "avc1.42c01f,hvc1.1.6.L60.90"
    assert stage.playlists["source"].entries[0].starts_discontinuity
    assert len([e for e in stage.playlists["source"].entries if e.starts_discontinuity]) == 2


@pytest.mark.parametrize("after_s", [3.0, 7.0])
def test_h28_an_origin_that_is_killed_goes_on_with_the_same_list(after_s: float) -> None:
    stage = ReturnStage(apart_s=None)
    stage.send((picture(Codec.H265),), 0, 14, breaks=False)
    stage.pause()
    stage.send((SOURCE,), 14, after_s, breaks=True)
    first, said = stage.playlists["source"].media_sequence, codecs_said(stage)
    stage.kill()
    stage.send((SOURCE,), 14 + after_s, 2.2, breaks=True)
    assert stage.playlists["source"].media_sequence == first
    assert codecs_said(stage) == said


@pytest.mark.parametrize("missing", WAS, ids=lambda track: track.name)
def test_a_rendition_that_does_not_come_back_has_gaps_and_the_other_goes_on(missing: Track) -> None:
    kept = [track for track in WAS if track is not missing]
    stage = returned(kept)
    assert len(stage.breaks(kept[0].name)) == 1
    assert stage.gaps(missing.name)
    assert not stage.gaps(kept[0].name)
    stage.send(WAS, BACK_S + 20, 8, breaks=True)
    assert stage.numbers("source") == stage.numbers("audio")
    assert len(stage.breaks(kept[0].name)) == 2
    assert not stage.segments[missing.name][-1].is_gap, "and is back with the next publisher"


def test_sound_that_a_publisher_is_back_with_joins_where_there_was_none() -> None:
    stage = returned(WAS, was=(SOURCE,))
    assert len(stage.breaks("source")) == 1
    assert stage.numbers("audio") == stage.numbers("source")[-len(stage.numbers("audio")) :]
    assert not stage.gaps("source")
