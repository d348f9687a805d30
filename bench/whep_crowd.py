"""WHEP viewers by the hundred that decode nothing: real offers, ICE, DTLS; packets are counted.

`python -m bench.whep_crowd <viewers> <counter file> <endpoint>...` joins them, equal shares at each
endpoint and a few at a time, prints what that took, writes the number of RTP packets so far into
the file, and when its standard input ends prints what it saw as JSON. Each viewer has a socket of
its own, checks its consent and reports each second, as browsers do.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import mmap
import re
import select
import socket
import struct
import sys
import time
import urllib.parse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from secrets import token_bytes
from typing import Final

from aiortc import RTCDtlsFingerprint
from pylibsrtp import Error, Policy, Session

from bench.datagrams import Incoming, StampedIncoming
from webrtc.dtls import Certificate, DtlsTransport, NegotiatedKeys
from webrtc.ice import new_credentials
from webrtc.offer import parse_offer
from webrtc.stun import (
    BINDING_REQUEST,
    ICE_CONTROLLING,
    PRIORITY,
    USE_CANDIDATE,
    USERNAME,
    parse_stun,
    render_stun,
    render_success,
)
from webrtc.viewer_settings import SrtpKeys, SrtpProfile

BUFFER_BYTES: Final = 1 << 20
JOIN_S: Final = 20.0
AT_ONCE: Final = 4
"""Joins under way at the same time."""
CHECK_S: Final = 2.5
REPORT_S: Final = 1.0
TURN_S: Final = 0.02
"""Between two looks at all sockets: datagrams come by the dozen, which costs less."""
SETTLE_S: Final = 2.5
"""Until who joined last has got the group of pictures from before."""
ADDRESSES: Final = 100
"""Of loopback: an origin takes so many sessions of one address, and no more."""
PROBES: Final = 8
"""Viewers whose packets' arrivals are looked at one by one, the last one among them."""
SAMPLE: Final = 100
EXTENSIONS: Final = (
    (1, "urn:ietf:params:rtp-hdrext:sdes:mid"),
    (2, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"),
)
H264: Final = "packetization-mode=1;level-asymmetry-allowed=1;profile-level-id="
VIDEO: Final = """a=rtpmap:96 H264/90000
a=fmtp:96 {h264}640028
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:98 H264/90000
a=fmtp:98 {h264}42e01f
a=rtcp-fb:98 nack
a=rtcp-fb:98 nack pli"""
AUDIO: Final = "a=rtpmap:111 opus/48000/2"


@dataclass(slots=True)
class Arrivals:
    """How late the last packet of each access unit came, beside the earliest ever, seconds."""

    clock_rate: int
    moments: list[float] = field(default_factory=list)
    ticks: int | None = None

    def take(self, timestamp: int, at: float) -> None:
        """A packet that ends a unit."""
        if self.ticks is None:
            self.ticks = timestamp
        self.ticks += ((timestamp - self.ticks + 2**31) & 0xFFFFFFFF) - 2**31  # they wrap
        self.moments.append(at - self.ticks / self.clock_rate)

    def late_s(self, percent: float) -> float | None:
        """The percentile; None where little came."""
        if len(self.moments) < SAMPLE:
            return None
        first = min(self.moments)
        ordered = sorted(moment - first for moment in self.moments)
        return ordered[int(percent / 100 * (len(ordered) - 1))]


class CrowdViewer:
    """One of them."""

    def __init__(self, certificate: Certificate, number: int) -> None:
        self._address = f"127.0.0.{2 + number % ADDRESSES}"
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self.socket.bind(("0.0.0.0", 0))
        self.video, self.audio = Arrivals(90_000), Arrivals(48_000)
        self.sample: list[bytes] = []
        self._certificate = certificate
        self._ice = new_credentials(token_bytes)
        self._checked = asyncio.Event()
        self._keys: asyncio.Future[NegotiatedKeys] = asyncio.get_running_loop().create_future()
        self._server = ("", 0)
        self._theirs = self._ice
        self._dtls: DtlsTransport | None = None
        self._seals: Session | None = None
        self._opens: Session | None = None
        self._report = b""

    async def join(self, endpoint: str) -> None:
        """Until DTLS is up."""
        loop = asyncio.get_running_loop()
        fingerprint = self._certificate.getFingerprints()[0].value
        answer = await asyncio.to_thread(_ask, endpoint, self._offer(fingerprint), self._address)
        parsed = parse_offer(answer)
        found = re.search(r"^a=candidate:\S+ 1 udp \d+ ([\d.]+) (\d+) ", answer, re.M)
        source = re.search(r"^a=ssrc:(\d+)", answer, re.M)
        assert found is not None
        self._server, self._theirs = (found[1], int(found[2])), parsed.ice
        self._report = struct.pack(
            "!BBHIIIIIII", 0x81, 201, 7, 1, int(source[1]) if source else 0, 0, 0, 0, 0, 0
        )
        self._dtls = DtlsTransport(
            self._certificate,
            is_server="a=setup:active" in answer,
            send=self._send,
            on_keys=self._keys.set_result,
            on_end=lambda reason: None,
        )
        loop.add_reader(self.socket.fileno(), self._readable)
        try:
            self.check()
            await asyncio.wait_for(self._checked.wait(), JOIN_S)
            self._dtls.start(
                [RTCDtlsFingerprint(f.algorithm, f.value) for f in parsed.fingerprints]
            )
            keys = await asyncio.wait_for(self._keys, JOIN_S)
        finally:
            loop.remove_reader(self.socket.fileno())
        self._seals = _libsrtp(keys.send, Policy.SSRC_ANY_OUTBOUND)
        self._opens = _libsrtp(keys.receive, Policy.SSRC_ANY_INBOUND)

    def check(self) -> None:
        """A connectivity check, which is consent, too."""
        username = f"{self._theirs.ufrag}:{self._ice.ufrag}".encode()
        attributes = (
            (USERNAME, username),
            (PRIORITY, (1 << 24).to_bytes(4, "big")),
            (ICE_CONTROLLING, bytes(8)),
            (USE_CANDIDATE, b""),
        )
        password = self._theirs.password
        self._send(render_stun(BINDING_REQUEST, token_bytes(12), attributes, password=password))

    def report(self) -> None:
        """That nothing was lost."""
        if self._seals is not None:
            self._send(self._seals.protect_rtcp(self._report))

    def take(self, datagram: bytes) -> None:
        """What is not counted alone: ICE, DTLS."""
        if datagram[0] < 4:
            message = parse_stun(datagram)
            if message.message_type == BINDING_REQUEST:
                self._send(render_success(message, *self._server, self._ice.password))
            else:
                self._checked.set()
        elif datagram[0] < 64 and self._dtls is not None:
            self._dtls.receive(datagram)

    def look(self, datagram: bytes, at: float) -> None:
        """An RTP packet of a probe."""
        payload_type, timestamp = datagram[1] & 127, int.from_bytes(datagram[4:8], "big")
        if payload_type == 111:
            self.audio.take(timestamp, at)
        elif datagram[1] & 128:
            self.video.take(timestamp, at)

    def opened(self) -> int:
        """How many of the sample are authentic."""
        assert self._opens is not None
        count = 0
        for packet in self.sample:
            try:
                self._opens.unprotect(packet)
                count += 1
            except Error:
                pass
        return count

    def _readable(self) -> None:
        try:
            while True:
                self.take(self.socket.recv(2048))
        except BlockingIOError:
            pass

    def _send(self, datagram: bytes) -> None:
        with contextlib.suppress(BlockingIOError):
            self.socket.sendto(datagram, self._server)

    def _offer(self, fingerprint: str) -> str:
        sections = []
        for mid, (kind, types, codecs) in enumerate(
            (("video", "96 97 98", VIDEO.format(h264=H264)), ("audio", "111", AUDIO))
        ):
            sections += [
                f"m={kind} 9 UDP/TLS/RTP/SAVPF {types}",
                "c=IN IP4 0.0.0.0",
                f"a=ice-ufrag:{self._ice.ufrag}",
                f"a=ice-pwd:{self._ice.password}",
                f"a=fingerprint:sha-256 {fingerprint}",
                "a=setup:actpass",
                f"a=mid:{mid}",
                *(f"a=extmap:{number} {uri}" for number, uri in EXTENSIONS),
                "a=recvonly",
                "a=rtcp-mux",
                *codecs.splitlines(),
            ]
        head = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1"]
        return "".join(f"{line}\r\n" for line in (*head, *sections))


def _ask(endpoint: str, sdp: str, address: str) -> str:
    """The answer to an offer from that address of loopback. Raises OSError."""
    target = urllib.parse.urlsplit(endpoint)
    connection = http.client.HTTPConnection(
        target.netloc, timeout=JOIN_S, source_address=(address, 0)
    )
    try:
        connection.request("POST", target.path, sdp, {"Content-Type": "application/sdp"})
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    if response.status != 201:
        raise OSError(f"the server answers {response.status}: {text}")
    return text


def _libsrtp(keys: SrtpKeys, direction: int) -> Session:
    profiles = {
        SrtpProfile.AES128_CM_SHA1_80: Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
        SrtpProfile.AEAD_AES_128_GCM: Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
        SrtpProfile.AEAD_AES_256_GCM: Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    }
    material = keys.key + keys.salt
    return Session(Policy(material, direction, srtp_profile=profiles[keys.profile]))


class Crowd:
    """Owns all viewers; first joins them, then takes what comes."""

    def __init__(self, counter: memoryview) -> None:
        self.viewers: list[CrowdViewer] = []
        self._counter = counter
        self._incoming, self._stamped = Incoming(), StampedIncoming()
        self._next_check = self._next_report = 0.0

    async def join(self, endpoints: Sequence[str], count: int) -> None:
        """All of them, a few at the same time: the first endpoint's, then the next one's."""
        certificate = Certificate.generateCertificate()
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> None:
            async with gate:
                viewer = CrowdViewer(certificate, number)
                await viewer.join(endpoints[number * len(endpoints) // count])
                self.viewers.append(viewer)

        joining = [asyncio.create_task(one(number)) for number in range(count)]
        while not all(task.done() for task in joining):
            await asyncio.wait(joining, timeout=0.25)
            self.turn([])
        await asyncio.gather(*joining)

    def turn(self, probes: list[CrowdViewer]) -> None:
        """Takes what waits, checks and reports where it is time."""
        now = time.monotonic()
        for viewer in self.viewers:
            if viewer not in probes:
                self._drain(viewer)
        if now >= self._next_check:
            self._next_check = now + CHECK_S
            for viewer in self.viewers:
                viewer.check()
        if now >= self._next_report:
            self._next_report = now + REPORT_S
            for viewer in self.viewers:
                viewer.report()

    def watch(self, probes: list[CrowdViewer]) -> None:
        """Until standard input ends."""
        poll = select.epoll()
        poll.register(sys.stdin.fileno(), select.EPOLLIN)
        by_number = {probe.socket.fileno(): probe for probe in probes}
        for probe in probes:
            self._stamped.stamp(probe.socket)
        for number in by_number:
            poll.register(number, select.EPOLLIN)
        next_turn = time.monotonic()
        looks_from = next_turn + SETTLE_S
        while True:
            for number, _ in poll.poll(max(0.0, next_turn - time.monotonic())):
                if number == sys.stdin.fileno():
                    return
                self._look(by_number[number], looks_from)
            if time.monotonic() >= next_turn:
                self.turn(probes)
                next_turn = time.monotonic() + TURN_S

    def _drain(self, viewer: CrowdViewer) -> None:
        incoming, number = self._incoming, viewer.socket.fileno()
        while taken := incoming.take(number):
            self._counter[0] += taken
            if taken < incoming.AT_ONCE:
                return

    def _look(self, probe: CrowdViewer, looks_from: float) -> None:
        looks, stamped = time.monotonic() >= looks_from, self._stamped
        for index in range(stamped.take(probe.socket.fileno())):
            datagram = stamped.datagram(index)
            if datagram[0] < 128:
                probe.take(datagram)
            elif not 192 <= datagram[1] <= 223:
                self._counter[0] += 1
                if len(probe.sample) < SAMPLE:
                    probe.sample.append(datagram)
                if looks:
                    probe.look(datagram, stamped.utc_s(index))


@dataclass(frozen=True, slots=True)
class Seen:
    """What the probes saw; lateness of the worst of them, milliseconds."""

    sampled: int
    opened: int
    video_p99_ms: float
    audio_p99_ms: float


def _seen(probes: list[CrowdViewer]) -> Seen:
    def worst(lates: list[float | None]) -> float:
        return 1000 * max((late for late in lates if late is not None), default=float("nan"))

    return Seen(
        sum(len(probe.sample) for probe in probes),
        sum(probe.opened() for probe in probes),
        worst([probe.video.late_s(99) for probe in probes]),
        worst([probe.audio.late_s(99) for probe in probes]),
    )


def main(arguments: list[str]) -> None:
    """Until standard input ends."""
    count, counter_file, endpoints = int(arguments[0]), arguments[1], arguments[2:]
    with open(counter_file, "r+b") as file, mmap.mmap(file.fileno(), 8) as shared:
        counter = memoryview(shared).cast("Q")
        crowd, began = Crowd(counter), time.monotonic()
        loop = asyncio.new_event_loop()
        loop.run_until_complete(crowd.join(endpoints, count))
        print(json.dumps({"join_s": time.monotonic() - began}), flush=True)
        step = max(1, count // PROBES)
        probes = crowd.viewers[step - 1 :: step]
        crowd.watch(probes)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        print(json.dumps(asdict(_seen(probes))), flush=True)
        counter.release()


if __name__ == "__main__":
    main(sys.argv[1:])
