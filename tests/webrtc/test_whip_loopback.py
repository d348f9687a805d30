"""An aiortc client publishes; what comes out is decoded by FFmpeg."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator

import av
from aiortc import (
    AudioStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc import VideoStreamTrack as StillTrack

from segmenter.codecs import h264
from segmenter.media import Codec, Sample, Track
from tests.webrtc.peer_room import PeerRoom, peer_room
from tests.webrtc.viewer import on_loopback
from webrtc.events import PublishedSamples, PublishedTracks, SessionClosed
from webrtc.signalling_results import Answer


class WhipClient:
    """One RTCPeerConnection that sends a still picture and silence."""

    def __init__(self, video: str = "") -> None:
        """``video`` names the only codec of the picture that it offers; any without."""
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        transceiver = self.connection.addTransceiver(StillTrack(), direction="sendonly")
        if video:
            known = RTCRtpSender.getCapabilities("video").codecs
            transceiver.setCodecPreferences([each for each in known if each.name == video])
        self.connection.addTransceiver(AudioStreamTrack(), direction="sendonly")

    async def join(self, room: PeerRoom) -> Answer:
        """Offer and take the answer."""
        with on_loopback():
            await self.connection.setLocalDescription(await self.connection.createOffer())
        offer = str(self.connection.localDescription.sdp)
        answer = room.signalling.publish("live/whip", offer, "127.0.0.1")
        await self.connection.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
        return answer


@contextlib.asynccontextmanager
async def a_publisher(video: str = "") -> AsyncIterator[WhipClient]:
    client = WhipClient(video)
    try:
        yield client
    finally:
        await client.connection.close()


def tracks_of(room: PeerRoom) -> list[Track]:
    lists = [event.tracks for event in room.events if isinstance(event, PublishedTracks)]
    return list(lists[-1]) if lists else []


def samples_of(room: PeerRoom, name: str) -> list[Sample]:
    events = [event for event in room.events if isinstance(event, PublishedSamples)]
    return [sample for event in events for sample in event.samples if sample.track == name]


def decode_h264(track: Track, samples: list[Sample]) -> list[tuple[int, int]]:
    """Sizes of the pictures."""
    config = h264.parse_decoder_configuration(track.codec_config)
    context = av.CodecContext.create("h264", "r")
    start = b"\0\0\0\1"
    pictures = []
    for sample in samples:
        nals = h264.split_length_prefixed(sample.data)
        if sample.is_sync:
            nals = [memoryview(each) for each in (*config.sps, *config.pps)] + nals
        packet = av.Packet(b"".join(start + bytes(nal) for nal in nals))
        pictures += [(frame.width, frame.height) for frame in context.decode(packet)]
    return pictures


async def test_vp8_is_taken_of_who_has_nothing_else() -> None:
    async with peer_room() as room, a_publisher("VP8") as client:
        await client.join(room)
        await room.wait_for(lambda: len(samples_of(room, "source")) >= 30)
        video, _ = tracks_of(room)
        assert (video.codec, video.width, video.height) == (Codec.VP8, 640, 480)
        context = av.CodecContext.create("vp8", "r")
        for sample in samples_of(room, "source"):
            (frame,) = context.decode(av.Packet(sample.data))
            assert (frame.width, frame.height) == (640, 480)


async def test_a_publishers_picture_and_sound_arrive() -> None:
    async with peer_room() as room, a_publisher() as client:
        answer = await client.join(room)
        await room.wait_for(lambda: len(samples_of(room, "source")) >= 30)
        video, audio = tracks_of(room)
        assert (video.name, video.codec, video.width, video.height) == (
            "source", Codec.H264, 640, 480
        )  # fmt: skip
        assert (audio.name, audio.codec, audio.channels) == ("audio", Codec.OPUS, 2)
        pictures = samples_of(room, "source")
        assert pictures[0].is_sync
        assert set(decode_h264(video, pictures)) == {(640, 480)}
        times = [sample.dts for sample in pictures]
        assert times == sorted(set(times))
        sound = samples_of(room, "audio")
        assert {sample.duration for sample in sound} == {960}  # in ticks of the track
        assert all(b.dts - a.dts == 1_800 for a, b in itertools.pairwise(sound))
        assert abs(sound[0].dts - pictures[0].dts) < 45_000
        room.signalling.close(answer.session_id)
        assert isinstance(room.events[-1], SessionClosed)


async def test_a_key_frame_that_is_wanted_comes() -> None:
    async with peer_room() as room, a_publisher() as client:
        answer = await client.join(room)
        await room.wait_for(lambda: len(samples_of(room, "source")) >= 3)
        room.signalling.want_key_frame(answer.session_id)
        await room.wait_for(lambda: sum(s.is_sync for s in samples_of(room, "source")) >= 2)
        room.signalling.set_segment_grid(answer.session_id, 0.5)
        await room.wait_for(lambda: sum(s.is_sync for s in samples_of(room, "source")) >= 4)
