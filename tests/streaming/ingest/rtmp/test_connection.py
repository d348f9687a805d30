from __future__ import annotations

import pytest

from streaming.ingest.rtmp import commands
from streaming.ingest.rtmp.connection_state import State
from streaming.ingest.rtmp.events import (
    Connected,
    ConnectionClosed,
    PublishRequested,
)
from streaming.ingest.rtmp.messages import Message
from streaming.ingest.rtmp.outgoing import CHUNK_BYTES, WINDOW_BYTES
from streaming.publish_codes import BAD_NAME
from tests.streaming.ingest.rtmp.wire import (
    DATA,
    KEY_TAG,
    VIDEO,
    Peer,
    command,
    connect,
    handshake,
    message,
)

PING = message(4, b"\x00\x06\x00\x00\x30\x39", chunk_stream=2)


def payloads(peer: Peer, type_id: int) -> list[bytes]:
    return [answer.payload for answer in peer.answers if answer.type_id == type_id]


def media(peer: Peer) -> list[bytes]:
    return [bytes(event.payload) for event in peer.events if isinstance(event, Message)]


# -- connect ---------------------------------------------------------------------------------------


def test_connect_is_answered_with_window_bandwidth_chunk_size_and_success(peer: Peer) -> None:
    peer.connect()
    assert [answer.type_id for answer in peer.answers] == [5, 6, 1, 20]
    assert payloads(peer, 5) == [WINDOW_BYTES.to_bytes(4, "big")]
    assert payloads(peer, 6) == [WINDOW_BYTES.to_bytes(4, "big") + b"\x02"]
    assert payloads(peer, 1) == [CHUNK_BYTES.to_bytes(4, "big")]
    name, transaction, properties, information = peer.said("_result")[0]
    assert (name, transaction) == ("_result", 1.0)
    assert isinstance(properties, dict)
    assert isinstance(information, dict)
    assert properties["fmsVer"] == "FMS/3,5,0,0"
    assert information["code"] == "NetConnection.Connect.Success"
    assert information["level"] == "status"


def test_the_shell_is_told_who_connected(peer: Peer) -> None:
    peer.connect(flashVer="FMLE/3.0 (compatible; Encoder)")
    (event,) = peer.events
    assert isinstance(event, Connected)
    assert (event.app, event.client) == ("live", "FMLE/3.0 (compatible; Encoder)")


def test_a_key_in_the_url_is_not_in_the_events_text() -> None:
    peer = Peer()
    peer.connect("live?key=sesame")
    peer.send(command("publish", 5, None, "foo?key=sesame", stream_id=1))
    connected, requested = peer.events
    assert isinstance(requested, PublishRequested)
    assert requested.key == "sesame"
    assert "sesame" not in repr(requested)
    assert "tc_url" not in repr(connected)


def test_an_old_encoder_is_not_bothered_with_new_properties(peer: Peer) -> None:
    peer.connect()
    information = peer.said("_result")[0][3]
    assert isinstance(information, dict)
    assert not {"fourCcList", "videoFourCcInfoMap", "capsEx"} & set(information)


@pytest.mark.parametrize(
    "asked", [{"fourCcList": ["*"]}, {"videoFourCcInfoMap": {"hvc1": 1}}, {"capsEx": 15}]
)
def test_an_enhanced_encoder_is_told_our_codecs_and_capabilities(asked: dict[str, object]) -> None:
    peer = Peer()
    peer.connect(**asked)  # type: ignore[arg-type]
    information = peer.said("_result")[0][3]
    assert isinstance(information, dict)
    assert information["fourCcList"] == ["avc1", "hvc1", "av01", "vp09", "mp4a", "Opus", ".mp3"]
    assert information["videoFourCcInfoMap"] == dict.fromkeys(("avc1", "hvc1", "av01", "vp09"), 5.0)
    assert information["audioFourCcInfoMap"] == dict.fromkeys(("mp4a", "Opus", ".mp3"), 5.0)
    assert information["capsEx"] == 7.0


def test_an_amf3_command_message_is_read_as_the_amf0_it_holds(peer: Peer) -> None:
    peer.send(handshake())
    payload = b"\x00" + connect()[12:].replace(b"\xc3", b"")
    peer.send(message(17, payload, chunk_stream=3, stream_id=0))
    assert peer.connection.state is State.CONNECTED


def test_connect_twice_ends_the_connection(peer: Peer) -> None:
    peer.connect()
    peer.send(connect())
    assert peer.status == ("error", "NetConnection.Connect.Closed", "connect came twice")
    assert peer.connection.state is State.CLOSING


@pytest.mark.parametrize(
    "data",
    [
        command("createStream", 2, None),
        message(20, b"\x05", chunk_stream=3),
        message(20, b"\x02\x00\x07connect\x02\x00\x00", chunk_stream=3),
        message(20, b"\x02\x00\x07conn", chunk_stream=3),
    ],
    ids=["not connect", "no name", "no transaction", "cut off"],
)
def test_nonsense_before_connect_closes_without_a_word(peer: Peer, data: bytes) -> None:
    peer.send(handshake())
    peer.send(data)
    assert peer.connection.state is State.CLOSED
    assert [type(event) for event in peer.events] == [ConnectionClosed]
    assert peer.answers == []


def test_another_protocol_closes_at_once(peer: Peer) -> None:
    peer.send(b"GET / HTTP/1.1\r\n\r\n")
    (event,) = peer.events
    assert event == ConnectionClosed("not RTMP: first byte 71")
    assert peer.connection.timer_at() is None


# -- acknowledgements, pings, reconnect ------------------------------------------------------------


def test_received_bytes_are_acknowledged_once_a_window(peer: Peer) -> None:
    peer.publish()
    frame = message(VIDEO, KEY_TAG + bytes(100_000))
    for _ in range(30):
        peer.send(frame)
    (acknowledged,) = payloads(peer, 3)
    assert WINDOW_BYTES <= int.from_bytes(acknowledged, "big") < WINDOW_BYTES + len(frame)


def test_the_peer_chooses_the_window(peer: Peer) -> None:
    peer.publish()
    peer.send(message(5, (50_000).to_bytes(4, "big"), chunk_stream=2))
    for _ in range(5):
        peer.send(message(VIDEO, KEY_TAG + bytes(50_000)))
    assert len(payloads(peer, 3)) == 5


def test_a_ping_is_answered_with_its_own_timestamp(peer: Peer) -> None:
    peer.connect()
    peer.send(PING)
    assert payloads(peer, 4) == [b"\x00\x07\x00\x00\x30\x39"]


@pytest.mark.parametrize("payload", [b"\x00", b"\x00\x06", b"\x00\x06\x00\x00\x30", b"\x00\x1f"])
def test_a_broken_or_unknown_user_control_message_is_ignored(peer: Peer, payload: bytes) -> None:
    peer.connect()
    peer.send(message(4, payload, chunk_stream=2))
    assert payloads(peer, 4) == []
    assert peer.connection.state is State.CONNECTED


def test_a_publisher_that_understands_is_asked_to_reconnect(peer: Peer) -> None:
    peer.connect(capsEx=1)
    peer.send(command("publish", 5, None, "foo", stream_id=1))
    peer.connection.accept_publish()
    assert peer.connection.request_reconnect("the server moves", "rtmp://other/live")
    peer.take()
    information = peer.said("onStatus")[-1][3]
    assert information == {
        "level": "status",
        "code": "NetConnection.Connect.ReconnectRequest",
        "description": "the server moves",
        "tcUrl": "rtmp://other/live",
    }
    assert peer.answers[-1].stream_id == 0
    assert peer.connection.state is State.PUBLISHING


@pytest.mark.parametrize("capabilities", [None, 2, "1", True, float("nan"), float("inf")])
def test_a_publisher_that_does_not_understand_is_not_asked(capabilities: object) -> None:
    peer = Peer()
    peer.connect(capsEx=capabilities)  # type: ignore[arg-type]
    assert not peer.connection.request_reconnect("the server moves")
    peer.take()
    assert peer.said("onStatus") == []


def test_data_messages_of_a_live_publisher_become_events(peer: Peer) -> None:
    peer.publish()
    peer.send(message(DATA, b"\x02\x00\x01a"))
    assert media(peer) == [b"\x02\x00\x01a"]


def test_statistics_count_bytes_and_messages(peer: Peer) -> None:
    peer.publish()
    before = peer.connection.statistics()
    frame = message(VIDEO, KEY_TAG)
    peer.send(frame)
    after = peer.connection.statistics()
    assert after.received_bytes - before.received_bytes == len(frame)
    assert after.messages - before.messages == 1
    assert after.sent_bytes > 3073
    assert after.state is State.PUBLISHING


def test_the_reason_codes_are_those_of_the_protocol() -> None:
    assert BAD_NAME == "NetStream.Publish.BadName"
    assert commands.CONNECT_CLOSED == "NetConnection.Connect.Closed"
