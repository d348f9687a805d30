"""Offers of ours to viewers whose own do not fit."""

from __future__ import annotations

from typing import Any

from streaming.rtc.counter_offers import MOST_WAITING
from streaming.rtc.messages import (
    Unwatch,
)
from streaming.rtc.signal_messages import (
    SignalAnswer,
)
from tests.streaming.rtc.server_scene import WHEP, Scene
from tests.streaming.rtc.test_session_news import news

NO_CODEC = WHEP.replace("H264/90000", "X264/90000").replace("opus/48000/2", "sopu/48000/2")
ANSWER = WHEP.replace("a=setup:actpass", "a=setup:active")


def countered(scene: Scene, **fields: Any) -> SignalAnswer:
    answer = scene.ask("view", body=NO_CODEC, **fields)
    assert answer is not None
    assert answer.status == 406
    return answer


def test_w6_a_viewer_without_our_codecs_is_made_an_offer_and_joins_by_its_answer(
    scene: Scene,
) -> None:
    scene.offer_tracks()
    offered = countered(scene)
    assert "a=rtpmap:96 H264/90000" in offered.body
    assert offered.headers["ETag"]
    assert scene.server.report().viewers == {}
    joined = scene.ask("answer", offered.session, body=ANSWER)
    assert joined is not None
    assert (joined.status, joined.session) == (201, offered.session)
    assert scene.server.report().viewers == {"live/a": 1}
    again = scene.ask("answer", offered.session, body=ANSWER)
    assert again is not None
    assert again.status == 404


def test_w6_an_offer_of_ours_is_good_for_30_seconds_and_keeps_the_path(scene: Scene) -> None:
    scene.offer_tracks()
    offered = countered(scene)
    scene.pass_time(30.0)
    assert Unwatch("live/a") not in scene.sent
    broken = scene.ask("answer", offered.session, body="v=0")
    assert broken is not None
    assert broken.status == 400
    elsewhere = scene.ask("answer", offered.session, body=ANSWER, path="live/b")
    assert elsewhere is not None
    assert elsewhere.status == 404
    scene.pass_time(3.0)
    late = scene.ask("answer", offered.session, body=ANSWER)
    assert late is not None
    assert late.status == 404
    scene.pass_time(1.0)
    assert Unwatch("live/a") in scene.sent


def test_offers_of_ours_are_bounded_and_can_be_turned_down(scene: Scene) -> None:
    scene.offer_tracks()
    first = countered(scene)
    gone = scene.ask("delete", first.session)
    assert gone is not None
    assert gone.status == 200
    second = countered(scene)
    for _ in range(MOST_WAITING):
        countered(scene)
    late = scene.ask("answer", second.session, body=ANSWER)
    assert late is not None
    assert late.status == 404


def test_who_floods_us_for_offers_loses_no_offer_but_their_own(scene: Scene) -> None:
    scene.offer_tracks()
    patient = countered(scene, remote="203.0.113.9")
    flood = [countered(scene) for _ in range(MOST_WAITING)]
    last = scene.ask("answer", flood[-1].session, body=ANSWER)
    first = scene.ask("answer", flood[0].session, body=ANSWER)
    joined = scene.ask("answer", patient.session, body=ANSWER, remote="203.0.113.9")
    assert last is not None
    assert first is not None
    assert joined is not None
    assert (last.status, first.status, joined.status) == (201, 404, 201)


def test_a_socket_may_ask_for_an_offer_and_hears_of_its_session(scene: Scene) -> None:
    scene.offer_tracks()
    offered = scene.ask("offer", channel="c1")
    assert offered is not None
    assert (offered.status, offered.body[:3]) == (200, "v=0")
    scene.ask("answer", offered.session, body=ANSWER)
    scene.pass_time(1.0)
    assert len(news(scene, "c1")) == 3
