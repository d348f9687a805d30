"""WHEP and WHIP as HTTP (standards.md A5), with a WebRTC process that the test plays."""

from __future__ import annotations

import asyncio
import json

import pytest
from multidict import CIMultiDictProxy

from streaming.rtc.signal_messages import SignalAnswer, SignalRequest
from streaming.server.signal_relay import SignalRelay
from streaming.server.signalling import (
    MOST_OFFER_BYTES,
    SignalPlace,
    preferred_wait_s,
    signal_place,
)
from tests.streaming.server.conftest import Serve, Served, until

OFFER = "v=0\r\n"


class Peer:
    """Answers what it is asked as the test says, and remembers the questions."""

    def __init__(self) -> None:
        self.asked: list[SignalRequest] = []
        self.answer = SignalAnswer(0, 201, "v=0 answer", {"ETag": '"1"'}, session="abc")
        self.relay = SignalRelay(self._ask)

    def _ask(self, request: SignalRequest) -> None:
        self.asked.append(request)
        told = SignalAnswer(
            request.id,
            self.answer.status,
            self.answer.body,
            self.answer.headers,
            self.answer.session,
        )
        asyncio.get_running_loop().call_soon(self.relay.receive, told)


@pytest.fixture
def peer() -> Peer:
    return Peer()


@pytest.fixture
async def served(serve: Serve, peer: Peer) -> Served:
    return await serve(signals=peer.relay, webrtc=True)


async def send(
    served: Served, verb: str, url: str, body: str = OFFER, **headers: str
) -> tuple[int, CIMultiDictProxy[str], str]:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    async with served.client.request(
        verb, f"http://127.0.0.1:{served.port}{url}", data=body.encode(), headers=fields
    ) as response:
        return response.status, response.headers, await response.text()


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("/demo/whep", SignalPlace("demo", "whep", "")),
        ("/live/foo/whip", SignalPlace("live/foo", "whip", "")),
        ("/live/foo/whep/x-1", SignalPlace("live/foo", "whep", "x-1")),
        ("/whep", None),
        ("/live/foo/index.m3u8", None),
        ("/api/v1/whep", None),
        ("/live/../whep", None),
    ],
)
def test_a_url_says_path_kind_and_session(url: str, place: SignalPlace | None) -> None:
    assert signal_place(url) == place


async def test_w1_an_offer_is_answered_with_the_session_s_url(served: Served, peer: Peer) -> None:
    status, headers, body = await send(
        served, "POST", "/live/a/whep?key=x", Content_Type="application/sdp"
    )
    assert (status, body) == (201, "v=0 answer")
    assert headers["Content-Type"] == "application/sdp"
    assert headers["Location"] == "/live/a/whep/abc"
    assert headers["ETag"] == '"1"'
    (asked,) = peer.asked
    assert (asked.verb, asked.path, asked.body, asked.key) == ("view", "live/a", OFFER, "x")


async def test_w7_a_bearer_token_is_the_key(served: Served, peer: Peer) -> None:
    await send(
        served,
        "POST",
        "/live/a/whip",
        Content_Type="application/sdp",
        Authorization="Bearer s3cret",
    )
    assert (peer.asked[0].verb, peer.asked[0].key) == ("publish", "s3cret")


@pytest.mark.parametrize("rank", ["", "backup"])
async def test_a_publisher_may_be_a_backup(served: Served, peer: Peer, rank: str) -> None:
    query = f"?role={rank}" if rank else ""
    await send(served, "POST", f"/live/a/whip{query}", Content_Type="application/sdp")
    assert peer.asked[0].rank == rank


async def test_w1_another_media_type_is_415_and_asks_nobody(served: Served, peer: Peer) -> None:
    status, headers, body = await send(served, "POST", "/live/a/whep", Content_Type="text/plain")
    assert status == 415
    assert headers["Content-Type"] == "application/problem+json"  # W8
    assert json.loads(body)["status"] == 415
    assert peer.asked == []


async def test_an_offer_beyond_64_kib_is_413(served: Served, peer: Peer) -> None:
    body = "a" * (MOST_OFFER_BYTES + 1)
    status, _, _ = await send(served, "POST", "/live/a/whep", body, Content_Type="application/sdp")
    assert status == 413
    assert peer.asked == []


async def test_w3_options_say_what_may_be_posted_from_where(served: Served) -> None:
    response, _ = await served.ask("OPTIONS", "/live/a/whep", Origin="https://example.org")
    assert response.status == 200
    assert response.headers["Accept-Post"] == "application/sdp"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    allowed = response.headers["Access-Control-Allow-Headers"]
    assert {"Authorization", "If-Match", "Last-Event-ID"} <= set(allowed.split(", "))
    assert "Location" in response.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("url", ["/live/a/whep", "/live/a/whip", "/live/a/whep/abc"])
async def test_w3_get_is_2xx_without_content(served: Served, url: str) -> None:
    response, body = await served.get(url)
    assert (response.status, body) == (204, b"")


async def test_w3_head_of_whep_names_its_media_type(served: Served) -> None:
    response, _ = await served.ask("HEAD", "/live/a/whep")
    assert response.status == 200
    assert response.headers["Content-Type"] == "application/sdp"


async def test_w4_a_patch_carries_if_match_and_an_etag_comes_back(
    served: Served, peer: Peer
) -> None:
    peer.answer = SignalAnswer(0, 200, "a=ice-ufrag:x", {"ETag": '"2"'})
    status, headers, _ = await send(
        served,
        "PATCH",
        "/live/a/whep/abc",
        Content_Type="application/trickle-ice-sdpfrag",
        If_Match='"1"',
    )
    assert (status, headers["ETag"]) == (200, '"2"')
    assert headers["Content-Type"] == "application/trickle-ice-sdpfrag"
    assert (peer.asked[0].session, peer.asked[0].if_match) == ("abc", '"1"')


async def test_w4_a_patch_without_content_is_204(served: Served, peer: Peer) -> None:
    peer.answer = SignalAnswer(0, 204)
    status, headers, body = await send(
        served, "PATCH", "/live/a/whep/abc", Content_Type="application/trickle-ice-sdpfrag"
    )
    assert (status, body) == (204, "")
    assert "ETag" not in headers
    assert peer.asked[0].if_match is None


async def test_w5_delete_ends_the_session(served: Served, peer: Peer) -> None:
    peer.answer = SignalAnswer(0, 200)
    response, _ = await served.ask("DELETE", "/live/a/whep/abc")
    assert response.status == 200
    assert (peer.asked[0].verb, peer.asked[0].session) == ("delete", "abc")


async def test_w6_what_is_not_live_is_409_with_retry_after(served: Served, peer: Peer) -> None:
    peer.answer = SignalAnswer(0, 409, "live/a is not live", {"Retry-After": "2"})
    status, headers, body = await send(
        served, "POST", "/live/a/whep", Content_Type="application/sdp"
    )
    assert (status, headers["Retry-After"]) == (409, "2")
    assert json.loads(body)["title"] == "Conflict", "a path that has a publisher is 409 as well"
    assert json.loads(body)["detail"] == "live/a is not live"


async def test_a_viewer_that_prefers_to_wait_is_answered_when_it_is_live(
    served: Served, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streaming.server.signal_relay.ASK_AGAIN_S", 0.01)
    live, peer.answer = peer.answer, SignalAnswer(0, 409, "not live", {"Retry-After": "2"})
    asking = asyncio.create_task(
        send(served, "POST", "/live/a/whep", Content_Type="application/sdp", Prefer="wait=10")
    )
    await until(lambda: len(peer.asked) > 2)
    peer.answer = live
    status, _, _ = await asking
    assert status == 201


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [("wait=5", 5), ("respond-async, wait=20", 20), ("wait=9999", 30), ("wait=-1", 0), ("", 0)],
)
def test_a_preference_to_wait_is_bounded(value: str, wait_s: float) -> None:
    assert preferred_wait_s({"Prefer": value}) == wait_s


async def test_w6_a_counter_offer_is_406_and_answered_by_patch(served: Served, peer: Peer) -> None:
    peer.answer = SignalAnswer(0, 406, "v=0 ours", {"ETag": '"7"'}, session="abc")
    status, headers, body = await send(
        served, "POST", "/live/a/whep", Content_Type="application/sdp"
    )
    assert (status, body) == (406, "v=0 ours")
    assert headers["Content-Type"] == "application/sdp"
    assert (headers["Location"], headers["ETag"]) == ("/live/a/whep/abc", '"7"')
    peer.answer = SignalAnswer(0, 201, "", {"ETag": '"7"'}, session="abc")
    status, headers, body = await send(
        served, "PATCH", "/live/a/whep/abc", "v=0 theirs", Content_Type="application/sdp"
    )
    assert (status, body) == (204, "")
    asked = peer.asked[1]
    assert (asked.verb, asked.session, asked.body) == ("answer", "abc", "v=0 theirs")
    peer.answer = SignalAnswer(0, 400, "the offer has no media")
    status, _, _ = await send(
        served, "PATCH", "/live/a/whep/abc", "v=0", Content_Type="application/sdp"
    )
    assert status == 400


async def test_a_publisher_without_our_codecs_is_406_with_a_reason(
    served: Served, peer: Peer
) -> None:
    peer.answer = SignalAnswer(0, 406, "the offer has no codec that we package")
    status, headers, _ = await send(served, "POST", "/live/a/whip", Content_Type="application/sdp")
    assert (status, headers["Content-Type"]) == (406, "application/problem+json")
    assert "Location" not in headers


EXTENSION = "urn:ietf:params:whep:ext:core:"


async def test_w8_extensions_are_named_in_links(served: Served) -> None:
    _, headers, _ = await send(served, "POST", "/live/a/whep", Content_Type="application/sdp")
    links = ", ".join(headers.getall("Link"))
    assert f'</live/a/whep/abc/layer>; rel="{EXTENSION}layer"' in links
    assert f'</live/a/whep/abc/events>; rel="{EXTENSION}server-sent-events"' in links
    assert 'events="active,inactive,layers,viewercount"' in links


@pytest.mark.parametrize(("verb", "url"), [("PUT", "/live/a/whep"), ("POST", "/live/a/whep/abc")])
async def test_other_methods_are_405(served: Served, verb: str, url: str) -> None:
    response, _ = await served.ask(verb, url)
    assert response.status == 405
    assert "OPTIONS" in response.headers["Allow"]


async def test_without_webrtc_there_is_nothing_at_its_urls(serve: Serve) -> None:
    served = await serve()
    response, _ = await served.ask("POST", "/live/a/whep")
    assert response.status == 405
