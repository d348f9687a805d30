"""Packets in order to access units: where one ends, and what is worth passing on; sans-IO.

After a gap a video track is useless until its next key frame: everything before that is dropped
here, and `needs_key_frame` says so. The access unit that a gap fell into is dropped whole, since
nothing tells what of it was lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from segmenter.errors import MediaError
from segmenter.media import Codec, MediaType, Track
from webrtc.errors import MediaPacketError
from webrtc.jitter_buffer import Arrived
from webrtc.rtp.av1_depacketizer import Av1Depacketizer
from webrtc.rtp.depacketizer import Depacketizer
from webrtc.rtp.h264_depacketizer import H264Depacketizer
from webrtc.rtp.h265_depacketizer import H265Depacketizer
from webrtc.rtp.opus_depacketizer import OpusDepacketizer
from webrtc.rtp.vp8_depacketizer import Vp8Depacketizer
from webrtc.rtp.vp9_depacketizer import Vp9Depacketizer

_DEPACKETIZERS: Final[dict[Codec, Callable[[str], Depacketizer]]] = {
    Codec.H264: H264Depacketizer,
    Codec.H265: H265Depacketizer,
    Codec.AV1: Av1Depacketizer,
    Codec.VP8: Vp8Depacketizer,
    Codec.VP9: Vp9Depacketizer,
    Codec.OPUS: OpusDepacketizer,
}


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One canonical access unit with its RTP timestamp (32 bits)."""

    timestamp: int
    data: bytes
    is_sync: bool
    duration: int
    """Ticks of the RTP clock, or 0."""


class AccessUnits:
    """Owns one track's depacketizer; `push` it what a jitter buffer gives."""

    def __init__(self, codec: Codec, name: str) -> None:
        self._is_video = codec.media_type is MediaType.VIDEO
        self._form = _DEPACKETIZERS[codec](name)
        self._timestamp: int | None = None
        self._skipped: int | None = None
        self.needs_key_frame = self._is_video
        """Nothing can be passed on before the next key frame."""
        self.broken = 0
        """Access units that were lost or could not be read."""

    @property
    def track(self) -> Track | None:
        """What the bytes have told of it so far."""
        return self._form.track

    def push(self, arrived: Arrived) -> list[AccessUnit]:
        """The access units that this packet completes."""
        packet = arrived.packet
        if arrived.after_gap and self._is_video:
            self._break(packet.timestamp)
        if not packet.payload or packet.timestamp == self._skipped:
            return []
        units: list[AccessUnit] = []
        if self._timestamp not in (None, packet.timestamp):
            units += self._finish()
        self._timestamp = packet.timestamp
        try:
            self._form.push(packet.payload)
        except MediaPacketError:
            self._break(packet.timestamp)
            return units
        if packet.is_marked or not self._is_video:
            units += self._finish()
        return units

    def _finish(self) -> list[AccessUnit]:
        timestamp, self._timestamp = self._timestamp, None
        assert timestamp is not None
        try:
            unit = self._form.take()
        except (MediaError, MediaPacketError):
            self._break(timestamp)
            return []
        if unit is None or (self.needs_key_frame and not unit.is_sync):
            return []
        if self._form.track is None:
            return []  # a key frame whose parameter sets have not come
        self.needs_key_frame = False
        return [AccessUnit(timestamp, unit.data, unit.is_sync, unit.duration)]

    def _break(self, timestamp: int) -> None:
        """Drop the rest of this access unit, and wait for a key frame."""
        self._form.drop()
        self._timestamp, self._skipped = None, timestamp
        self.needs_key_frame = self._is_video
        self.broken += 1
