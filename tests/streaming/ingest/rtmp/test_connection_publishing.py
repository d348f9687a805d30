"""Publishing by a connection, and the ways in which that ends."""

from __future__ import annotations

import pytest

from streaming.errors import LocalError
from streaming.ingest.rtmp.connection_state import State
from streaming.ingest.rtmp.events import (
    ConnectionClosed,
    PublishEnded,
    PublishRequested,
)
from streaming.ingest.rtmp.limits import MAX_BYTES_BEFORE_PUBLISH
from streaming.ingest.rtmp.messages import Message
from tests.streaming.ingest.rtmp.test_connection import media, payloads
from tests.streaming.ingest.rtmp.wire import (
    AUDIO,
    KEY_TAG,
    SOUND_TAG,
    VIDEO,
    Peer,
    command,
    connect,
    handshake,
    message,
)


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
