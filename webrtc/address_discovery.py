"""Our own address as others see it, asked of a STUN server by the port that peers use; sans-IO.

RFC 8489 6.2.1: a request is repeated with doubled waits, seven times, before that is a failure.
Asked again now and then, it keeps the NAT's binding open and notices when it changed. Each of these
rounds begins with the server's name, which its owner resolves: servers move, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from webrtc.errors import StunError
from webrtc.ice import Flow, RandomBytes
from webrtc.stun import (
    BINDING_REQUEST,
    BINDING_SUCCESS,
    StunMessage,
    read_xor_address,
    render_stun,
)

FIRST_WAIT_S: Final = 0.5
MOST_REQUESTS: Final = 7
AGAIN_S: Final = 20.0
"""RFC 4787 REQ-5: a NAT keeps a UDP binding for two minutes at least; some forget after 30 s."""

_TRANSACTION_BYTES = 12


class AddressDiscovery:
    """Owns the question to one server; an Endpoint of the flow table for the server's flow.

    Its owner calls `begin_round` when `is_round_due`, and `handle_timer` now and then.
    """

    def __init__(
        self,
        send: Callable[[Flow, bytes], None],
        on_address: Callable[[str, int], None],
        on_failure: Callable[[str], None],
        random_bytes: RandomBytes,
    ) -> None:
        """``on_address`` is told each address that is new, ``on_failure`` why there is none: once,
        until it is another reason or the server has answered."""
        self._server: Flow | None = None
        self._send = send
        self._on_address = on_address
        self._on_failure = on_failure
        self._random_bytes = random_bytes
        self._transaction = b""
        self._requests = 0
        self._due = -math.inf
        self._known: tuple[str, int] | None = None
        self._failure = ""

    def is_round_due(self, now: float) -> bool:
        """Whether it is time to ask anew."""
        return not self._requests and now >= self._due

    def begin_round(self, server: Flow | None, now: float) -> None:
        """Ask; ``server`` is what its name means now, None: that could not be found out."""
        if server is None:
            self._fail("the STUN server's name cannot be resolved")
        self._server = server or self._server
        if self._server is None:
            self._rest(now)
            return
        self._transaction = self._random_bytes(_TRANSACTION_BYTES)
        self._ask(self._server, now)

    def handle_timer(self, now: float) -> None:
        """Ask again, or give up for this round, when it is time."""
        if self._server is None or not self._requests or now < self._due:
            return
        if self._requests == MOST_REQUESTS:
            self._fail("the STUN server does not answer")
            self._rest(now)
        else:
            self._ask(self._server, now)

    def receive_stun(self, message: StunMessage, flow: Flow, now: float) -> bool:
        """Its answer; True, for the flow is its own."""
        if message.transaction_id != self._transaction or not self._requests:
            return True
        try:
            address = read_xor_address(message)
        except StunError:
            address = None
        if message.message_type != BINDING_SUCCESS or address is None:
            self._fail("the STUN server does not tell our address")
        else:
            self._failure = ""
            if address != self._known:
                self._known = address
                self._on_address(*address)
        self._rest(now)
        return True

    def receive_dtls(self, datagram: bytes, flow: Flow, now: float) -> None:
        """No business of a STUN server."""

    def receive_media(self, datagram: bytes, flow: Flow, now: float) -> None:
        """No business of a STUN server."""

    def forget_flow(self, flow: Flow) -> None:
        """Nothing: answers to what was asked before are none."""

    def _ask(self, server: Flow, now: float) -> None:
        self._due = now + FIRST_WAIT_S * 2**self._requests
        self._requests += 1
        self._send(server, render_stun(BINDING_REQUEST, self._transaction, []))

    def _fail(self, why: str) -> None:
        if why != self._failure:
            self._failure = why
            self._on_failure(why)

    def _rest(self, now: float) -> None:
        self._requests = 0
        self._due = now + AGAIN_S
