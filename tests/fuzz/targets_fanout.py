"""Fuzz targets of the fan-out: whatever comes in by UDP, by its C where that was built."""

from __future__ import annotations

import atexit
import functools
import itertools
import struct
from collections.abc import Callable
from contextlib import ExitStack

from tests.webrtc.fanout_stage import (
    AUDIO_SSRC,
    PASSWORD,
    VIDEO_SSRC,
    VIEWER_SSRC,
    Stage,
    Viewer,
    check_of,
    keys_of,
    nack,
    open_stage,
    picture_loss,
)
from webrtc.srtp import SrtpSender
from webrtc.srtp_receiver import SrtpReceiver
from webrtc.stun import BINDING_REQUEST, render_stun
from webrtc.viewer_settings import SrtpProfile

MAX_DATAGRAM_BYTES = 1350


@functools.cache
def _stage() -> tuple[Stage, Viewer]:
    """A viewer that has been sent a few packets, kept for all inputs."""
    stack = ExitStack()
    atexit.register(stack.close)
    stage = stack.enter_context(open_stage())
    viewer, ring = stage.join(), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", ring)
    for number in range(20):
        stage.write_frame(ring, number, is_key=number % 10 == 0)
        stage.step(0.033)
    return stage, viewer


_waiting = itertools.count(1)


def _put(datagram: bytes) -> None:
    """Lets the fan-out have a datagram; each sixteenth time it does all that follows from them."""
    stage, viewer = _stage()
    viewer.socket.sendto(datagram, stage.socket.getsockname())
    if next(_waiting) % 16 == 0:
        stage.fanout.receive(0, now_s=stage.now_s)
        stage.fanout.poll(now_s=stage.now_s)
        stage.step(0.01)
        viewer.datagrams()


def fuzz_datagram(data: bytes) -> None:
    """Any datagram from a viewer's address: a check, a report, or neither."""
    _put(data[:MAX_DATAGRAM_BYTES])


def fuzz_check(data: bytes) -> None:
    """Attributes of a check that is signed as it should be."""
    body, attributes = data[: MAX_DATAGRAM_BYTES - 100], []
    while len(body) >= 3:
        kind, size = int.from_bytes(body[:2], "big"), body[2]
        attributes.append((kind, body[3 : 3 + size]))
        body = body[3 + size :]
    _put(render_stun(BINDING_REQUEST, bytes(12), attributes, password=PASSWORD))


def fuzz_report(data: bytes) -> None:
    """A compound packet of an authentic peer, always from one SSRC: others would soon be many."""
    _, viewer = _stage()
    if len(data) >= 8:
        head = bytes((0x80 | data[0] & 0x3F, 192 | data[1] & 0x1F)) + data[2:4]
        _put(viewer.seal(head + VIEWER_SSRC.to_bytes(4, "big") + data[8:MAX_DATAGRAM_BYTES]))


class _Publisher:
    """A peer of one profile, and both twins that take its protection off."""

    def __init__(self, profile: SrtpProfile) -> None:
        keys = keys_of(profile)
        self.sender, self.index = SrtpSender(keys), 0
        self.receivers = [SrtpReceiver(keys, pure_python=pure) for pure in (True, False)]


@functools.cache
def _publisher(number: int) -> _Publisher:
    return _Publisher(list(SrtpProfile)[number])


def fuzz_srtp(data: bytes) -> None:
    """Datagrams of a publisher, as they are and sealed; C and Python refuse the same."""
    data, publisher = data[:MAX_DATAGRAM_BYTES], _publisher(len(data) % 3)
    datagrams = [data]
    if len(data) >= 12:
        publisher.index += 1 + data[0] % 3
        source = bytes(3) + bytes((data[11] & 7,))  # of many they take no notice
        header = data[:2] + (publisher.index & 0xFFFF).to_bytes(2, "big") + data[4:8] + source
        datagrams += [publisher.sender.protect(header, data[12:], publisher.index)] * 2
    python, native = (receiver.unprotect(datagrams) for receiver in publisher.receivers)
    assert native == python


def _feedback(kind: int, count: int, body: bytes) -> bytes:
    head = struct.pack("!BBHII", 0x80 | count, kind, 2 + len(body) // 4, VIEWER_SSRC, VIDEO_SSRC)
    return head + body


_ARRIVALS = struct.pack("!HH3sBHHH6x", 0, 8, b"\0\0\1", 0, 0x2008, 0xBFFF, 0xD555)
_REMB = struct.pack("!4sBBHI", b"REMB", 1, 5 << 2, 1000, VIDEO_SSRC)
_BLOCKS = struct.pack("!BBHI", 0x81, 201, 7, 1) + struct.pack("!IIIIII", VIDEO_SSRC, 0, 9, 9, 9, 9)
_COMPOUNDS = (
    nack(VIDEO_SSRC, 1000, 1001, 1030),
    nack(AUDIO_SSRC, 1) + picture_loss(VIDEO_SSRC),
    _BLOCKS + _feedback(205, 15, _ARRIVALS) + _feedback(206, 15, _REMB),
    _BLOCKS + _feedback(206, 4, struct.pack("!IB3x", VIDEO_SSRC, 1)),
    struct.pack("!BBHI", 0x81, 203, 1, VIEWER_SSRC),
)
_ATTRIBUTES = (
    b"\0\x06\x0cours0:theirs" + b"\0\x24\x04\0\0\0\1" + b"\0\x25\0" + b"\x80\x2a\x08abcdefgh"
)

TARGETS: dict[str, Callable[[bytes], None]] = {
    "fanout-datagram": fuzz_datagram,
    "fanout-check": fuzz_check,
    "fanout-report": fuzz_report,
    "fanout-srtp": fuzz_srtp,
}


def _check() -> bytes:
    _, viewer = _stage()
    return check_of(viewer, nominates=True)


SEEDS: dict[str, tuple[bytes, ...]] = {
    "fanout-datagram": (_check(), b"\x80\xc9\0\1" + bytes(30), *_COMPOUNDS),
    "fanout-check": (_ATTRIBUTES,),
    "fanout-report": _COMPOUNDS,
    "fanout-srtp": (
        struct.pack("!BBHII", 0x80, 96, 7, 1, 2) + b"payload",
        struct.pack("!BBHIIHHI", 0x90, 96, 7, 1, 2, 0xBEDE, 1, 0) + b"payload",
        *_COMPOUNDS,
    ),
}
