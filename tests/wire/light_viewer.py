"""A WHEP viewer that decodes nothing: it looks whether pictures are whole in time.

Real ICE, DTLS, SRTP, NACK, RTX and transport-wide feedback for a few per cent of a core, so that it
measures the network and not the machine.

    async with a_light_viewer(origin.url("/live/one/whep")) as viewer:
        await asyncio.sleep(10)
        viewer.frozen_s(since=viewer.now - 10)
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
import re
import secrets
import socket
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from typing import Any, Final

from pylibsrtp import Error, Policy, Session

from tests.webrtc.checks import nominating_check
from tests.webrtc.fanout_stage import libsrtp_of, nack, read_packet
from tests.webrtc.simulated_way import Receiver
from tests.wire import playout
from tests.wire.playout import Picture, Span
from webrtc.dtls import Certificate, DtlsTransport, NegotiatedKeys
from webrtc.ice import IceCredentials, new_credentials
from webrtc.offer import parse_offer
from webrtc.stun import (
    BINDING_REQUEST,
    parse_stun,
    render_success,
)

FREEZE_S: Final = 0.2
"""Pictures of 25 frames a second that are further apart stand still (webrtc-stats: 150 ms more
than the mean distance)."""
STALL_S: Final = 0.1
"""Nothing at all came for so long, of 25 pictures a second with five packets each: whoever sends,
carries or receives did not have its turn. Losses are never so many in a row."""
TURN_S: Final = 0.02
LATE_S: Final = 0.05
"""A turn that comes later than this finds what came meanwhile only then, and asks only then."""
HOLD_BACK_S: Final = 0.25
"""As our player has pictures wait where so much is lost (static/loss_cushion.js): until three
resends came. That is up to 40 ms until a picture's last packet is missed, up to 20 until it is
asked for, a round trip of 50; and twice 70 until it is asked for anew. A browser asks every 120, so
that Chromium waits for 310 ms there."""
FRAME_S: Final = 0.04
RECEIVE_BYTES: Final = 4_000_000
"""What comes while we have not our turn is not to be lost here."""
CLOCK_RATE: Final = 90_000
FEEDBACK_S: Final = 0.1
CHECK_S: Final = 2.5
"""As often as Chromium checks a pair that works."""
EXTENSION: Final = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
OFFER: Final = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
m=video 9 UDP/TLS/RTP/SAVPF 96 97
c=IN IP4 0.0.0.0
a=rtcp-mux
a=ice-ufrag:{ice.ufrag}
a=ice-pwd:{ice.password}
a=fingerprint:sha-256 {fingerprint}
a=setup:actpass
a=mid:0
a=extmap:3 {extension}
a=recvonly
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1;profile-level-id=42e01f
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtcp-fb:96 transport-cc
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
"""


class LightViewer(asyncio.DatagramProtocol):
    """Made by `a_light_viewer`."""

    def __init__(self, endpoint: str) -> None:
        self.receiver = Receiver()
        self.session = ""
        self._endpoint = endpoint
        self._ice = new_credentials(secrets.token_bytes)
        self._certificate = Certificate.generateCertificate()
        self._keys: asyncio.Future[NegotiatedKeys] = asyncio.get_running_loop().create_future()
        self._checked = asyncio.Event()
        self.first_picture = asyncio.Event()
        self._arrivals: list[float] = []
        self._late_turns: list[tuple[float, float]] = []
        self._dtls = DtlsTransport(
            self._certificate,
            is_server=False,
            send=self._send,
            on_keys=self._keys.set_result,
            on_end=lambda reason: None,
        )
        self._opens: Session | None = None
        self._seals: Session | None = None
        self._turns: asyncio.Task[None] | None = None

    @property
    def now(self) -> float:
        """The loop's clock."""
        return asyncio.get_running_loop().time()

    def frozen_s(self, since: float) -> float:
        """How long pictures stood still since a moment of the loop's clock."""
        times = [at for at, _ in self.receiver.shown if at >= since]
        gaps = [b - a for a, b in itertools.pairwise([since, *times, self.now])]
        return sum(gap for gap in gaps if gap > FREEZE_S)

    def stalls(self, since: float) -> list[tuple[float, float]]:
        """When nothing came since then although it was sent for: from, to."""
        times = [since, *(at for at in self._arrivals if at >= since), self.now]
        return [(a, b) for a, b in itertools.pairwise(times) if b - a > STALL_S]

    def held_up_s(self, since: float) -> float:
        """The same as `frozen_s` without what the machine itself stood still: how long packets came
        and no picture did."""
        times = [since, *(at for at, _ in self.receiver.shown if at >= since), self.now]
        stalls, total = self.stalls(since), 0.0
        for began, ended in itertools.pairwise(times):
            stalled = sum(max(0.0, min(b, ended) - max(a, began)) for a, b in stalls)
            gap = ended - began - stalled
            total += gap if gap > FREEZE_S else 0.0
        return total

    def still(self, since: float) -> list[Span]:
        """When nothing came since then, or we had not our turn."""
        late = [turn for turn in self._late_turns if turn[1] > since]
        return playout.merged(self.stalls(since) + late)

    def player_froze_s(self, since: float) -> float:
        """How long a player that holds pictures back stood still since then."""
        whole = {timestamp: at for at, timestamp in self.receiver.shown}
        first = max((t for t, at in whole.items() if at < since), key=lambda t: whole[t])
        pictures = [
            Picture(signed_32(timestamp - first) / CLOCK_RATE, whole.get(timestamp, math.inf))
            for timestamp in self.receiver.units
            if signed_32(timestamp - first) >= 0
        ]
        return playout.frozen_s(pictures, self.now, HOLD_BACK_S, FRAME_S, self.still(since))

    def pictures(self, since: float) -> int:
        """How many were whole."""
        return sum(at >= since for at, _ in self.receiver.shown)

    async def join(self) -> None:
        """From the offer to the first packet."""
        fingerprint = self._certificate.getFingerprints()[0].value
        offer = OFFER.format(ice=self._ice, fingerprint=fingerprint, extension=EXTENSION)
        answer = await self._request("POST", self._endpoint, offer.replace("\n", "\r\n").encode())
        parsed = parse_offer(answer)
        found = re.search(r"^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) ", answer, re.M)
        ssrcs = re.search(r"^a=ssrc-group:FID (\d+) (\d+)", answer, re.M)
        assert found is not None
        assert ssrcs is not None
        self.receiver.ssrc, self.receiver.rtx_ssrc = int(ssrcs[1]), int(ssrcs[2])
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(
            lambda: self, remote_addr=(found[1], int(found[2])), local_addr=("0.0.0.0", 0)
        )
        self._turns = loop.create_task(self._run(parsed.ice))
        await asyncio.wait_for(self._checked.wait(), 5)
        self._dtls.start(list(parsed.fingerprints))
        keys = await asyncio.wait_for(self._keys, 10)
        self._opens = libsrtp_of(keys.receive, Policy.SSRC_ANY_INBOUND)
        self._seals = libsrtp_of(keys.send, Policy.SSRC_ANY_OUTBOUND)

    async def active(self) -> str:
        """The rendition that the server says it sends."""
        layers = json.loads(await self._request("GET", f"{self.session}/layer", None))
        return str(layers["active"])

    async def wait_active(self, name: str, within_s: float) -> float:
        """Until the server sends that rendition; how long that took."""
        began = self.now
        while await self.active() != name:
            assert self.now - began < within_s, f"{within_s} s were not enough for {name}"
            await asyncio.sleep(0.05)
        return self.now - began

    async def close(self) -> None:
        """Leave."""
        if self._turns is not None:
            self._turns.cancel()
        self._dtls.close()
        await self._dtls.wait_closed()  # which ends the session
        self._transport.close()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        own = transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)

    def error_received(self, error: Exception) -> None:
        """An ICMP error, as when the server restarts."""

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._arrivals.append(self.now)
        if data[0] < 4:
            self._take_stun(data, address)
        elif data[0] < 64:
            self._dtls.receive(data)
        elif self._opens is not None and not 192 <= data[1] <= 223:
            with contextlib.suppress(Error):  # older than libsrtp's window
                self.receiver.take(read_packet(self._opens.unprotect(data)), self.now)
            if self.receiver.shown:
                self.first_picture.set()

    def _take_stun(self, data: bytes, address: Any) -> None:
        message = parse_stun(data)
        if message.message_type == BINDING_REQUEST:
            self._send(render_success(message, *address, self._ice.password))
        else:
            self._checked.set()

    def _send(self, datagram: bytes) -> None:
        self._transport.sendto(datagram)

    async def _run(self, theirs: IceCredentials) -> None:
        next_check = next_feedback = 0.0
        while True:
            now = self.now
            if now >= next_check:
                is_new = not self._checked.is_set()
                next_check = now + (0.2 if is_new else CHECK_S)
                self._send(nominating_check(self._ice, theirs, secrets.token_bytes(12)))
            if self._seals is not None:
                wanted = self.receiver.wanted(now)
                if wanted:
                    self._send(self._seals.protect_rtcp(nack(self.receiver.ssrc, *wanted[:100])))
                feedback = self.receiver.feedback() if now >= next_feedback else None
                if feedback is not None:
                    next_feedback = now + FEEDBACK_S
                    self._send(self._seals.protect_rtcp(feedback))
            due = self.now + TURN_S
            await asyncio.sleep(TURN_S)
            if self.now > due + LATE_S:
                self._late_turns.append((due, self.now))

    async def _request(self, method: str, url: str, body: bytes | None) -> str:
        headers = {"Content-Type": "application/sdp"} if body else {}
        request = urllib.request.Request(url, body, headers, method=method)

        def ask() -> str:
            with urllib.request.urlopen(request, timeout=10) as response:
                location = response.headers.get("Location")
                if location:
                    self.session = urllib.parse.urljoin(url, location)
                return str(response.read().decode())

        return await asyncio.to_thread(ask)


@contextlib.asynccontextmanager
async def a_light_viewer(endpoint: str) -> AsyncIterator[LightViewer]:
    """A viewer that has its first picture."""
    viewer = LightViewer(endpoint)
    try:
        await viewer.join()
        async with asyncio.timeout(10):
            await viewer.first_picture.wait()
        yield viewer
    finally:
        await viewer.close()


def signed_32(difference: int) -> int:
    """Between two timestamps, which wrap."""
    return (difference + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
