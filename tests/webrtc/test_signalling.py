from __future__ import annotations

import dataclasses
import gc
from typing import Any, cast

import pytest

from tests.segmenter.stage import SOURCE
from tests.webrtc.signalling_stage import (
    _KEYS,
    AGAIN,
    CLIENT,
    WHEP,
    WHIP,
    Stage,
    fragment,
    sdp_value,
)
from tests.webrtc.test_ice import HOME, check
from tests.webrtc.test_subscription import HEVC, OPUS
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
from webrtc.events import SessionClosed
from webrtc.ice import Flow, IceCredentials
from webrtc.offer import OfferedCodec, parse_offer
from webrtc.session import JOIN_S, State
from webrtc.session_table import SessionLimits


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


def test_who_cannot_be_sent_the_next_publisher_s_picture_is_to_ask_anew() -> None:
    stage = Stage()
    stage.go_live(SOURCE, OPUS)
    answer = stage.subscribe()
    stage.go_live(HEVC, OPUS)
    stage.pass_time(1.5)
    stage.go_live(HEVC, OPUS, SOURCE)  # a rung that began later
    stage.pass_time(3.0)
    assert len(stage.signalling) == 1
    stage.go_live(HEVC, OPUS)
    stage.pass_time(0.05)
    stage.pass_time(2.1)
    assert stage.events[-1:] == [
        SessionClosed(answer.session_id, "live", "the path has other codecs now")
    ]


@pytest.mark.parametrize(("first", "second"), [(OPUS, SOURCE), (SOURCE, OPUS)])
def test_who_came_before_a_picture_or_sound_began_is_to_ask_anew(first: Any, second: Any) -> None:
    stage = Stage()
    stage.go_live(first)
    stage.subscribe()
    stage.go_live(first, second)
    stage.pass_time(0.05)
    stage.pass_time(2.1)
    assert len(stage.signalling) == 0


def test_a_whole_audience_is_asked_little_by_little() -> None:
    """Joining takes some 10 ms of a core: a thousand at once would wait for each other."""
    stage = Stage()
    stage.go_live(SOURCE)
    for _ in range(20):
        stage.subscribe()
    stage.go_live(SOURCE, OPUS)
    stage.pass_time(0.05)
    stage.pass_time(2.1)
    assert len(stage.signalling) >= 15
    for _ in range(20):
        stage.pass_time(0.05)
    assert len(stage.signalling) == 0


def test_who_lacks_something_from_the_beginning_is_left_alone() -> None:
    stage = Stage()
    stage.go_live(SOURCE, OPUS)
    stage.subscribe(WHEP.replace(" opus/", " x-opus/"))
    stage.go_live(SOURCE, OPUS)
    stage.pass_time(0.05)
    stage.pass_time(2.1)
    stage.go_live(OPUS)  # a camera that is off
    stage.pass_time(0.05)
    stage.pass_time(2.1)
    assert len(stage.signalling) == 1


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


def test_a_check_that_is_not_the_peers_is_not_answered() -> None:
    stage = Stage()
    stage.go_live()
    answer = stage.subscribe()
    agent = stage.signalling.session(answer.session_id).agent
    forged = check(IceCredentials(agent.local.ufrag, "f" * 24), by=agent.remote)
    assert not stage.signalling.session(answer.session_id).receive_stun(forged, HOME, 1.0)
    assert stage.port.sent == []


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
