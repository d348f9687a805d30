"""ICE-TCP: a viewer whose network blocks UDP, on both event loops."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest
import uvloop

from tests.webrtc.clips import video_clip
from tests.webrtc.fanout_stage import picture_loss
from tests.webrtc.peer_room import peer_room
from tests.webrtc.tcp_viewer import TcpViewer
from webrtc.events import KeyFrameWanted
from webrtc.tcp_mux import Rfc4571Reader

LOOPS = [
    pytest.param(asyncio.new_event_loop, id="asyncio"),
    pytest.param(uvloop.new_event_loop, id="uvloop"),  # whose transports are no asyncio.Transport
]
on_both_loops = pytest.mark.parametrize("new_loop", LOOPS)
NewLoop = Callable[[], asyncio.AbstractEventLoop]


def listening() -> socket.socket:
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind(("127.0.0.1", 0))
    opened.setblocking(False)
    return opened


def run(new_loop: NewLoop, scene: Callable[[], object]) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(scene())  # type: ignore[arg-type]


@on_both_loops
def test_a_viewer_by_tcp_gets_media_and_its_reports_arrive(new_loop: NewLoop) -> None:
    async def scene() -> None:
        async with peer_room(tcp=listening()) as room:
            room.broadcast([video_clip()])
            viewer = TcpViewer()
            await viewer.join(room)
            first, second = await viewer.packet(), await viewer.packet()
            assert second.sequence - first.sequence & 0xFFFF == 1
            viewer.report(picture_loss(first.ssrc))
            await room.wait_for(lambda: any(isinstance(e, KeyFrameWanted) for e in room.events))
            assert len(room.relay) == 1
            await viewer.close()
            await room.wait_for(lambda: len(room.relay) == 0 and len(room.signalling) == 0)
            assert len(room.table) == 0

    run(new_loop, scene)


@on_both_loops
def test_a_connection_that_begins_with_anything_but_a_check_of_a_peer_is_closed(
    new_loop: NewLoop,
) -> None:
    async def scene() -> None:
        async with peer_room(tcp=listening()) as room:
            assert room.tcp is not None
            reader, writer = await asyncio.open_connection("127.0.0.1", room.tcp.port)
            writer.write(b"\0\4\x16\xfe\xfd\0")
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()

    run(new_loop, scene)


def test_datagrams_come_whole_however_the_stream_is_cut() -> None:
    reader, stream = Rfc4571Reader(), b"\0\3abc\0\0\0\1d"
    assert [each for at in range(len(stream)) for each in reader.push(stream[at : at + 1])] == [
        b"abc",
        b"",
        b"d",
    ]


def test_a_frame_larger_than_a_datagram_is_refused() -> None:
    with pytest.raises(ValueError, match="a frame of 65535 bytes"):
        Rfc4571Reader().push(b"\xff\xff")
