"""Publishers who follow on each other with other codecs, layers and sounds, at random.

The stage judges each version of each playlist and manifest: see test_returns.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from segmenter.codecs.description import describe_track
from segmenter.media import Codec, MediaType, Track
from tests.segmenter.codecs.test_description import CONFIGS
from tests.segmenter.stage import AUDIO, SMALL, SOURCE, renamed
from tests.segmenter.test_returns import HIGH, ReturnStage, picture, sound

NO_SHRINKING = (Phase.explicit, Phase.generate)
"""A story takes a tenth of a second and shrinking it minutes; the failing one is short enough."""

PICTURES = (None, SOURCE, HIGH, picture(Codec.H265), renamed(SMALL, "source"))
SOUNDS = (
    None,
    AUDIO,
    sound(codec_config=bytes.fromhex("1188"), channels=1),
    describe_track("audio", Codec.OPUS, CONFIGS[Codec.OPUS]),
)
LAYER = renamed(SMALL, "source_l")
BACK_S = 3.0


@dataclass(frozen=True)
class Publisher:
    """What one sends, and for how long."""

    tracks: tuple[Track, ...]
    away_s: float
    seconds: float
    layer_stops_s: float
    """Before its end the layer, if it has one, is there no more for so long."""
    is_withheld: bool
    """Whether it is announced all the same, and comes back at last."""


@st.composite
def publishers(draw: st.DrawFn) -> Publisher:
    video, audio = draw(st.sampled_from(PICTURES)), draw(st.sampled_from(SOUNDS))
    if video is None and audio is None:
        video = SOURCE
    layer = LAYER if video is not None and draw(st.booleans()) else None
    return Publisher(
        tuple(track for track in (video, layer, audio) if track is not None),
        draw(st.sampled_from([0.0, 0.04, 0.7, 2.0, 5.0])),
        draw(st.sampled_from([0.1, 0.5, 1.9, 3.3, 6.0, 8.5])),
        draw(st.sampled_from([0.0, 0.0, 2.0, 9.0])),
        draw(st.booleans()),
    )


def play(stage: ReturnStage, at: float, publisher: Publisher, *, is_first: bool) -> float:
    """Where it ends."""
    tracks = publisher.tracks
    stage.send(tracks, at, publisher.seconds, breaks=not is_first)
    at += publisher.seconds
    if LAYER in tracks and publisher.layer_stops_s:
        rest = [track for track in tracks if track is not LAYER]
        if publisher.is_withheld:
            stage.presentation.withhold({LAYER.name})
            stage.push_only(*rest, at=at, seconds=publisher.layer_stops_s)
            stage.presentation.withhold(())
            stage.push_only(*tracks, at=at + publisher.layer_stops_s, seconds=BACK_S)
            at += BACK_S
        else:
            stage.send(rest, at, publisher.layer_stops_s, breaks=False)
        at += publisher.layer_stops_s
    stage.pause()
    stage.wait(publisher.away_s)
    return at + publisher.away_s


def assert_together(stage: ReturnStage) -> None:
    """All have come as far, but for the gap that the latest segment may yet become; breaks are
    those of all that were there."""
    numbers = {name: stage.numbers(name) for name in stage.segments}
    lasts = {each[-1] for each in numbers.values()}
    breaks = {msn for name in numbers for msn in stage.breaks(name)}
    assert max(lasts) - min(lasts) <= 1
    for name, each in numbers.items():
        assert each == list(range(each[0], each[-1] + 1)), name
        assert stage.breaks(name) == sorted(breaks & set(each)), name


@settings(max_examples=40, deadline=None, derandomize=True, phases=NO_SHRINKING)
@given(story=st.lists(publishers(), min_size=2, max_size=6))
def test_whoever_follows_whom_every_rule_is_kept(story: Sequence[Publisher]) -> None:
    stage = ReturnStage(apart_s=None)
    at = 0.0
    for number, publisher in enumerate(story):
        at = play(stage, at, publisher, is_first=number == 0)
    stage.wait(5)
    assert_together(stage)
    last = story[-1]
    for track in last.tracks:
        if track.media_type is MediaType.VIDEO and last.seconds > 3:
            assert f"{track.name}/index.m3u8" in stage.multivariant or track is LAYER
    stage.end()
