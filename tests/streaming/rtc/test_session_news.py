"""What who follows a session is told of it."""

from __future__ import annotations

import pytest

from segmenter.media import Sample
from streaming.rtc import sessions
from streaming.rtc.messages import (
    PathSample,
)
from streaming.rtc.server import SILENT_S
from streaming.rtc.signal_messages import (
    SignalEvent,
)
from streaming.transcode.messages import SampleMessage
from tests.streaming.rtc.server_scene import Scene


def news(scene: Scene, channel: str) -> list[tuple[str, str]]:
    """What the channel has heard since it was last asked for."""
    events = [one for one in scene.sent if isinstance(one, SignalEvent) and one.channel == channel]
    scene.sent[:] = [one for one in scene.sent if one not in events]
    return [(one.kind, one.text) for one in events]


def write_picture(scene: Scene) -> None:
    sample = Sample("source", 0, 0, b"\0\0\0\1\x65", True)
    scene.server.receive(PathSample("live/a", SampleMessage.from_sample(sample)))


def test_who_follows_a_session_is_told_how_things_are_and_what_changes(scene: Scene) -> None:
    scene.offer_tracks()
    session = scene.view().session
    scene.pass_time(1.0)
    assert not [one for one in scene.sent if isinstance(one, SignalEvent)]
    scene.ask("attach", session, channel="c1")
    write_picture(scene)
    scene.pass_time(1.0)
    told = dict(news(scene, "c1"))
    assert set(told) == {"active", "layers", "viewercount"}
    assert told["viewercount"] == '{"viewercount":1}'
    write_picture(scene)
    scene.pass_time(1.0)
    assert news(scene, "c1") == []
    other = scene.view().session
    write_picture(scene)
    scene.pass_time(1.0)
    assert news(scene, "c1") == [("viewercount", '{"viewercount":2}')]
    scene.ask("delete", other)
    scene.pass_time(SILENT_S)
    assert news(scene, "c1") == [("viewercount", '{"viewercount":1}'), ("inactive", "")]
    write_picture(scene)
    scene.pass_time(1.0)
    assert news(scene, "c1") == [("active", "")]


def test_a_channel_that_takes_a_session_over_hears_everything_anew(scene: Scene) -> None:
    scene.offer_tracks()
    session = scene.view(channel="c1").session
    scene.pass_time(1.0)
    assert len(news(scene, "c1")) == 3
    scene.ask("attach", session, channel="c2")
    assert news(scene, "c1") == [("taken", "")]
    scene.pass_time(1.0)
    assert len(news(scene, "c2")) == 3
    scene.ask("attach", session, channel="")
    assert news(scene, "c2") == [("taken", "")]
    scene.pass_time(1.0)
    assert news(scene, "") == []


def numbers(scene: Scene, channel: str) -> list[int]:
    """Of events since this was asked last."""
    told = [one for one in scene.sent if isinstance(one, SignalEvent) and one.channel == channel]
    scene.sent.clear()
    return [event.number for event in told]


def test_who_comes_back_is_told_what_it_missed_and_nothing_twice(scene: Scene) -> None:
    scene.offer_tracks()
    session = scene.view(channel="c1").session
    scene.pass_time(1.0)
    assert numbers(scene, "c1") == [1, 2, 3]
    scene.view()
    write_picture(scene)
    scene.pass_time(1.0)
    assert numbers(scene, "c1") == [4], "which its client has not got"
    scene.ask("attach", session, channel="c2", after="3")
    write_picture(scene)
    scene.pass_time(1.0)
    assert numbers(scene, "c2") == [4]
    scene.ask("attach", session, channel="c3", after="4")
    scene.pass_time(SILENT_S)
    assert news(scene, "c3") == [("inactive", "")]


@pytest.mark.parametrize("after", ["", "0", "8", "-1", "x", "٣", "9" * 32])
def test_who_missed_more_than_is_kept_or_brings_nonsense_is_told_how_things_are(
    scene: Scene, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MOST_KEPT", 2)
    scene.offer_tracks()
    session = scene.view(channel="c1").session
    scene.pass_time(1.0)
    assert numbers(scene, "c1") == [1, 2, 3]
    scene.ask("attach", session, channel="c2", after=after)
    scene.pass_time(1.0)
    assert numbers(scene, "c2") == [4, 5, 6]
