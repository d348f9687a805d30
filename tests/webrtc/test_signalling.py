from __future__ import annotations

import dataclasses
import gc
import itertools
import re
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from tests.segmenter.stage import AUDIO, SMALL, SOURCE
from tests.webrtc.checks import nominating_check
from tests.webrtc.offers import offer
from tests.webrtc.test_ice import HOME, check
from tests.webrtc.test_subscription import HEVC, OPUS
from webrtc.dtls import NegotiatedKeys
from webrtc.errors import (
    MalformedSdp,
    NoCommonCodec,
    NotLive,
    PreconditionFailed,
    PreconditionMissing,
    RemoteError,
    SessionNotFound,
    TooManySessions,
)
from webrtc.events import KeyFrameWanted, RenditionsWanted, SessionClosed, SignallingEvent
from webrtc.fanout_events import AddressChanged, Bye, Event, PictureLost
from webrtc.flow_table import FlowTable
from webrtc.ice import Candidate, Flow, IceCredentials, host_candidate
from webrtc.offer import OfferedCodec, parse_offer
from webrtc.rendition import Rendition
from webrtc.session import JOIN_S, State
from webrtc.session_table import SessionLimits
from webrtc.signalling import Signalling
from webrtc.signalling_results import Answer
from webrtc.subscriber import Subscriber
from webrtc.viewer_settings import SrtpKeys, SrtpProfile

WHEP = offer("chromium-whep")
WHIP = offer("chromium-whip-simulcast")
CLIENT = "203.0.113.5"
AGAIN = IceCredentials("again", "a" * 22)


@dataclass
class FakePort:
    """A port on which nothing arrives but what the test hands to its table."""

    table: FlowTable = field(default_factory=FlowTable)
    candidates: tuple[Candidate, ...] = (host_candidate("192.0.2.1", 8189, rank=0),)
    is_lite: bool = True
    by_version: dict[int, int] = field(default_factory=lambda: {4: 0})
    sent: list[tuple[Flow, bytes]] = field(default_factory=list)

    def send(self, flow: Flow, datagram: bytes) -> None:
        self.sent.append((flow, datagram))

    def media_flow(self, flow: Flow) -> Flow:
        return flow


class FakeFanout:
    """A fan-out that writes down what it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.events: list[Event] = []
        self._numbers = itertools.count(1)

    def add_viewer(self, settings: object) -> int:
        number = next(self._numbers)
        self.calls.append(("add", number))
        return number

    def play(self, viewer: int, kind: str, ring: int, since: str) -> None:
        self.calls.append(("play", viewer, kind, ring))

    def pause(self, viewer: int, kind: str) -> None:
        self.calls.append(("pause", viewer, kind))

    def set_address(self, viewer: int, address: tuple[str, int], socket: int) -> None:
        self.calls.append(("address", viewer, address, socket))

    def set_ice(self, viewer: int, username: str, password: str) -> None:
        self.calls.append(("ice", viewer, username))

    def remove_viewer(self, viewer: int) -> None:
        self.calls.append(("remove", viewer))

    def poll(self) -> list[Event]:
        events, self.events = self.events, []
        return events


class Stage:
    """Signalling before fakes, with a clock of the test's own."""

    def __init__(self, limits: SessionLimits | None = None) -> None:
        self.now = 100.0
        self.port = FakePort()
        self.fanout = FakeFanout()
        self.events: list[SignallingEvent] = []
        self.signalling = Signalling(
            self.port, cast(Any, self.fanout), self.events.append,
            now=lambda: self.now, limits=limits,
        )  # fmt: skip

    def go_live(self, *tracks: Any) -> None:
        renditions = [Rendition(track, n + 1, 1_000_000) for n, track in enumerate(tracks)]
        self.signalling.announce(
            "live", renditions or [Rendition(SOURCE, 1, 1), Rendition(OPUS, 2, 1)]
        )

    def subscribe(self, text: str = WHEP) -> Answer:
        return self.signalling.subscribe("live", text, CLIENT)

    def check(
        self, session_id: str, flow: Flow = HOME, *, by: IceCredentials | None = None
    ) -> None:
        """The peer's nominating check, with the session's newest credentials."""
        agent = self.signalling.session(session_id).agent
        raw = nominating_check(by or agent.remote, agent.local)
        self.port.table.receive(raw, flow, self.now)

    def connect(self, session_id: str) -> Subscriber:
        """As if DTLS had come up."""
        session = self.signalling.session(session_id)
        session.take_keys(_KEYS)
        assert session.state is State.CONNECTED
        assert isinstance(session.role, Subscriber)
        return session.role

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.signalling.handle_timer(self.now)


_SRTP = SrtpKeys(SrtpProfile.AEAD_AES_128_GCM, bytes(16), bytes(12))
_KEYS = NegotiatedKeys(_SRTP, _SRTP)


def sdp_value(text: str, name: str) -> str:
    found = re.search(rf"a={name}:(.*)\r\n", text)
    assert found is not None
    return found[1]


def fragment(ice: IceCredentials | None = None, *lines: str) -> str:
    head = [f"a=ice-ufrag:{ice.ufrag}", f"a=ice-pwd:{ice.password}"] if ice else []
    return "\r\n".join([*head, "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:0", *lines]) + "\r\n"


def test_an_answer_has_our_credentials_and_a_check_with_them_is_answered() -> None:
    stage = Stage()
    stage.go_live()
    answer = stage.subscribe()
    agent = stage.signalling.session(answer.session_id).agent
    assert sdp_value(answer.sdp, "ice-ufrag") == agent.local.ufrag
    assert answer.etag.startswith('"')


def test_of_an_offer_a_session_keeps_the_codecs_that_were_chosen_alone() -> None:
    stage = Stage()
    stage.go_live()
    gc.collect()
    before = sum(isinstance(each, OfferedCodec) for each in gc.get_objects())
    for _ in range(5):
        stage.subscribe()
    gc.collect()
    kept = sum(isinstance(each, OfferedCodec) for each in gc.get_objects()) - before
    assert kept <= 10, "one for sound and one for the picture, of 28 in each offer"


async def test_the_first_check_begins_dtls() -> None:
    stage = Stage()
    stage.go_live()
    answer = stage.subscribe()
    session = stage.signalling.session(answer.session_id)
    assert session.state is State.NEW
    stage.check(answer.session_id)
    assert session.state is State.CONNECTING
    assert [flow for flow, _ in stage.port.sent] == [HOME]
    await stage.signalling.wait_closed()
    assert session.has_ended


def test_a_stream_that_nobody_publishes_is_not_live() -> None:
    stage = Stage()
    with pytest.raises(NotLive) as caught:
        stage.subscribe()
    assert (caught.value.http_status, caught.value.retry_after_s) == (409, 2)
    stage.go_live()
    stage.subscribe()
    stage.signalling.withdraw("live")
    assert len(stage.signalling) == 0
    with pytest.raises(NotLive):
        stage.subscribe()


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 400),
        (WHEP.replace("a=ice-pwd", "a=x"), 400),
        (WHEP.replace("recvonly", "sendonly"), 422),
    ],
)
def test_a_refused_offer_leaves_nothing_behind(text: str, status: int) -> None:
    stage = Stage()
    stage.go_live()
    with pytest.raises(RemoteError) as caught:
        stage.subscribe(text)
    assert caught.value.http_status == status
    assert len(stage.signalling) == len(stage.port.table) == 0


def test_a_viewer_without_our_codec_is_not_acceptable() -> None:
    stage = Stage()
    stage.go_live(HEVC)
    with pytest.raises(NoCommonCodec) as caught:
        stage.subscribe()
    assert caught.value.value == ["h265"]


def test_candidates_trickle_in_without_content_or_etag() -> None:
    stage = Stage()
    stage.go_live()
    answer = stage.subscribe()
    remote = parse_offer(WHEP).ice
    body = fragment(remote, "a=candidate:1 1 udp 1 192.0.2.9 99 typ host", "a=end-of-candidates")
    for if_match in (answer.etag, "*", f'"other", {answer.etag}'):
        result = stage.signalling.patch(answer.session_id, if_match, body)
        assert (result.http_status, result.fragment, result.etag) == (204, "", "")
    assert stage.signalling.patch(answer.session_id, answer.etag, fragment()).http_status == 204


def test_a_patch_says_which_ice_session_it_means() -> None:
    stage = Stage()
    stage.go_live()
    answer = stage.subscribe()
    with pytest.raises(PreconditionMissing) as missing:
        stage.signalling.patch(answer.session_id, None, fragment())
    with pytest.raises(PreconditionFailed) as failed:
        stage.signalling.patch(answer.session_id, '"stale"', fragment())
    assert (missing.value.http_status, failed.value.http_status) == (428, 412)


@pytest.mark.parametrize(
    "body", ["", "v=0\r\n", "hello", "a=ice-ufrag:only\r\n", "a=candidate:x\r\n"]
)
def test_a_malformed_patch_changes_nothing(body: str) -> None:
    stage = Stage()
    stage.go_live()
    answer = stage.subscribe()
    with pytest.raises(MalformedSdp):
        stage.signalling.patch(answer.session_id, answer.etag, body)
    assert stage.signalling.session(answer.session_id).etag == answer.etag


async def test_an_ice_restart_gives_new_credentials_and_the_flow_goes_on() -> None:
    stage = Stage()
    stage.go_live()
    answer = stage.subscribe()
    stage.check(answer.session_id)
    stage.connect(answer.session_id)
    result = stage.signalling.patch(answer.session_id, "*", fragment(AGAIN))
    assert result.http_status == 200
    assert result.etag not in ("", answer.etag)
    ufrag = sdp_value(result.fragment, "ice-ufrag")
    assert ufrag != sdp_value(answer.sdp, "ice-ufrag")
    assert "a=candidate:1u 1 udp" in result.fragment
    assert result.fragment.startswith("a=ice-lite\r\n"), "as in the answer (RFC 9725 4.3.3)"
    with pytest.raises(PreconditionFailed):
        stage.signalling.patch(answer.session_id, answer.etag, fragment())
    stage.check(answer.session_id, Flow(0, "198.51.100.7", 1), by=AGAIN)
    assert stage.fanout.calls[-2:] == [
        ("ice", 1, f"{ufrag}:again"), ("address", 1, ("198.51.100.7", 1), 0)
    ]  # fmt: skip
    await stage.signalling.wait_closed()


def test_a_session_ends_once() -> None:
    stage = Stage()
    stage.go_live()
    answer = stage.subscribe()
    stage.signalling.close(answer.session_id)
    assert stage.events == [SessionClosed(answer.session_id, "live", "closed by request")]
    for again in (
        lambda: stage.signalling.close(answer.session_id),
        lambda: stage.signalling.patch(answer.session_id, "*", fragment()),
    ):
        with pytest.raises(SessionNotFound):
            again()


def test_half_open_joins_end_by_themselves_and_leave_nothing_behind() -> None:
    stage = Stage(SessionLimits(half_open=500))
    stage.go_live()
    for _ in range(500):
        stage.subscribe()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(4):
        with pytest.raises(TooManySessions) as caught:
            stage.subscribe()
        assert (caught.value.http_status, caught.value.retry_after_s) == (503, 10)
        stage.pass_time(JOIN_S + 0.1)
        assert len(stage.signalling) == len(stage.port.table) == 0
        assert stage.events[-1] == dataclasses.replace(
            cast(SessionClosed, stage.events[-1]), reason="no connectivity check came"
        )
        for _ in range(500):
            stage.subscribe()
        stage.events.clear()
    gc.collect()
    assert len(gc.get_objects()) < before * 1.05


def test_sessions_are_bounded_for_each_address() -> None:
    stage = Stage(SessionLimits(sessions_per_address=3))
    stage.go_live()
    answers = [stage.subscribe() for _ in range(3)]
    with pytest.raises(TooManySessions):
        stage.subscribe()
    stage.signalling.subscribe("live", WHEP, "203.0.113.6")
    stage.signalling.close(answers[0].session_id)
    stage.subscribe()


async def test_dtls_that_does_not_come_up_ends_the_session() -> None:
    stage = Stage()
    stage.go_live()
    answer = stage.subscribe()
    stage.check(answer.session_id)
    stage.pass_time(JOIN_S)
    assert cast(SessionClosed, stage.events[-1]).reason == "DTLS did not come up"
    await stage.signalling.wait_closed()


async def test_a_connected_viewer_plays_and_ends_30_s_after_its_last_check() -> None:
    stage = Stage()
    stage.go_live()
    answer = stage.subscribe()
    stage.check(answer.session_id)
    stage.connect(answer.session_id)
    assert stage.fanout.calls == [("add", 1), ("play", 1, "video", 1), ("play", 1, "audio", 2)]
    stage.pass_time(29.0)
    stage.check(answer.session_id)
    stage.pass_time(29.0)
    assert len(stage.signalling) == 1
    stage.pass_time(2.0)
    assert SessionClosed(answer.session_id, "live", "consent expired") in stage.events
    assert stage.fanout.calls[-1] == ("remove", 1)
    await stage.signalling.wait_closed()


async def test_what_the_fan_out_says_reaches_the_session() -> None:
    stage = Stage()
    stage.go_live()
    answer = stage.subscribe()
    stage.check(answer.session_id)
    stage.connect(answer.session_id)
    session = stage.signalling.session(answer.session_id)
    stage.fanout.events = [AddressChanged(1, ("198.51.100.7", 4), 0)]
    stage.pass_time(1.0)
    assert session.flow == Flow(0, "198.51.100.7", 4)
    assert stage.port.table.endpoint_of(Flow(0, "198.51.100.7", 4)) is session
    stage.fanout.events = [Bye(1)]
    stage.pass_time(1.0)
    assert SessionClosed(answer.session_id, "live", "the viewer has left") in stage.events
    await stage.signalling.wait_closed()


async def test_many_lost_pictures_are_one_request_for_a_key_frame() -> None:
    stage = Stage()
    stage.go_live()
    answers = [stage.subscribe() for _ in range(3)]
    for port, answer in enumerate(answers):
        stage.check(answer.session_id, Flow(0, "192.0.2.7", 1 + port))
        stage.connect(answer.session_id)
    stage.pass_time(1.0)
    stage.events.clear()
    stage.fanout.events = [PictureLost(viewer, "video") for viewer in (1, 2, 3)]
    stage.pass_time(0.1)
    stage.fanout.events = [PictureLost(1, "video")]
    stage.pass_time(0.1)
    assert stage.events == [KeyFrameWanted("live", SOURCE.name)]
    stage.pass_time(0.5)
    assert stage.events == [KeyFrameWanted("live", SOURCE.name)] * 2
    await stage.signalling.wait_closed()


async def test_renditions_are_wanted_while_somebody_connected_is_to_be_sent_them() -> None:
    stage = Stage()
    stage.signalling.announce("live", [Rendition(SOURCE, 1, 1), Rendition(OPUS, None, 1)])
    answer = stage.subscribe()
    stage.pass_time(0.1)
    assert stage.events == []
    stage.check(answer.session_id)
    stage.connect(answer.session_id)
    stage.pass_time(0.1)
    assert stage.events[-1] == RenditionsWanted("live", frozenset({SOURCE.name, OPUS.name}))
    assert ("play", 1, "audio", 2) not in stage.fanout.calls
    stage.signalling.announce("live", [Rendition(SOURCE, 1, 1), Rendition(OPUS, 2, 1)])
    assert stage.fanout.calls[-1] == ("play", 1, "audio", 2)
    stage.signalling.close(answer.session_id)
    stage.pass_time(0.1)
    assert stage.events[-1] == RenditionsWanted("live", frozenset())
    await stage.signalling.wait_closed()


async def test_a_viewer_may_choose_its_rendition() -> None:
    stage = Stage()
    stage.signalling.announce(
        "live", [Rendition(SOURCE, 1, 3_000_000), Rendition(SMALL, 2, 800_000)]
    )
    answer = stage.subscribe()
    stage.check(answer.session_id)
    role = stage.connect(answer.session_id)
    assert role.choices == (SMALL.name, SOURCE.name)
    assert stage.fanout.calls[-1] == ("play", 1, "video", 1)
    assert role.choose(SMALL.name)
    assert role.statistics().playing == {"video": SMALL.name}
    assert (role.statistics().chosen, role.statistics().switches) == (SMALL.name, 1)
    assert stage.fanout.calls[-1] == ("play", 1, "video", 2)
    assert not role.choose(AUDIO.name)
    await stage.signalling.wait_closed()


def test_a_check_that_is_not_the_peers_is_not_answered() -> None:
    stage = Stage()
    stage.go_live()
    answer = stage.subscribe()
    agent = stage.signalling.session(answer.session_id).agent
    forged = check(IceCredentials(agent.local.ufrag, "f" * 24), by=agent.remote)
    assert not stage.signalling.session(answer.session_id).receive_stun(forged, HOME, 1.0)
    assert stage.port.sent == []


async def test_what_is_not_there_any_more_is_not_sent() -> None:
    stage = Stage()
    stage.go_live()
    answer = stage.subscribe()
    stage.check(answer.session_id)
    stage.connect(answer.session_id)
    stage.go_live(SOURCE)
    assert stage.fanout.calls[-1] == ("pause", 1, "audio")
    await stage.signalling.wait_closed()


def test_what_is_there_comes_before_what_could_be_made() -> None:
    stage = Stage()
    stage.signalling.announce("live", [Rendition(SOURCE, None, 2_000_000), Rendition(SMALL, 2, 1)])
    answer = stage.subscribe()
    role = stage.signalling.session(answer.session_id).role
    assert cast(Subscriber, role).playing["video"].name == SMALL.name


async def test_the_statistics_count_peers_by_what_they_are() -> None:
    stage = Stage()
    stage.go_live()
    answers = [stage.subscribe() for _ in range(3)]
    answers.append(stage.signalling.publish("other", WHIP, CLIENT))
    for port, answer in enumerate(answers[2:], 1):
        stage.check(answer.session_id, Flow(0, "192.0.2.7", port))
    stage.connect(answers[2].session_id)
    stage.signalling.session(answers[3].session_id).take_keys(_KEYS)
    told = stage.signalling.statistics()
    assert (told.sessions, told.half_open, told.viewers, told.publishers) == (4, 2, 1, 1)
    assert told.routes == 4 + 2
    await stage.signalling.wait_closed()
