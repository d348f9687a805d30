"""How many viewers share a token."""

from __future__ import annotations

import pytest

from tests.streaming.server.conftest import (
    Served,
)
from tests.streaming.server.guarded_site import PLAYLIST_URL, Peer, fresh
from tests.streaming.server.guarded_site import peer as peer
from tests.streaming.server.guarded_site import served as served


@pytest.mark.parametrize("place", ["prefix", "header", "query"])
async def test_only_so_many_viewers_share_a_token_and_those_who_do_go_on(
    served: Served, place: str
) -> None:
    text = fresh(max_sessions=2)
    url = {"prefix": f"/t/{text}{PLAYLIST_URL}", "query": f"{PLAYLIST_URL}?token={text}"}.get(
        place, PLAYLIST_URL
    )
    fields = {"Authorization": f"Bearer {text}"} if place == "header" else {}

    async def ask(agent: str) -> int:
        return (await served.get(url, User_Agent=agent, **fields))[0].status

    assert [await ask(agent) for agent in ("tv", "phone", "tv")] == [200, 200, 200]
    assert await ask("laptop") == 403
    assert [await ask(agent) for agent in ("tv", "phone")] == [200, 200]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/t/{good}/live/a/index.m3u8", 204),
        ("/t/{good}/live/a/index.m3u8?_HLS_msn=9", 204),
        ("/t/{good}/live/a/720p/9999.m4s", 204),
        ("/t/{other}/live/a/index.m3u8", 403),
        ("/t/nonsense/live/a/index.m3u8", 401),
        ("/t/{good}/../live/a/index.m3u8", 403),
        ("/live/a/index.m3u8", 403),
        ("", 403),
    ],
)
async def test_a_cache_may_ask_whether_what_it_has_may_be_given(
    served: Served, url: str, expected: int
) -> None:
    original = url.format(good=fresh(), other=fresh(path="other/*"))
    response, _ = await served.get("/api/v1/authorized", X_Original_URI=original)
    assert response.status == expected


@pytest.mark.parametrize("place", ["prefix", "header", "query", "socket", "join"])
async def test_the_limit_of_a_token_goes_with_its_offers_under_a_name_that_is_not_the_token(
    served: Served, peer: Peer, place: str
) -> None:
    text = fresh(max_sessions=3)
    url = f"http://127.0.0.1:{served.port}" + (
        f"/t/{text}" if place in ("prefix", "socket") else ""
    )
    if place in ("socket", "join"):
        async with served.client.ws_connect(f"{url}/api/v1/signalling") as socket:
            key = text if place == "join" else ""
            await socket.send_json({"type": "join", "path": "live/a", "sdp": "v=0", "key": key})
            await socket.receive_json()
    else:
        query = f"?token={text}" if place == "query" else ""
        headers = {"Content-Type": "application/sdp"}
        headers |= {"Authorization": f"Bearer {text}"} if place == "header" else {}
        await served.client.post(f"{url}/live/a/whep{query}", data="v=0", headers=headers)
    asked = peer.asked[0]
    assert asked.share is not None
    assert asked.share.most == 3
    assert asked.share.name not in text
    assert len(asked.share.name) == 32


async def test_offers_without_a_limit_and_on_open_paths_are_not_counted(
    served: Served, peer: Peer
) -> None:
    for url in (f"/t/{fresh()}/live/a/whep", f"/t/{fresh(max_sessions=1)}/open/b/whep"):
        target = f"http://127.0.0.1:{served.port}{url}"
        headers = {"Content-Type": "application/sdp"}
        async with served.client.post(target, data="v=0", headers=headers) as response:
            assert response.status == 201
    assert [one.share for one in peer.asked] == [None, None]
