"""A WHEP viewer by ICE-TCP, which aiortc cannot: checks, DTLS and SRTP behind a length each."""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass

from pylibsrtp import Policy, Session

from tests.webrtc.checks import nominating_check
from tests.webrtc.fanout_stage import Packet, libsrtp_of, read_packet
from tests.webrtc.peer_room import STREAM, PeerRoom
from webrtc.dtls import Certificate, DtlsTransport, NegotiatedKeys
from webrtc.ice import IceCredentials, new_credentials
from webrtc.offer import parse_offer
from webrtc.stun import (
    BINDING_SUCCESS,
    parse_stun,
)
from webrtc.tcp_mux import Rfc4571Reader

OFFER = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
m=video 9 UDP/TLS/RTP/SAVPF 96
c=IN IP4 0.0.0.0
a=rtcp-mux
a=ice-ufrag:{ice.ufrag}
a=ice-pwd:{ice.password}
a=fingerprint:sha-256 {fingerprint}
a=setup:actpass
a=mid:0
a=recvonly
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1;profile-level-id=42e01f
a=rtcp-fb:96 nack
"""


@dataclass(frozen=True)
class Answered:
    """What the viewer takes from an answer."""

    ice: IceCredentials
    port: int
    """Of the passive TCP candidate."""
    fingerprint: str


def read_answer(sdp: str) -> Answered:
    """Raises AttributeError when something is not there."""
    candidate = re.search(
        r"a=candidate:\S+ 1 tcp \d+ 127.0.0.1 (\d+) typ host tcptype passive", sdp
    )
    assert candidate is not None
    parsed = parse_offer(sdp)
    return Answered(parsed.ice, int(candidate[1]), parsed.fingerprints[0].value)


class TcpViewer:
    """One connection, from the offer to opened packets."""

    def __init__(self) -> None:
        self.ice = new_credentials(secrets.token_bytes)
        self.certificate = Certificate.generateCertificate()
        self.keys: asyncio.Future[NegotiatedKeys] = asyncio.get_running_loop().create_future()
        self._reader = Rfc4571Reader()
        self._dtls = DtlsTransport(
            self.certificate,
            is_server=False,
            send=self.send,
            on_keys=self.keys.set_result,
            on_end=lambda reason: None,
        )
        self._media: asyncio.Queue[bytes] = asyncio.Queue()
        self._opens: Session | None = None
        self._seals: Session | None = None
        self.checked = asyncio.Event()

    def offer(self) -> str:
        """Its offer, without candidates."""
        fingerprint = self.certificate.getFingerprints()[0].value
        return OFFER.format(ice=self.ice, fingerprint=fingerprint).replace("\n", "\r\n")

    async def join(self, room: PeerRoom) -> None:
        """From the offer until DTLS is up."""
        sdp = room.signalling.subscribe(STREAM, self.offer(), "127.0.0.1").sdp
        answered = read_answer(sdp)
        self._in, self._out = await asyncio.open_connection("127.0.0.1", answered.port)
        self._reading = asyncio.get_running_loop().create_task(self._read())
        self.send(nominating_check(self.ice, answered.ice, secrets.token_bytes(12)))
        await asyncio.wait_for(self.checked.wait(), 5)
        self._dtls.start(list(parse_offer(sdp).fingerprints))
        keys = await asyncio.wait_for(self.keys, 5)
        self._opens = libsrtp_of(keys.receive, Policy.SSRC_ANY_INBOUND)
        self._seals = libsrtp_of(keys.send, Policy.SSRC_ANY_OUTBOUND)

    async def packet(self) -> Packet:
        """The next RTP packet, opened."""
        assert self._opens is not None
        while True:
            datagram = await asyncio.wait_for(self._media.get(), 5)
            if not 192 <= datagram[1] <= 223:
                return read_packet(self._opens.unprotect(datagram))

    def report(self, compound: bytes) -> None:
        """Send RTCP."""
        assert self._seals is not None
        self.send(self._seals.protect_rtcp(compound))

    def send(self, datagram: bytes) -> None:
        """One datagram, framed."""
        self._out.write(len(datagram).to_bytes(2, "big") + datagram)

    async def _read(self) -> None:
        while data := await self._in.read(65_536):
            for datagram in self._reader.push(data):
                if datagram[0] < 4:
                    if parse_stun(datagram).message_type == BINDING_SUCCESS:
                        self.checked.set()
                elif datagram[0] < 64:
                    self._dtls.receive(datagram)
                else:
                    self._media.put_nowait(datagram)

    async def close(self) -> None:
        """Leave."""
        self._dtls.close()
        await self._dtls.wait_closed()
        self._reading.cancel()
        self._out.close()
