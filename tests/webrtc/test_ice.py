from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable

import pytest

from webrtc import stun
from webrtc.errors import MalformedSdp
from webrtc.ice import Flow, IceCredentials, host_candidate, new_credentials, parse_candidate
from webrtc.ice_checks import MAX_PAIRS
from webrtc.ice_lite import IceAgent

REMOTE = IceCredentials("peer", "p" * 22)
RESTARTED = IceCredentials("PEER", "P" * 22)
HOME, AWAY = Flow(0, "192.0.2.7", 4711), Flow(0, "198.51.100.7", 4712)
ROLE = (stun.ICE_CONTROLLING, bytes(8))
NOMINATE = (stun.USE_CANDIDATE, b"")


def dice() -> Callable[[int], bytes]:
    state = [0]

    def roll(size: int) -> bytes:
        state[0] += 1
        return hashlib.sha256(bytes(state)).digest()[:size]

    return roll


def agent(*, lite: bool = True) -> IceAgent:
    return IceAgent(REMOTE, random_bytes=dice(), now=0.0, lite=lite)


def check(
    to: IceCredentials, *attributes: stun.Attribute, by: IceCredentials = REMOTE
) -> stun.StunMessage:
    username = (stun.USERNAME, f"{to.ufrag}:{by.ufrag}".encode())
    raw = stun.render_stun(
        stun.BINDING_REQUEST, bytes(12), [username, *attributes], password=to.password
    )
    return stun.parse_stun(raw)


def test_a_check_is_answered_with_where_it_came_from() -> None:
    ice = agent()
    ((flow, answer),) = ice.receive(check(ice.local, ROLE), HOME, 1.0)
    read = stun.parse_stun(answer)
    assert flow == HOME
    assert read.message_type == stun.BINDING_SUCCESS
    assert read.is_from(ice.local.password)
    assert stun.read_xor_address(read) == ("192.0.2.7", 4711)
    assert ice.is_known(HOME)
    assert ice.selected is None
    assert ice.last_check == 1.0


def test_a_nomination_selects_its_flow_and_a_later_one_moves_it() -> None:
    ice = agent()
    ice.receive(check(ice.local, ROLE, NOMINATE), HOME, 1.0)
    assert ice.selected == HOME
    ice.receive(check(ice.local, ROLE, NOMINATE), AWAY, 2.0)
    assert ice.selected == AWAY


@pytest.mark.parametrize("by", [IceCredentials("else", "p" * 22), REMOTE])
def test_strangers_get_no_answer(by: IceCredentials) -> None:
    ice = agent()
    forged = IceCredentials(ice.local.ufrag, "wrong" * 5 if by is REMOTE else ice.local.password)
    assert ice.receive(check(forged, ROLE, NOMINATE, by=by), HOME, 1.0) == []
    assert not ice.is_known(HOME)
    assert ice.last_check == 0.0


def test_a_peer_that_would_be_controlled_as_well_is_told() -> None:
    ice = agent()
    ((_, answer),) = ice.receive(check(ice.local, (stun.ICE_CONTROLLED, bytes(8))), HOME, 1.0)
    assert stun.parse_stun(answer).error_code == stun.ROLE_CONFLICT
    assert not ice.is_known(HOME)


def test_what_has_to_be_understood_and_is_not_is_told() -> None:
    ice = agent()
    ((_, answer),) = ice.receive(check(ice.local, ROLE, (0x7FFF, b"")), HOME, 1.0)
    assert stun.parse_stun(answer).error_code == stun.UNKNOWN_ATTRIBUTE


def test_after_a_restart_the_old_session_works_until_the_new_one_is_nominated() -> None:
    ice = agent()
    old = ice.local
    ice.receive(check(old, ROLE, NOMINATE), HOME, 1.0)
    new = ice.restart(RESTARTED)
    assert new != old
    assert ice.receive(check(old, ROLE, NOMINATE), HOME, 2.0)
    assert ice.selected == HOME
    assert ice.active == (f"{old.ufrag}:peer", old.password)
    ice.receive(check(new, ROLE, NOMINATE, by=RESTARTED), AWAY, 3.0)
    assert ice.selected == AWAY
    assert ice.active == (f"{new.ufrag}:PEER", new.password)
    assert ice.receive(check(old, ROLE, NOMINATE), HOME, 4.0) == []


def test_a_flow_that_is_forgotten_is_not_used() -> None:
    ice = agent()
    ice.receive(check(ice.local, ROLE, NOMINATE), HOME, 1.0)
    ice.forget(HOME)
    assert ice.selected is None
    assert not ice.is_known(HOME)


def test_a_lite_agent_never_checks() -> None:
    ice = agent()
    ice.add_candidates([host_candidate("192.0.2.7", 4711, rank=0)], {4: 0})
    ice.receive(check(ice.local, ROLE, NOMINATE), HOME, 1.0)
    assert ice.handle_timer(100.0) == []


def test_a_full_agent_checks_the_peers_candidates_in_order_of_priority() -> None:
    ice = agent(lite=False)
    near, far = host_candidate("192.0.2.7", 1, rank=0), host_candidate("192.0.2.8", 2, rank=1)
    ice.add_candidates([far, near, host_candidate("2001:db8::1", 3, rank=0)], {4: 0})
    asked = [ice.handle_timer(now) for now in (0.0, 0.01, 0.05, 0.1, 0.55)]
    assert [[flow.port for flow, _ in each] for each in asked] == [[1], [], [2], [], [1]]
    sent = stun.parse_stun(asked[0][0][1])
    assert sent.username == f"peer:{ice.local.ufrag}"
    assert sent.is_from(REMOTE.password)
    assert stun.ICE_CONTROLLED in sent.attributes
    assert stun.USE_CANDIDATE not in sent.attributes


def test_a_full_agent_checks_back_where_a_check_came_from() -> None:
    ice = agent(lite=False)
    answer, (flow, raw) = ice.receive(check(ice.local, ROLE), HOME, 1.0)
    assert answer[0] == flow == HOME
    asked = stun.parse_stun(raw)
    assert asked.message_type == stun.BINDING_REQUEST
    reply = stun.parse_stun(stun.render_success(asked, "192.0.2.1", 1, REMOTE.password))
    ice.receive(reply, HOME, 5.0)
    assert ice.last_check == 5.0
    assert len(ice.receive(check(ice.local, ROLE), HOME, 6.0)) == 1, "it has succeeded"


def test_a_full_agent_keeps_consent_every_five_seconds_or_so() -> None:
    ice = agent(lite=False)
    ice.receive(check(ice.local, ROLE, NOMINATE), HOME, 1.0)
    sent = [now for now in range(1, 31) if ice.handle_timer(float(now))]
    assert 4 <= len(sent) <= 8
    assert all(4 <= after - before <= 7 for before, after in itertools.pairwise(sent))


def test_an_answer_to_what_keeps_consent_tells_the_round_trip_once() -> None:
    ice = agent(lite=False)
    ice.receive(check(ice.local, ROLE, NOMINATE), HOME, 1.0)
    ((_, sent),) = ice.handle_timer(2.0)
    request = stun.parse_stun(sent)
    answer = stun.parse_stun(stun.render_success(request, "192.0.2.1", 8189, REMOTE.password))
    assert ice.rtt_s is None
    ice.receive(answer, HOME, 2.25)
    ice.receive(answer, HOME, 4.0)
    assert ice.rtt_s == 0.25
    assert agent().rtt_s is None


def test_checks_to_a_silent_candidate_end() -> None:
    ice = agent(lite=False)
    ice.add_candidates([host_candidate("192.0.2.7", 1, rank=0)], {4: 0})
    assert sum(len(ice.handle_timer(tick / 10)) for tick in range(1_000)) == 7


def test_pairs_are_bounded() -> None:
    ice = agent(lite=False)
    ice.add_candidates([host_candidate("192.0.2.7", n, rank=0) for n in range(1, 99)], {4: 0})
    checked = {flow for tick in range(100) for flow, _ in ice.handle_timer(tick / 10)}
    assert len(checked) == MAX_PAIRS


def test_udp_is_preferred_to_tcp_and_the_first_address_to_others() -> None:
    priorities = [
        host_candidate("192.0.2.1", 1, rank=rank, transport=transport).priority
        for transport in ("udp", "tcp")
        for rank in (0, 1)
    ]
    assert priorities == sorted(priorities, reverse=True)
    assert priorities[0] == 2130706431


@pytest.mark.parametrize(
    "value",
    ["1 1 udp 1 name.local 9 typ host", "1 2 udp 1 192.0.2.1 9 typ host",
     "1 1 tcp 1 192.0.2.1 9 typ host", "1 1 udp 1 224.0.0.1 9 typ host",
     "1 1 udp 1 0.0.0.0 9 typ host", "1 1 udp 1 192.0.2.1 0 typ host",
     "1 1 udp 1 fe80::1%1 9 typ host"],
)  # fmt: skip
def test_candidates_that_we_cannot_send_to_are_none(value: str) -> None:
    assert parse_candidate(value) is None


@pytest.mark.parametrize("value", ["", "1 1 udp", "1 x udp 1 192.0.2.1 9 typ host"])
def test_what_is_no_candidate_is_malformed(value: str) -> None:
    with pytest.raises(MalformedSdp):
        parse_candidate(value)


def test_credentials_are_long_enough_and_of_ice_characters() -> None:
    own = new_credentials(dice())
    assert (len(own.ufrag), len(own.password)) == (8, 24)
    for ufrag, password in (("abc", "p" * 22), ("abcd", "p" * 21), ("ab\r\n", "p" * 22)):
        with pytest.raises(MalformedSdp):
            IceCredentials(ufrag, password)
