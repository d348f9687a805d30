"""An aiortc client joins, receives and decodes."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.webrtc.clips import audio_clip, video_clip
from tests.webrtc.peer_room import STREAM, peer_room
from tests.webrtc.viewer import a_viewer
from webrtc.events import SessionClosed, SessionConnected
from webrtc.subscriber import Subscriber


@pytest.mark.parametrize("lite", [True, False], ids=["lite", "full"])
async def test_a_viewer_joins_and_decodes_picture_and_sound(lite: bool) -> None:
    async with peer_room(lite=lite) as room, a_viewer() as viewer:
        room.broadcast([video_clip(), audio_clip()])
        answer = await viewer.join(room)
        picture = await viewer.frame("video")
        sound = await viewer.frame("audio")
        assert (picture.width, picture.height) == (160, 90)
        assert sound.sample_rate == 48_000
        assert SessionConnected(answer.session_id, STREAM) in room.events


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
async def test_a_viewer_joins_by_ipv6() -> None:
    async with peer_room(host="::1") as room, a_viewer(host="::1") as viewer:
        room.broadcast([video_clip(), audio_clip()])
        answer = await viewer.join(room)
        assert " udp " in answer.sdp
        assert " ::1 " in answer.sdp
        assert (await viewer.frame("video")).width == 160
        flow = room.signalling.session(answer.session_id).flow
        assert flow is not None
        assert flow.host == "::1"


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


async def test_a_viewer_is_switched_to_the_rendition_it_chose_and_decodes_on() -> None:
    async with peer_room() as room, a_viewer(("video",)) as viewer:
        large, small = video_clip("large", width=320), video_clip("small", width=160)
        room.broadcast([large, small], bitrates=[2_000_000, 500_000])
        answer = await viewer.join(room)
        assert (await viewer.frame("video")).width == 320
        role = room.signalling.session(answer.session_id).role
        assert isinstance(role, Subscriber)
        assert role.choose("small")
        async with asyncio.timeout(10):
            while (await viewer.frame("video")).width != 160:
                pass
        assert room.fanout.statistics().skipped == 0


async def test_a_stream_that_is_withdrawn_ends_its_viewers() -> None:
    async with peer_room() as room, a_viewer(("video",)) as viewer:
        room.broadcast([video_clip()])
        answer = await viewer.join(room)
        await viewer.frame("video")
        room.signalling.withdraw(STREAM)
        assert SessionClosed(answer.session_id, STREAM, "the stream has ended") in room.events
        await room.wait_for(lambda: viewer.connection.connectionState == "closed")
