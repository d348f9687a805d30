"""The WebRTC process before fakes: when paths are watched, and what askers are told."""

from __future__ import annotations

from typing import cast

import msgspec
import pytest

from segmenter.media import Sample, Track
from streaming.config import IceServerConfig
from streaming.rtc.messages import (
    KeyFrameAsked,
    PathEnded,
    PathSample,
    PublishAsked,
    Unwatch,
    Watch,
)
from streaming.rtc.server import LINGER_S, TRACKS_S
from streaming.rtc.signal_messages import (
    SessionEnded,
    SignalEvent,
    TokenShare,
    Verb,
)
from streaming.rtc.view_plan import AUDIO_NAME, VIDEO_NAME
from streaming.transcode.messages import SampleMessage
from tests.segmenter.stage import OPUS, SOURCE, renamed
from tests.streaming.rtc.server_scene import WHEP, WHIP, Scene
from webrtc.events import KeyFrameWanted
from webrtc.fanout import Fanout
from webrtc.session import JOIN_S
from webrtc.signalling import Signalling


def test_a_viewer_is_answered_and_counted_until_it_says_goodbye(scene: Scene) -> None:
    scene.offer_tracks()
    answer = scene.view()
    assert answer.status == 201
    assert answer.body.startswith("v=0")
    assert scene.server.report().viewers == {"live/a": 1}
    gone = scene.ask("delete", answer.session)
    assert gone is not None
    assert gone.status == 200
    assert scene.server.report().viewers == {}


def test_an_operator_ends_a_session_and_its_end_says_so(scene: Scene) -> None:
    scene.offer_tracks()
    session = scene.view().session
    gone = scene.ask("kick", session)
    assert gone is not None
    assert gone.status == 200
    assert SessionEnded(session, "closed by the operator") in scene.sent
    assert scene.server.report().viewers == {}


def test_sessions_without_media_have_no_figures(
    scene: Scene,
) -> None:
    scene.offer_tracks()
    viewer = scene.view().session
    scene.ask("publish", path="live/b", body=WHIP)
    (asked,) = [message for message in scene.sent if isinstance(message, PublishAsked)]
    wanted = msgspec.json.encode([viewer, asked.session, "gone"]).decode()
    told = scene.ask("figures", path="", body=wanted)
    assert told is not None
    assert (told.status, told.body) == (200, "{}")


def test_a_mistake_of_ours_costs_its_asker_an_answer_and_others_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.offer_tracks()
    scene.view()

    def stumble(*of: object, **more: object) -> None:
        raise RuntimeError("a mistake")

    for verb, method in (("view", "subscribe"), ("publish", "publish")):
        monkeypatch.setattr(Signalling, method, stumble)
        answer = scene.ask(cast(Verb, verb), body=WHEP)
        assert answer is not None
        assert (answer.status, "mistake" in answer.body) == (500, False)
    assert scene.server.report().viewers == {"live/a": 1}


def test_w5_a_second_delete_and_another_path_s_session_are_404(scene: Scene) -> None:
    scene.offer_tracks()
    session = scene.view().session
    elsewhere = scene.ask("delete", session, path="live/b")
    assert elsewhere is not None
    assert elsewhere.status == 404
    scene.ask("delete", session)
    again = scene.ask("delete", session)
    assert again is not None
    assert again.status == 404


def test_a_path_is_given_up_when_nobody_has_watched_it_for_a_while(scene: Scene) -> None:
    scene.offer_tracks()
    session = scene.view().session
    scene.ask("delete", session)
    scene.pass_time(LINGER_S / 2)
    assert Unwatch("live/a") not in scene.sent
    scene.pass_time(LINGER_S)
    assert scene.sent[-1] == Unwatch("live/a")
    assert scene.fanout.statistics().rings == 0


def test_a_viewer_who_is_back_in_time_keeps_the_path(scene: Scene) -> None:
    scene.offer_tracks()
    scene.ask("delete", scene.view().session)
    scene.pass_time(LINGER_S / 2)
    scene.view()
    scene.pass_time(LINGER_S)
    assert Unwatch("live/a") not in scene.sent


def test_it_is_idle_while_there_is_neither_a_peer_nor_a_path_that_one_may_come_back_to(
    scene: Scene,
) -> None:
    assert scene.server.is_idle
    assert scene.ask("view", body=WHEP) is None
    assert not scene.server.is_idle  # the offer may have to be told that nothing is live
    scene.offer_tracks()
    answer = scene.answer(1)
    assert answer is not None
    scene.ask("delete", answer.session)
    assert not scene.server.is_idle
    scene.pass_time(LINGER_S + 1)
    assert scene.server.is_idle


def test_an_offer_for_a_path_that_was_just_given_up_waits_for_its_tracks(scene: Scene) -> None:
    assert scene.ask("view", body=WHEP) is None
    assert scene.sent == [Watch("live/a")]
    scene.offer_tracks()
    answer = scene.answer(1)
    assert answer is not None
    assert answer.status == 201


def test_w6_such_an_offer_is_told_in_time_that_nothing_is_live(scene: Scene) -> None:
    scene.ask("view", body=WHEP)
    scene.pass_time(TRACKS_S + 0.1)
    answer = scene.answer(1)
    assert answer is not None
    assert (answer.status, answer.headers) == (409, {"Retry-After": "2"})
    scene.offer_tracks()
    assert scene.server.report().viewers == {}


def test_the_end_of_a_path_ends_its_viewers_sessions(scene: Scene) -> None:
    scene.offer_tracks()
    scene.view(channel="c1")
    scene.server.receive(PathEnded("live/a", "the stream has ended"))
    events = [message for message in scene.sent if isinstance(message, SignalEvent)]
    assert [(event.channel, event.kind, event.text) for event in events] == [
        ("c1", "closed", "the stream has ended")
    ]
    assert scene.server.report().viewers == {}


def test_w1_ice_servers_are_named_to_each_session_with_a_user_of_its_own(fanout: Fanout) -> None:
    turn = IceServerConfig(("turn:turn.example.org:3478",), secret="s3cret")
    scene = Scene(fanout, ice_servers=(turn,))
    scene.offer_tracks()
    first, second = scene.view().headers["Link"], scene.view().headers["Link"]
    assert first.startswith('<turn:turn.example.org:3478>; rel="ice-server"; username="18000')
    assert first != second
    assert "s3cret" not in first


def test_sessions_are_bounded(fanout: Fanout) -> None:
    scene = Scene(fanout, max_sessions=1)
    scene.offer_tracks()
    scene.view()
    answer = scene.view()
    assert answer.status == 503
    assert "Retry-After" in answer.headers
    assert scene.server.report().sessions_failed == 1


def test_only_so_many_sessions_go_by_a_token_for_as_long_as_they_last(scene: Scene) -> None:
    scene.offer_tracks()
    scene.offer_tracks("live/b")
    share = TokenShare("a token's name", 2)
    first, second = scene.view(share=share), scene.view(share=share, path="live/b")
    scene.pass_time(1)
    refused = scene.view(share=share)
    assert (first.status, second.status, refused.status) == (201, 201, 403)
    assert refused.body == "the token is in use by 2 already"
    assert scene.server.report().viewers == {"live/a": 1, "live/b": 1}
    assert scene.view(share=TokenShare("another's", 2)).status == 201
    assert scene.view().status == 201, "without a limit there is none"
    scene.ask("delete", first.session)
    assert scene.view(share=share).status == 201


def test_a_picture_lost_is_asked_of_whoever_makes_it(scene: Scene) -> None:
    scene.server._take_event(KeyFrameWanted("live/a", VIDEO_NAME))
    assert scene.sent == [KeyFrameAsked("live/a")]
    scene.server._take_event(KeyFrameWanted("live/a", "source"))
    assert len(scene.sent) == 1, "which goes to its publisher, if that is a WebRTC peer"
    assert scene.server.report().key_frame_requests == 2


def test_a_viewer_chooses_among_what_suits_it(scene: Scene) -> None:
    scene.offer_tracks()
    session = scene.view().session
    answer = scene.ask("choose", session, body='{"encodingId": "360p"}')
    assert answer is not None
    assert answer.is_json
    assert '"selected":"360p"' in answer.body
    unknown = scene.ask("choose", session, body='{"encodingId": "8k"}')
    assert unknown is not None
    assert unknown.status == 404
    nonsense = scene.ask("choose", session, body="[]")
    assert nonsense is not None
    assert nonsense.status == 400


def test_a_viewer_is_told_how_far_media_time_is_ahead_of_capture(scene: Scene) -> None:
    scene.offer_tracks()
    session = scene.view().session
    at = 1_800_000_000 * 90_000
    late = Sample("source", at, at, b"\0\0\0\1\x65", True, captured_utc=1_799_999_999.4)
    scene.server.receive(PathSample("live/a", SampleMessage.from_sample(late)))
    answer = scene.ask("layers", session)
    assert answer is not None
    assert '"mediaAheadS":0.6' in answer.body


@pytest.mark.parametrize(
    ("sound", "told"),
    [(OPUS, '"passed"'), (renamed(OPUS, AUDIO_NAME), '"made"'), (None, "null")],
    ids=["the publisher's", "made of AAC", "none"],
)
def test_a_viewer_is_told_whether_its_sound_is_the_publishers_own(
    scene: Scene, sound: Track | None, told: str
) -> None:
    scene.offer_tracks(tracks=(SOURCE, sound) if sound else (SOURCE,))
    answer = scene.ask("layers", scene.view().session)
    assert answer is not None
    assert f'"sound":{told}' in answer.body


def test_a_viewer_is_told_what_its_timestamps_mean(scene: Scene) -> None:
    scene.offer_tracks()
    answer = scene.ask("layers", scene.view().session)
    assert answer is not None
    clock = msgspec.json.decode(answer.body)["clocks"]["video"]
    assert clock["rate"] == 90_000
    assert 0 <= clock["offset"] < 2**32


def test_samples_of_a_path_that_nobody_asked_for_are_nothing(scene: Scene) -> None:
    sample = Sample("source", 0, 0, b"\0\0\0\1\x65", True)
    scene.server.receive(PathSample("live/b", SampleMessage.from_sample(sample)))
    assert scene.fanout.statistics().rings == 0


def test_a_publisher_is_told_what_has_come_of_it_and_views_nothing(scene: Scene) -> None:
    scene.ask("publish", body=WHIP, channel="c1")
    (asked,) = [message for message in scene.sent if isinstance(message, PublishAsked)]
    told = scene.ask("statistics", asked.session)
    assert told is not None
    assert msgspec.json.decode(told.body) == {"sources": [], "rejected": 0}
    muted = scene.ask("mute", asked.session, body='{"kind": "audio"}')
    assert muted is not None
    assert (muted.status, muted.body) == (404, "it views nothing")


def test_an_offer_to_publish_that_never_connects_gives_the_path_back(scene: Scene) -> None:
    assert scene.ask("publish", body=WHIP, key="k") is None
    (asked,) = [message for message in scene.sent if isinstance(message, PublishAsked)]
    assert (asked.path, asked.key) == ("live/a", "k")
    assert scene.server.report().viewers == {}
    scene.pass_time(JOIN_S + 1)
    answer = scene.answer(1)
    assert answer is not None
    assert answer.status == 503
