"""RTP packets of a publisher, made up."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from webrtc.rtp_packet import RtpPacket


def packet(sequence: int, payload: bytes = b"x", **said: object) -> RtpPacket:
    """A packet of which a test says only what it is about."""
    values: dict[str, object] = {
        "payload_type": 96, "sequence": sequence & 0xFFFF, "timestamp": 0, "ssrc": 1,
        "is_marked": False, "extensions": {}, "payload": payload,
    }  # fmt: skip
    return RtpPacket(**{**values, **said})  # type: ignore[arg-type]


def packets_of(
    units: Iterable[Sequence[bytes]], first_sequence: int = 65_530, ticks: int = 3_000
) -> list[RtpPacket]:
    """Payloads of access units as packets; sequence numbers and timestamps wrap on the way."""
    packets: list[RtpPacket] = []
    for index, payloads in enumerate(units):
        timestamp = (0xFFFFF000 + index * ticks) & 0xFFFFFFFF
        for at, payload in enumerate(payloads):
            number = first_sequence + len(packets)
            is_last = at == len(payloads) - 1
            packets.append(packet(number, payload, timestamp=timestamp, is_marked=is_last))
    return packets


def shuffled(packets: list[RtpPacket], seed: int, reach: int = 5) -> list[RtpPacket]:
    """The same packets, each at most so many places from where it was."""
    dice = random.Random(seed)
    return [each for _, _, each in sorted(
        (at + dice.uniform(0, reach), at, each) for at, each in enumerate(packets)
    )]  # fmt: skip


def render(packet: RtpPacket) -> bytes:
    """The bytes on the wire, with one-byte extensions."""
    body = b"".join(
        bytes((number << 4 | len(value) - 1,)) + value
        for number, value in packet.extensions.items()
    )
    body += bytes(-len(body) % 4)
    extension = b"\xbe\xde" + (len(body) // 4).to_bytes(2, "big") + body if body else b""
    head = bytes((0x90 if body else 0x80, packet.payload_type | (0x80 if packet.is_marked else 0)))
    head += packet.sequence.to_bytes(2, "big") + packet.timestamp.to_bytes(4, "big")
    return head + packet.ssrc.to_bytes(4, "big") + extension + packet.payload
