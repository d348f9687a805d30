"""H.265 out of RTP (RFC 7798) without DONL: single NAL units, aggregates, fragments."""

from __future__ import annotations

from segmenter.codecs import h265
from segmenter.media import VIDEO_TIMESCALE, Codec, Track
from webrtc.errors import MediaPacketError
from webrtc.rtp.depacketizer import MAX_UNIT_BYTES, Unit
from webrtc.rtp.h264_depacketizer import split_aggregate

_AGGREGATE = 48
_FRAGMENT = 49
_START, _END = 0x80, 0x40


class H265Depacketizer:
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
        if self._size > MAX_UNIT_BYTES or len(payload) < 3:
            raise MediaPacketError("an access unit that does not end, or an empty packet")
        kind = payload[0] >> 1 & 0x3F
        if kind == _FRAGMENT:
            self._push_fragment(payload)
        elif self._fragments is not None:
            raise MediaPacketError("a fragmented NAL unit without an end")
        elif kind == _AGGREGATE:
            self._nals += split_aggregate(payload, 2)
        elif kind < _AGGREGATE:
            self._nals.append(payload)

    def take(self) -> Unit | None:
        """The access unit, which is complete. Raises MediaError and MediaPacketError."""
        nals, is_open = self._nals, self._fragments is not None
        self.drop()
        if is_open:
            raise MediaPacketError("a fragmented NAL unit without an end")
        self._learn(nals)
        data = h265.access_unit(nals)
        return Unit(data, h265.is_sync(data)) if data else None

    def drop(self) -> None:
        """What has come of the access unit is useless."""
        self._nals, self._fragments, self._size = [], None, 0

    def _push_fragment(self, payload: bytes) -> None:
        if len(payload) < 4:
            raise MediaPacketError("an empty fragment")
        head = payload[2]
        if head & _START:
            self._fragments = bytearray((payload[0] & 0x81 | (head & 0x3F) << 1, payload[1]))
        if self._fragments is None:
            raise MediaPacketError("a fragment without its beginning")
        self._fragments += payload[3:]
        if head & _END:
            self._nals.append(bytes(self._fragments))
            self._fragments = None

    def _learn(self, nals: list[bytes]) -> None:
        for kind, sets in enumerate(h265.parameter_sets(nals)):
            if sets:
                self._sets[kind] = sets
        if len(self._sets) < 3:
            return
        config = h265.write_decoder_configuration(self._sets[0], self._sets[1], self._sets[2])
        if self.track is None or self.track.codec_config != config:
            info = h265.parse_sps(self._sets[1][0])
            self.track = Track(
                self._name, Codec.H265, VIDEO_TIMESCALE, config, info.width, info.height
            )
