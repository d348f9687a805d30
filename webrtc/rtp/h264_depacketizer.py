"""H.264 out of RTP (RFC 6184): single NAL units, STAP-A, FU-A."""

from __future__ import annotations

from segmenter.codecs import h264
from segmenter.media import VIDEO_TIMESCALE, Codec, Track
from webrtc.errors import MediaPacketError
from webrtc.rtp.depacketizer import MAX_UNIT_BYTES, Unit

_STAP_A = 24
_FU_A = 28
_START, _END = 0x80, 0x40


class H264Depacketizer:
    """NAL units of one access unit; parameter sets go to the track."""

    def __init__(self, name: str) -> None:
        self.track: Track | None = None
        self._name = name
        self._nals: list[bytes] = []
        self._fragments: bytearray | None = None
        self._size = 0
        self._sets: dict[int, list[bytes]] = {}

    def push(self, payload: bytes) -> None:
        """One packet. Raises MediaPacketError."""
        self._size += len(payload)
        if self._size > MAX_UNIT_BYTES:
            raise MediaPacketError("an access unit that does not end", value=self._size)
        kind = payload[0] & 0x1F
        if kind == _FU_A:
            self._push_fragment(payload)
        elif self._fragments is not None:
            raise MediaPacketError("a fragmented NAL unit without an end")
        elif kind == _STAP_A:
            self._nals += split_aggregate(payload, 1)
        elif 0 < kind < _STAP_A:
            self._nals.append(payload)

    def take(self) -> Unit | None:
        """The access unit, which is complete. Raises MediaError and MediaPacketError."""
        nals, is_open = self._nals, self._fragments is not None
        self.drop()
        if is_open:
            raise MediaPacketError("a fragmented NAL unit without an end")
        self._learn(nals)
        data = h264.access_unit(nals)
        return Unit(data, h264.is_sync(data)) if data else None

    def drop(self) -> None:
        """What has come of the access unit is useless."""
        self._nals, self._fragments, self._size = [], None, 0

    def _push_fragment(self, payload: bytes) -> None:
        if len(payload) < 3:
            raise MediaPacketError("an empty fragment")
        head = payload[1]
        if head & _START:
            self._fragments = bytearray((payload[0] & 0xE0 | head & 0x1F,))
        if self._fragments is None:
            raise MediaPacketError("a fragment without its beginning")
        self._fragments += payload[2:]
        if head & _END:
            self._nals.append(bytes(self._fragments))
            self._fragments = None

    def _learn(self, nals: list[bytes]) -> None:
        """Parameter sets may come one kind at a time, and between pictures."""
        for kind, sets in enumerate(h264.parameter_sets(nals)):
            if sets:
                self._sets[kind] = sets
        if len(self._sets) < 2:
            return
        config = h264.write_decoder_configuration(self._sets[0], self._sets[1])
        if self.track is None or self.track.codec_config != config:
            info = h264.parse_sps(self._sets[0][0])
            self.track = Track(
                self._name, Codec.H264, VIDEO_TIMESCALE, config, info.width, info.height
            )


def split_aggregate(payload: bytes, head_bytes: int) -> list[bytes]:
    """NAL units behind 2-byte lengths (RFC 6184 5.7.1, RFC 7798 4.4.2)."""
    nals: list[bytes] = []
    position = head_bytes
    while position < len(payload):
        start = position + 2
        position = start + int.from_bytes(payload[position:start], "big")
        if position > len(payload) or position == start:
            raise MediaPacketError("an aggregate with a broken length")
        nals.append(payload[start:position])
    return nals
