"""How RTP packets of one stream are headed (RFC 3550 5.1, RFC 8285 4.2). Sans-IO.

The specification of `write_header` in native/packet.c.
"""

from __future__ import annotations

import math
import struct
from typing import Final

from webrtc.viewer_reports import SentPackets
from webrtc.viewer_settings import Kind, StreamSettings

NTP_EPOCH_S: Final = 2_208_988_800
"""1970 by NTP, which counts from 1900."""

_EXTENSION_PROFILE: Final = 0xBEDE


class PacketHeads:
    """Owns what a stream's headers have in common; it alone calls.

    Every header with a transport-wide number is noted as sent, so each rendered one must be.
    """

    def __init__(self, kind: Kind, settings: StreamSettings, sent: SentPackets) -> None:
        self._has_markers = kind == "video"
        self._settings = settings
        self._sent = sent

    @property
    def are_repeatable(self) -> bool:
        """Whether a packet that is sent again has the very same header."""
        settings = self._settings
        return not (settings.abs_send_time_extension or settings.transport_cc_extension)

    def render(
        self,
        media_timestamp: int,
        index: int,
        now_s: float,
        now_utc: float,
        size_bytes: int,
        *,
        is_last: bool,
        is_rtx: bool = False,
    ) -> bytes:
        """Of a payload of `size_bytes`, its unit's last one or not, as the packet of that index."""
        settings = self._settings
        ssrc, kind = settings.ssrc, settings.payload_type
        if is_rtx:
            ssrc, kind = settings.rtx_ssrc, settings.rtx_payload_type
        is_marked = is_last and self._has_markers
        timestamp = media_timestamp + settings.timestamp_offset & 0xFFFFFFFF
        extension = self._extension(now_s, now_utc, size_bytes)
        first = 0x90 if extension else 0x80
        numbers = (first, kind | is_marked << 7, index & 0xFFFF, timestamp, ssrc)
        return struct.pack("!BBHII", *numbers) + extension

    def _extension(self, now_s: float, now_utc: float, size_bytes: int) -> bytes:
        settings, elements = self._settings, b""
        if settings.mid_extension:
            head = settings.mid_extension << 4 | len(settings.mid) - 1
            elements += bytes((head,)) + settings.mid
        if settings.abs_send_time_extension:
            ticks = int((now_utc + NTP_EPOCH_S) * 262_144) & 0xFFFFFF  # 6.18 bits of seconds
            elements += bytes((settings.abs_send_time_extension << 4 | 2,))
            elements += ticks.to_bytes(3, "big")
        if settings.transport_cc_extension:
            elements += bytes((settings.transport_cc_extension << 4 | 1,))
            elements += self._sent.note(now_s, size_bytes).to_bytes(2, "big")
        elements += bytes(-len(elements) % 4)
        if not elements:
            return b""
        return struct.pack("!HH", _EXTENSION_PROFILE, len(elements) // 4) + elements


def ntp_of(utc_s: float) -> int:
    """64-bit NTP (RFC 3550 4)."""
    seconds = math.floor(utc_s + NTP_EPOCH_S)
    fraction = int((utc_s + NTP_EPOCH_S - seconds) * 4294967296.0)
    return (seconds & 0xFFFFFFFF) << 32 | fraction
