from __future__ import annotations

import aioice.stun
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webrtc import stun
from webrtc.errors import StunError

TRANSACTION = bytes(range(12))
PASSWORD = "VOkJxbRl1RmTxUk/WvJxBt"

# RFC 5769 2.1 and 2.2: a request and an IPv4 answer by an implementation that is not ours
RFC_REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e7400240004"
    "6e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56"
    "781ef2b5b2d3f249c1b571a280280004e57a3bcf"
)
RFC_ANSWER = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147"
    "e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)


def request(*attributes: stun.Attribute, password: str | None = PASSWORD) -> bytes:
    return stun.render_stun(stun.BINDING_REQUEST, TRANSACTION, attributes, password=password)


def test_the_request_of_rfc_5769_is_read_and_its_integrity_holds() -> None:
    message = stun.parse_stun(RFC_REQUEST)
    assert message.message_type == stun.BINDING_REQUEST
    assert message.username == "evtj:h6vY"
    assert message.attributes[stun.PRIORITY] == bytes.fromhex("6e0001ff")
    assert message.is_from(PASSWORD)
    assert not message.is_from(PASSWORD + "x")


def test_the_answer_of_rfc_5769_tells_the_mapped_address() -> None:
    message = stun.parse_stun(RFC_ANSWER)
    assert stun.read_xor_address(message) == ("192.0.2.1", 32853)
    assert message.is_from(PASSWORD)


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::7"])
def test_an_answer_of_ours_is_read_by_another_implementation(host: str) -> None:
    answer = stun.render_success(stun.parse_stun(request()), host, 4711, PASSWORD)
    theirs = aioice.stun.parse_message(answer)
    assert theirs.attributes["XOR-MAPPED-ADDRESS"] == (host, 4711)
    assert theirs.check_message_integrity(PASSWORD.encode())
    assert theirs.transaction_id == TRANSACTION
    assert stun.read_xor_address(stun.parse_stun(answer)) == (host, 4711)


def test_an_error_says_its_code_and_what_was_not_understood() -> None:
    asked = stun.parse_stun(request((0x7777, b"abc")))
    assert asked.unknown_attributes == (0x7777,)
    answer = stun.parse_stun(stun.render_error(asked, stun.UNKNOWN_ATTRIBUTE, PASSWORD))
    assert answer.message_type == stun.BINDING_ERROR
    assert answer.error_code == 420
    assert answer.attributes[stun.UNKNOWN_ATTRIBUTES] == b"\x77\x77"


def test_a_changed_byte_is_noticed() -> None:
    honest = stun.parse_stun(RFC_REQUEST)
    for position in range(len(RFC_REQUEST)):
        changed = bytearray(RFC_REQUEST)
        changed[position] ^= 1
        try:
            message = stun.parse_stun(bytes(changed))
        except StunError:
            continue  # that the FINGERPRINT is one is all that may be hidden
        assert not message.is_from(PASSWORD) or message == honest


def test_what_follows_the_integrity_is_ignored() -> None:
    forged = request((stun.USERNAME, b"a:b"))[:-8]  # without FINGERPRINT
    forged += stun.USE_CANDIDATE.to_bytes(2, "big") + b"\0\0"
    forged = forged[:2] + (len(forged) - 20).to_bytes(2, "big") + forged[4:]
    message = stun.parse_stun(forged)
    assert message.is_from(PASSWORD)
    assert stun.USE_CANDIDATE not in message.attributes


def test_of_an_attribute_that_comes_twice_the_first_counts() -> None:
    message = stun.parse_stun(request((stun.USERNAME, b"a:b"), (stun.USERNAME, b"c:d")))
    assert message.username == "a:b"


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        RFC_REQUEST[:19],
        RFC_REQUEST[:-4],
        RFC_REQUEST + b"\0\0\0\0",
        request(*((0x9000 + n, b"") for n in range(33))),
        request((0x9000, bytes(1_500))),
        request((stun.USERNAME, b"x" * 514)),
        request((stun.MESSAGE_INTEGRITY, b"short"), password=None),
    ],
    ids=["nothing", "short", "cut", "long", "many", "big", "name", "integrity"],
)
def test_what_is_not_a_message_or_too_much_of_one_is_refused(datagram: bytes) -> None:
    with pytest.raises(StunError):
        stun.parse_stun(datagram)


@given(
    st.lists(st.tuples(st.integers(0x8100, 0xFFFF), st.binary(max_size=40)), max_size=8),
    st.booleans(),
)
def test_what_was_written_is_read_again(
    attributes: list[tuple[int, bytes]], is_signed: bool
) -> None:
    unique = [item for item in dict(attributes).items() if item[0] != stun.FINGERPRINT]
    message = stun.parse_stun(request(*unique, password=PASSWORD if is_signed else None))
    assert message.is_from(PASSWORD) == is_signed
    message.attributes.pop(stun.MESSAGE_INTEGRITY, None)
    assert message.attributes == dict(unique)
