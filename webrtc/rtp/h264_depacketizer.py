"""H.264 out of RTP (RFC 6184): single NAL units, STAP-A, FU-A."""

from __future__ import annotations

from segmenter.codecs import h264
from segmenter.media import VIDEO_TIMESCALE, Codec, Track
from webrtc.errors import MediaPacketError
from webrtc.rtp.depacketizer import Unit
from webrtc.rtp.nal_units import NalUnits

_STAP_A = 24
_FU_A = 28


class H264Depacketizer:
    """NAL units of one access unit; parameter sets go to the track."""

    def __init__(self, name: str) -> None:
        self.track: Track | None = None
        self._name = name
        self._units = NalUnits()
        self._sets: dict[int, list[bytes]] = {}

    def push(self, payload: bytes) -> None:
        """One packet. Raises MediaPacketError."""
        kind = payload[0] & 0x1F
        self._units.expect(len(payload), is_fragment=kind == _FU_A)
        if kind == _FU_A:
            self._push_fragment(payload)
        elif kind == _STAP_A:
            self._units.add_aggregate(payload, 1)
        elif 0 < kind < _STAP_A:
            self._units.add(payload)

    def take(self) -> Unit | None:
        """The access unit, which is complete. Raises MediaError and MediaPacketError."""
        nals = self._units.take()
        self._learn(nals)
        data = h264.access_unit(nals)
        return Unit(data, h264.is_sync(data)) if data else None

    def drop(self) -> None:
        """What has come of the access unit is useless."""
        self._units.drop()

    def _push_fragment(self, payload: bytes) -> None:
        """FU-A (RFC 6184 5.8): the NAL unit's head is in two pieces."""
        if len(payload) < 3:
            raise MediaPacketError("an empty fragment")
        head = payload[1]
        nal_head = bytes((payload[0] & 0xE0 | head & 0x1F,))
        self._units.add_fragment(head, nal_head, payload[2:])

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
