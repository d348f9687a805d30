from __future__ import annotations

import pytest

from streaming.ingest.rtmp.connection_state import State
from streaming.ingest.rtmp.events import ConnectionClosed, PublishEnded
from streaming.ingest.rtmp.limits import (
    BITRATE_WINDOW_S,
    FIRST_MEDIA_TIMEOUT_S,
    HANDSHAKE_TIMEOUT_S,
    IDLE_TIMEOUT_S,
    LINGER_S,
    MAX_BYTES_BEFORE_PUBLISH,
    MAX_MEDIA_BYTES,
    MAX_MESSAGE_STREAMS,
    RtmpLimits,
)
from tests.streaming.ingest.rtmp.wire import (
    AUDIO,
    KEY_TAG,
    SOUND_TAG,
    VIDEO,
    Peer,
    command,
    handshake,
    header,
    message,
)

FRAME = message(VIDEO, KEY_TAG)


@pytest.fixture
def peer() -> Peer:
    return Peer()


# -- time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"", b"\x03", handshake()[:2000], handshake()])
def test_a_peer_that_never_gets_to_publish_is_cut_off(peer: Peer, sent: bytes) -> None:
    peer.send(sent)
    peer.pass_time(HANDSHAKE_TIMEOUT_S - 0.01)
    assert peer.events == []
    peer.pass_time(HANDSHAKE_TIMEOUT_S)
    assert peer.events == [ConnectionClosed("nothing was published within 10 s")]


def test_trickling_bytes_does_not_buy_time(peer: Peer) -> None:
    for second in range(10):
        peer.send(b"\x03")
        peer.pass_time(float(second))
    peer.pass_time(HANDSHAKE_TIMEOUT_S)
    assert peer.connection.state is State.CLOSED


def test_a_connected_peer_that_does_not_publish_is_told_so(peer: Peer) -> None:
    peer.connect()
    peer.pass_time(HANDSHAKE_TIMEOUT_S)
    assert peer.status[1:] == ("NetConnection.Connect.Closed", "nothing was published within 10 s")
    assert peer.connection.state is State.CLOSING


def test_the_door_may_take_its_time(peer: Peer) -> None:
    peer.request()
    peer.pass_time(100.0)
    assert peer.connection.state is State.PUBLISH_PENDING


def test_a_publisher_that_never_sends_media_is_closed(peer: Peer) -> None:
    peer.publish()
    peer.pass_time(FIRST_MEDIA_TIMEOUT_S - 0.1)
    assert peer.connection.state is State.PUBLISHING
    peer.pass_time(FIRST_MEDIA_TIMEOUT_S + IDLE_TIMEOUT_S / 4)
    assert peer.status[2] == "no media for 20 s"


def test_a_publisher_that_stalls_is_closed(peer: Peer) -> None:
    peer.publish()
    peer.send(FRAME)
    peer.pass_time(IDLE_TIMEOUT_S - 0.1)
    assert peer.connection.state is State.PUBLISHING
    peer.pass_time(IDLE_TIMEOUT_S * 1.5)
    assert PublishEnded("no media for 15 s") in peer.events


def test_pings_are_no_media(peer: Peer) -> None:
    peer.publish()
    peer.send(FRAME)
    for second in range(25):
        peer.send(message(4, b"\x00\x06\x00\x00\x00\x00", chunk_stream=2))
        peer.pass_time(float(second))
    assert peer.connection.state is not State.PUBLISHING


def test_a_publisher_that_keeps_sending_stays(peer: Peer) -> None:
    peer.publish()
    for second in range(0, 300, 5):
        peer.pass_time(float(second))
        peer.send(message(AUDIO, SOUND_TAG))
    assert peer.connection.state is State.PUBLISHING


def test_after_unpublish_the_time_to_publish_starts_anew(peer: Peer) -> None:
    peer.publish()
    peer.send(FRAME)
    peer.pass_time(5.0)
    peer.send(command("FCUnpublish", 6, None, "foo"))
    peer.pass_time(5.0 + HANDSHAKE_TIMEOUT_S - 0.1)
    assert peer.connection.state is State.CONNECTED
    peer.pass_time(5.0 + HANDSHAKE_TIMEOUT_S + 0.1)
    assert peer.connection.state is State.CLOSING


def test_a_told_peer_that_does_not_leave_is_cut_off(peer: Peer) -> None:
    peer.publish()
    peer.connection.close("NetStream.Publish.BadName", "over")
    peer.pass_time(LINGER_S - 0.1)
    assert peer.connection.state is State.CLOSING
    peer.pass_time(LINGER_S)
    assert peer.events[-1] == ConnectionClosed("over")


def test_early_timers_do_no_harm(peer: Peer) -> None:
    for _ in range(1000):
        peer.connection.handle_timer(1.0)
    assert peer.connection.state is State.HANDSHAKE


# -- bytes -----------------------------------------------------------------------------------------


def flood(peer: Peer, *, seconds: int, bytes_each: int) -> None:
    body = KEY_TAG + bytes(bytes_each)
    for second in range(1, seconds + 1):
        peer.send(message(VIDEO, body))
        peer.pass_time(float(second))


def test_a_publisher_over_the_bit_rate_is_closed_with_both_numbers() -> None:
    peer = Peer(RtmpLimits(max_bitrate=800_000))
    peer.publish()
    flood(peer, seconds=20, bytes_each=200_000)
    assert peer.status[1] == "NetStream.Publish.Rejected"
    assert peer.status[2].endswith("Mb/s is over the limit of 0.8 Mb/s")


def test_a_burst_after_a_pause_is_forgiven() -> None:
    peer = Peer(RtmpLimits(max_bitrate=800_000))
    peer.publish()
    peer.pass_time(BITRATE_WINDOW_S / 2)
    peer.send(message(VIDEO, KEY_TAG + bytes(500_000)))
    flood(peer, seconds=60, bytes_each=50_000)
    assert peer.connection.state is State.PUBLISHING


def test_a_peer_that_sends_without_publishing_is_closed(peer: Peer) -> None:
    peer.connect()
    for _ in range(MAX_BYTES_BEFORE_PUBLISH // 100_000):
        peer.send(message(VIDEO, bytes(100_000)))
    assert peer.connection.state is State.CONNECTED
    peer.send(message(VIDEO, bytes(100_000)))
    assert "bytes without publishing" in peer.status[2]


def test_media_sent_ahead_are_bounded(peer: Peer) -> None:
    peer.request()
    for _ in range(3):
        peer.send(message(VIDEO, bytes(100_000)))
    assert peer.connection.state is State.CLOSING
    assert peer.events[-1] != PublishEnded("nothing began")


def test_bytes_of_a_live_publication_do_not_count_after_it(peer: Peer) -> None:
    peer.publish()
    for _ in range(5):
        peer.send(message(VIDEO, bytes(100_000)))
    peer.send(command("FCUnpublish", 6, None, "foo"))
    peer.send(command("publish", 7, None, "foo", stream_id=1))
    assert peer.connection.state is State.PUBLISH_PENDING


def test_a_message_over_the_limit_closes_with_its_size(peer: Peer) -> None:
    peer.publish()
    peer.send(header(0, 6, length=MAX_MEDIA_BYTES + 1, type_id=VIDEO, stream_id=1))
    assert f"{MAX_MEDIA_BYTES + 1} bytes" in peer.status[2]


def test_metadata_over_its_limit_closes(peer: Peer) -> None:
    peer.publish()
    peer.send(header(0, 6, length=64 * 1024 + 1, type_id=18, stream_id=1))
    assert "65537 bytes" in peer.status[2]


def test_streams_cannot_be_created_without_end(peer: Peer) -> None:
    peer.connect()
    for _ in range(MAX_MESSAGE_STREAMS):
        peer.send(command("createStream", 2, None))
    assert peer.connection.state is State.CONNECTED
    peer.send(command("createStream", 2, None))
    assert "streams created" in peer.status[2]
