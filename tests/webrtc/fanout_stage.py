"""A fan-out on loopback with viewers that are sockets and a libsrtp, and a clock of the test's."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pylibsrtp import Policy, Session

from webrtc.fanout import Fanout
from webrtc.stun import BINDING_REQUEST, USE_CANDIDATE, USERNAME, render_stun
from webrtc.viewer_settings import SrtpKeys, SrtpProfile, StreamSettings, ViewerSettings

UTC_OFFSET_S = 1_700_000_000.25
VIDEO_SSRC, RTX_SSRC, AUDIO_SSRC, VIEWER_SSRC = 0x1234, 0x5678, 0x9ABC, 0x77
FRAME_S = 1 / 30
PASSWORD = "a password of ours 24 long"

PROFILES = list(SrtpProfile)

POLICIES = {
    SrtpProfile.AES128_CM_SHA1_80: Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    SrtpProfile.AEAD_AES_128_GCM: Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    SrtpProfile.AEAD_AES_256_GCM: Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}


def keys_of(profile: SrtpProfile, seed: int = 0) -> SrtpKeys:
    key = bytes((seed + 7 * n) & 0xFF for n in range(profile.key_bytes))
    return SrtpKeys(profile, key, bytes((seed + 99 + n) & 0xFF for n in range(profile.salt_bytes)))


def libsrtp_of(keys: SrtpKeys, kind: int) -> Session:
    policy = Policy(keys.key + keys.salt, kind, srtp_profile=POLICIES[keys.profile])
    policy.window_size = 1024
    return Session(policy)


VIDEO = StreamSettings(
    ssrc=VIDEO_SSRC,
    payload_type=96,
    clock_rate=90_000,
    rtx_ssrc=RTX_SSRC,
    rtx_payload_type=97,
    mid=b"0",
    mid_extension=4,
    abs_send_time_extension=2,
    transport_cc_extension=3,
    first_sequence=1000,
    rtx_first_sequence=2000,
    timestamp_offset=0xFFFFFF00,
)
AUDIO = StreamSettings(
    ssrc=AUDIO_SSRC,
    payload_type=111,
    clock_rate=48_000,
    mid=b"1",
    mid_extension=4,
    abs_send_time_extension=2,
    transport_cc_extension=3,
    first_sequence=50,
    timestamp_offset=77,
)


@dataclass(frozen=True)
class Packet:
    """An RTP packet taken apart."""

    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    elements: dict[int, bytes]
    payload: bytes


def read_packet(data: bytes) -> Packet:
    first, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", data)
    assert first in (0x80, 0x90)
    at, elements = 12, {}
    if first & 0x10:
        profile, words = struct.unpack_from("!HH", data, 12)
        assert profile == 0xBEDE
        at, block = 16 + 4 * words, data[16 : 16 + 4 * words]
        while block:
            size = (block[0] & 0xF) + 1 if block[0] else 0
            if block[0]:
                elements[block[0] >> 4] = block[1 : 1 + size]
            block = block[1 + size :]
    kind = second & 0x7F
    return Packet(bool(second >> 7), kind, sequence, timestamp, ssrc, elements, data[at:])


@dataclass
class Viewer:
    """What one viewer has and what came to it."""

    socket: socket.socket
    settings: ViewerSettings
    number: int
    reports: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._opens = libsrtp_of(self.settings.send_keys, Policy.SSRC_ANY_INBOUND)
        self._seals = libsrtp_of(self.settings.receive_keys, Policy.SSRC_ANY_OUTBOUND)

    def datagrams(self) -> list[bytes]:
        """Everything that has come, as it came."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(self.socket.recv(2048))
        return found

    def packets(self) -> list[Packet]:
        """RTP as libsrtp opened it; RTCP goes to `reports`."""
        packets = []
        for datagram in self.datagrams():
            if 192 <= datagram[1] <= 223:
                self.reports.append(self._opens.unprotect_rtcp(datagram))
            else:
                packets.append(self.open(datagram))
        return packets

    def open(self, datagram: bytes) -> Packet:
        """One RTP packet as libsrtp opens it."""
        return read_packet(self._opens.unprotect(datagram))

    def seal(self, compound: bytes) -> bytes:
        return self._seals.protect_rtcp(compound)


class Stage:
    """The fan-out and its viewers; `at` moves the clock and lets everything happen."""

    def __init__(self, fanout: Fanout, own: socket.socket) -> None:
        self.fanout = fanout
        self.socket = own
        self.now_s = 100.0
        self.viewers: list[Viewer] = []
        self.opened: list[socket.socket] = []

    def open_socket(self) -> socket.socket:
        opened = loopback()
        self.opened.append(opened)
        return opened

    def join(
        self,
        profile: SrtpProfile = SrtpProfile.AEAD_AES_128_GCM,
        video: StreamSettings | None = VIDEO,
        audio: StreamSettings | None = AUDIO,
        pace_bitrate: int = 1_000_000_000,
    ) -> Viewer:
        mine, seed = self.open_socket(), len(self.viewers)
        settings = ViewerSettings(
            address=mine.getsockname(),
            socket=0,
            send_keys=keys_of(profile, seed),
            receive_keys=keys_of(profile, seed + 100),
            ice_username=f"ours{seed}:theirs",
            ice_password=PASSWORD,
            cname="headwater",
            video=video,
            audio=audio,
            pace_bitrate=pace_bitrate,
        )
        number = self.fanout.add_viewer(settings, now_s=self.now_s)
        self.viewers.append(Viewer(mine, settings, number))
        return self.viewers[-1]

    def step(self, seconds: float = 0.0) -> float:
        self.now_s += seconds
        return self.fanout.step(self.now_s)

    def write_frame(
        self, ring: int, number: int, sizes: Sequence[int] = (900, 300), *, is_key: bool = False
    ) -> list[bytes]:
        """Frame `number` of a 30 fps video, at its media time."""
        payloads = [bytes((number + place & 0xFF,)) * size for place, size in enumerate(sizes)]
        utc_s = UTC_OFFSET_S + 100.0 + number * FRAME_S
        ticks = number * 3000 & 0xFFFFFFFF
        self.fanout.write(ring, payloads, ticks, is_key, utc_s, now_s=self.now_s)
        return payloads

    def send(self, viewer: Viewer, datagram: bytes) -> list[tuple[bytes, tuple[str, int]]]:
        """From a viewer to the fan-out; gives what that has no use for."""
        viewer.socket.sendto(datagram, self.socket.getsockname())
        return self.fanout.receive(0, now_s=self.now_s)


def loopback() -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    opened.setblocking(False)
    opened.bind(("127.0.0.1", 0))
    return opened


@contextlib.contextmanager
def open_stage(*, pure_python: bool = False, own: socket.socket | None = None) -> Iterator[Stage]:
    is_ours, own = own is None, own or loopback()
    fanout = Fanout([own.fileno()], 0, utc_offset_s=UTC_OFFSET_S, pure_python=pure_python)
    stage = Stage(fanout, own)
    try:
        yield stage
    finally:
        stage.fanout.close()
        for opened in (*[own] * is_ours, *stage.opened):
            opened.close()


def check_of(viewer: Viewer, *, password: str = PASSWORD, nominates: bool = False) -> bytes:
    """A connectivity check as a browser sends it."""
    attributes = [(USERNAME, viewer.settings.ice_username.encode())]
    attributes += [(USE_CANDIDATE, b"")] if nominates else []
    return render_stun(BINDING_REQUEST, bytes(range(12)), attributes, password=password)


def nack(ssrc: int, *sequences: int) -> bytes:
    """A receiver report without blocks, then the NACK, as browsers compound them."""
    entries = b"".join(struct.pack("!HH", sequence, 0) for sequence in sequences)
    head = struct.pack("!BBHI", 0x80, 201, 1, VIEWER_SSRC)
    feedback = struct.pack("!BBHII", 0x81, 205, 2 + len(sequences), VIEWER_SSRC, ssrc)
    return head + feedback + entries


def picture_loss(ssrc: int) -> bytes:
    return struct.pack("!BBHII", 0x81, 206, 2, VIEWER_SSRC, ssrc)


def video_of(packets: list[Packet]) -> list[Packet]:
    return [packet for packet in packets if packet.ssrc == VIDEO_SSRC]


def frames_of(packets: list[Packet]) -> list[int]:
    """The frame numbers of a viewer's video, by its timestamps."""
    offset = VIDEO.timestamp_offset
    ticks = [p.timestamp - offset & 0xFFFFFFFF for p in video_of(packets) if p.marker]
    return [tick // 3000 for tick in ticks]


def sequences_of(packets: list[Packet]) -> list[int]:
    return [packet.sequence for packet in video_of(packets)]


def is_gapless(packets: list[Packet]) -> bool:
    numbers = sequences_of(packets)
    return all(b - a & 0xFFFF == 1 for a, b in itertools.pairwise(numbers))


def arrivals(first: int, times: list[int | None]) -> bytes:
    """Transport-wide feedback with two bytes for each delta; times in 250 µs since 64 ms x 10."""
    symbols = [0 if time is None else 2 for time in times]
    symbols += [0] * (-len(symbols) % 7)
    chunks = b"".join(
        struct.pack("!H", 0xC000 | sum(s << 12 - 2 * n for n, s in enumerate(symbols[at : at + 7])))
        for at in range(0, len(symbols), 7)
    )
    deltas, last = b"", 0
    for at in times:
        if at is not None:
            deltas += struct.pack("!h", at - last)
            last = at
    body = struct.pack("!HH3sB", first, len(times), (10).to_bytes(3, "big"), 0) + chunks + deltas
    body += bytes(-len(body) % 4)
    return struct.pack("!BBHII", 0x8F, 205, 2 + len(body) // 4, VIEWER_SSRC, VIDEO_SSRC) + body
