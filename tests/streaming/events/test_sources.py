"""What becomes an event: publishers, tracks, renditions, viewers, sessions, and advice."""

from __future__ import annotations

import pytest

from segmenter.timeline import RTMP_CLOCK
from streaming.config_paths import PathConfig
from streaming.errors import PublishRejected
from streaming.events.session_news import SessionNews
from streaming.events.viewer_news import Flood, ViewerNews
from streaming.rtc.signal_messages import SignalAnswer, SignalRequest
from tests.segmenter.stage import SOURCE
from tests.streaming.events.news_scene import T0, Recorder, Scene
from tests.streaming.events.test_ingest_exam import picture
from tests.streaming.test_path import FakePublisher
from tests.streaming.test_path_registry import request


async def test_a_publishers_visit_is_told_from_its_coming_to_its_leaving(scene: Scene) -> None:
    publication = await scene.registry.publish(request(), FakePublisher())
    publication.set_tracks([SOURCE], RTMP_CLOCK)
    scene.now += 0.5
    publication.write([picture(0, sync=True), picture(33)])
    scene.registry.publish_states()
    publication.close("the client closed")
    assert scene.recorder.kinds == [
        "path.state", "publisher.connected", "path.state", "path.state", "track.added",
        "rendition.added", "publisher.disconnected", "path.state",
    ]  # fmt: skip
    assert scene.recorder.of("path.state")[2] == {
        "state": "live", "was": "starting", "was_for_s": 0.5, "reason": "first-sample",
        "detail": "",
    }  # fmt: skip
    assert scene.recorder.of("publisher.connected") == [{"protocol": "rtmp", "role": "primary"}]
    assert scene.recorder.of("publisher.disconnected")[0]["reason"] == "the client closed"
    assert scene.recorder.of("rendition.added")[0]["copied"] is True
    first = scene.recorder.versions[0]
    assert [v - first for v in scene.recorder.versions] == [0, 0, 1, 2, 2, 2, 2, 3]
    assert "10.0.0.1" not in str(scene.recorder.events), "no addresses"


async def test_a_takeover_tells_that_the_old_publisher_left(scene: Scene) -> None:
    await scene.registry.publish(request(), FakePublisher())
    await scene.registry.publish(request(), FakePublisher())
    assert scene.recorder.of("publisher.disconnected")[0]["reason"] == "taken over"


async def test_a_rejection_is_told_with_its_reason_and_without_the_key() -> None:
    scene = Scene(**{"*": PathConfig(ladder="copy", publish_key="secret-key")})
    with pytest.raises(PublishRejected):
        await scene.registry.publish(request(key="wrong-key"), FakePublisher())
    assert scene.recorder.of("publisher.rejected") == [
        {
            "protocol": "rtmp",
            "code": "NetStream.Publish.BadName",
            "reason": "wrong or missing publish key for live/a",
        }
    ]
    assert "-key" not in str(scene.recorder.events)


async def test_a_flood_of_rejections_does_not_push_everything_else_out(scene: Scene) -> None:
    for _ in range(500):
        with pytest.raises(PublishRejected):
            await scene.registry.publish(request(path="api/../x"), FakePublisher())
    assert len(scene.recorder.events) == 20
    assert {path for _, path, _ in scene.recorder.events} == {""}, "it is no path's name"
    scene.now += 1.0
    with pytest.raises(PublishRejected):
        await scene.registry.publish(request(path="api/../x"), FakePublisher())
    assert scene.recorder.events[-1][2]["withheld"] == 480


async def test_a_path_that_goes_is_told(scene: Scene) -> None:
    publication = await scene.registry.publish(request(), FakePublisher())
    publication.close("gone")
    scene.now += 1_000.0
    await scene.registry.handle_timer()
    scene.now += 1_000.0
    await scene.registry.handle_timer()
    assert scene.recorder.kinds[-2:] == ["path.state", "path.closed"]


async def test_viewers_are_told_at_most_every_five_seconds(scene: Scene) -> None:
    scene.registry.set_viewers({"live/a": 1})
    for second in range(1, 8):
        scene.now = T0 + second
        scene.registry.set_viewers({"live/a": second + 1})
    assert scene.recorder.of("viewer.count") == [{"viewers": 1}, {"viewers": 6}]


def test_viewers_who_left_are_told_and_then_forgotten() -> None:
    news = ViewerNews()
    assert news.push({"a": 3}, 10.0) == [("a", 3)]
    assert news.push({}, 12.0) == []
    assert news.push({}, 15.0) == [("a", 0)]
    assert news.push({}, 20.0) == []
    assert news.push({}, 25.0) == []
    assert news.push({"a": 1}, 25.5) == [("a", 1)]


def test_a_flood_is_let_through_at_its_rate() -> None:
    flood = Flood(rate=2.0, burst=3.0)
    told = [flood.push({"n": n}, n / 10) for n in range(30)]
    assert 3 <= sum(one is not None for one in told) <= 9
    assert sum((one or {}).get("withheld", 0) for one in told) <= 27


NOW = 1_700_000_000.0


def test_sessions_are_told_with_as_much_of_their_name_as_logs_show() -> None:
    recorder = Recorder()
    news = SessionNews(recorder)
    view = SignalRequest(1, "view", "live/a")
    news.answered(view, SignalAnswer(1, 409), NOW)
    news.answered(view, SignalAnswer(1, 201, session="0123456789abcdef"), NOW)
    news.answered(SignalRequest(2, "patch", "live/a"), SignalAnswer(2, 204), NOW)
    news.ended("0123456789abcdef", "closed by the client")
    news.ended("0123456789abcdef", "again")
    assert recorder.events == [
        ("session.opened", "live/a", {"session": "01234567", "protocol": "whep"}),
        ("session.closed", "live/a",
         {"session": "01234567", "protocol": "whep", "reason": "closed by the client"}),
    ]  # fmt: skip


def test_viewers_are_known_by_what_is_shown_of_them() -> None:
    news = SessionNews(Recorder())
    view = SignalRequest(1, "view", "live/a", remote="10.0.0.1")
    for session in ("0123456789abcdef", "fedcba98aaa", "fedcba98bbb"):
        news.answered(view, SignalAnswer(1, 201, session=session), NOW)
    publish = SignalRequest(2, "publish", "live/a")
    news.answered(publish, SignalAnswer(2, 201, session="publisher-of-it"), NOW)
    assert [shown for shown, _ in news.viewers()] == ["01234567", "fedcba98", "fedcba98"]
    (_, first), *_ = news.viewers()
    assert (first.path, first.remote, first.since_utc) == ("live/a", "10.0.0.1", NOW)
    assert news.full_name("live/a", "01234567") == "0123456789abcdef"
    for path, shown in (("live/b", "01234567"), ("live/a", "fedcba98"), ("live/a", ""), ("x", "0")):
        assert news.full_name(path, shown) is None


def test_sessions_that_are_lost_with_their_process_are_told() -> None:
    recorder = Recorder()
    news = SessionNews(recorder)
    news.answered(SignalRequest(1, "publish", "live/b"), SignalAnswer(1, 201, session="abc"), NOW)
    news.all_ended("signal 9")
    assert recorder.events[-1][2] == {"session": "abc", "protocol": "whip", "reason": "signal 9"}
