"""What we go by in a session: credentials, a certificate, names that nobody guesses, our SDP."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from webrtc.answer import AnsweredMedia, TransportAnswer, render_answer
from webrtc.certificates import Certificates
from webrtc.dtls import Certificate
from webrtc.fragment import render_fragment
from webrtc.ice import IceCredentials, RandomBytes, new_credentials
from webrtc.ice_lite import IceAgent
from webrtc.offer import Offer
from webrtc.peer_port import PeerPort
from webrtc.session import Session

_CNAME_BYTES = 8
_ETAG_BYTES = 8
_SESSION_ID_BYTES = 16
"""128 bits: the session's URL is all that is needed to end it (RFC 9725 7)."""
_NUMBER_BYTES = 7
"""Of an SDP's origin, which is to fit 63 bits (RFC 8829 5.2.1)."""


class LocalSide:
    """Owns our certificates and whatever else peers know us by; the signalling is its caller.

    ``now`` is the loop's clock.
    """

    def __init__(self, port: PeerPort, random_bytes: RandomBytes, now: Callable[[], float]) -> None:
        self._port = port
        self._random_bytes = random_bytes
        self._now = now
        self._certificates = Certificates()

    def new_session_id(self) -> str:
        """What a session's URL ends in."""
        return self._random_bytes(_SESSION_ID_BYTES).hex()

    def new_etag(self) -> str:
        """Of one ICE session (RFC 9725 4.3.1), quoted."""
        return f'"{self._random_bytes(_ETAG_BYTES).hex()}"'

    def new_cname(self) -> str:
        """What binds a peer's streams together (RFC 3550 6.5.1)."""
        return self._random_bytes(_CNAME_BYTES).hex()

    def new_credentials(self) -> IceCredentials:
        """For an agent that is to be made once the peer has answered."""
        return new_credentials(self._random_bytes)

    def certificate(self) -> Certificate:
        """The one for a session that begins now."""
        return self._certificates.current(self._now())

    def new_agent(self, offer: Offer, local: IceCredentials | None = None) -> IceAgent:
        """For the peer's description; with credentials of its own unless some are given."""
        agent = IceAgent(
            offer.ice,
            random_bytes=self._random_bytes,
            now=self._now(),
            lite=self._port.is_lite,
            local=local,
        )
        agent.add_candidates(offer.candidates, self._port.by_version)
        return agent

    def render(
        self,
        local: IceCredentials,
        certificate: Certificate,
        setup: str,
        media: Sequence[AnsweredMedia],
        cname: str,
    ) -> str:
        """Our SDP, answer or offer."""
        transport = TransportAnswer(
            local,
            self._port.is_lite,
            self._port.candidates,
            certificate.getFingerprints()[0],
            setup,
        )
        number = int.from_bytes(self._random_bytes(_NUMBER_BYTES), "big")
        return render_answer(number, transport, media, cname=cname)

    def render_restart(self, session: Session) -> str:
        """The fragment that an ICE restart is answered with."""
        local, section = session.agent.local, session.transport_section
        port = self._port
        return render_fragment(local, port.candidates, *section, is_lite=port.is_lite)
