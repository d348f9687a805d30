"""A publisher's FLV tags, and what a demuxer makes of them."""

from __future__ import annotations

from pathlib import Path

from segmenter.media import Sample, Track
from streaming.ingest.flv import (
    Demuxed,
    FlvDemuxer,
    TracksReady,
)
from streaming.ingest.rtmp.amf0 import Writable, write_values
from streaming.ingest.rtmp.messages import DATA_AMF0, Message
from tests.streaming.ingest.rtmp.wire import (
    AUDIO,
    AUDIO_CONFIG_TAG,
    KEY_TAG,
    SOUND_TAG,
    VIDEO,
    VIDEO_CONFIG_TAG,
)

SAMPLES = Path(__file__).parents[3] / "media-samples"

OTHER_SPS = bytes.fromhex("6742c00bda0f0a690000030001000003003c0f142a80")
"""240×320, Constrained Baseline."""
OTHER_CONFIG = (
    b"\x01\x42\xc0\x0b\xff\xe1" + len(OTHER_SPS).to_bytes(2, "big") + OTHER_SPS
    + b"\x01\x00\x04\x68\xce\x06\xe2"
)  # fmt: skip
MONO_CONFIG_TAG = b"\xaf\x00\x12\x08"


class Publisher:
    """Feeds a demuxer and remembers what came out."""

    def __init__(self) -> None:
        self.demuxer = FlvDemuxer()
        self.out: list[Demuxed] = []
        self.now_utc = 0.0

    def send(self, type_id: int, payload: bytes, time: int = 0) -> None:
        self.out += self.demuxer.push(Message(type_id, time, 1, payload), self.now_utc)

    def video(self, payload: bytes, time: int = 0) -> None:
        self.send(VIDEO, payload, time)

    def audio(self, payload: bytes, time: int = 0) -> None:
        self.send(AUDIO, payload, time)

    def announce(self, **properties: Writable) -> None:
        self.send(DATA_AMF0, write_values("@setDataFrame", "onMetaData", properties))

    def start(self) -> None:
        """Both kinds of tracks, and a first sample of each."""
        self.video(VIDEO_CONFIG_TAG)
        self.audio(AUDIO_CONFIG_TAG)
        self.video(KEY_TAG)
        self.audio(SOUND_TAG)

    @property
    def tracks(self) -> list[tuple[Track, ...]]:
        return [item.tracks for item in self.out if isinstance(item, TracksReady)]

    @property
    def samples(self) -> list[Sample]:
        return [item for item in self.out if isinstance(item, Sample)]

    @property
    def shape(self) -> list[str]:
        """The order of what came out: track lists as names, samples as their track."""
        return [
            item.track
            if isinstance(item, Sample)
            else "[" + " ".join(track.name for track in item.tracks) + "]"
            for item in self.out
        ]
