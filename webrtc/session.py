"""One peer: its ICE, its DTLS, and how far it has come.

    NEW ──first check──→ CONNECTING ──DTLS is up──→ CONNECTED
     └───────────────────────┴───────────────────────┴──→ CLOSED

NEW waits for the peer's first check, which follows its receiving our answer. Whoever is not
CONNECTED in time is closed, and so is whoever has not shown itself for 30 s. What is done with
media is its role's business: `webrtc/subscriber.py` or `webrtc/publisher.py`.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable
from typing import Protocol

from webrtc.dtls import Certificate, DtlsTransport, NegotiatedKeys
from webrtc.errors import LocalError
from webrtc.ice import Flow, IceCredentials
from webrtc.ice_lite import IceAgent
from webrtc.message_channel import ChannelOffer, MessageChannel
from webrtc.offer import Offer, OfferedMedia
from webrtc.stun import StunMessage

CONSENT_S = 30.0
"""RFC 7675 5.1: consent ends 30 s after the last check; browsers check every 2 to 5 s."""

JOIN_S = 15.0
"""From the answer until media may flow; a browser takes 50 to 300 ms, trickling over a slow
network some seconds, and gives up by itself after 15 to 30."""


class State(enum.Enum):
    """How far a session has come."""

    NEW = "new"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    CLOSED = "closed"


_TRANSITIONS: dict[State, frozenset[State]] = {
    State.NEW: frozenset({State.CONNECTING, State.CLOSED}),
    State.CONNECTING: frozenset({State.CONNECTED, State.CLOSED}),
    State.CONNECTED: frozenset({State.CLOSED}),
    State.CLOSED: frozenset(),
}


class Role(Protocol):
    """What a session is for; its methods are called by the session alone."""

    def connect(self, keys: NegotiatedKeys, flow: Flow, now: float) -> None:
        """Media may flow."""

    def move(self, flow: Flow) -> None:
        """The peer has chosen another flow, or other ICE credentials."""

    def receive_media(self, datagram: bytes, now: float) -> None:
        """SRTP or SRTCP of the peer."""

    def close(self) -> None:
        """The session is over."""


class Session:
    """Owns one peer's transport; an Endpoint of the flow table, made and kept by Signalling.

    ``on_change`` is called after each change of `state`.
    """

    def __init__(
        self,
        session_id: str,
        stream: str,
        offer: Offer,
        first_media: OfferedMedia,
        agent: IceAgent,
        role: Role,
        *,
        certificate: Certificate,
        send: Callable[[Flow, bytes], None],
        on_change: Callable[[Session, float], None],
        now: float,
        channel: ChannelOffer | None = None,
        on_text: Callable[[Session, str], None] = lambda session, text: None,
    ) -> None:
        """``channel`` where a data channel was agreed on; ``on_text`` hears what comes by it."""
        self.session_id = session_id
        self.stream = stream
        self.transport_section = _media_line(first_media), first_media.mid
        """The first media that was accepted, whose section carries the transport: line and mid."""
        self.agent = agent
        self.role = role
        self.state = State.NEW
        self.reason = ""
        """Why it was closed."""
        self.born = now
        self.etag = ""
        # All that is needed of an offer, which has forty codecs, for as long as the session lives.
        self._is_dtls_server = offer.setup != "passive"
        self._fingerprints = list(offer.fingerprints)
        self._certificate = certificate
        self._send = send
        self._on_change = on_change
        self._channel_offer = channel
        self._on_text = on_text
        self._channel: MessageChannel | None = None
        self._dtls: DtlsTransport | None = None
        self._dtls_flow: Flow | None = None
        self._now = now

    @property
    def flow(self) -> Flow | None:
        """Where its packets go: the nominated flow, or the one that spoke last before that."""
        return self.agent.selected or self._dtls_flow

    @property
    def ends_at(self) -> float:
        """When it is over unless something comes from the peer."""
        if self.state is State.CONNECTED:
            return self.agent.last_check + CONSENT_S
        return self.born + JOIN_S

    def receive_stun(self, message: StunMessage, flow: Flow, now: float) -> bool:
        """Answer a check, follow a nomination; whether the flow is the peer's."""
        if self.state is State.CLOSED:
            return False
        self._now = now
        before = self.agent.selected, self.agent.active
        for target, datagram in self.agent.receive(message, flow, now):
            self._send(target, datagram)
        if not self.agent.is_known(flow):
            return False
        if self.state is State.NEW:
            self._dtls_flow = flow
            self._start_dtls(now)
        selected = self.agent.selected
        if selected is not None and (selected, self.agent.active) != before:
            self.role.move(selected)
        return True

    def receive_dtls(self, datagram: bytes, flow: Flow, now: float) -> None:
        """A DTLS record; answers take the flow that it came by until one is nominated."""
        if self._dtls is not None and self.state is not State.CLOSED:
            self._now = now
            self._dtls_flow = flow
            self._dtls.receive(datagram)

    def receive_media(self, datagram: bytes, flow: Flow, now: float) -> None:
        """SRTP or SRTCP, whose place is after DTLS."""
        if self.state is State.CONNECTED:
            self._now = now
            self.role.receive_media(datagram, now)

    def forget_flow(self, flow: Flow) -> None:
        """The mux does not route the flow any more."""
        self.agent.forget(flow)
        if self._dtls_flow == flow:
            self._dtls_flow = None

    def take_keys(self, keys: NegotiatedKeys) -> None:
        """DTLS is up."""
        if self.state is not State.CONNECTING or self.flow is None:
            return
        self.role.connect(keys, self.flow, self._now)
        if self._channel_offer is not None and self._dtls is not None:
            hear = functools.partial(self._on_text, self)
            self._channel = self._dtls.open_channel(self._channel_offer, hear)
        self._set_state(State.CONNECTED, self._now)

    def tell(self, text: str) -> bool:
        """Send a text by the data channel; False where there is none, or the peer is too slow."""
        return self._channel is not None and self._channel.send(text)

    def follow(self, flow: Flow) -> None:
        """The peer has moved; the fan-out has seen it and sends there already."""
        if self.state is not State.CLOSED:
            self.agent.follow(flow)

    def restart(self, remote: IceCredentials, etag: str) -> None:
        """A new ICE session with the peer's new credentials. Raises LocalError when closed."""
        if self.state is State.CLOSED:
            raise LocalError("an ICE restart of a closed session")
        self.agent.restart(remote)
        self.etag = etag

    def handle_timer(self, now: float) -> None:
        """Send checks that are due; close when the time is over."""
        if self.state is State.CLOSED:
            return
        if now >= self.ends_at:
            self.close(_LATE[self.state], now)
            return
        for flow, datagram in self.agent.handle_timer(now):
            self._send(flow, datagram)

    def close(self, reason: str, now: float) -> None:
        """End it; the peer is told by DTLS if it can be."""
        if self.state is State.CLOSED:
            return
        self.reason = reason
        if self._dtls is not None:
            self._dtls.close()
        self.role.close()
        self._set_state(State.CLOSED, now)

    @property
    def has_ended(self) -> bool:
        """Whether after `close` nothing of it runs any more."""
        return self._dtls is None or self._dtls.has_ended

    async def wait_closed(self) -> None:
        """After `close`: until nothing of it runs any more."""
        if self._dtls is not None:
            await self._dtls.wait_closed()

    def _start_dtls(self, now: float) -> None:
        self._dtls = DtlsTransport(
            self._certificate,
            is_server=self._is_dtls_server,
            send=self._send_dtls,
            on_keys=self.take_keys,
            on_end=lambda reason: self.close(reason, self._now),
        )
        self._dtls.start(self._fingerprints)
        self._fingerprints = []
        self._set_state(State.CONNECTING, now)

    def _send_dtls(self, datagram: bytes) -> None:
        if self.flow is not None:
            self._send(self.flow, datagram)

    def _set_state(self, state: State, now: float) -> None:
        if state not in _TRANSITIONS[self.state]:
            raise LocalError(f"a session goes not from {self.state.value} to {state.value}")
        self.state = state
        self._on_change(self, now)


def _media_line(media: OfferedMedia) -> str:
    return f"m={media.kind} 9 {media.protocol} {' '.join(media.formats)}"


_LATE = {
    State.NEW: "no connectivity check came",
    State.CONNECTING: "DTLS did not come up",
    State.CONNECTED: "consent expired",
}
