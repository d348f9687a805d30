"""Action × credential × what is expected, for what other tables leave out.

Viewing is in test_view_access.py, the API in test_api.py. Here is
publishing by RTMP, RTMPS and WHIP, and following events in each of its ways.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from streaming.auth.access_rules import AccessRules
from streaming.auth.api_tokens import ApiToken, hash_token, new_token
from streaming.auth.publish_keys import hash_key
from streaming.config import Config, RtmpConfig
from streaming.config_paths import PathConfig
from streaming.errors import PublishRejected
from streaming.events.event_messages import EventsBegin
from streaming.ingest.rtmp.limits import RtmpLimits
from streaming.ingest.rtmp.server import RtmpServer
from streaming.ingest.source import PublishRequest
from streaming.media_store import MediaStore
from streaming.path_registry import PathRegistry
from streaming.shelf_feed import ShelfFeed
from streaming.tls import Certificate
from tests.interop.edge_room import trusting_anyone, write_certificate
from tests.streaming.auth.tokens import EDDSA, KEYS, hand_made, token
from tests.streaming.events.happenings import EPOCH
from tests.streaming.ingest.rtmp import wire
from tests.streaming.ingest.rtmp.server_room import Client
from tests.streaming.server.conftest import Serve, Served
from tests.streaming.server.guarded_site import Peer, guarded_shelf
from tests.streaming.test_path import FakePublisher

RIGHT, OTHER = "the-right-key", "the-key-of-another-path"
HASH, OTHER_HASH = hash_key(RIGHT), hash_key(OTHER)
CONFIG: Final = Config(
    paths={
        "live/*": PathConfig(publish_keys=(HASH,)),
        "other/*": PathConfig(publish_keys=(OTHER_HASH,)),
        "plain/*": PathConfig(publish_key=RIGHT),
        "open/*": PathConfig(),
    }
)
API: Final = new_token()
VIEWING: Final = token(EDDSA)

# -- publishing by RTMP and RTMPS --------------------------------------------------------------

NAMES: Final = {
    "right key": ("live", f"foo?key={RIGHT}", True),
    "right key on the server's URL": (f"live?key={RIGHT}", "foo", True),
    "right plain key": ("plain", f"foo?key={RIGHT}", True),
    "no key where none is wanted": ("open", "foo", True),
    "any key where none is wanted": ("open", "foo?key=x", True),
    "no key": ("live", "foo", False),
    "empty key": ("live", "foo?key=", False),
    "wrong key": ("live", "foo?key=wrong", False),
    "right key and more": ("live", f"foo?key={RIGHT}x", False),
    "right key in capitals": ("live", f"foo?key={RIGHT.upper()}", False),
    "key of another path": ("live", f"foo?key={OTHER}", False),
    "the hash itself": ("live", f"foo?key={HASH}", False),
    "token of the API": ("live", f"foo?key={API}", False),
    "viewing token": ("live", f"foo?key={VIEWING}", False),
    "key as token": ("live", f"foo?token={RIGHT}", False),
    "key as KEY": ("live", f"foo?KEY={RIGHT}", False),
    "key as a part of the name": ("live", f"foo/{RIGHT}", False),
    "key as app": (RIGHT, "live/foo", True),  # a path of its own, which nobody guards
    "traversal to an open path": ("live", f"../open/foo?key={OTHER}", False),
    "traversal from an open path": ("open", "../live/foo", False),
    "token prefix": ("t", f"{VIEWING}/live/foo", False),
    "two keys, the last right": ("live", f"foo?key=wrong&key={RIGHT}", True),
    "two keys, the last wrong": ("live", f"foo?key={RIGHT}&key=wrong", False),
}


class Ports:
    """An RTMP server with both ports before a registry."""

    def __init__(self, folder: Path) -> None:
        write_certificate(folder)
        files = folder / "fullchain.pem", folder / "privkey.pem"
        self.tls = Certificate(*files, "rtmp", protocols=()).context
        self.registry = PathRegistry(CONFIG, ShelfFeed(MediaStore()))
        listen = "127.0.0.1:0"
        rtmp = RtmpConfig(listen=listen, tls_listen=listen)
        self.server = RtmpServer(rtmp, self.registry, RtmpLimits(linger_s=0.05))

    async def publish(self, scheme: str, app: str, name: str) -> bytes:
        """What a publisher hears, up to the verdict."""
        secure = trusting_anyone() if scheme == "rtmps" else None
        port = self.server.tls_port if secure else self.server.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=secure)
        client = Client(reader, writer)
        client.send(wire.handshake() + wire.connect(app))
        client.send(wire.command("createStream", 4, None))
        client.send(wire.command("publish", 5, None, name, "live", stream_id=1))
        try:
            async with asyncio.timeout(20):
                while b"NetStream.Publish." not in client.heard or b"error" in client.heard:
                    data = await reader.read(65_536)
                    if not data:
                        break
                    client.heard += data
        finally:
            writer.transport.abort()
        return client.heard


@pytest.fixture
async def ports(tmp_path: Path) -> AsyncIterator[Ports]:
    ports = Ports(tmp_path)
    await ports.server.start(ports.tls)
    yield ports
    await ports.server.close()
    await ports.registry.close()


@pytest.mark.parametrize("scheme", ["rtmp", "rtmps"])
@pytest.mark.parametrize("case", NAMES)
async def test_publishing_by_rtmp(ports: Ports, scheme: str, case: str) -> None:
    app, name, is_let = NAMES[case]
    heard = await ports.publish(scheme, app, name)
    assert (b"NetStream.Publish.Start" in heard) == is_let
    if not is_let:
        assert b"NetStream.Publish.BadName" in heard
        for secret in (RIGHT, OTHER, HASH, API):
            if secret not in name:  # what the publisher itself has sent is told back
                assert secret.encode() not in heard


# -- publishing by WHIP ------------------------------------------------------------------------

PLACES: Final[dict[str, tuple[str, dict[str, str], str]]] = {
    "header": ("", {"Authorization": f"Bearer {RIGHT}"}, RIGHT),
    "header in small letters": ("", {"authorization": f"bearer {RIGHT}"}, RIGHT),
    "query": (f"?key={RIGHT}", {}, RIGHT),
    "header before query": (f"?key={OTHER}", {"Authorization": f"Bearer {RIGHT}"}, RIGHT),
    "nowhere": ("", {}, ""),
    "basic": ("", {"Authorization": f"Basic {RIGHT}"}, ""),
    "another field": ("", {"X-Key": RIGHT}, ""),
    "query by another name": (f"?token={RIGHT}", {}, ""),
    "cookie": ("", {"Cookie": f"key={RIGHT}"}, ""),
}


@pytest.mark.parametrize("place", PLACES)
async def test_whip_takes_its_key_from_two_places_alone(serve: Serve, place: str) -> None:
    query, headers, taken = PLACES[place]
    peer = Peer()
    served = await serve(guarded_shelf(), signals=peer.relay, webrtc=True)
    target = f"http://127.0.0.1:{served.port}/live/foo/whip{query}"
    fields = {"Content-Type": "application/sdp", **headers}
    async with served.client.post(target, data="v=0", headers=fields) as response:
        assert response.status == 201
        assert RIGHT not in str(response.headers)
    (asked,) = peer.asked
    assert (asked.verb, asked.path, asked.key) == ("publish", "live/foo", taken)


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("live/foo", RIGHT, 0),
        ("live/foo", "", 401),
        ("live/foo", OTHER, 401),
        ("live/foo", VIEWING, 401),
        ("live/foo", API, 401),
        ("live/foo", HASH, 401),
        ("open/foo", "", 0),
        ("open/../live/foo", "", 400),
        ("t/x/live/foo", RIGHT, 400),
        ("api/foo", RIGHT, 400),
    ],
    ids=[
        "right", "none", "other", "viewing token", "API token", "hash", "open", "traversal",
        "prefix", "reserved",
    ],  # made anew each time: processes that share tests must call them the same
)  # fmt: skip
async def test_the_door_judges_what_whip_brings(path: str, key: str, status: int) -> None:
    registry = PathRegistry(CONFIG, ShelfFeed(MediaStore()))
    try:
        asked = PublishRequest(path, key, "10.0.0.1", "whip", {})
        told = 0
        try:
            await registry.publish(asked, FakePublisher())
        except PublishRejected as refusal:
            told = refusal.http_status or 0
        assert told == status
    finally:
        await registry.close()


# -- following events --------------------------------------------------------------------------

RULES: Final = AccessRules(
    views=(("live/*", "token"), ("open/*", "open")),
    keys=KEYS,
    api_tokens=tuple(
        ApiToken(scope, hash_token(f"{scope}-{API}"), scope)  # type: ignore[arg-type]
        for scope in ("read", "control", "admin")
    ),
)
FOLLOWERS: Final[dict[str, tuple[str, str, int]]] = {
    "read": ("header", f"read-{API}", 200),
    "control": ("header", f"control-{API}", 200),
    "admin": ("header", f"admin-{API}", 200),
    "nobody": ("", "", 401),
    "wrong": ("header", "wrong", 401),
    "its hash": ("header", hash_token(f"read-{API}"), 401),
    "in the query": ("query", f"read-{API}", 401),
    "in the path": ("prefix", f"read-{API}", 401),
    "a viewing token": ("header", "viewing", 401),
    "a viewing token in the path": ("prefix", "viewing", 401),
    "alg none": ("header", "none", 401),
    "a publish key": ("header", RIGHT, 401),
}


@pytest.mark.parametrize("way", ["stream", "poll", "socket"])
@pytest.mark.parametrize("who", FOLLOWERS)
async def test_following_events(serve: Serve, who: str, way: str) -> None:
    place, credential, expected = FOLLOWERS[who]
    now = time.time()
    made = {
        "viewing": lambda: token(EDDSA, now=now),
        "none": lambda: hand_made({"alg": "none", "kid": "ed"}, {"path": "*", "exp": now + 60}),
    }
    text = made[credential]() if credential in made else credential
    served = await serve(guarded_shelf(), access=RULES)
    served.site.followers.begin(EventsBegin(EPOCH, f"{EPOCH}-0", {}, 1_000, 1 << 24, 1e9))
    url = f"/t/{text}/api/v1/events" if place == "prefix" else "/api/v1/events"
    query = f"&token={text}" if place == "query" else ""
    headers = {"Authorization": f"Bearer {text}"} if place == "header" else {}
    assert await follow(served, f"{url}?{{}}{query}", way, headers) == expected


async def follow(served: Served, url: str, way: str, headers: dict[str, Any]) -> int:
    """The status that a follower gets."""
    place = f"127.0.0.1:{served.port}"
    if way == "socket":
        try:
            async with served.client.ws_connect(f"ws://{place}{url.format('')}", headers=headers):
                return 200
        except aiohttp.WSServerHandshakeError as refused:
            return refused.status
    asked = url.format("wait=0" if way == "poll" else "")
    async with served.client.get(f"http://{place}{asked}", headers=headers) as response:
        return response.status
