"""Data channels with aiortc's own on the other side, and the seams of it that we lean on."""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
from collections.abc import Callable
from typing import Any

import pytest
from aiortc import RTCCertificate, RTCDtlsTransport, RTCSctpTransport
from aiortc.rtcsctptransport import InitChunk, ShutdownAckChunk, crc32c, serialize_packet

from tests.webrtc.clips import video_clip
from tests.webrtc.offers import offer
from tests.webrtc.peer_room import STREAM, PeerRoom, peer_room
from tests.webrtc.signalling_stage import Stage
from tests.webrtc.viewer import Viewer, a_viewer
from webrtc.events import SessionClosed, TextReceived
from webrtc.message_channel import (
    MOST_MESSAGE_BYTES,
    MOST_UNSENT_BYTES,
    PACKETS_BURST,
    PACKETS_PER_S,
    _Association,
)

CHANNEL = (
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:9\r\n"
    "a=sctp-port:5000\r\na=max-message-size:262144\r\n"
)


class Talker:
    """A viewer with a data channel."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.channel: Any = viewer.connection.createDataChannel("messages")
        self.heard: asyncio.Queue[Any] = asyncio.Queue()
        self.opened = asyncio.Event()
        self.channel.on("message", self.heard.put_nowait)
        self.channel.on("open", self.opened.set)

    async def join(self, room: PeerRoom) -> str:
        room.broadcast([video_clip()])
        answer = await self.viewer.join(room)
        await asyncio.wait_for(self.opened.wait(), 10)
        return answer.session_id

    async def next(self) -> Any:
        return await asyncio.wait_for(self.heard.get(), 10)


def texts(room: PeerRoom) -> list[str]:
    return [event.text for event in room.events if isinstance(event, TextReceived)]


async def test_texts_go_both_ways_beside_the_picture() -> None:
    async with peer_room() as room, a_viewer(("video",)) as viewer:
        talker = Talker(viewer)
        session_id = await talker.join(room)
        talker.channel.send("hello")
        await room.wait_for(lambda: texts(room) == ["hello"])
        assert TextReceived(session_id, STREAM, "hello") in room.events
        room.signalling.tell(STREAM, "ä welcome")
        room.signalling.tell(STREAM, "x" * 40_000)
        room.signalling.tell("another", "not for you")
        assert await talker.next() == "ä welcome"
        assert await talker.next() == "x" * 40_000
        assert (await viewer.frame("video")).width == 160


async def test_who_offers_no_channel_is_told_nothing_and_costs_none() -> None:
    async with peer_room() as room, a_viewer(("video",)) as viewer:
        room.broadcast([video_clip()])
        answer = await viewer.join(room)
        await viewer.frame("video")
        assert not room.signalling.session(answer.session_id).tell("hello")


async def test_what_is_no_text_or_too_long_is_not_heard() -> None:
    async with peer_room() as room, a_viewer(("video",)) as viewer:
        talker = Talker(viewer)
        await talker.join(room)
        talker.channel.send(b"bytes")
        talker.channel.send("x" * (MOST_MESSAGE_BYTES - 1))
        talker.channel.send("")
        await room.wait_for(lambda: len(texts(room)) == 2)
        assert texts(room) == ["x" * (MOST_MESSAGE_BYTES - 1), ""]


async def test_a_peer_is_sent_no_text_that_is_longer_than_it_takes() -> None:
    async with peer_room() as room, a_viewer(("video",)) as viewer:
        talker = Talker(viewer)  # aiortc offers to take 262,144 bytes
        session = room.signalling.session(await talker.join(room))
        assert not session.tell("ä" * 131_073)
        assert session.tell("ä" * 131_072)
        assert len(await talker.next()) == 131_072


async def test_a_peer_that_does_not_take_texts_is_told_no_more_than_so_much() -> None:
    async with peer_room() as room, a_viewer(("video",)) as viewer:
        talker = Talker(viewer)
        session = room.signalling.session(await talker.join(room))
        told = [session.tell("x" * 4_000) for _ in range(200)]  # nothing is acknowledged meanwhile
        assert sum(told) * 4_000 <= MOST_UNSENT_BYTES + 4_000
        assert told.index(False) == sum(told)


async def test_a_peer_that_opens_many_streams_is_cut() -> None:
    async with peer_room() as room, a_viewer(("video",)) as viewer:
        talker = Talker(viewer)
        session_id = await talker.join(room)
        for number in range(40):
            viewer.connection.createDataChannel(str(number))
        await room.wait_for(lambda: session_id not in [s.session_id for s in room.signalling])
        assert SessionClosed(session_id, STREAM, "closed by the peer") in room.events


async def test_the_session_of_a_talker_that_leaves_ends_with_nothing_left() -> None:
    async with peer_room() as room:
        async with a_viewer(("video",)) as viewer:
            await Talker(viewer).join(room)
        await room.wait_for(lambda: len(room.signalling) == 0)
        assert len(room.table) == 0


# -- the offer ------------------------------------------------------------------------------------


def with_channel(section: str = CHANNEL, bundle: bool = True) -> str:
    text = offer("chromium-whep")
    if bundle:
        text = text.replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0 1 9")
    first = text[: text.index("m=")]
    assert not bundle or "BUNDLE 0 1 9" in first
    lines = [
        line for line in text.split("\r\n") if line.startswith(("a=ice-", "a=finger", "a=setup"))
    ]
    return text + section + "\r\n".join(dict.fromkeys(lines)) + "\r\n"


def test_a_channel_is_answered_with_our_port_and_size() -> None:
    stage = Stage()
    stage.go_live()
    sdp = stage.subscribe(with_channel()).sdp
    section = sdp[sdp.index("m=application") :].split("\r\n")
    assert section[0] == "m=application 9 UDP/DTLS/SCTP webrtc-datachannel"
    assert "a=sctp-port:5000" in section
    assert f"a=max-message-size:{MOST_MESSAGE_BYTES}" in section
    assert "a=mid:9" in section
    assert not any("rtcp" in line or line == "a=sendonly" for line in section)
    assert "a=group:BUNDLE 0 1 9" in sdp


@pytest.mark.parametrize(
    "section",
    [
        CHANNEL.replace("5000", "0"),
        CHANNEL.replace("5000", "70000"),
        CHANNEL.replace("a=sctp-port:5000\r\n", ""),
        CHANNEL.replace("application 9", "application 0"),
        CHANNEL.replace("UDP/DTLS/SCTP", "UDP/BFCP"),
        CHANNEL.replace("webrtc-datachannel", "5000"),
    ],
    ids=["port 0", "no port number", "no port", "rejected", "protocol", "format"],
)
def test_a_channel_that_cannot_be_is_turned_down_and_the_rest_goes_on(section: str) -> None:
    stage = Stage()
    stage.go_live()
    sdp = stage.subscribe(with_channel(section)).sdp
    assert "m=application 0 " in sdp
    assert "m=video 9 " in sdp


def test_a_channel_outside_of_the_bundle_is_turned_down() -> None:
    stage = Stage()
    stage.go_live()
    assert "m=application 0 " in stage.subscribe(with_channel(bundle=False)).sdp


# -- the seams ------------------------------------------------------------------------------------


async def test_the_seams_of_aiortc_are_where_they_were() -> None:
    stock = RTCSctpTransport(association().transport)
    assert isinstance(stock._advertised_rwnd, int)
    assert isinstance(stock._inbound_streams, dict)
    assert isinstance(stock._sack_misordered, set)
    assert asyncio.iscoroutinefunction(stock._handle_data)


class Nothing:
    """An ICE transport that leads nowhere."""

    role = "controlled"


def association(now: Callable[[], float] = lambda: 0.0) -> _Association:
    certificate = RTCCertificate.generateCertificate()
    return _Association(RTCDtlsTransport(Nothing(), [certificate]), now)  # type: ignore[arg-type]


async def test_sctp_that_makes_aiortc_stumble_is_a_lost_connection() -> None:
    stumbling = association()

    async def stumble(chunk: object) -> None:
        raise AssertionError("odd")

    stumbling._receive_chunk = stumble  # type: ignore[method-assign]
    init = InitChunk()
    init.advertised_rwnd, init.outbound_streams, init.inbound_streams = 1, 1, 1
    init.initiate_tag = init.initial_tsn = 1
    with pytest.raises(ConnectionError):
        await stumbling._handle_data(serialize_packet(5000, 5000, 0, init))
    await stumbling._handle_data(b"nonsense")


async def test_a_flood_of_sctp_is_dropped_before_it_is_read() -> None:
    now, taken = 100.0, 0
    flooded = association(lambda: now)

    async def take(chunk: object) -> None:
        nonlocal taken
        taken += 1

    flooded._receive_chunk = take  # type: ignore[method-assign]
    packet = serialize_packet(5000, 5000, flooded._local_verification_tag, ShutdownAckChunk())
    for _ in range(5_000):
        await flooded._handle_data(packet)
    assert taken == PACKETS_BURST
    now += 1.0
    for _ in range(5_000):
        await flooded._handle_data(packet)
    assert taken == PACKETS_BURST + PACKETS_PER_S
    assert flooded.dropped == 10_000 - taken


async def test_no_packet_of_a_peer_does_more_than_end_its_connection() -> None:
    chance = random.Random(7)
    for _ in range(60):
        target = association()
        for _ in range(50):
            packet = odd_packet(chance, chance.choice((0, target._local_verification_tag)))
            with contextlib.suppress(ConnectionError):
                await target._handle_data(packet)


def odd_packet(chance: random.Random, tag: int) -> bytes:
    """One chunk, its checksum right and all else as chance will have it."""
    kind = chance.choice((*range(16), 130, 192, chance.randrange(256)))
    length = chance.choice((0, 1, 4, 12, 16, 40))
    chunk = struct.pack("!BBH", kind, chance.randrange(256), 4 + length)
    chunk += chance.randbytes(length + chance.choice((0, 0, 1, 3)))
    head = struct.pack("!HHL", 5000, 5000, tag)
    return head + struct.pack("<L", crc32c(head + bytes(4) + chunk)) + chunk
