"""One path in the WebRTC process: its tracks as packets in the fan-out's rings."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from segmenter.errors import MediaError
from segmenter.media import Codec, MediaType, Sample, Track
from streaming.byte_rate import ByteRate
from webrtc.errors import WebRtcError
from webrtc.fanout import Fanout
from webrtc.packetizer import Packetizer, clock_rate_of, packetizer_of, rtp_timestamp
from webrtc.rendition import Rendition

logger = logging.getLogger(__name__)

VIDEO_RING_BYTES = 16 << 20
"""Ten seconds of 12 Mb/s, as much as is kept of a group of pictures before."""
VIDEO_RING_PACKETS = 1 << 14
AUDIO_RING_BYTES = 1 << 18
AUDIO_RING_PACKETS = 1 << 8
"""Five seconds of packets of 20 ms, for resending."""
LEAST_MEASURED_S = 2.0
"""Of media: a shorter time may be one key frame and little else."""
RATE_CHANGE = 0.25
"""A measured bitrate that differs by so much is told to those who choose by it."""


class _Lane:
    """One track and its ring."""

    def __init__(self, track: Track, fanout: Fanout) -> None:
        self.track = track
        self._fanout = fanout
        self._packetizer: Packetizer = packetizer_of(track)
        self._rate: ByteRate | None = None
        """By media time: a path that begins to be watched gets a group of pictures at once."""
        self._first_s = self._media_s = 0.0
        self._told_bitrate = track.bitrate
        is_video = track.media_type is MediaType.VIDEO
        self.ring = fanout.add_ring(
            clock_rate_of(track),
            VIDEO_RING_BYTES if is_video else AUDIO_RING_BYTES,
            VIDEO_RING_PACKETS if is_video else AUDIO_RING_PACKETS,
        )

    @property
    def rendition(self) -> Rendition:
        """What subscribers are offered."""
        return Rendition(self.track, self.ring, self._told_bitrate)

    def change(self, track: Track) -> None:
        """Other parameter sets of the same codec."""
        self.track = track
        self._packetizer = packetizer_of(track)

    def write(self, sample: Sample) -> None:
        """Into the ring; a sample that cannot be read is left out."""
        self._media_s = sample.dts / self.track.timescale
        if self._rate is None:
            self._rate, self._first_s = ByteRate(self._media_s), self._media_s
        self._rate.add(sample.size_bytes, self._media_s)
        payloads = self._packetizer.push(sample)
        if payloads:
            self._fanout.write(
                self.ring,
                payloads,
                rtp_timestamp(self.track, sample.pts),
                sample.is_sync,
                sample.pts / self.track.timescale,
            )

    def measure(self) -> bool:
        """Whether its bitrate is no longer what was told."""
        if self.track.media_type is not MediaType.VIDEO or self._rate is None:
            return False
        if self._media_s - self._first_s < LEAST_MEASURED_S:
            return False
        bitrate = self._rate.bits_per_second(self._media_s)
        if bitrate and abs(bitrate - self._told_bitrate) > RATE_CHANGE * self._told_bitrate:
            self._told_bitrate = bitrate
            return True
        return False

    def close(self) -> None:
        """Its ring is no longer needed."""
        self._fanout.remove_ring(self.ring)


class ViewedPath:
    """Owns the rings of one path for as long as it is watched; the server writes and closes it."""

    def __init__(self, name: str, fanout: Fanout) -> None:
        self.name = name
        self._fanout = fanout
        self._lanes: dict[str, _Lane] = {}
        self._offered: list[Track] = []
        self._broken: set[str] = set()
        self.written_at = 0.0
        """When a sample came last, by the clock of who writes."""
        self.ahead_s = 0.0
        """Media time of the newest picture minus its capture, as near as that is known: the
        timeline lets publishers be up to a second ahead, and sender reports tell media time."""

    @property
    def renditions(self) -> list[Rendition]:
        """What there is, best first; and what is on its way, as nobody had watched until now."""
        return [
            self._lanes[track.name].rendition
            if track.name in self._lanes
            else Rendition(track, None, track.bitrate)
            for track in self._offered
        ]

    def set_tracks(self, tracks: Sequence[Track]) -> None:
        """The complete list; what is the same, or differs in parameter sets alone, goes on."""
        old, self._lanes, self._offered = self._lanes, {}, []
        for track in tracks:
            lane = old.get(track.name)
            if lane is not None and lane.track.codec is track.codec:
                del old[track.name]
                if lane.track != track:
                    lane.change(track)
                self._lanes[track.name] = lane
                self._offered.append(track)
            elif _is_awaited(track):
                self._offered.append(track)
            else:
                self._add(track)
        for lane in old.values():
            lane.close()

    def write(self, sample: Sample) -> None:
        """Into the track's ring."""
        lane = self._lanes.get(sample.track)
        if lane is None:
            return
        if sample.captured_utc and lane.track.media_type is MediaType.VIDEO:
            self.ahead_s = sample.pts / lane.track.timescale - sample.captured_utc
        try:
            lane.write(sample)
        except (MediaError, WebRtcError) as error:
            if sample.track not in self._broken:
                self._broken.add(sample.track)
                logger.warning("path %s: %s: %s", self.name, sample.track, error)

    def measure(self) -> bool:
        """Whether any bitrate changed; called about each second."""
        changed = [lane.measure() for lane in self._lanes.values()]  # each of them
        return any(changed)

    def close(self) -> None:
        """Nobody watches any more."""
        for lane in self._lanes.values():
            lane.close()
        self._lanes.clear()

    def _add(self, track: Track) -> None:
        try:
            self._lanes[track.name] = _Lane(track, self._fanout)
            self._offered.append(track)
        except (MediaError, WebRtcError) as error:
            logger.warning("path %s: %s: %s", self.name, track.name, error)


def _is_awaited(track: Track) -> bool:
    """Whether its encoder has still to say how it is to be decoded."""
    return track.codec is Codec.H264 and not track.codec_config
