"""A site whose paths are for those with a token, and what they bring."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from streaming.auth.access_rules import AccessRules
from streaming.auth.api_tokens import new_token
from streaming.rtc.signal_messages import SignalAnswer, SignalRequest
from streaming.server.signal_relay import SignalRelay
from streaming.shelf import Shelf
from streaming.shelf_messages import PathState
from tests.streaming.auth.tokens import (
    EDDSA,
    KEYS,
    hand_made,
    token,
)
from tests.streaming.server.conftest import (
    Serve,
    Served,
    filled_shelf,
    playlist,
)

RULES = AccessRules(views=(("live/*", "token"), ("open/*", "open")), keys=KEYS)
PLAYLIST_URL = "/live/a/index.m3u8"
SEGMENT_URL = "/live/a/720p/7.m4s"


class Peer:
    """A WebRTC process that answers every offer."""

    def __init__(self) -> None:
        self.asked: list[SignalRequest] = []
        self.relay = SignalRelay(self._ask)

    def _ask(self, request: SignalRequest) -> None:
        self.asked.append(request)
        answer = SignalAnswer(request.id, 201, "v=0", {}, "s1")
        asyncio.get_running_loop().call_soon(self.relay.receive, answer)


@pytest.fixture
def peer() -> Peer:
    return Peer()


OPERATORS = {"read": new_token(), "control": new_token(), "admin": new_token()}


def guarded_shelf() -> Shelf:
    """The filled shelf's path is for tokens; another is open."""
    shelf = filled_shelf()
    shelf.path_state(PathState("open/b", "live"))
    shelf.put(playlist("/open/b/index.m3u8", path="open/b"))
    return shelf


@pytest.fixture
async def served(serve: Serve, peer: Peer) -> Served:
    return await serve(guarded_shelf(), signals=peer.relay, webrtc=True, access=RULES)


def fresh(**claims: Any) -> str:
    key = claims.pop("key", EDDSA)
    return token(key, now=time.time(), **claims)


def none() -> str:
    return hand_made({"alg": "none", "kid": "ed"}, {"path": "*", "exp": time.time() + 60})
