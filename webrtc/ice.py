"""The words of ICE: flows, credentials, candidates (RFC 8445, RFC 8839, RFC 6544)."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from webrtc.errors import MalformedSdp

RandomBytes = Callable[[int], bytes]
"""Where randomness comes from: ``secrets.token_bytes``, or a test."""

TCP = -1
"""In the place of a socket's number in the flow of a TCP connection."""

_UFRAG_BYTES = 6
_PASSWORD_BYTES = 18
"""8 and 24 characters; RFC 8445 5.3 demands 4 and 22."""

_ICE_CHARACTERS = re.compile(r"[A-Za-z0-9+/]+")
_MAX_CREDENTIAL = 256

_HOST_TYPE_PREFERENCE = 126
_COMPONENT = 1
_TCP_PASSIVE_DIRECTION = 4
"""RFC 6544 4.2, for host candidates: active 6, passive 4, simultaneous-open 2."""


class Flow(NamedTuple):
    """Where a datagram came from and where an answer goes: one of our sockets, and the peer.

    ``socket`` is its number in the mux, or TCP; a TCP connection is its peer's host and port.
    """

    socket: int
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class IceCredentials:
    """A username fragment and its password, ours or the peer's."""

    ufrag: str
    password: str

    def __post_init__(self) -> None:
        """RFC 8839 5.4; what passes is fit for SDP. Raises MalformedSdp."""
        if not 4 <= len(self.ufrag) <= _MAX_CREDENTIAL or not _is_ice(self.ufrag):
            raise MalformedSdp("ice-ufrag is not 4 to 256 ICE characters")
        if not 22 <= len(self.password) <= _MAX_CREDENTIAL or not _is_ice(self.password):
            raise MalformedSdp("ice-pwd is not 22 to 256 ICE characters")


def _is_ice(text: str) -> bool:
    return _ICE_CHARACTERS.fullmatch(text) is not None


def new_credentials(random_bytes: RandomBytes) -> IceCredentials:
    """Credentials of our own."""
    return IceCredentials(
        base64.b64encode(random_bytes(_UFRAG_BYTES)).decode(),
        base64.b64encode(random_bytes(_PASSWORD_BYTES)).decode(),
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A transport address of one side, as ``a=candidate`` says it."""

    foundation: str
    transport: str
    """``udp`` or ``tcp``."""
    priority: int
    host: str
    port: int
    kind: str = "host"
    tcp_type: str = ""
    """``passive`` for ours; empty for UDP."""

    def render(self) -> str:
        """The value of ``a=candidate`` (RFC 8839 5.1)."""
        text = (
            f"{self.foundation} {_COMPONENT} {self.transport} {self.priority}"
            f" {self.host} {self.port} typ {self.kind}"
        )
        return f"{text} tcptype {self.tcp_type}" if self.tcp_type else text


def host_candidate(host: str, port: int, *, rank: int, transport: str = "udp") -> Candidate:
    """A host candidate of ours; ``rank`` 0 is preferred (RFC 8445 5.1.2, RFC 6544 4.2).

    Every UDP candidate is preferred to every TCP candidate.
    """
    local_preference = 0xFFFF - rank
    tcp_type = ""
    if transport == "tcp":
        local_preference = (_TCP_PASSIVE_DIRECTION << 13) - 1 - rank
        tcp_type = "passive"
    priority = _HOST_TYPE_PREFERENCE << 24 | local_preference << 8 | 256 - _COMPONENT
    return Candidate(f"{rank + 1}{transport[0]}", transport, priority, host, port,
                     tcp_type=tcp_type)  # fmt: skip


def parse_candidate(value: str) -> Candidate | None:
    """A peer's ``a=candidate`` value that we can send UDP to, or None.

    TCP, other components and names (mDNS) are for others or cannot be resolved: RFC 9725 4.3.2
    wants them dropped silently. Raises MalformedSdp for what is not a candidate.
    """
    words = value.split()
    if len(words) < 8 or words[6] != "typ":
        raise MalformedSdp("not an ICE candidate", value=value[:100])
    try:
        component, priority, port = int(words[1]), int(words[3]), int(words[5])
    except ValueError:
        raise MalformedSdp("not an ICE candidate", value=value[:100]) from None
    if component != _COMPONENT or words[2].lower() != "udp" or not 0 < port < 65_536:
        return None
    try:
        host = ipaddress.ip_address(words[4])
    except ValueError:
        return None
    if host.is_multicast or host.is_unspecified or getattr(host, "scope_id", None):
        return None
    return Candidate(words[0], "udp", priority, str(host), port, words[7])
