"""A site with an API, and an origin behind it that answers what tests say."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from streaming.auth.access_rules import AccessRules
from streaming.auth.api_tokens import SCOPES, ApiToken, hash_token, new_token
from streaming.command_messages import (
    CommandAnswer,
    CommandRequest,
)
from streaming.server.command_relay import CommandRelay
from tests.streaming.auth.tokens import KEYS
from tests.streaming.server.conftest import Serve, Served
from tests.streaming.server.guarded_site import guarded_shelf

TOKENS = {scope: new_token() for scope in SCOPES}
API_TOKENS = tuple(ApiToken(scope, hash_token(TOKENS[scope]), scope) for scope in SCOPES)
RULES = AccessRules(api_tokens=API_TOKENS, keys=KEYS)
CHANGES = {"changed": ["x"], "deferred": [], "needs_restart": []}
RESULTS = {
    "Kick": {"path": "live/a", "state_version": 8},
    "ChooseOnAir": {"path": "live/a", "state_version": 8},
    "ListSessions": {"sessions": [], "next": "live/a/rtmp-1"},
    "GetSession": {
        "path": "live/a",
        "session": "s1",
        "protocol": "rtmp",
        "role": "publisher",
        "rank": "primary",
        "is_on_air": True,
        "remote": "",
        "since_utc": 1.0,
        "received_bytes": 0,
        "webrtc": None,
    },
    "EndSession": {"path": "live/a", "session": "s1"},
    "SendMessage": {"id": "1-2", "ts": 1.0, "media_time_ms": None},
    "SetSource": CHANGES,
    "RemoveSource": CHANGES,
    "ListSources": {"sources": []},
    "GetSettings": {"path": "live/a", "table": "", "set_by_api": {}, "effective": {}},
    "ChangeSettings": CHANGES,
    "ForgetSettings": CHANGES,
    "ReloadConfig": CHANGES,
    "ListWebhooks": {"webhooks": []},
    "SetWebhook": {"name": "mine", "secret": "", "changes": CHANGES},
    "RemoveWebhook": CHANGES,
    "EnableWebhook": {"name": "mine", "disabled": False},
    "ListDeliveries": {"deliveries": []},
    "ReplayEvents": {"replayed": 1, "next": ""},
    "GetConfig": {"http": {}},
    "ValidateConfig": {"valid": True, "reason": ""},
}
BODIES: dict[str, Any] = {
    "chooseOnAir": {"rank": "backup"},
    "sendMetadata": {"data": {"score": 3}},
    "sendChat": {"text": "hello"},
    "setSource": {"source": "test:"},
    "changeSettings": {"ladder": [{"name": "360p", "height": 360}], "window_s": None},
    "setWebhook": {"url": "https://example.org/x"},
    "replayEvents": {"events": ["5-1"]},
    "validateConfig": {"toml": ""},
    "mintToken": {"path": ["live/*"]},
}


class Origin:
    """A main process that does everything it is told."""

    def __init__(self) -> None:
        self.told: list[CommandRequest] = []
        self.refusal: tuple[int, str] | None = None
        self.relay = CommandRelay(self._take)

    def _take(self, request: CommandRequest) -> None:
        self.told.append(request)
        answer = CommandAnswer(request.id, 200, RESULTS[type(request.command).__name__])
        if self.refusal is not None:
            answer = CommandAnswer(request.id, self.refusal[0], detail=self.refusal[1])
        asyncio.get_running_loop().call_soon(self.relay.receive, answer)


@pytest.fixture
def origin() -> Origin:
    return Origin()


@pytest.fixture
async def served(serve: Serve, origin: Origin) -> Served:
    return await serve(guarded_shelf(), commands=origin.relay, access=RULES)


async def call(
    served: Served, method: str, url: str, body: Any = None, **headers: str
) -> tuple[aiohttp.ClientResponse, Any]:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    target = f"http://127.0.0.1:{served.port}/api/v1{url}"
    async with served.client.request(method, target, json=body, headers=fields) as response:
        return response, json.loads(await response.read() or b"null")


def bearer(scope: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[scope]}"} if scope in TOKENS else {}
