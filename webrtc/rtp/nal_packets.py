"""NAL units of one access unit into RTP payloads: small ones together, large ones in fragments.

H.264 (RFC 6184) and H.265 (RFC 7798) differ in how these are headed and in nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from webrtc.rtp.limits import MAX_PAYLOAD_BYTES

LENGTH_BYTES = 2
"""Before each NAL unit of an aggregate."""


def pack(
    nals: Iterable[memoryview],
    head_bytes: int,
    aggregate: Callable[[list[memoryview]], bytes],
    fragment: Callable[[memoryview], list[bytes]],
) -> list[bytes]:
    """Payloads of at most MAX_PAYLOAD_BYTES, in order; `head_bytes` is an aggregate's own head.

    `aggregate` gets as many as there is room for, perhaps one; `fragment` one that is too large.
    """
    payloads: list[bytes] = []
    small: list[memoryview] = []
    room = MAX_PAYLOAD_BYTES - head_bytes
    for nal in nals:
        needed = LENGTH_BYTES + len(nal)
        if small and needed > room:
            payloads.append(aggregate(small))
            small, room = [], MAX_PAYLOAD_BYTES - head_bytes
        if len(nal) > MAX_PAYLOAD_BYTES:
            payloads += fragment(nal)
        elif needed > room:  # fits alone, but not with the header of an aggregate
            payloads.append(bytes(nal))
        else:
            small.append(nal)
            room -= needed
    if small:
        payloads.append(aggregate(small))
    return payloads
