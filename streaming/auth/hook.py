"""The authorization hook: an HTTP server of the operator's that says who may publish and view.

Asked in a thread with the standard library, since neither the main process nor a viewer's request
may wait on anything else meanwhile. Verdicts are remembered, so reconnects and playlists are cheap.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Final

from msgspec import Struct

logger = logging.getLogger(__name__)

THREADS: Final = 8
MOST_WAITING: Final = 500
"""Questions at once; what is beyond fails as if the hook were away."""
MOST_REMEMBERED: Final = 20_000
REFUSED_S: Final = 5.0
"""How long a refusal is remembered: players and encoders ask again every second or two."""


class HookRules(Struct, array_like=True, frozen=True):
    """How to ask; an empty URL is no hook."""

    url: str = ""
    actions: tuple[str, ...] = ()
    timeout_s: float = 3.0
    fail_open: tuple[str, ...] = ()
    """Actions that are allowed while there is no answer."""
    cache_s: float = 30.0
    secret: str = ""
    """Sent as a bearer token. Never logged."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the hook is told, as JSON."""

    action: str
    """publish, whip, read or whep."""
    path: str
    protocol: str
    address: str
    credential: str = field(default="", repr=False)
    """The publish key or the viewing token, as it came."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the hook says."""

    status: int = 0
    """0: yes. Else what an HTTP edge answers with."""
    reason: str = ""


class NoAnswer(Exception):
    """The hook is away, slow or beside itself."""


class AuthHook:
    """Owns the threads that ask and the verdicts that are remembered."""

    def __init__(self, rules: HookRules, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.rules = rules
        self._monotonic = monotonic
        self._pool = ThreadPoolExecutor(THREADS, "auth hook")
        self._secret = secrets.token_bytes(32)
        self._verdicts: OrderedDict[bytes, tuple[float, Verdict]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Verdict]] = {}
        self._is_away = False
        self.asked = 0
        """Requests sent so far."""

    def wants(self, action: str) -> bool:
        """Whether the hook is to be asked about `action`."""
        return bool(self.rules.url) and action in self.rules.actions

    async def ask(self, question: Question) -> Verdict:
        """The verdict, perhaps a remembered one; one request for all who ask the same at once."""
        name = hmac.digest(self._secret, json.dumps(asdict(question)).encode(), "sha256")
        known = self._verdicts.get(name)
        if known is not None and known[0] > self._monotonic():
            return known[1]
        asking = self._asking.get(name)
        if asking is None:
            if len(self._asking) >= MOST_WAITING:
                return self._without_answer(question, "too many questions at once")
            asking = asyncio.get_running_loop().create_task(self._ask_now(question, name))
            self._asking[name] = asking
        return await asyncio.shield(asking)

    def close(self) -> None:
        """No more questions; those that are on their way are answered."""
        self._pool.shutdown(wait=False)

    async def _ask_now(self, question: Question, name: bytes) -> Verdict:
        self.asked += 1
        try:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(self.rules.timeout_s):
                verdict = await loop.run_in_executor(self._pool, _post, self.rules, question)
        except (NoAnswer, TimeoutError) as error:
            return self._without_answer(question, str(error) or "no answer in time")
        except RuntimeError:  # closed meanwhile: another configuration
            return self._without_answer(question, "it is being replaced")
        finally:
            del self._asking[name]
        if self._is_away:
            self._is_away = False
            logger.info("the auth hook answers again")
        lasts_s = min(REFUSED_S, self.rules.cache_s) if verdict.status else self.rules.cache_s
        self._verdicts[name] = self._monotonic() + lasts_s, verdict
        self._verdicts.move_to_end(name)
        while len(self._verdicts) > MOST_REMEMBERED:
            self._verdicts.popitem(last=False)
        return verdict

    def _without_answer(self, question: Question, reason: str) -> Verdict:
        if not self._is_away:
            self._is_away = True
            logger.warning("the auth hook does not answer: %s", reason)
        if question.action in self.rules.fail_open:
            return Verdict()
        return Verdict(503, "whether this is allowed cannot be found out now; try again")


def _post(rules: HookRules, question: Question) -> Verdict:
    """Asks; blocks for about the time-out at most. Raises NoAnswer."""
    # Here, so that an origin without a hook does not import an HTTP client.
    from streaming.auth.hook_request import post

    return post(rules, question)
