"""Keys that viewing tokens are signed by: read again, or from a URL."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from streaming.auth.access_rules import AccessRules, ViewKey
from tests.streaming.auth.tokens import (
    EDDSA,
    ES256,
    public_pem,
)
from tests.streaming.server.conftest import (
    Serve,
)
from tests.streaming.server.guarded_site import PLAYLIST_URL, RULES, fresh, guarded_shelf
from tests.streaming.server.guarded_site import peer as peer
from tests.streaming.server.guarded_site import served as served


async def test_a_token_by_an_unknown_key_has_the_key_set_read_again(
    serve: Serve, tmp_path: Any
) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [public_record(EDDSA)]}))
    served = await serve(guarded_shelf(), access=AccessRules(views=RULES.views, jwks=str(file)))
    assert (await served.get(f"/t/{fresh()}{PLAYLIST_URL}"))[0].status == 200
    file.unlink()  # the keys that were there stay
    assert (await served.get(f"/t/{fresh(path='live/a')}{PLAYLIST_URL}"))[0].status == 200
    assert (await served.get(f"/t/{fresh(key=ES256)}{PLAYLIST_URL}"))[0].status == 401


async def test_a_key_set_at_a_url_is_read_and_read_again_when_another_key_signs(
    serve: Serve,
) -> None:
    async with key_sets() as (url, sets):
        served = await serve(guarded_shelf(), access=AccessRules(views=RULES.views, jwks=url))
        sets[:] = [public_record(EDDSA), {"kty": "oct", "kid": "hs", "k": "YSBzZWNyZXQgb2Y"}]
        assert (await served.get(f"/t/{fresh()}{PLAYLIST_URL}"))[0].status == 200
        assert (await served.get(f"/t/{fresh(key=ES256)}{PLAYLIST_URL}"))[0].status == 401
        sets[:] = [public_record(EDDSA), public_record(ES256)]
        served.site.access.apply(served.site.access.rules)  # as ten seconds later
        assert (await served.get(f"/t/{fresh(key=ES256)}{PLAYLIST_URL}"))[0].status == 200
        # What is at a URL is no secret, so nothing may be signed by it.
        assert [one.algorithm for one in served.site.access.tokens._keys] == ["EdDSA", "ES256"]


@contextlib.asynccontextmanager
async def key_sets() -> AsyncIterator[tuple[str, list[Any]]]:
    """A server of the key set that the test puts into the list."""
    keys: list[Any] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"keys": keys})

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}/keys.json", keys
    finally:
        await runner.cleanup()


def public_record(key: ViewKey) -> dict[str, Any]:
    """A key as identity providers publish it."""
    found: Any = load_pem_public_key(public_pem(key).encode())
    algorithm = jwt.algorithms.OKPAlgorithm if key is EDDSA else jwt.algorithms.ECAlgorithm
    return {**json.loads(algorithm.to_jwk(found)), "kid": key.id}
