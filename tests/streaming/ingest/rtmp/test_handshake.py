from __future__ import annotations

import pytest

from streaming.errors import LocalError, RtmpError
from streaming.ingest.rtmp.handshake import NONCE_BYTES, Handshake
from tests.streaming.ingest.rtmp.wire import NONCE

C1 = bytes.fromhex("00001234 00000000") + bytes(index % 251 for index in range(1528))
DIGEST_C1 = bytes.fromhex("00001234 80000702") + C1[8:]
"""A client that offers the digest handshake: a Flash version instead of zeros."""


def test_the_answer_comes_as_soon_as_c1_is_there_and_echoes_it() -> None:
    handshake = Handshake(NONCE)
    assert handshake.receive_data(b"\x03" + C1[:-1]) == (b"", b"")
    answer, rest = handshake.receive_data(C1[-1:])
    assert answer == b"\x03" + bytes(8) + NONCE + C1
    assert rest == b""
    assert not handshake.is_complete


def test_a_client_that_offers_digests_is_answered_plainly() -> None:
    answer, _ = Handshake(NONCE).receive_data(b"\x03" + DIGEST_C1)
    assert answer[5:9] == bytes(4), "zeros say that this server knows no digests"
    assert answer[-1536:] == DIGEST_C1


def test_what_follows_c2_belongs_to_the_connection() -> None:
    handshake = Handshake(NONCE)
    answer, rest = handshake.receive_data(b"\x03" + C1 + bytes(1536) + b"more")
    assert len(answer) == 3073
    assert rest == b"more"
    assert handshake.is_complete


def test_bytes_may_come_one_by_one() -> None:
    handshake = Handshake(NONCE)
    answer = rest = b""
    for byte in b"\x03" + C1 + bytes(1536):
        assert not handshake.is_complete
        more, rest = handshake.receive_data(bytes((byte,)))
        answer += more
    assert handshake.is_complete
    assert (len(answer), rest) == (3073, b"")


def test_c2_need_not_echo_s1() -> None:
    handshake = Handshake(NONCE)
    handshake.receive_data(b"\x03" + C1 + b"\xff" * 1536)
    assert handshake.is_complete


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (b"\x16\x03\x01", "TLS"),
        (b"\x06", "RTMPE"),
        (b"GET / HTTP/1.1", "not RTMP: first byte 71"),
        (b"\x00", "not RTMP: first byte 0"),
    ],
)
def test_another_protocol_is_known_by_its_first_byte(first: bytes, reason: str) -> None:
    with pytest.raises(RtmpError, match=reason):
        Handshake(NONCE).receive_data(first)


def test_a_nonce_has_its_one_length() -> None:
    with pytest.raises(LocalError):
        Handshake(bytes(NONCE_BYTES - 1))
