"""Fuzz targets of the peers: STUN and SDP of strangers."""

from __future__ import annotations

from collections.abc import Callable

from tests.webrtc.test_stun import RFC_ANSWER, RFC_REQUEST
from webrtc import stun


def fuzz_stun(data: bytes) -> None:
    """One datagram; what could be read can be answered, and the answer read."""
    message = stun.parse_stun(data)
    message.is_from("password")
    stun.read_xor_address(message)
    assert message.error_code >= 0
    answer = stun.render_error(message, stun.UNKNOWN_ATTRIBUTE, "password")
    assert stun.parse_stun(answer).is_from("password")


TARGETS: dict[str, Callable[[bytes], None]] = {"stun": fuzz_stun}
SEEDS = {"stun": (RFC_REQUEST, RFC_ANSWER)}
