"""WHEP's extension for server-sent events, with a WebRTC process that the test plays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from streaming.rtc.signal_messages import EventKind, SignalAnswer, SignalEvent
from streaming.server import session_events
from tests.streaming.server.conftest import Serve, Served, until
from tests.streaming.server.test_events import Stream
from tests.streaming.server.test_signalling import Peer, send

URL = "/live/a/whep/abc/events"


@pytest.fixture
def peer() -> Peer:
    peer = Peer()
    peer.answer = SignalAnswer(0, 204)
    return peer


@pytest.fixture
async def served(serve: Serve, peer: Peer) -> Served:
    return await serve(signals=peer.relay, webrtc=True)


def tell(peer: Peer, *kinds: EventKind, text: str = "{}", number: int = 1) -> None:
    channel = next(one.channel for one in reversed(peer.asked) if one.verb == "attach")
    for kind in kinds:
        peer.relay.tell(SignalEvent(channel, "abc", kind, text, number))


@asynccontextmanager
async def following(served: Served, url: str = URL, *, last_id: str = "") -> AsyncIterator[Stream]:
    target = f"http://127.0.0.1:{served.port}{url}"
    headers = {"Accept": "text/event-stream"}
    if last_id:
        headers["Last-Event-ID"] = last_id
    async with served.client.get(target, headers=headers) as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/event-stream")
        yield Stream(response)


async def names(stream: Stream, count: int) -> list[str]:
    return [(await stream.next())[0] for _ in range(count)]


async def test_a_viewer_asks_for_events_and_is_told_where_they_are(
    served: Served, peer: Peer
) -> None:
    status, headers, _ = await send(
        served, "POST", URL, '["viewercount", "layers", "hats"]', Content_Type="application/json"
    )
    assert (status, headers["Location"]) == (201, f"{URL}?events=layers,viewercount")
    async with following(served, headers["Location"]) as stream:
        tell(peer, "active", "viewercount", "inactive", "layers")
        assert await names(stream, 2) == ["viewercount", "layers"]


async def test_without_a_list_all_events_come_with_their_data(served: Served, peer: Peer) -> None:
    response, _ = await served.ask("POST", URL)
    assert (response.status, response.headers["Location"]) == (201, URL)
    async with following(served) as stream:
        tell(peer, "active")
        tell(peer, "viewercount", text='{"viewercount":3}')
        tell(peer, "connected", "inactive")
        assert await stream.next() == ("active", {})
        assert await stream.next() == ("viewercount", {"viewercount": 3})
        assert await stream.next() == ("inactive", {})


async def test_each_event_has_its_id_and_who_lost_the_stream_asks_for_those_since(
    served: Served, peer: Peer
) -> None:
    async with following(served) as stream:
        tell(peer, "active", number=41)
        await stream.next()
        assert stream.last_id == "41"
    async with following(served, last_id="41"):
        pass
    async with following(served, last_id="4" * 100):
        pass
    asked = [one.after for one in peer.asked if one.verb == "attach"]
    assert asked == ["", "41", "4" * 32]


@pytest.mark.parametrize("kind", ["closed", "taken"])
async def test_the_stream_ends_with_the_session_or_when_another_has_it(
    served: Served, peer: Peer, kind: EventKind
) -> None:
    async with following(served) as stream:
        tell(peer, kind)
        rest = await stream.response.content.read()
    assert b"event:" not in rest
    comes_again = b"retry: 86400000" not in rest
    assert comes_again == (kind == "closed"), "else two browsers would take it from each other"


async def test_of_a_client_that_is_too_slow_the_oldest_news_are_left_out(
    served: Served, peer: Peer
) -> None:
    async with following(served) as stream:
        for number in range(500):
            tell(peer, "viewercount", text=f'{{"viewercount":{number}}}')
        first = (await stream.next())[1]["viewercount"]
        assert first == 500 - session_events.MOST_WAITING


async def test_a_session_that_is_gone_without_a_word_ends_it(
    served: Served, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_events, "HEARTBEAT_S", 0.01)
    async with following(served) as stream:
        await until(lambda: peer.asked[-1].verb == "layers")
        peer.answer = SignalAnswer(0, 404, "there is no such session")
        assert b": heartbeat" in await stream.response.content.read()


async def test_a_client_that_leaves_is_listened_for_no_more(served: Served, peer: Peer) -> None:
    async with following(served):
        assert len(peer.relay._channels) == 1
    await until(lambda: not peer.relay._channels)


async def test_a_stream_may_be_ended_by_delete(served: Served, peer: Peer) -> None:
    response, _ = await served.ask("DELETE", URL)
    assert response.status == 204
    assert (peer.asked[0].verb, peer.asked[0].channel) == ("attach", "")


@pytest.mark.parametrize("verb", ["GET", "POST", "DELETE"])
async def test_of_no_session_there_are_no_events(served: Served, peer: Peer, verb: str) -> None:
    peer.answer = SignalAnswer(0, 404, "there is no such session")
    response, _ = await served.ask(verb, URL)
    assert response.status == 404
    assert not peer.relay._channels


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("{}", "application/json", 400),
        ("[", "application/json", 400),
        ("[]", "text/plain", 415),
    ],
)
async def test_a_wish_that_cannot_be_read_is_refused(
    served: Served, body: str, kind: str, status: int
) -> None:
    got, _, _ = await send(served, "POST", URL, body, Content_Type=kind)
    assert got == status


async def test_other_methods_are_405_and_options_say_which_are_not(served: Served) -> None:
    put, _ = await served.ask("PUT", URL)
    assert put.status == 405
    options, _ = await served.ask("OPTIONS", URL)
    assert options.headers["Allow"] == "GET, OPTIONS, POST, DELETE"
    assert options.headers["Accept-Post"] == "application/json"
