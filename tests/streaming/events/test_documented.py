"""docs/events.md names every type of event with its data, and every code of advice; no others."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from pathlib import Path

import pytest

from segmenter.timeline import RTMP_CLOCK
from streaming.config_paths import PathConfig
from streaming.errors import PublishRejected
from streaming.events import advice
from streaming.events.session_news import SessionNews
from streaming.path_messages import KINDS
from streaming.path_news import segment_news
from streaming.rtc.signal_messages import SignalAnswer, SignalRequest
from tests.segmenter.stage import SOURCE
from tests.streaming.events.news_scene import AUDIO, Scene
from tests.streaming.events.test_ingest_exam import picture, sound
from tests.streaming.events.test_sources import NOW
from tests.streaming.test_path import FakePublisher
from tests.streaming.test_path_registry import request

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "events.md").read_text()
_FAMILIES = "server|path|publisher|track|rendition|viewer|session|worker|ingest|segment|disk|config"
_TYPE = re.compile(rf'"((?:{_FAMILIES})\.[a-z]+)"')


def section(title: str) -> str:
    _, _, rest = DOCUMENT.partition(f"## {title}\n")
    return rest.partition("\n## ")[0]


def test_each_type_of_event_is_documented_and_no_other() -> None:
    files = (ROOT / "streaming").rglob("*.py")
    emitted = {kind for file in files for kind in _TYPE.findall(file.read_text())}
    assert documented_data().keys() == emitted | set(KINDS)


def documented_data() -> dict[str, set[str]]:
    """The types of the table, each with the names of its data."""
    found: dict[str, set[str]] = {}
    before: set[str] = set()
    for row in section("Types").splitlines():
        if not row.startswith("| `"):
            continue
        _, kinds, _, data, _ = row.split("|")
        names = set(re.findall(r"`([a-z_]+)`", re.sub(r"\([^)]*\)", "", data)))
        names |= before if "the same" in data else set()
        found |= dict.fromkeys(re.findall(r"`([a-z.]+)`", kinds), names)
        before = names
    return found


async def test_events_have_the_data_that_are_documented() -> None:
    """Those of a path's whole life, with somebody who is turned down and somebody who views."""
    scene = Scene(**{"live/a": PathConfig(ladder="copy", publish_key="right", linger_s=5)})
    scene.feed.on_segment = segment_news(scene.recorder)
    with pytest.raises(PublishRejected):
        await scene.registry.publish(request(key="wrong"), FakePublisher())
    publication = await scene.registry.publish(request(key="right"), FakePublisher())
    publication.set_tracks([SOURCE, AUDIO], RTMP_CLOCK)
    for n in range(0, 15_000, 40):
        scene.now += 0.04
        publication.write([picture(n, sync=n % 5000 == 0), sound(n)])
    scene.registry.publish_states()
    scene.registry.set_viewers({"live/a": 1})
    scene.registry._news.restarted("live/a", "slate", "signal 9")
    sessions = SessionNews(scene.recorder)
    sessions.answered(SignalRequest(1, "view", "live/a"), SignalAnswer(1, 201, session="abc"), NOW)
    sessions.all_ended("signal 9")
    publication.set_tracks([replace(SOURCE, width=96)], RTMP_CLOCK)
    scene.registry.publish_states()
    publication.close("gone")
    for _ in range(3):
        scene.now += 1_000.0
        await scene.registry.handle_timer()
    await scene.registry.close()
    documented = documented_data()
    elsewhere = {"server.started", "config.reloaded", "disk.low", *KINDS}
    assert documented.keys() - elsewhere == set(scene.recorder.kinds)
    seen: dict[str, set[str]] = {kind: set() for kind in scene.recorder.kinds}
    for kind, _, data in scene.recorder.events:
        seen[kind] |= data.keys()
        figures = data.keys() - documented[kind]
        assert not figures or kind == "ingest.advice", (kind, figures)
    assert documented["path.state"] == seen["path.state"]


def test_each_code_of_advice_is_documented_and_no_other() -> None:
    given = set(re.findall(r'Advice\(\s*"([a-z-]+)"', inspect.getsource(advice)))
    _, _, rest = section("Types").partition("Codes of advice:")
    documented = set(re.findall(r"`([a-z-]+)`", rest.partition(". A publisher")[0]))
    assert len(given) >= 9
    assert documented == given


def test_each_piece_of_advice_says_what_to_do() -> None:
    makers = [
        advice.gop_too_long(8.0, 2.0), advice.b_frames(), advice.variable_frame_rate(0.02, 0.1),
        advice.missing_audio(announced=True), advice.missing_audio(announced=False),
        advice.missing_video(), advice.not_packaged("VP8 has no HLS"),
        advice.sound_not_packaged("MP3 has no HLS"), advice.timestamp_jump(3),
        advice.clock_stood_still(1), advice.av_drift(0.4), advice.av_drift(-0.4),
        advice.adrift(3.0), advice.adrift(-3.0),
    ]  # fmt: skip
    given = set(re.findall(r'Advice\(\s*"([a-z-]+)"', inspect.getsource(advice)))
    assert {one.code for one in makers} == given
    for one in makers:
        assert len(one.text.split()) > 3
        assert len(one.to_do.split()) > 3
