"""How long it takes to a publisher and back, by RTCP (RFC 3611 4.4 and 4.5). Sans-IO.

Reports measure the round trip for those alone who send media (RFC 3550 6.4.1). Who receives says a
reference time; libwebrtc answers it without being asked to in SDP, others ignore it.
"""

from __future__ import annotations

import struct
from typing import Final

from webrtc.packet_heads import ntp_of
from webrtc.publisher_rtcp import compound_parts
from webrtc.viewer_reports import elapsed_s

_EXTENDED_REPORT: Final = 207
_REFERENCE_TIME: Final = 4
_ANSWERS: Final = 5
_ANSWER: Final = struct.Struct("!III")
_HEAD: Final = struct.Struct("!BxH")


def render_reference_time(ssrc: int, now: float) -> bytes:
    """An extended report with the receiver's time; `now` is of any clock."""
    return struct.pack(
        "!BBHIBxHQ", 0x80, _EXTENDED_REPORT, 4, ssrc, _REFERENCE_TIME, 2, ntp_of(now)
    )


def read_round_trip_s(compound: bytes, ssrc: int, now: float) -> float | None:
    """What an answer to `ssrc` says; None: there is none that makes sense."""
    found = None
    for kind, start, end in compound_parts(compound):
        at = start + 8
        while kind == _EXTENDED_REPORT and at + 4 <= end:
            block, words = _HEAD.unpack_from(compound, at)
            block_end = min(at + 4 + 4 * words, end)
            if block == _ANSWERS:
                for item in range(at + 4, block_end - _ANSWER.size + 1, _ANSWER.size):
                    whose, last, delay = _ANSWER.unpack_from(compound, item)
                    if whose == ssrc:
                        found = elapsed_s(last, delay, ntp_of(now))
            at += 4 + 4 * words
    return found
