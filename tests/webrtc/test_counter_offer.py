"""An offer of ours: what it says, and a viewer that answers it and decodes."""

from __future__ import annotations

import dataclasses

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from segmenter.media import Codec
from tests.segmenter.stage import AUDIO, SOURCE
from tests.webrtc.clips import audio_clip, video_clip
from tests.webrtc.offers import offer
from tests.webrtc.peer_room import STREAM, PeerRoom, peer_room
from tests.webrtc.signalling_stage import CLIENT, WHEP, Stage
from tests.webrtc.test_subscription import HEVC, HIGH
from tests.webrtc.viewer import Viewer, on_loopback
from webrtc.errors import MalformedSdp, NotLive, UnacceptableOffer
from webrtc.offer import parse_offer
from webrtc.subscriber import Subscriber


def lines(stage: Stage) -> list[str]:
    return stage.signalling.offer("live", CLIENT).sdp.split("\r\n")


def test_it_sends_the_streams_picture_and_sound_and_leaves_the_dtls_role_open() -> None:
    stage = Stage()
    stage.go_live()
    read = parse_offer(stage.signalling.offer("live", CLIENT).sdp)
    video, audio = read.media
    assert (video.kind, video.direction, video.mid) == ("video", "sendonly", "0")
    assert (audio.kind, audio.direction, audio.mid) == ("audio", "sendonly", "1")
    assert (video.codecs[0].name, audio.codecs[0].name) == ("H264", "OPUS")
    assert (read.setup, read.bundle) == ("actpass", ("0", "1"))
    assert video.has_rtcp_mux
    assert len(stage.signalling) == len(stage.port.table) == 0, "nothing is kept of it"


def test_h264_comes_first_in_the_profile_that_is_there() -> None:
    stage = Stage()
    stage.go_live(HEVC, HIGH, AUDIO)
    said = lines(stage)
    assert "a=rtpmap:96 H264/90000" in said
    assert any("profile-level-id=64001f" in line for line in said)
    assert "a=rtpmap:111 opus/48000/2" in said, "which AAC becomes"


def test_a_profile_that_browsers_offer_stands_beside_the_stream_s_own() -> None:
    """Chromium decodes High and answers an offer of that alone with no picture."""
    stage = Stage()
    stage.go_live(HIGH, AUDIO)
    video = parse_offer(stage.signalling.offer("live", CLIENT).sdp).media[0]
    told = [(one.payload_type, one.rtx_payload_type) for one in video.codecs]
    assert [one.parameters["profile-level-id"] for one in video.codecs] == ["64001f", "42e01f"]
    assert told == [(96, 97), (98, 99)]
    assert all("nack pli" in one.feedback for one in video.codecs)
    stage.go_live(dataclasses.replace(SOURCE, codec_config=bytes.fromhex("0142e01f")))
    assert len(parse_offer(stage.signalling.offer("live", CLIENT).sdp).media[0].codecs) == 1


@pytest.mark.parametrize("codec", [Codec.VP8, Codec.AV1, Codec.H265])
def test_without_it_the_streams_own_codec_is_offered(codec: Codec) -> None:
    stage = Stage()
    stage.go_live(dataclasses.replace(SOURCE, codec=codec, codec_config=b""))
    assert f"a=rtpmap:96 {codec.value.upper()}/90000" in lines(stage)


def test_what_is_not_live_is_not_offered() -> None:
    with pytest.raises(NotLive):
        Stage().signalling.offer("live", CLIENT)


def answer_to(stage: Stage) -> str:
    """As a browser would say that it receives all of it."""
    text = WHEP.replace("a=setup:actpass", "a=setup:active")
    assert text != WHEP
    return text


async def test_an_answer_begins_the_session_that_was_told() -> None:
    stage = Stage()
    stage.go_live()
    offered = stage.signalling.offer("live", CLIENT)
    answer = stage.signalling.accept(offered, answer_to(stage), CLIENT)
    assert (answer.session_id, answer.etag) == (offered.session_id, offered.etag)
    session = stage.signalling.session(offered.session_id)
    assert session.agent.local == offered.ice
    assert isinstance(session.role, Subscriber)
    told = {plan.kind: plan.settings.ssrc for plan in offered.plans}
    assert {kind: one.ssrc for kind, one in session.role.streams.items()} == told
    stage.check(offered.session_id)
    stage.connect(offered.session_id)
    assert stage.fanout.calls[1:] == [("play", 1, "video", 1), ("play", 1, "audio", 2)]
    await stage.signalling.wait_closed()


@pytest.mark.parametrize(
    ("text", "error"),
    [("v=0", MalformedSdp), (offer("chromium-whip-simulcast"), UnacceptableOffer)],
    ids=["no SDP", "sends"],
)
def test_an_impossible_answer_begins_nothing(text: str, error: type[Exception]) -> None:
    stage = Stage()
    stage.go_live()
    offered = stage.signalling.offer("live", CLIENT)
    with pytest.raises(error):
        stage.signalling.accept(offered, text, CLIENT)
    assert len(stage.signalling) == len(stage.port.table) == 0


class Answerer(Viewer):
    """An aiortc peer that waits to be made an offer."""

    def __init__(self) -> None:
        super().__init__(())
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connection.on("track", self._take)

    async def take(self, room: PeerRoom) -> str:
        offered = room.signalling.offer(STREAM, "127.0.0.1")
        await self.connection.setRemoteDescription(RTCSessionDescription(offered.sdp, "offer"))
        with on_loopback():
            await self.connection.setLocalDescription(await self.connection.createAnswer())
        sdp = str(self.connection.localDescription.sdp)
        return room.signalling.accept(offered, sdp, "127.0.0.1").session_id


@pytest.mark.parametrize("lite", [True, False], ids=["lite", "full"])
async def test_a_viewer_that_answers_decodes_picture_and_sound(lite: bool) -> None:
    async with peer_room(lite=lite) as room:
        viewer = Answerer()
        try:
            room.broadcast([video_clip(), audio_clip()])
            await viewer.take(room)
            assert (await viewer.frame("video")).width == 160
            assert (await viewer.frame("audio")).sample_rate == 48_000
        finally:
            await viewer.connection.close()
