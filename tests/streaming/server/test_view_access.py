"""Who may view: every credential in every place against every way to ask, over real HTTP."""

from __future__ import annotations

import socket
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web

from streaming.auth.access_rules import AccessRules
from streaming.auth.api_tokens import ApiToken, hash_token
from streaming.server.access import is_local
from streaming.shelf import Shelf
from streaming.thumbnail.newest_key_frame import NewestKeyFrame
from tests.streaming.auth.tokens import (
    ES256,
    KEYS,
    STRANGER,
)
from tests.streaming.server.conftest import (
    PLAYLIST,
    SEGMENT,
    Serve,
    Served,
)
from tests.streaming.server.guarded_site import (
    OPERATORS,
    PLAYLIST_URL,
    RULES,
    SEGMENT_URL,
    Peer,
    fresh,
    guarded_shelf,
    none,
)
from tests.streaming.server.guarded_site import peer as peer
from tests.streaming.server.guarded_site import served as served


@pytest.mark.parametrize("rule", ["token", "hook"])
@pytest.mark.parametrize("scope", OPERATORS)
async def test_a_guarded_picture_is_shown_to_operators_and_kept_by_no_cache(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, scope: str, rule: str
) -> None:
    async def make(media: bytes) -> bytes:
        return b"a picture"

    def find(shelf: Shelf, path: str) -> NewestKeyFrame | None:
        return NewestKeyFrame("720p", 7, b"init and picture")

    monkeypatch.setattr("streaming.thumbnail.thumbnails.find_key_frame", find)
    tokens = tuple(
        ApiToken(one, hash_token(secret), one)  # type: ignore[arg-type]
        for one, secret in OPERATORS.items()
    )
    views: Any = (("live/*", rule), ("open/*", "open"))
    rules = AccessRules(views=views, keys=KEYS, api_tokens=tokens)
    served = await serve(guarded_shelf(), access=rules)
    monkeypatch.setattr(served.site.thumbnails, "_make", make)
    url, bearer = "/live/a/thumbnail.jpg", {"Authorization": f"Bearer {OPERATORS[scope]}"}
    response, body = await served.get(url, **bearer)
    assert (response.status, body) == (200, b"a picture")
    assert response.headers["Cache-Control"] == "no-store"
    for place in (f"/t/{OPERATORS[scope]}{url}", f"{url}?token={OPERATORS[scope]}", url):
        assert (await served.get(place))[0].status in (401, 403), "never by a URL"
    assert (await served.get(PLAYLIST_URL, **bearer))[0].status in (401, 403), "pictures alone"
    response, _ = await served.get("/open/b/thumbnail.jpg", **bearer)
    assert response.headers["Cache-Control"] == "public, max-age=5"


CREDENTIALS = {
    "nothing": (lambda: "", 401),
    "a good token": (fresh, 200),
    "by another key of ours": (lambda: fresh(key=ES256), 200),
    "for this very path": (lambda: fresh(path="live/a"), 200),
    "for several paths": (lambda: fresh(path=["x", "live/a"]), 200),
    "from here": (lambda: fresh(ip="127.0.0.0/8"), 200),
    "alg none": (none, 401),
    "wrong algorithm": (lambda: fresh(key=type(ES256)("ed", "ES256", ES256.material)), 401),
    "by a stranger": (lambda: fresh(key=STRANGER), 401),
    "expired": (lambda: fresh(exp=time.time() - 1), 401),
    "not valid yet": (lambda: fresh(nbf=time.time() + 60), 401),
    "wrong path": (lambda: fresh(path="other/*"), 403),
    "prefix of the path": (lambda: fresh(path="live"), 403),
    "from elsewhere": (lambda: fresh(ip="10.0.0.1"), 403),
    "nonsense": (lambda: "nonsense", 401),
}


@pytest.mark.parametrize(
    "url", [PLAYLIST_URL, SEGMENT_URL, "/live/a/absent/index.m3u8", "/live/a/thumbnail.jpg"]
)
@pytest.mark.parametrize("place", ["prefix", "header", "query"])
@pytest.mark.parametrize("credential", CREDENTIALS)
async def test_media_by_every_credential_in_every_place(
    served: Served, url: str, place: str, credential: str
) -> None:
    make, expected = CREDENTIALS[credential]
    text = make()
    if expected == 200 and ("absent" in url or "thumbnail" in url):
        expected = 404
    if place == "prefix" and text:
        url = f"/t/{text}{url}"
    elif place == "query" and text:
        url += f"?token={text}"
    headers = {"Authorization": f"Bearer {text}"} if place == "header" and text else {}
    for _ in range(3):  # the second and third may go the short way
        response, body = await served.get(url, **headers)
        assert response.status == expected
        assert not text or text not in body.decode("latin-1") + str(
            {k: v for k, v in response.headers.items() if k != "Location"}
        )
    if expected in (401, 403):
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/t/{good}/../live/a/index.m3u8", 400),
        ("/t/{good}/live/../live/a/index.m3u8", 400),
        ("/t/{good}/./live/a/index.m3u8", 400),
        ("/t/{good}/live%2Fa/index.m3u8", 400),
        ("/t/{good}/live/a%2findex.m3u8", 400),
        ("/t/{good}/%2e%2e/live/a/index.m3u8", 400),
        ("/t/{good}/live\\a/index.m3u8", 400),
        ("/t/{good}%2Flive/a/index.m3u8", 400),
        ("/t%2F{good}/live/a/index.m3u8", 400),
        ("/t/", 400),
        ("/t/{good}", 400),
        ("/t//live/a/index.m3u8", 400),
        ("/t/{good}//live/a/index.m3u8", 404),
        ("/t/{good}/t/{good}/live/a/index.m3u8", 404),
        ("/t/{other}/live/a/index.m3u8", 403),
        ("/t/{other}/../{good}/live/a/index.m3u8", 400),
        ("/live%2Fa/index.m3u8", 401),
        ("/live/a%2Findex.m3u8", 401),
        ("//live/a/index.m3u8", 401),
        ("/live/./a/index.m3u8", 401),
        ("/open/../live/a/index.m3u8", 404),
        ("/open/b/..%2F..%2Flive/a/index.m3u8", 404),
        ("/live/a/index.m3u8?key={good}", 401),
        ("/live/a/index.m3u8?Token={good}", 401),
        ("/live/a/index.m3u8#?token={good}", 401),
        ("/t/{good}/open/b/index.m3u8", 200),
        ("/t/nonsense/open/b/index.m3u8", 200),
        ("/open/b/index.m3u8", 200),
    ],
)
@pytest.mark.parametrize("way", ["short", "long"])
async def test_a_url_means_one_thing_or_is_refused(
    served: Served, url: str, expected: int, way: str
) -> None:
    target = url.format(good=fresh(), other=fresh(path="other/*")).partition("#")[0]
    odd = "X-Odd: 1\r\n" if way == "long" else ""
    request = f"GET {target} HTTP/1.1\r\nHost: x\r\n{odd}\r\n".encode()
    for _ in range(2):
        head = await served.raw(request)
        assert head.split(b" ", 2)[1] == str(expected).encode(), head[:200]


async def test_a_verified_token_takes_the_short_way(served: Served) -> None:
    url = f"/t/{fresh()}{PLAYLIST_URL}"
    plain = {"Accept": "*/*"}
    _, first = await served.get(url, **plain)
    assert served.site.counters.fast_requests == 0
    for _ in range(3):
        _, body = await served.get(url, **plain)
        assert body == first == PLAYLIST
    assert served.site.counters.fast_requests == 3
    assert served.site.access.tokens.verifications == 1


async def test_the_short_way_asks_again_who_it_is(served: Served) -> None:
    good, other = fresh(), fresh(path="other/*")
    await served.get(f"/t/{good}{SEGMENT_URL}")
    response, _ = await served.get(f"/t/{good}{SEGMENT_URL}")
    assert response.status == 200
    for url in (SEGMENT_URL, f"/t/{other}{SEGMENT_URL}"):
        response, body = await served.get(url)
        assert response.status in (401, 403)
        assert SEGMENT[:1_000] not in body


async def test_open_paths_take_the_short_way_from_the_first_request_on(served: Served) -> None:
    await served.get("/open/b/index.m3u8")
    assert served.site.counters.fast_requests == 1


@pytest.mark.parametrize(
    ("url", "headers", "rule"),
    [
        ("/t/{token}" + SEGMENT_URL, {}, "public, max-age=3600, immutable"),
        (SEGMENT_URL + "?token={token}", {}, "private, max-age=3600, immutable"),
        (SEGMENT_URL, {"Authorization": "Bearer {token}"}, "private, max-age=3600, immutable"),
        ("/t/{token}" + PLAYLIST_URL, {}, "public, max-age=1"),
        (PLAYLIST_URL, {"Authorization": "Bearer {token}"}, "private, max-age=1"),
    ],
)
async def test_caches_may_keep_what_names_its_token_in_the_path_alone(
    served: Served, url: str, headers: dict[str, str], rule: str
) -> None:
    text = fresh()
    fields = {name: value.format(token=text) for name, value in headers.items()}
    for _ in range(2):
        response, _ = await served.get(url.format(token=text), **fields)
        assert response.headers["Cache-Control"] == rule


async def test_new_rules_hold_at_once(served: Served) -> None:
    url = f"/t/{fresh()}{PLAYLIST_URL}"
    for _ in range(2):
        assert (await served.get(url))[0].status == 200
    served.site.apply(AccessRules(views=RULES.views, keys=(STRANGER,)))
    assert (await served.get(url))[0].status == 401
    served.site.apply(AccessRules())
    assert (await served.get(PLAYLIST_URL))[0].status == 200


@pytest.mark.parametrize(
    ("make", "expected"),
    [(lambda: "", 401), (fresh, 201), (lambda: fresh(path="x"), 403), (none, 401)],
)
@pytest.mark.parametrize("place", ["prefix", "header", "query"])
async def test_whep_by_every_place(
    served: Served, peer: Peer, make: Any, expected: int, place: str
) -> None:
    text = make()
    url, headers = "/live/a/whep", {"Content-Type": "application/sdp"}
    if text and place == "prefix":
        url = f"/t/{text}{url}"
    elif text and place == "query":
        url += f"?token={text}"
    elif text:
        headers["Authorization"] = f"Bearer {text}"
    target = f"http://127.0.0.1:{served.port}{url}"
    async with served.client.post(target, data="v=0", headers=headers) as response:
        assert response.status == expected
        if expected == 201:
            assert response.headers["Location"] == url.partition("?")[0] + "/s1"
    assert bool(peer.asked) == (expected == 201)


@pytest.mark.parametrize("place", ["message", "url", "nowhere", "wrong path"])
async def test_signalling_by_websocket_wants_the_token_of_each_path(
    served: Served, place: str
) -> None:
    text = fresh(path="live/b") if place == "wrong path" else fresh()
    prefix = f"/t/{text}" if place == "url" else ""
    url = f"ws://127.0.0.1:{served.port}{prefix}/api/v1/signalling"
    key = text if place in ("message", "wrong path") else ""
    async with served.client.ws_connect(url) as socket:
        await socket.send_json({"type": "join", "path": "live/a", "sdp": "v=0", "key": key})
        answer = await socket.receive_json()
    expected = {"nowhere": 401, "wrong path": 403}.get(place)
    assert answer.get("status") == expected
    assert (answer["type"] == "answer") == (expected is None)


async def test_the_api_names_guarded_paths_to_those_alone_who_may_view_them(
    served: Served,
) -> None:
    afar = {"X_Forwarded_For": "10.0.0.1"}  # programs on this machine are told everything
    _, body = await served.get("/api/v1/paths", **afar)
    assert b"open/b" in body
    assert b"live/a" not in body
    assert (await served.get("/api/v1/paths/live/a", **afar))[0].status == 404
    response, body = await served.get(f"/t/{fresh()}/api/v1/paths/live/a", **afar)
    assert (response.status, b"live/a" in body) == (200, True)
    assert (await served.get("/api/v1/events?wait=0", **afar))[0].status == 401
    assert b"live/a" in (await served.get("/api/v1/paths"))[1]


async def test_pages_are_open_and_whether_a_guarded_path_is_there_is_not_told(
    served: Served,
) -> None:
    assert (await served.get("/live/a/"))[0].status == 200
    assert (await served.get(f"/t/{fresh()}/live/a/"))[0].status == 200
    assert [(await served.get(url))[0].status for url in ("/live/a", "/live/z")] == [404, 404]
    response, _ = await served.get(f"/t/{fresh()}/live/a")
    assert response.status == 308


@pytest.mark.parametrize(
    ("trusted", "forwarded", "expected"),
    [
        ((), "10.0.0.1", 403),
        (("127.0.0.1",), "10.0.0.1", 200),
        (("127.0.0.0/8",), "6.6.6.6, 10.0.0.1, 127.0.0.9", 200),
        (("127.0.0.1",), "10.0.0.1, 6.6.6.6", 403),
        (("127.0.0.1",), "", 403),
    ],
)
async def test_a_fronts_word_on_the_address_counts_where_it_is_trusted(
    serve: Serve, trusted: tuple[str, ...], forwarded: str, expected: int
) -> None:
    served = await serve(
        guarded_shelf(),
        access=AccessRules(views=RULES.views, keys=KEYS, trusted_proxies=trusted),
    )
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    url = f"/t/{fresh(ip='10.0.0.1')}{PLAYLIST_URL}"
    assert (await served.get(url, **headers))[0].status == expected


async def test_a_socket_for_both_families_knows_ipv4_addresses(serve: Serve) -> None:
    rules = AccessRules(views=RULES.views, keys=KEYS, trusted_proxies=("127.0.0.1",))
    served = await serve(guarded_shelf(), access=rules, family=socket.AF_INET6)
    url = f"/t/{fresh(ip='10.0.0.1')}{PLAYLIST_URL}"
    assert (await served.get(url, X_Forwarded_For="10.0.0.1"))[0].status == 200
    # A program on this machine is told of guarded paths, too.
    assert b"live/a" in (await served.get("/api/v1/paths"))[1]


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.5", False),
        ("192.168.1.9", False),
        ("2001:db8::1", False),
        ("fe80::1%eth0", False),
        ("", False),
        (None, False),
    ],
)
def test_only_who_connects_from_this_machine_needs_no_token(
    remote: str | None, expected: bool
) -> None:
    """Whatever Host says: who can reach the port can write it."""
    asked = SimpleNamespace(headers={}, remote=remote, host="127.0.0.1:8080")
    assert is_local(cast(web.BaseRequest, asked)) is expected
