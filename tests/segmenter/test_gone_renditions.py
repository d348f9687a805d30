"""Renditions that the present publisher does not send: players who come are not pointed to them.

Those who are on them find their playlists go on, with gaps, and change to another.
"""

from __future__ import annotations

import dataclasses
import re

from lxml import etree

from segmenter.media import Track
from tests.segmenter.dash.watch import NAMESPACE
from tests.segmenter.stage import AUDIO, SMALL, SOURCE, renamed
from tests.segmenter.test_returns import ReturnStage

LAYER = renamed(SMALL, "source_l")
GAPS = 3


def variants(stage: ReturnStage) -> list[str]:
    uris = re.findall(r'^(\w+)/index.m3u8|URI="(\w+)/', stage.multivariant, re.MULTILINE)
    return sorted(a or b for a, b in uris)


def newest_period(text: str) -> list[str]:
    *_, period = etree.fromstring(text.encode()).iter(f"{NAMESPACE}Period")
    return sorted(r.attrib["id"] for r in period.iter(f"{NAMESPACE}Representation"))


def manifest(stage: ReturnStage) -> str:
    assert stage._kept is not None
    return stage._kept.mpd.render(stage.now)


def two_publishers(first: tuple[Track, ...], second: tuple[Track, ...]) -> ReturnStage:
    """The second one sends a segment and a bit."""
    stage = ReturnStage(apart_s=None)
    stage.send(first, 0, 8, breaks=False)
    stage.pause()
    stage.wait(2)
    stage.send(second, 10, 2.7, breaks=True)
    return stage


def test_a_layer_that_the_next_publisher_lacks_leaves_with_its_first_gap() -> None:
    stage = two_publishers((SOURCE, LAYER, AUDIO), (SOURCE, AUDIO))
    assert variants(stage) == ["audio", "source"]
    assert newest_period(manifest(stage)) == ["audio", "source"]
    assert newest_period(stage.texts[-1]) == ["audio", "source"]
    assert stage.numbers("source_l") == stage.numbers("source"), "its playlist goes on"
    assert stage.playlists["source_l"].entries[-1].is_gap


def test_the_next_period_does_not_wait_for_what_its_publisher_lacks() -> None:
    stage = ReturnStage(apart_s=None)
    stage.send((SOURCE, LAYER), 0, 8, breaks=False)
    stage.pause()
    stage.wait(2)
    stage.send((SOURCE,), 10, 2.1, breaks=True)
    assert newest_period(manifest(stage)) == ["source"]
    stage = ReturnStage(apart_s=None)
    stage.send((SOURCE, LAYER), 0, 8, breaks=False)
    stage.pause()
    stage.wait(2)
    stage.send((SOURCE,), 10, 0.5, breaks=True)
    assert newest_period(stage.texts[-1]) == ["source"]


def test_a_layer_that_stops_beside_the_others_leaves_after_three_gaps_and_comes_back() -> None:
    stage = ReturnStage(apart_s=None)
    stage.send((SOURCE, LAYER), 0, 8, breaks=False)
    stage.send((SOURCE,), 8, 6, breaks=False)
    listed = variants(stage)
    assert 0 < len(stage.gaps("source_l")) < GAPS
    assert listed == ["source", "source_l"], "it may be back at any moment"
    stage.send((SOURCE,), 14, 10, breaks=False)
    assert variants(stage) == ["source"]
    assert newest_period(manifest(stage)) == ["source"]
    assert newest_period(stage.texts[-1]) == ["source"]
    stage.send((SOURCE, LAYER), 24, 6.1, breaks=False)
    assert variants(stage) == ["source", "source_l"]
    assert newest_period(manifest(stage)) == ["source", "source_l"]


def test_a_rung_whose_encoder_is_silent_stays_for_it_is_announced() -> None:
    stage = ReturnStage(apart_s=None)
    stage.send((SOURCE, SMALL), 0, 8, breaks=False)
    stage.start(SOURCE, SMALL)
    stage.push_only(SOURCE, at=8, seconds=16)
    assert len(stage.gaps("360p")) > GAPS
    assert variants(stage) == ["360p", "source"]


def withheld(seconds: float = 10.0) -> ReturnStage:
    """A rung's encoder is stopped for a while, after eight seconds."""
    stage = ReturnStage(apart_s=None)
    stage.send((SOURCE, SMALL), 0, 8, breaks=False)
    stage.presentation.withhold({"360p"})
    stage.push_only(SOURCE, at=8, seconds=seconds)
    return stage


def test_a_rung_that_is_withheld_leaves_after_three_gaps_and_is_back_with_its_media() -> None:
    stage = withheld(6.0)
    assert 0 < len(stage.gaps("360p")) < GAPS
    assert variants(stage) == ["360p", "source"]
    stage.push_only(SOURCE, at=14, seconds=10)
    assert variants(stage) == ["source"]
    assert newest_period(manifest(stage)) == ["source"]
    assert newest_period(stage.texts[-1]) == ["source"]
    assert stage.numbers("360p") == stage.numbers("source"), "its playlist goes on"
    stage.presentation.withhold(set())
    stage.push_only(SOURCE, at=24, seconds=2)
    assert variants(stage) == ["source"], "its encoder may take a while"
    stage.push_only(SOURCE, SMALL, at=26, seconds=6.1)
    assert variants(stage) == ["360p", "source"]
    assert newest_period(manifest(stage)) == ["360p", "source"]
    assert newest_period(stage.texts[-1]) == ["360p", "source"]
    stage.push_only(SOURCE, at=32.1, seconds=16)
    assert variants(stage) == ["360p", "source"], "it is announced and not withheld any more"


def test_the_rung_that_leads_may_be_withheld_as_well() -> None:
    stage = ReturnStage(apart_s=None)
    stage.send((SOURCE, SMALL, AUDIO), 0, 8, breaks=False)
    stage.presentation.withhold({"source"})
    stage.push_only(SMALL, AUDIO, at=8, seconds=16)
    assert variants(stage) == ["360p", "audio"]
    assert newest_period(manifest(stage)) == ["360p", "audio"]
    stage.presentation.withhold(())
    stage.push_only(SOURCE, SMALL, AUDIO, at=24, seconds=8.1)
    assert variants(stage) == ["360p", "audio", "source"]
    assert newest_period(manifest(stage)) == ["360p", "audio", "source"]
    assert newest_period(stage.texts[-1]) == ["360p", "audio", "source"]
    assert not stage.gaps("360p")
    assert stage.numbers("source") == stage.numbers("360p")


def test_a_rung_that_is_withheld_and_brings_something_all_the_same_stays() -> None:
    stage = withheld(4.0)
    stage.push_only(SOURCE, SMALL, at=12, seconds=8)
    assert variants(stage) == ["360p", "source"]
    stage.push_only(SOURCE, at=20, seconds=12)
    assert variants(stage) == ["source"]


def test_the_next_period_does_not_wait_for_what_is_withheld() -> None:
    stage = withheld()
    stage.pause()
    stage.wait(2)
    stage.start(SOURCE, SMALL)
    stage.push_only(SOURCE, at=20, seconds=2.1, breaks=True)
    assert newest_period(manifest(stage)) == ["source"]
    stage = withheld()
    stage.pause()
    stage.wait(2)
    stage.start(SOURCE, SMALL)
    stage.push_only(SOURCE, at=20, seconds=0.5, breaks=True)
    assert newest_period(stage.texts[-1]) == ["source"]


def test_a_rung_that_is_expected_stays_until_it_comes() -> None:
    stage = ReturnStage(apart_s=None)
    stage.send((SOURCE, SMALL), 0, 8, breaks=False)
    stage.pause()
    stage.start(SOURCE, expected=["360p"])
    stage.push_only(SOURCE, at=10, seconds=8, breaks=True)
    assert stage.gaps("360p")
    assert variants(stage) == ["360p", "source"]


def test_nothing_leaves_while_nobody_publishes() -> None:
    stage = ReturnStage(apart_s=None)
    stage.send((SOURCE, LAYER, AUDIO), 0, 8, breaks=False)
    stage.pause()
    stage.wait(20)
    assert variants(stage) == ["audio", "source", "source_l"]


def test_sound_that_the_next_publisher_lacks_leaves_and_the_picture_goes_on() -> None:
    stage = two_publishers((SOURCE, AUDIO), (SOURCE,))
    assert variants(stage) == ["source"]
    assert "AUDIO" not in stage.multivariant, "players would wait for it"


def test_a_picture_that_the_next_publisher_lacks_leaves_and_the_sound_goes_on() -> None:
    stage = two_publishers((SOURCE, AUDIO), (AUDIO,))
    assert variants(stage) == ["audio"]


def test_what_another_publisher_has_of_the_former_is_listed_again() -> None:
    stage = two_publishers((SOURCE, LAYER), (SOURCE,))
    stage.pause()
    stage.send((dataclasses.replace(SOURCE), LAYER), 16, 4.5, breaks=True)
    assert variants(stage) == ["source", "source_l"]
    assert newest_period(manifest(stage)) == ["source", "source_l"]
