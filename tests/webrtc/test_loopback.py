"""An aiortc client joins, receives and decodes."""

from __future__ import annotations

from tests.webrtc.clips import audio_clip, video_clip
from tests.webrtc.peer_room import STREAM, peer_room
from tests.webrtc.viewer import a_viewer
from webrtc.events import SessionClosed, SessionConnected


async def test_a_viewer_joins_and_decodes_picture_and_sound() -> None:
    async with peer_room() as room, a_viewer() as viewer:
        room.broadcast([video_clip(), audio_clip()])
        answer = await viewer.join(room)
        picture = await viewer.frame("video")
        sound = await viewer.frame("audio")
        assert (picture.width, picture.height) == (160, 90)
        assert sound.sample_rate == 48_000
        assert SessionConnected(answer.session_id, STREAM) in room.events


async def test_the_session_ends_when_the_viewer_closes_its_connection() -> None:
    async with peer_room() as room:
        room.broadcast([video_clip()])
        async with a_viewer(("video",)) as viewer:
            answer = await viewer.join(room)
            await viewer.frame("video")
        await room.wait_for(lambda: len(room.signalling) == 0)
        assert room.events[-1] == SessionClosed(answer.session_id, STREAM, "closed by the peer")
        assert room.fanout.statistics().viewers == 0
        assert len(room.table) == 0
