"""Everything that can be asked for × every credential in every place × the status that is answered.

One table for all doors: HLS, DASH, media, pictures, WHEP, WHIP, signalling, the API of each scope,
events. What else is wrong with URLs and keys is in test_view_access.py and test_auth_table.py.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest

from streaming.auth.access_rules import AccessRules, ViewKey
from streaming.auth.api_tokens import ApiToken, hash_token, new_token
from streaming.auth.publish_keys import hash_key, new_key
from streaming.config import Config
from streaming.config_paths import PathConfig
from streaming.errors import PublishRejected
from streaming.events.event_messages import EventsBegin
from streaming.ingest.source import PublishRequest
from streaming.media_store import MediaStore
from streaming.path_registry import PathRegistry
from streaming.rtc.signal_messages import SignalAnswer, SignalRequest
from streaming.server.signal_relay import SignalRelay
from streaming.shelf import Shelf
from streaming.shelf_feed import ShelfFeed
from streaming.shelf_messages import PathState
from tests.streaming.auth.tokens import EDDSA, ES256, KEYS, STRANGER, hand_made, public_pem, token
from tests.streaming.events.happenings import EPOCH
from tests.streaming.server.api_origin import Origin
from tests.streaming.server.conftest import PLAYLIST, Serve, Served, playlist
from tests.streaming.server.guarded_site import guarded_shelf
from tests.streaming.test_path import FakePublisher

SCOPES: Final = {scope: new_token() for scope in ("read", "control", "admin")}
KEY: Final = new_key()
RULES: Final = AccessRules(
    views=(("live/*", "token"), ("vip/*", "token"), ("open/*", "open")),
    keys=KEYS,
    api_tokens=tuple(
        ApiToken(scope, hash_token(secret), scope)  # type: ignore[arg-type]
        for scope, secret in SCOPES.items()
    ),
)
PUBLISHING: Final = Config(paths={"live/*": PathConfig(publish_keys=(hash_key(KEY),))})

# -- what can be asked for -------------------------------------------------------------------------

GET: Final = {
    "hls": "/live/a/index.m3u8",
    "dash": "/live/a/manifest.mpd",
    "media": "/live/a/720p/7.m4s",
    "image": "/live/a/thumbnail.jpg",  # 404 to who may see it: there is none
    "path": "/api/v1/paths/live/a",  # 404 to who may not know of it
    "events": "/api/v1/events?wait=0&after=0",
    "config": "/api/v1/config",
}
SEND: Final[dict[str, tuple[str, str, Any]]] = {
    "whep": ("POST", "/live/a/whep", "v=0"),
    "whip": ("POST", "/live/a/whip", "v=0"),
    "chat": ("POST", "/api/v1/paths/live/a/chat", {"text": "hi"}),
    "meta": ("POST", "/api/v1/paths/live/a/metadata", {"data": {}}),
    "kick": ("DELETE", "/api/v1/publishers/live/a", None),
    "mint": ("POST", "/api/v1/tokens", {"path": ["x"]}),
}

# -- by what ---------------------------------------------------------------------------------------


def fresh(**claims: Any) -> str:
    return token(claims.pop("key", EDDSA), now=time.time(), **claims)


def confused() -> str:
    """HS256 under the public key of an EdDSA key, which everybody may know."""
    claims = {"path": "*", "exp": time.time() + 60}
    header = {"alg": "HS256", "typ": "JWT", "kid": "ed"}
    unsigned = hand_made(header, claims).rpartition(".")[0]
    mac = hmac.new(public_pem(EDDSA).encode(), unsigned.encode(), hashlib.sha256).digest()
    return hand_made(header, claims, mac)


CREDENTIALS: Final[dict[str, Callable[[], str]]] = {
    "nothing": lambda: "",
    "viewing": fresh,
    "alg-none": lambda: hand_made({"alg": "none"}, {"path": "*", "exp": time.time() + 60}),
    "alg-wrong": lambda: fresh(key=ViewKey("ed", "ES256", ES256.material)),
    "alg-confused": confused,
    "stranger's": lambda: fresh(key=STRANGER),
    "expired": lambda: fresh(exp=time.time() - 1),
    "too-early": lambda: fresh(nbf=time.time() + 60),
    "other-path": lambda: fresh(path="vip/*"),
    "other-ip": lambda: fresh(ip="10.0.0.1"),
    "api-read": lambda: SCOPES["read"],
    "api-control": lambda: SCOPES["control"],
    "api-admin": lambda: SCOPES["admin"],
    "api-hash": lambda: hash_token(SCOPES["admin"]),
    "publish-key": lambda: KEY,
    "publish-hash": lambda: PUBLISHING.paths["live/*"].publish_keys[0],
}

# `key` is the query that publishers have, `token` that of viewers, `basic` another scheme of
# `Authorization`. What stands in a prefix or a query is never a token of the API.
TABLE: Final = """
credential    place   hls dash media image path whep join whip chat events meta kick config mint
nothing       -       401 401  401   401   404  401  401  401  401  401    401  401  401    401
viewing       header  200 200  200   404   200  201  0    401  200  401    401  401  401    401
viewing       token   200 200  200   404   200  201  -    401  200  401    401  401  401    401
viewing       prefix  200 200  200   404   200  201  0    401  200  401    401  401  401    401
viewing       basic   401 401  401   401   404  401  401  401  401  401    401  401  401    401
viewing       key     401 401  401   401   404  401  -    401  401  401    401  401  401    401
viewing       cookie  401 401  401   401   404  401  401  401  401  401    401  401  401    401
alg-none      header  401 401  401   401   404  401  401  401  401  401    401  401  401    401
alg-none      token   401 401  401   401   404  401  -    401  401  401    401  401  401    401
alg-none      prefix  401 401  401   401   404  401  401  401  401  401    401  401  401    401
alg-wrong     header  401 401  401   401   404  401  401  401  401  401    401  401  401    401
alg-wrong     prefix  401 401  401   401   404  401  401  401  401  401    401  401  401    401
alg-confused  header  401 401  401   401   404  401  401  401  401  401    401  401  401    401
alg-confused  prefix  401 401  401   401   404  401  401  401  401  401    401  401  401    401
stranger's    header  401 401  401   401   404  401  401  401  401  401    401  401  401    401
stranger's    prefix  401 401  401   401   404  401  401  401  401  401    401  401  401    401
expired       header  401 401  401   401   404  401  401  401  401  401    401  401  401    401
expired       token   401 401  401   401   404  401  -    401  401  401    401  401  401    401
expired       prefix  401 401  401   401   404  401  401  401  401  401    401  401  401    401
too-early     prefix  401 401  401   401   404  401  401  401  401  401    401  401  401    401
other-path    header  403 403  403   403   404  403  403  401  403  401    401  401  401    401
other-path    token   403 403  403   403   404  403  -    401  403  401    401  401  401    401
other-path    prefix  403 403  403   403   404  403  403  401  403  401    401  401  401    401
other-ip      prefix  403 403  403   403   200  403  403  401  403  401    401  401  401    401
api-read      header  401 401  401   404   200  401  401  401  401  200    403  403  403    403
api-control   header  401 401  401   404   200  401  401  401  200  200    200  200  403    403
api-admin     header  401 401  401   404   200  401  401  401  200  200    200  200  200    200
api-admin     token   401 401  401   401   404  401  -    401  401  401    401  401  401    401
api-admin     prefix  401 401  401   401   404  401  401  401  401  401    401  401  401    401
api-admin     key     401 401  401   401   404  401  -    401  401  401    401  401  401    401
api-admin     basic   401 401  401   401   404  401  401  401  401  401    401  401  401    401
api-admin     cookie  401 401  401   401   404  401  401  401  401  401    401  401  401    401
api-hash      header  401 401  401   401   404  401  401  401  401  401    401  401  401    401
publish-key   header  401 401  401   401   404  401  401  201  401  401    401  401  401    401
publish-key   key     401 401  401   401   404  401  -    201  401  401    401  401  401    401
publish-key   token   401 401  401   401   404  401  -    401  401  401    401  401  401    401
publish-key   prefix  401 401  401   401   404  401  401  401  401  401    401  401  401    401
publish-key   basic   401 401  401   401   404  401  401  401  401  401    401  401  401    401
publish-hash  header  401 401  401   401   404  401  401  401  401  401    401  401  401    401
"""
ROWS: Final = [line.split() for line in TABLE.strip().splitlines()]


@dataclass(frozen=True)
class Shown:
    """A credential where somebody puts it."""

    place: str
    text: str

    def url(self, url: str) -> str:
        if self.place == "prefix":
            return f"/t/{self.text}{url}"
        if self.place in ("key", "token"):
            return f"{url}{'&' if '?' in url else '?'}{self.place}={self.text}"
        return url

    @property
    def headers(self) -> dict[str, str]:
        if self.place == "header":
            return {"Authorization": f"Bearer {self.text}"}
        if self.place == "basic":
            return {"Authorization": f"Basic {self.text}"}
        return {"Cookie": f"token={self.text}; key={self.text}"} if self.place == "cookie" else {}


class Door:
    """The WebRTC process and the registry behind it, which judges who publishes."""

    def __init__(self) -> None:
        self.registry = PathRegistry(PUBLISHING, ShelfFeed(MediaStore()))
        self.relay = SignalRelay(self._take)
        self._tasks = set[asyncio.Task[None]]()

    def _take(self, request: SignalRequest) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: SignalRequest) -> None:
        answer = SignalAnswer(request.id, 201, "v=0", {}, "s1")
        if request.verb == "publish":
            asked = PublishRequest(request.path, request.key, "10.0.0.1", "whip", {})
            try:
                await self.registry.publish(asked, FakePublisher())
            except PublishRejected as refusal:
                answer = SignalAnswer(request.id, refusal.http_status or 500, str(refusal))
        self.relay.receive(answer)


@pytest.fixture
async def served(serve: Serve) -> AsyncIterator[Served]:
    door = Door()
    served = await serve(
        two_guarded_paths(), signals=door.relay, commands=Origin().relay, webrtc=True, access=RULES
    )
    served.site.followers.begin(EventsBegin(EPOCH, f"{EPOCH}-0", {}, 1_000, 1 << 24, 1e9))
    yield served
    await door.registry.close()


def two_guarded_paths() -> Shelf:
    shelf = guarded_shelf()
    shelf.path_state(PathState("vip/b", "live"))
    shelf.put(playlist("/vip/b/index.m3u8", PLAYLIST + b"# of the important\n", path="vip/b"))
    return shelf


async def status_of(served: Served, action: str, shown: Shown) -> int:
    if action == "join":
        return await join(served, shown)
    verb, url, body = SEND.get(action, ("GET", GET.get(action, ""), None))
    headers = dict(shown.headers)
    if isinstance(body, str):
        headers["Content-Type"] = "application/sdp"
    sent: dict[str, Any] = {"data": body} if isinstance(body, str) else {"json": body}
    place = f"http://127.0.0.1:{served.port}{shown.url(url)}"
    async with served.client.request(verb, place, headers=headers, **sent) as response:
        told = await response.text(errors="replace")
        assert not shown.text or shown.text not in told, "told back"
        if response.status in (401, 403) and action != "whip":
            assert response.content_type == "application/problem+json"
        # Nothing to read yet is an answer to who may read.
        return 200 if response.status == 204 else response.status


async def join(served: Served, shown: Shown) -> int:
    """0, or the status of the refusal; a token may come with the socket's URL or with the join."""
    prefix = f"/t/{shown.text}" if shown.place == "prefix" else ""
    key = shown.text if shown.place == "header" else ""
    url = f"ws://127.0.0.1:{served.port}{prefix}/api/v1/signalling"
    async with served.client.ws_connect(url) as socket:
        await socket.send_json({"type": "join", "path": "live/a", "sdp": "v=0", "key": key})
        return int((await socket.receive_json()).get("status") or 0)


@pytest.mark.parametrize("row", ROWS[1:], ids=lambda row: f"{row[0]} as {row[1]}")
async def test_what_each_credential_opens_where_it_stands(served: Served, row: list[str]) -> None:
    shown = Shown(row[1], CREDENTIALS[row[0]]())
    expected = dict(zip(ROWS[0][2:], row[2:], strict=True))
    for turn in ("the first time", "again"):  # what was judged is remembered
        told = {
            action: "-" if wanted == "-" else str(await status_of(served, action, shown))
            for action, wanted in expected.items()
        }
        assert told == expected, turn


def test_the_table_has_every_credential_and_every_action() -> None:
    assert {row[0] for row in ROWS[1:]} == set(CREDENTIALS)
    assert set(ROWS[0][2:]) == {*GET, *SEND, "join"}


# -- one token's prefix before another's path ------------------------------------------------------

TRAVERSALS: Final = (
    "/t/{token}/../vip/b/index.m3u8",
    "/t/{token}/live/../vip/b/index.m3u8",
    "/t/{token}/live/a/../../vip/b/index.m3u8",
    "/t/{token}/%2e%2e/vip/b/index.m3u8",
    "/t/{token}/%2E%2E/vip/b/index.m3u8",
    "/t/{token}/.%2e/vip/b/index.m3u8",
    "/t/{token}/live/%2e%2e/vip/b/index.m3u8",
    "/t/{token}/live%2f..%2fvip%2fb%2findex.m3u8",
    "/t/{token}/live/..%2Fvip/b/index.m3u8",
    "/t/{token}/live/..%5cvip/b/index.m3u8",
    "/t/{token}/live/..\\vip/b/index.m3u8",
    "/t/{token}/live/%252e%252e/vip/b/index.m3u8",
    "/t/{token}/live/..%252fvip/b/index.m3u8",
    "/t/{token}%2f..%2f..%2fvip/b/index.m3u8",
    "/t/{token}/./vip/b/index.m3u8",
    "/t%2f{token}/vip/b/index.m3u8",
    "/%74/{token}/../vip/b/index.m3u8",
    "//t/{token}/../vip/b/index.m3u8",
    "/t/{token}/vip/b/index.m3u8",
    "/t/{token}//vip/b/index.m3u8",
    "/live/../t/{token}/vip/b/index.m3u8",
    "/open/b/../../vip/b/index.m3u8?token={token}",
    "/vip/b/index.m3u8?token={token}",
)
Ask = Callable[[Served, str], Awaitable[bytes]]


async def get_short(served: Served, url: str) -> bytes:
    return await served.raw(f"GET {url} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


async def get_long(served: Served, url: str) -> bytes:
    """With a field that the fast path leaves to the others."""
    return await served.raw(f"GET {url} HTTP/1.1\r\nHost: x\r\nX-Odd: 1\r\n\r\n".encode())


async def ask_for_a_cache(served: Served, url: str) -> bytes:
    """As a front does that has a copy."""
    head = f"GET /api/v1/authorized HTTP/1.1\r\nHost: x\r\nX-Original-URI: {url}\r\n\r\n"
    return await served.raw(head.encode())


async def offer(served: Served, url: str) -> bytes:
    place = url.replace("index.m3u8", "whep")
    head = f"POST {place} HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\n"
    return await served.raw(f"{head}Content-Length: 3\r\n\r\nv=0".encode())


@pytest.mark.parametrize("ask", [get_short, get_long, ask_for_a_cache, offer])
@pytest.mark.parametrize("url", TRAVERSALS)
async def test_a_token_opens_no_other_path_however_the_url_is_written(
    served: Served, url: str, ask: Ask
) -> None:
    own = f"/t/{(text := fresh())}/live/a/index.m3u8"
    assert (await ask(served, own)).split(b" ", 2)[1] in (b"200", b"201", b"204")
    for _ in range(2):
        answer = await ask(served, url.format(token=text))
        assert int(answer.split(b" ", 2)[1]) in (400, 401, 403, 404, 405), answer[:200]
        assert b"of the important" not in answer
