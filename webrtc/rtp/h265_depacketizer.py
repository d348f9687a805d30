"""H.265 out of RTP (RFC 7798) without DONL: single NAL units, aggregates, fragments."""

from __future__ import annotations

from segmenter.codecs import h265
from segmenter.media import VIDEO_TIMESCALE, Codec, Track
from webrtc.errors import MediaPacketError
from webrtc.rtp.depacketizer import Unit
from webrtc.rtp.nal_units import NalUnits

_AGGREGATE = 48
_FRAGMENT = 49


class H265Depacketizer:
    """NAL units of one access unit; parameter sets go to the track."""

    def __init__(self, name: str) -> None:
        self.track: Track | None = None
        self._name = name
        self._units = NalUnits()
        self._sets: dict[int, list[bytes]] = {}

    def push(self, payload: bytes) -> None:
        """One packet. Raises MediaPacketError."""
        kind = payload[0] >> 1 & 0x3F
        self._units.expect(len(payload), is_fragment=kind == _FRAGMENT)
        if len(payload) < 3:
            raise MediaPacketError("an empty packet")
        if kind == _FRAGMENT:
            self._push_fragment(payload)
        elif kind == _AGGREGATE:
            self._units.add_aggregate(payload, 2)
        elif kind < _AGGREGATE:
            self._units.add(payload)

    def take(self) -> Unit | None:
        """The access unit, which is complete. Raises MediaError and MediaPacketError."""
        nals = self._units.take()
        self._learn(nals)
        data = h265.access_unit(nals)
        return Unit(data, h265.is_sync(data)) if data else None

    def drop(self) -> None:
        """What has come of the access unit is useless."""
        self._units.drop()

    def _push_fragment(self, payload: bytes) -> None:
        """A fragmentation unit (RFC 7798 4.4.3): the type of the NAL unit is in its own head."""
        head = payload[2]
        nal_head = bytes((payload[0] & 0x81 | (head & 0x3F) << 1, payload[1]))
        self._units.add_fragment(head, nal_head, payload[3:])

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
