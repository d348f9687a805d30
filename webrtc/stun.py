"""STUN messages as ICE uses them (RFC 8489, RFC 8445 7): bytes to message and back, sans-IO.

Only what a peer of a media server needs: Binding, short-term credentials with HMAC-SHA1, and
FINGERPRINT. Everything read is a stranger's: bounded, and wrong bytes raise StunError alone.
"""

from __future__ import annotations

import hmac
import ipaddress
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from webrtc.errors import StunError

BINDING_REQUEST: Final = 0x0001
BINDING_INDICATION: Final = 0x0011
BINDING_SUCCESS: Final = 0x0101
BINDING_ERROR: Final = 0x0111

USERNAME: Final = 0x0006
MESSAGE_INTEGRITY: Final = 0x0008
ERROR_CODE: Final = 0x0009
UNKNOWN_ATTRIBUTES: Final = 0x000A
XOR_MAPPED_ADDRESS: Final = 0x0020
PRIORITY: Final = 0x0024
USE_CANDIDATE: Final = 0x0025
SOFTWARE: Final = 0x8022
FINGERPRINT: Final = 0x8028
ICE_CONTROLLED: Final = 0x8029
ICE_CONTROLLING: Final = 0x802A

BAD_REQUEST: Final = 400
UNAUTHENTICATED: Final = 401
UNKNOWN_ATTRIBUTE: Final = 420
ROLE_CONFLICT: Final = 487

TRANSACTION_ID_BYTES = 12

_COOKIE = 0x2112A442
_COOKIE_BYTES = _COOKIE.to_bytes(4, "big")
_HEADER_BYTES = 20
_INTEGRITY_BYTES = 20
_FINGERPRINT_XOR = 0x5354554E

_MAX_MESSAGE_BYTES = 1_500
"""One datagram; a browser's check is about 110 bytes, and RFC 8489 6.1 asks to fit the MTU."""

_MAX_ATTRIBUTES = 32
"""A browser's check has eight."""

_MAX_USERNAME_BYTES = 513
"""RFC 8489 14.3: fewer than 509 bytes; ICE's own limit is 256 + 1 + 256 (RFC 8445 5.3)."""

_UNDERSTOOD = frozenset(
    {USERNAME, MESSAGE_INTEGRITY, ERROR_CODE, UNKNOWN_ATTRIBUTES, XOR_MAPPED_ADDRESS, PRIORITY,
     USE_CANDIDATE, 0x0001, 0x001C}
)  # fmt: skip
"""Comprehension-required types that we know: also MAPPED-ADDRESS and MESSAGE-INTEGRITY-SHA256."""

_REASONS = {
    BAD_REQUEST: b"Bad Request",
    UNAUTHENTICATED: b"Unauthenticated",
    UNKNOWN_ATTRIBUTE: b"Unknown Attribute",
    ROLE_CONFLICT: b"Role Conflict",
}

Attribute = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class StunMessage:
    """One message as it was read; of attributes that come twice the first counts (RFC 8489 14)."""

    message_type: int
    transaction_id: bytes
    attributes: dict[int, bytes]
    _protected: bytes = b""
    """What MESSAGE-INTEGRITY covers, with the length that it was computed for."""

    @property
    def username(self) -> str:
        """USERNAME, or empty: in ICE ``receiver's fragment:sender's fragment``."""
        return self.attributes.get(USERNAME, b"").decode("ascii", "replace")

    @property
    def unknown_attributes(self) -> tuple[int, ...]:
        """Types that have to be understood (below 0x8000) and are not."""
        return tuple(
            sorted(kind for kind in self.attributes if kind < 0x8000 and kind not in _UNDERSTOOD)
        )

    @property
    def error_code(self) -> int:
        """Such as 487; 0 when there is none."""
        value = self.attributes.get(ERROR_CODE, b"")
        return (value[2] & 7) * 100 + value[3] % 100 if len(value) >= 4 else 0

    def is_from(self, password: str) -> bool:
        """Whether MESSAGE-INTEGRITY is there and was made with the password."""
        claimed = self.attributes.get(MESSAGE_INTEGRITY)
        if claimed is None or not self._protected:
            return False
        expected = hmac.digest(password.encode(), self._protected, "sha1")
        return hmac.compare_digest(claimed, expected)


def is_stun(datagram: bytes) -> bool:
    """Whether a datagram of the mux is STUN (RFC 7983: first byte 0 to 3, and the cookie)."""
    return len(datagram) >= _HEADER_BYTES and datagram[0] < 4 and datagram[4:8] == _COOKIE_BYTES


def parse_stun(datagram: bytes) -> StunMessage:
    """Read one message. A FINGERPRINT that is there must be right. Raises StunError."""
    if not is_stun(datagram) or len(datagram) > _MAX_MESSAGE_BYTES:
        raise StunError("not a STUN message", value=len(datagram))
    length = int.from_bytes(datagram[2:4], "big")
    if length % 4 or length + _HEADER_BYTES != len(datagram):
        raise StunError("STUN length is not that of the datagram", value=length)
    attributes: dict[int, bytes] = {}
    protected = b""
    position = _HEADER_BYTES
    while position < len(datagram):
        kind, value, after = _read_attribute(datagram, position)
        if kind == FINGERPRINT:
            _check_fingerprint(datagram, position, value, after)
        elif kind == MESSAGE_INTEGRITY and not protected:
            if len(value) != _INTEGRITY_BYTES:
                raise StunError("MESSAGE-INTEGRITY is not of 20 bytes", value=len(value))
            protected = _with_length(datagram[:position], after - _HEADER_BYTES)
            attributes[kind] = value
        elif not protected:  # RFC 8489 14.5: what follows MESSAGE-INTEGRITY is ignored
            attributes.setdefault(kind, value)
        if len(attributes) > _MAX_ATTRIBUTES:
            raise StunError("too many STUN attributes", value=len(attributes))
        position = after
    if len(attributes.get(USERNAME, b"")) > _MAX_USERNAME_BYTES:
        raise StunError("STUN USERNAME is too long", value=len(attributes[USERNAME]))
    message_type = int.from_bytes(datagram[:2], "big")
    return StunMessage(message_type, bytes(datagram[8:20]), attributes, protected)


def _read_attribute(datagram: bytes, position: int) -> tuple[int, bytes, int]:
    kind = int.from_bytes(datagram[position : position + 2], "big")
    size = int.from_bytes(datagram[position + 2 : position + 4], "big")
    start = position + 4
    after = start + (size + 3) // 4 * 4
    if after > len(datagram):
        raise StunError(f"STUN attribute {kind:#06x} is cut off", value=size)
    return kind, bytes(datagram[start : start + size]), after


def _check_fingerprint(datagram: bytes, position: int, value: bytes, after: int) -> None:
    if after != len(datagram) or len(value) != 4:
        raise StunError("STUN FINGERPRINT is not at the end")
    if value != _fingerprint(datagram[:position]):
        raise StunError("STUN FINGERPRINT is wrong", value=value.hex())


def _fingerprint(covered: bytes) -> bytes:
    """RFC 8489 14.7; ``covered`` already has the length with FINGERPRINT in its header."""
    return (zlib.crc32(covered) ^ _FINGERPRINT_XOR).to_bytes(4, "big")


def _with_length(message: bytes, length: int) -> bytes:
    return message[:2] + length.to_bytes(2, "big") + message[4:]


def render_stun(
    message_type: int,
    transaction_id: bytes,
    attributes: Iterable[Attribute] = (),
    *,
    password: str | None = None,
) -> bytes:
    """A message with its attributes in order, MESSAGE-INTEGRITY if there is a password, and
    FINGERPRINT."""
    body = b"".join(_render_attribute(kind, value) for kind, value in attributes)
    head = message_type.to_bytes(2, "big") + b"\0\0" + _COOKIE_BYTES + transaction_id
    message = head + body
    if password is not None:
        covered = _with_length(message, len(message) - _HEADER_BYTES + 4 + _INTEGRITY_BYTES)
        integrity = hmac.digest(password.encode(), covered, "sha1")
        message += _render_attribute(MESSAGE_INTEGRITY, integrity)
    message = _with_length(message, len(message) - _HEADER_BYTES + 8)
    return message + _render_attribute(FINGERPRINT, _fingerprint(message))


def _render_attribute(kind: int, value: bytes) -> bytes:
    padding = bytes(-len(value) % 4)
    return kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value + padding


def render_success(request: StunMessage, host: str, port: int, password: str) -> bytes:
    """The answer to a check: where it seemed to come from (RFC 8445 7.3.1.2)."""
    mapped = (XOR_MAPPED_ADDRESS, _render_xor_address(host, port, request.transaction_id))
    return render_stun(BINDING_SUCCESS, request.transaction_id, [mapped], password=password)


def render_error(request: StunMessage, code: int, password: str | None = None) -> bytes:
    """An error answer; 420 lists what was not understood."""
    reason = bytes((0, 0, code // 100, code % 100)) + _REASONS[code]
    attributes = [(ERROR_CODE, reason)]
    if code == UNKNOWN_ATTRIBUTE:
        listed = b"".join(kind.to_bytes(2, "big") for kind in request.unknown_attributes)
        attributes.append((UNKNOWN_ATTRIBUTES, listed))
    return render_stun(BINDING_ERROR, request.transaction_id, attributes, password=password)


def _render_xor_address(host: str, port: int, transaction_id: bytes) -> bytes:
    packed = ipaddress.ip_address(host).packed
    mask = (_COOKIE_BYTES + transaction_id)[: len(packed)]
    family = 1 if len(packed) == 4 else 2
    xored = bytes(a ^ b for a, b in zip(packed, mask, strict=True))
    return bytes((0, family)) + (port ^ _COOKIE >> 16).to_bytes(2, "big") + xored


def read_xor_address(message: StunMessage) -> tuple[str, int] | None:
    """XOR-MAPPED-ADDRESS as (host, port), or None if there is none. Raises StunError."""
    value = message.attributes.get(XOR_MAPPED_ADDRESS)
    if value is None:
        return None
    size = {1: 4, 2: 16}.get(value[1] if len(value) > 1 else 0)
    if size is None or len(value) != 4 + size:
        raise StunError("XOR-MAPPED-ADDRESS of no family", value=value.hex())
    mask = (_COOKIE_BYTES + message.transaction_id)[:size]
    packed = bytes(a ^ b for a, b in zip(value[4:], mask, strict=True))
    port = int.from_bytes(value[2:4], "big") ^ _COOKIE >> 16
    return str(ipaddress.ip_address(packed)), port
