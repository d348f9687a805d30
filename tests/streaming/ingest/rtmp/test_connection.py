from __future__ import annotations

import pytest

from streaming.errors import LocalError
from streaming.ingest.rtmp import commands
from streaming.ingest.rtmp.connection_state import State
from streaming.ingest.rtmp.events import (
    Connected,
    ConnectionClosed,
    PublishEnded,
    PublishRequested,
)
from streaming.ingest.rtmp.limits import MAX_BYTES_BEFORE_PUBLISH
from streaming.ingest.rtmp.messages import Message
from streaming.ingest.rtmp.outgoing import CHUNK_BYTES, WINDOW_BYTES
from streaming.publish_codes import BAD_NAME
from tests.streaming.ingest.rtmp.wire import (
    AUDIO,
    DATA,
    KEY_TAG,
    SOUND_TAG,
    VIDEO,
    Peer,
    command,
    connect,
    handshake,
    message,
)

PING = message(4, b"\x00\x06\x00\x00\x30\x39", chunk_stream=2)


@pytest.fixture
def peer() -> Peer:
    return Peer()


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
    assert information["fourCcList"] == ["avc1", "hvc1", "av01", "vp09", "mp4a", "Opus"]
    assert information["videoFourCcInfoMap"] == dict.fromkeys(("avc1", "hvc1", "av01", "vp09"), 5.0)
    assert information["audioFourCcInfoMap"] == dict.fromkeys(("mp4a", "Opus"), 5.0)
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


# -- publish ---------------------------------------------------------------------------------------


def test_release_stream_and_fc_publish_are_answered(peer: Peer) -> None:
    peer.request()
    results = [values[1] for values in peer.said("_result")]
    assert results == [1.0, 2.0, 3.0, 4.0]


def test_create_stream_counts_from_one(peer: Peer) -> None:
    peer.connect()
    peer.send(command("createStream", 2, None) + command("createStream", 3, None))
    assert [values[1:] for values in peer.said("_result")[1:]] == [[2.0, None, 1.0], [3.0, None, 2]]


def test_publish_asks_the_shell_and_waits(peer: Peer) -> None:
    peer.request("foo?key=sesame&quality=high")
    request = peer.events[-1]
    assert isinstance(request, PublishRequested)
    assert (request.path, request.key) == ("live/foo", "sesame")
    assert request.query == {"key": "sesame", "quality": "high"}
    assert peer.said("onStatus") == []
    assert peer.connection.state is State.PUBLISH_PENDING


def test_an_accepted_publisher_is_told_to_start(peer: Peer) -> None:
    peer.publish()
    assert payloads(peer, 4) == [b"\x00\x00\x00\x00\x00\x01"], "StreamBegin of stream 1"
    assert peer.status == ("status", "NetStream.Publish.Start", "publishing")
    assert peer.answers[-1].stream_id == 1
    assert peer.connection.state is State.PUBLISHING


def test_a_rejected_publisher_is_told_why_and_then_closed(peer: Peer) -> None:
    peer.request()
    peer.connection.reject_publish("NetStream.Publish.BadName", "wrong or missing key")
    peer.take()
    assert peer.status == ("error", "NetStream.Publish.BadName", "wrong or missing key")
    assert peer.answers[-1].stream_id == 1
    peer.pass_time(10.0)
    assert peer.events[-1] == ConnectionClosed("wrong or missing key")


def test_media_of_a_live_publisher_become_events(peer: Peer) -> None:
    peer.publish()
    peer.send(message(VIDEO, KEY_TAG, time=40) + message(AUDIO, SOUND_TAG, time=41))
    assert peer.events[-2:] == [Message(VIDEO, 40, 1, KEY_TAG), Message(AUDIO, 41, 1, SOUND_TAG)]


def test_media_sent_ahead_of_the_answer_wait_for_it(peer: Peer) -> None:
    peer.request()
    peer.send(message(VIDEO, KEY_TAG))
    assert media(peer) == []
    peer.connection.accept_publish()
    peer.take()
    assert media(peer) == [KEY_TAG]


def test_media_before_publish_are_thrown_away(peer: Peer) -> None:
    peer.connect()
    peer.send(message(VIDEO, KEY_TAG))
    peer.send(command("publish", 5, None, "foo", stream_id=1))
    peer.connection.accept_publish()
    peer.take()
    assert media(peer) == []


def test_a_second_publish_on_the_connection_is_a_bad_name(peer: Peer) -> None:
    peer.publish()
    peer.send(command("publish", 6, None, "bar", stream_id=2))
    level, code, _ = peer.status
    assert (level, code) == ("error", "NetStream.Publish.BadName")
    assert peer.answers[-1].stream_id == 2
    assert peer.connection.state is State.PUBLISHING


@pytest.mark.parametrize("name", ["", None, 7.0, "\x00bad"])
def test_a_name_that_is_none_is_a_bad_name(peer: Peer, name: str | float | None) -> None:
    peer.send(handshake())
    peer.send(command("connect", 1, {"app": ""}))
    peer.send(command("publish", 5, None, name, stream_id=1))
    level, code, _ = peer.status
    assert (level, code) == ("error", "NetStream.Publish.BadName")
    assert peer.connection.state is State.CLOSING


@pytest.mark.parametrize("verb", ["play", "play2"])
def test_a_player_is_told_to_use_http(peer: Peer, verb: str) -> None:
    peer.connect()
    peer.send(command(verb, 5, None, "foo", stream_id=1))
    level, code, text = peer.status
    assert (level, code) == ("error", "NetStream.Play.Failed")
    assert "HTTP" in text


def test_an_unknown_call_gets_an_error_and_the_connection_stays(peer: Peer) -> None:
    peer.connect()
    peer.send(command("makeCoffee", 9, None))
    ((_, transaction, _, information),) = peer.said("_error")
    assert transaction == 9.0
    assert isinstance(information, dict)
    assert information["code"] == "NetConnection.Call.Failed"
    assert peer.connection.state is State.CONNECTED


def test_a_notification_that_is_unknown_is_not_answered(peer: Peer) -> None:
    peer.connect()
    said = len(peer.answers)
    peer.send(command("makeCoffee", 0, None) + command("_result", 3, None))
    assert len(peer.answers) == said


# -- the end ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "verb", [("FCUnpublish", "foo"), ("closeStream",), ("deleteStream", 1), ("deleteStream",)]
)
def test_each_way_to_unpublish(peer: Peer, verb: tuple[str | int, ...]) -> None:
    peer.publish()
    name, *arguments = verb
    peer.send(command(str(name), 6, None, *arguments, stream_id=1))
    assert peer.events[-1] == PublishEnded(f"the publisher sent {name}")
    assert peer.status[:2] == ("status", "NetStream.Unpublish.Success")
    assert peer.connection.state is State.CONNECTED


def test_the_whole_farewell_of_an_encoder_ends_the_publication_once(peer: Peer) -> None:
    peer.publish()
    peer.send(command("FCUnpublish", 6, None, "foo"))
    peer.send(command("closeStream", 7, None, stream_id=1) + command("deleteStream", 8, None, 1))
    assert sum(isinstance(event, PublishEnded) for event in peer.events) == 1


def test_deleting_another_stream_ends_nothing(peer: Peer) -> None:
    peer.publish()
    peer.send(command("deleteStream", 6, None, 7))
    assert peer.connection.state is State.PUBLISHING


def test_the_connection_may_publish_again(peer: Peer) -> None:
    peer.publish()
    peer.send(command("FCUnpublish", 6, None, "foo"))
    peer.send(command("publish", 7, None, "bar", stream_id=1))
    request = peer.events[-1]
    assert isinstance(request, PublishRequested)
    assert request.path == "live/bar"
    peer.connection.accept_publish()
    assert peer.connection.state is State.PUBLISHING


def test_closing_a_live_publisher_tells_it_and_ends_the_publication(peer: Peer) -> None:
    peer.publish()
    peer.connection.close("NetStream.Publish.BadName", "another publisher took over live/foo")
    peer.take()
    assert peer.status[2] == "another publisher took over live/foo"
    assert peer.events[-1] == PublishEnded("another publisher took over live/foo")


def test_what_arrives_after_closing_is_thrown_away(peer: Peer) -> None:
    peer.publish()
    peer.connection.close("NetStream.Publish.BadName", "over")
    peer.take()
    events = len(peer.events)
    peer.send(message(VIDEO, KEY_TAG) + b"garbage" * 1000)
    assert len(peer.events) == events


def test_closing_twice_says_it_once(peer: Peer) -> None:
    peer.publish()
    peer.connection.close("NetStream.Publish.BadName", "first")
    peer.connection.close("NetStream.Publish.BadName", "second")
    peer.take()
    assert peer.status[2] == "first"


def test_media_before_an_error_in_the_same_read_are_kept(peer: Peer) -> None:
    peer.publish()
    peer.send(message(VIDEO, KEY_TAG) + connect())
    assert media(peer) == [KEY_TAG]
    assert isinstance(peer.events[-1], PublishEnded)


def test_an_unpublish_before_an_error_in_the_same_read_is_kept(peer: Peer) -> None:
    peer.publish()
    peer.send(command("FCUnpublish", 6, None, "foo") + connect())
    assert peer.events[-1] == PublishEnded("the publisher sent FCUnpublish")


def test_a_request_before_an_error_in_the_same_read_is_forgotten(peer: Peer) -> None:
    peer.connect()
    ahead = message(VIDEO, bytes(MAX_BYTES_BEFORE_PUBLISH))
    peer.send(command("publish", 5, None, "foo", stream_id=1) + ahead)
    assert peer.connection.state is State.CLOSING
    assert not any(isinstance(event, PublishRequested) for event in peer.events)


def test_an_answer_to_no_request_is_our_own_mistake(peer: Peer) -> None:
    peer.connect()
    with pytest.raises(LocalError, match="connected, not publish pending"):
        peer.connection.accept_publish()
    with pytest.raises(LocalError, match="connected, not publish pending"):
        peer.connection.reject_publish("code", "text")


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
