"""The WebRTC process before fakes: when paths are watched, and what askers are told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import msgspec
import pytest

from segmenter.media import Sample, Track
from streaming.config import IceServerConfig, WebrtcConfig
from streaming.rtc import sessions
from streaming.rtc.counter_offers import MOST_WAITING
from streaming.rtc.messages import (
    KeyFrameAsked,
    PathEnded,
    PathSample,
    PathTracks,
    PublishAsked,
    Unwatch,
    Watch,
)
from streaming.rtc.server import LINGER_S, SILENT_S, TRACKS_S, RtcServer
from streaming.rtc.signal_messages import (
    SessionEnded,
    SignalAnswer,
    SignalEvent,
    SignalRequest,
    TokenShare,
    Verb,
)
from streaming.rtc.view_plan import VIDEO_NAME
from streaming.transcode.messages import SampleMessage, TrackMessage
from tests.segmenter.stage import SMALL, SOURCE
from tests.webrtc.fanout_stage import loopback
from tests.webrtc.offers import offer
from tests.webrtc.signalling_stage import FakePort
from webrtc.events import KeyFrameWanted
from webrtc.fanout import Fanout
from webrtc.session import JOIN_S
from webrtc.signalling import Signalling

WHEP, WHIP = offer("chromium-whep"), offer("chromium-whip-simulcast")


class Scene:
    """A server, its link's other end, and a clock of the test's own."""

    def __init__(self, fanout: Fanout, **settings: Any) -> None:
        self.now = 100.0
        self.fanout = fanout
        self.sent: list[Any] = []
        self.server = RtcServer(
            WebrtcConfig(**settings),
            fanout,
            FakePort(),
            self.sent.append,
            now=lambda: self.now,
            utc=lambda: 1_800_000_000.0 + self.now,
        )
        self._ids = 0

    def offer_tracks(self, path: str = "live/a", tracks: Sequence[Track] = (SOURCE, SMALL)) -> None:
        messages = tuple(TrackMessage.from_track(track) for track in tracks)
        self.server.receive(PathTracks(path, messages))

    def ask(self, verb: Verb, session: str = "", **fields: Any) -> SignalAnswer | None:
        """The answer, if there is one yet."""
        self._ids += 1
        fields = {"path": "live/a", "remote": "203.0.113.5"} | fields
        self.server.receive(SignalRequest(self._ids, verb, session=session, **fields))
        return self.answer(self._ids)

    def answer(self, number: int) -> SignalAnswer | None:
        found = [m for m in self.sent if isinstance(m, SignalAnswer) and m.id == number]
        return found[0] if found else None

    def view(self, **fields: Any) -> SignalAnswer:
        answer = self.ask("view", body=WHEP, **fields)
        assert answer is not None
        return answer

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.server.handle_timer(self.now)


@pytest.fixture
def fanout() -> Iterator[Fanout]:
    with loopback() as own:
        fanout = Fanout([own.fileno()], threads=0)
        yield fanout
        fanout.close()


@pytest.fixture
def scene(fanout: Fanout) -> Scene:
    return Scene(fanout)


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
