"""SRTP of both twins, libsrtp beside them as the judge."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pylibsrtp import Policy

from tests.webrtc.conftest import TWINS
from tests.webrtc.fanout_stage import keys_of, libsrtp_of
from webrtc.errors import LocalError
from webrtc.srtp import SrtpSender
from webrtc.srtp_receiver import SrtpReceiver
from webrtc.viewer_settings import SrtpKeys, SrtpProfile

PROFILES = list(SrtpProfile)


def rtp(sequence: int, ssrc: int = 7, payload: bytes = b"media") -> bytes:
    return struct.pack("!BBHII", 0x80, 96, sequence & 0xFFFF, 1234, ssrc) + payload


def rtcp(ssrc: int = 7) -> bytes:
    return struct.pack("!BBHI4x", 0x80, 201, 2, ssrc)


@pytest.mark.parametrize("pure_python", TWINS)
@pytest.mark.parametrize("profile", PROFILES)
def test_what_libsrtp_sealed_is_opened_across_a_rollover(
    profile: SrtpProfile, pure_python: bool
) -> None:
    keys = keys_of(profile)
    seals = libsrtp_of(keys, Policy.SSRC_ANY_OUTBOUND)
    receiver = SrtpReceiver(keys, pure_python=pure_python)
    plain = [rtp(sequence) for sequence in range(65_500, 65_600)] + [rtcp(), rtp(5, 8)]
    plain += [b"\x92" + rtp(9, 9)[1:12] + bytes(8) + struct.pack("!HHI", 0xBEDE, 1, 0) + b"x"]
    sealed = [
        seals.protect_rtcp(packet) if packet[1] == 201 else seals.protect(packet)
        for packet in plain
    ]
    assert receiver.unprotect(sealed) == plain
    assert receiver.unprotect(sealed) == []


@pytest.mark.parametrize("pure_python", TWINS)
@pytest.mark.parametrize("profile", PROFILES)
def test_order_may_be_lost_within_the_window_and_not_beyond(
    profile: SrtpProfile, pure_python: bool
) -> None:
    keys = keys_of(profile)
    sender, receiver = SrtpSender(keys), SrtpReceiver(keys, pure_python=pure_python)
    sealed = [sender.protect(rtp(n)[:12], b"x", n) for n in range(300)]
    order = [10, 0, 137, 10, 9, 8, 137, 299, 172, 171, 298, 299]
    opened = receiver.unprotect([sealed[n] for n in order])
    found = [int.from_bytes(packet[2:4], "big") for packet in opened]
    assert found == [10, 0, 137, 299, 172, 298]  # 9 and 8 are 128 behind, 171 too


@pytest.mark.parametrize("pure_python", TWINS)
def test_a_peer_may_use_any_number_of_sources_one_after_the_other(pure_python: bool) -> None:
    keys = keys_of(SrtpProfile.AEAD_AES_128_GCM)
    sender, receiver = SrtpSender(keys), SrtpReceiver(keys, pure_python=pure_python)
    for ssrc in range(1, 200):
        sealed = [sender.protect(rtp(1, ssrc)[:12], b"x", 1), sender.protect_rtcp(rtcp(ssrc))]
        assert len(receiver.unprotect(sealed)) == 2
        assert receiver.unprotect(sealed) == []


@pytest.mark.parametrize("pure_python", TWINS)
def test_sources_that_were_given_up_cannot_be_played_again(pure_python: bool) -> None:
    keys = keys_of(SrtpProfile.AEAD_AES_128_GCM)
    sender, receiver = SrtpSender(keys), SrtpReceiver(keys, pure_python=pure_python)
    sealed = [sender.protect(rtp(1, ssrc)[:12], b"x", 1) for ssrc in range(80)]
    sealed += [sender.protect_rtcp(rtcp(ssrc)) for ssrc in range(80)]
    assert len(receiver.unprotect(sealed)) == 160
    assert receiver.unprotect(sealed) == []


@pytest.mark.parametrize("pure_python", TWINS)
def test_a_source_that_is_heard_now_and_then_is_not_given_up(pure_python: bool) -> None:
    keys = keys_of(SrtpProfile.AEAD_AES_128_GCM)
    sender, receiver = SrtpSender(keys), SrtpReceiver(keys, pure_python=pure_python)
    for ssrc in range(1, 200):
        index = 65_000 + 10 * ssrc  # its rollover counter is remembered, too
        sealed = [sender.protect(rtp(1, 1000 + ssrc)[:12], b"x", 1)]
        sealed += [sender.protect(rtp(index, 7)[:12], b"x", index)] if ssrc % 12 == 0 else []
        assert len(receiver.unprotect(sealed)) == len(sealed)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3), st.booleans()), max_size=150))
def test_both_twins_give_up_the_same_sources(work: list[tuple[int, int, bool]]) -> None:
    keys = keys_of(SrtpProfile.AEAD_AES_128_GCM)
    sender = SrtpSender(keys)
    datagrams = [
        sender.protect_rtcp(rtcp(ssrc))
        if is_rtcp
        else sender.protect(rtp(index, ssrc)[:12], b"x", index)
        for ssrc, index, is_rtcp in work
    ]
    python, other = SrtpReceiver(keys, pure_python=True), SrtpReceiver(keys)
    assert python.unprotect(datagrams) == other.unprotect(datagrams)


@given(
    st.sampled_from(PROFILES),
    st.lists(st.tuples(st.binary(max_size=60), st.integers(0, 3), st.booleans()), max_size=8),
)
def test_both_twins_refuse_the_same(
    profile: SrtpProfile, work: list[tuple[bytes, int, bool]]
) -> None:
    keys = keys_of(profile)
    sender = SrtpSender(keys)
    datagrams = []
    for noise, damage, is_rtcp in work:
        sealed = (
            sender.protect_rtcp(rtcp() + noise)
            if is_rtcp
            else sender.protect(rtp(len(noise))[:12], noise, len(noise))
        )
        damaged = [sealed, sealed[:-1], sealed + b"\0", noise][damage]
        datagrams += [damaged, damaged]
    python, other = SrtpReceiver(keys, pure_python=True), SrtpReceiver(keys)
    assert python.unprotect(datagrams) == other.unprotect(datagrams)


def test_keys_of_the_wrong_size_are_refused_and_keys_are_never_printed() -> None:
    with pytest.raises(LocalError):
        SrtpKeys(SrtpProfile.AEAD_AES_128_GCM, bytes(16), bytes(14))
    assert repr(keys_of(SrtpProfile.AEAD_AES_128_GCM)) == "SrtpKeys(AEAD_AES_128_GCM)"
