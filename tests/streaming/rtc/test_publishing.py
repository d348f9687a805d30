"""Offers to publish: negotiated first, then the path, then the answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from segmenter.media import Sample
from streaming.rtc.messages import (
    PublishAllowed,
    PublishAsked,
    PublishClosed,
    PublishPlaced,
    PublishRefused,
    PublishSample,
    PublishTracks,
)
from streaming.rtc.publishing import NOTHING_S, Publishing
from streaming.rtc.signal_messages import SignalAnswer, SignalRequest
from tests.segmenter.stage import AUDIO, SMALL, SOURCE
from webrtc.errors import MalformedSdp, SessionNotFound
from webrtc.events import PublishedSamples, PublishedTracks
from webrtc.signalling_results import Answer

OFFER = SignalRequest(7, "publish", "live/a", body="v=0", key="k", remote="10.0.0.1", rank="backup")


class FakeSignalling:
    """Answers every offer but a broken one."""

    def __init__(self) -> None:
        self.closed: dict[str, str] = {}
        self.grids: dict[str, float] = {}
        self.offsets: dict[str, int] = {}
        self.wanted: list[tuple[str, str]] = []

    def publish(self, stream: str, offer_sdp: str, client: str, *, max_layers: int = 1) -> Answer:
        self.max_layers = max_layers
        if offer_sdp != "v=0":
            raise MalformedSdp("not SDP")
        return Answer("s1", "v=0 answer", '"1"')

    def close(self, session_id: str, reason: str) -> None:
        if session_id in self.closed:
            raise SessionNotFound("gone")
        self.closed[session_id] = reason

    def set_segment_grid(self, session_id: str, segment_duration_s: float) -> None:
        self.grids[session_id] = segment_duration_s

    def set_media_offset(self, session_id: str, ticks: int) -> None:
        self.offsets[session_id] = ticks

    def want_key_frame(self, session_id: str, track: str = "") -> None:
        self.wanted.append((session_id, track))


class Scene:
    def __init__(self) -> None:
        self.signalling: Any = FakeSignalling()
        self.sent: list[Any] = []
        self.publishing = Publishing(self.signalling, self.sent.append, 3)

    def publish(self) -> None:
        self.publishing.offer(OFFER)
        self.publishing.allow(PublishAllowed("s1", 2.0), "", 100.0)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_an_offer_asks_for_the_path_before_it_is_answered(scene: Scene) -> None:
    assert scene.publishing.offer(OFFER) == "s1"
    assert scene.sent == [PublishAsked("s1", "live/a", "k", "10.0.0.1", "backup")]
    scene.publishing.allow(PublishAllowed("s1", 2.0), '<stun:x>; rel="ice-server"', 100.0)
    headers = {"ETag": '"1"', "Link": '<stun:x>; rel="ice-server"'}
    assert scene.sent[1] == SignalAnswer(7, 201, "v=0 answer", headers, "s1")
    assert scene.signalling.grids == {"s1": 2.0}


def test_layers_that_come_and_stop_are_counted(scene: Scene) -> None:
    scene.publish()
    layer = replace(SMALL, name="source_l")
    for tracks in ((SOURCE, layer, AUDIO), (layer, AUDIO), (SOURCE, layer, AUDIO)):
        scene.publishing.set_tracks(PublishedTracks("s1", "live/a", tracks))
    assert (scene.publishing.pictures, scene.publishing.layers_stopped) == (2, 1)
    scene.publishing.forget("s1", "gone")
    assert (scene.publishing.pictures, scene.publishing.layers_stopped) == (0, 1)


def test_layers_are_taken_up_to_the_bound(scene: Scene) -> None:
    scene.publish()
    assert scene.signalling.max_layers == 3


def test_a_broken_offer_displaces_nobody(scene: Scene) -> None:
    with pytest.raises(MalformedSdp):
        scene.publishing.offer(SignalRequest(7, "publish", "live/a", body="nonsense"))
    assert scene.sent == []


def test_a_refused_offer_is_told_why_and_leaves_no_session(scene: Scene) -> None:
    scene.publishing.offer(OFFER)
    scene.publishing.refuse(PublishRefused("s1", 401, "wrong key"))
    assert scene.sent[1] == SignalAnswer(7, 401, "wrong key", {"WWW-Authenticate": "Bearer"})
    assert scene.signalling.closed == {"s1": "wrong key"}


def test_a_path_that_comes_too_late_is_given_back(scene: Scene) -> None:
    scene.publishing.offer(OFFER)
    scene.publishing.forget("s1", "it never connected")
    assert [type(message) for message in scene.sent[1:]] == [SignalAnswer, PublishClosed]
    scene.publishing.allow(PublishAllowed("s1", 2.0), "", 100.0)
    assert scene.sent[3] == PublishClosed("s1", "the session has gone")


def test_tracks_and_samples_are_passed_on_while_the_session_has_the_path(scene: Scene) -> None:
    scene.publish()
    scene.publishing.set_tracks(PublishedTracks("s1", "live/a", (SOURCE,)))
    frame = Sample("source", 90_000, 90_000, b"frame", True, 3000, captured_utc=5.0)
    scene.publishing.write(PublishedSamples("s1", "live/a", (frame,)))
    tracks, sample = scene.sent[2:]
    assert isinstance(tracks, PublishTracks)
    assert tracks.tracks[0].to_track() == SOURCE
    assert isinstance(sample, PublishSample)
    assert sample.sample.to_sample() == frame
    scene.publishing.close(PublishClosed("s1", "taken over"))
    scene.publishing.write(PublishedSamples("s1", "live/a", (frame,)))
    assert len(scene.sent) == 4
    assert scene.signalling.closed == {"s1": "taken over"}


def test_who_is_let_in_and_sends_nothing_is_no_publisher_and_has_to_go(scene: Scene) -> None:
    scene.publish()
    assert len(scene.publishing) == 0
    scene.publishing.handle_timer(100.0 + NOTHING_S - 0.1)
    assert scene.signalling.closed == {}
    scene.publishing.handle_timer(100.0 + NOTHING_S)
    assert scene.signalling.closed == {"s1": "no media came"}


def test_who_sends_something_in_time_may_stay(scene: Scene) -> None:
    scene.publish()
    scene.publishing.set_tracks(PublishedTracks("s1", "live/a", (AUDIO,)))
    assert len(scene.publishing) == 1
    scene.publishing.handle_timer(100.0 + 2 * NOTHING_S)
    assert scene.signalling.closed == {}


def test_the_end_of_a_session_gives_the_path_up_once(scene: Scene) -> None:
    scene.publish()
    scene.publishing.forget("s1", "closed by the client")
    scene.publishing.forget("s1", "closed by the client")
    assert scene.sent[2:] == [PublishClosed("s1", "closed by the client")]


def test_a_viewer_s_lost_picture_asks_the_publisher_of_its_path_alone(scene: Scene) -> None:
    scene.publish()
    scene.publishing.want_key_frame("live/b", "source")
    scene.publishing.want_key_frame("live/a", "source")
    assert scene.signalling.wanted == [("s1", "source")]


def test_key_frames_are_asked_for_where_media_time_has_its_lines(scene: Scene) -> None:
    scene.publishing.place(PublishPlaced("s1", 5))
    assert scene.signalling.offsets == {}, "its session is not there"
    scene.publish()
    scene.publishing.place(PublishPlaced("s1", 7))
    assert scene.signalling.offsets == {"s1": 7}
