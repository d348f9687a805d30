"""One track of an FLV publisher: its configurations and its packets to canonical samples."""

from __future__ import annotations

from fractions import Fraction

from segmenter.errors import MediaError
from segmenter.media import Codec, Track
from streaming.errors import UnsupportedMedia
from streaming.ingest.canonical import (
    AccessUnit,
    CanonicalForm,
    PlainUnits,
    StreamFacts,
    canonical_form,
)
from streaming.ingest.flv_packet import FlvPacket

MAX_FRAMES_WITHOUT_TRACK = 1_200
"""Frames before the first that tells what they are (an AV1 or VP9 key frame, parameter sets that
the configuration lacks): twenty seconds at 60 fps, twice the longest usual key frame interval."""

SPOKEN = {
    Codec.H264: "H.264",
    Codec.H265: "HEVC",
    Codec.AV1: "AV1",
    Codec.VP9: "VP9",
    Codec.AAC: "AAC",
    Codec.OPUS: "Opus",
    Codec.MP3: "MP3",
}


class FlvLane:
    """Owns what is known of one track; FlvDemuxer is the only caller.

    ``track`` is None until the bytes have told it. After a new configuration it stays as it was
    until the new one is known, too.
    """

    __slots__ = ("_config", "_form", "_frames_without_track", "codec", "name", "track")

    def __init__(self, name: str) -> None:
        self.name = name
        self.codec: Codec | None = None
        self.track: Track | None = None
        self._config = b""
        self._form: CanonicalForm | None = None
        self._frames_without_track = 0

    @property
    def plain_units(self) -> PlainUnits | None:
        """Packets that are samples as they are, once the track is known."""
        form = self._form
        return form.plain_units if form is not None and form.track is not None else None

    def is_news(self, packet: FlvPacket) -> bool:
        """Whether a configuration differs from the one before; many encoders repeat theirs."""
        return packet.codec is not self.codec or packet.body != self._config

    def configure(self, packet: FlvPacket, frame_rate: Fraction) -> None:
        """Read what follows by a new configuration; ``frame_rate`` is a hint, 0 when unknown.

        Raises UnsupportedMedia with a text for whoever publishes.
        """
        config = bytes(packet.body)
        facts = StreamFacts(self.name, packet.codec, config, frame_rate=frame_rate)
        try:
            self._form = canonical_form(facts)
        except MediaError as error:
            raise UnsupportedMedia(
                f"the {SPOKEN[packet.codec]} configuration cannot be read: {error}"
            ) from error
        self.codec = packet.codec
        self._config = config
        self._frames_without_track = 0
        self.track = self._form.track or self.track

    def read(self, packet: FlvPacket) -> list[AccessUnit]:
        """Canonical access units of one packet in the configured codec; none before the track.

        ``track`` is a new object afterwards when the packet changed it. Raises MediaError when
        the packet is broken, UnsupportedMedia when the track never becomes known.
        """
        form = self._form
        assert form is not None
        units = form.read(bytes(packet.body), packet.is_key)
        track = form.track
        if track is None:
            self._frames_without_track += 1
            if self._frames_without_track > MAX_FRAMES_WITHOUT_TRACK:
                raise UnsupportedMedia(
                    f"no {SPOKEN[packet.codec]} key frame with a configuration came "
                    f"among {MAX_FRAMES_WITHOUT_TRACK} frames"
                )
            return []
        self.track = track
        return units
