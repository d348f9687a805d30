"""The MPD in every state that a presentation can be in; standards.md A2 by number."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from segmenter.dash.mpd import render_mpd
from segmenter.errors import UsageError
from tests.conftest import Golden
from tests.segmenter.stage import AUDIO, SMALL, SOURCE, Stage, audio, video

SCHEMAS = Path(__file__).parents[4] / "shared" / "schemas" / "dash"
XLINK_URL = "http://www.w3.org/XML/2008/06/xlink.xsd"


class LocalXlink(etree.Resolver):
    """The schema imports xlink's from the network; it lies beside it."""

    def resolve(self, url: str, public_id: str, context: Any) -> Any:
        if url == XLINK_URL:
            return self.resolve_filename(str(SCHEMAS / "xlink.xsd"), context)
        return None


@functools.cache
def schema() -> etree.XMLSchema:
    if not SCHEMAS.exists():
        pytest.skip("the DASH schemas are not part of this repository, and not beside it")
    parser = etree.XMLParser(load_dtd=True, resolve_entities=True)
    parser.resolvers.add(LocalXlink())
    return etree.XMLSchema(etree.parse(str(SCHEMAS / "DASH-MPD.xsd"), parser))


def mpd(stage: Stage) -> str:
    return render_mpd(stage.presentation, stage.now, "/time")


def validate(text: str) -> None:
    schema().assertValid(etree.fromstring(text.encode()))


def test_a_live_manifest_is_the_golden_one_and_valid(golden: Golden) -> None:
    stage = Stage(SOURCE, SMALL, AUDIO)
    stage.push(video(), video(SMALL), audio())
    golden("dash_live.mpd", mpd(stage))
    validate(mpd(stage))


def test_a_returned_publisher_is_a_second_period() -> None:
    stage = Stage(SOURCE, AUDIO)
    stage.push(video(), audio())
    stage.pause()
    stage.push(video(at=11, breaks=True), audio(at=11))
    text = mpd(stage)
    validate(text)
    assert text.count("<Period ") == 2


def test_a_new_period_is_not_listed_before_its_audio_is_there() -> None:
    stage = Stage(SOURCE, AUDIO)
    stage.push(video(), audio())
    stage.pause()
    stage.push(video(at=11, seconds=2.2, breaks=True), audio(at=11, seconds=1.5, breaks=True))
    assert mpd(stage).count("<Period ") == 1
    stage.push(audio(at=12.5, seconds=0.7))
    assert mpd(stage).count("<Period ") == 2
    assert mpd(stage).count('contentType="audio"') == 2


def test_a_new_period_without_audio_is_listed_with_its_second_segment() -> None:
    stage = Stage(SOURCE, AUDIO)
    stage.push(video(), audio())
    stage.pause()
    stage.push(video(at=11, seconds=7, breaks=True))
    assert mpd(stage).count("<Period ") == 2


def test_there_is_no_manifest_before_the_first_media() -> None:
    with pytest.raises(UsageError):
        mpd(Stage(SOURCE))
