"""Who asks: the credential taken out of a request, and whether it is good for what is asked.

A viewing token comes as `Authorization: Bearer`, as `?token=`, or before everything else in the
URL: /t/<token>/live/foo/index.m3u8, which relative URLs inherit. Whatever a URL looks like, what
counts in the end is the path of the resource that was found for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ipaddress
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote

from aiohttp.web import BaseRequest, Response, StreamResponse

from streaming.auth.access_rules import AccessRules, ViewKey, ViewPolicy
from streaming.auth.addresses import Network, address_of, is_in, parse_address
from streaming.auth.api_tokens import Scope, covers, find_token
from streaming.auth.hook import AuthHook, Question
from streaming.auth.view_keys import fetch_key_set
from streaming.auth.view_tokens import Grant, ViewTokens
from streaming.errors import ConfigError, TokenRefused
from streaming.rtc.signal_messages import TokenShare
from streaming.server.answers import RETRY_AFTER_S, problem_response
from streaming.server.viewers import viewer_key

logger = logging.getLogger(__name__)

PREFIX: Final = "/t/"
REFETCH_S: Final = 10.0
"""A token by an unknown key has the key set read again, so often at most."""

_PREFIXED: Final = re.compile(r"/t/([A-Za-z0-9_.-]+)(/.*)", re.DOTALL)
_HIDDEN: Final = re.compile(r"%2f|%5c|%2e|%25|\\", re.IGNORECASE)
"""Slashes, dots and per cent signs in disguise: proxies see another URL in them than we do."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request is for, and what it brings to get it."""

    url: str
    """Decoded, without a token."""
    token: str = ""
    place: Literal["prefix", "header", "query", ""] = ""
    """Where the token was."""


def read_request(request: BaseRequest) -> Asked | None:
    """The URL and the token of a request; None where the URL plays tricks with a prefix."""
    raw = request.rel_url.raw_path
    if raw.startswith(PREFIX) or request.path.startswith(PREFIX):
        return read_prefixed(raw)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return Asked(request.path, token.strip(), "header")
    query = request.query.get("token", "") if "token=" in request.query_string else ""
    return Asked(request.path, query, "query" if query else "")


def read_prefixed(raw: str) -> Asked | None:
    """The URL and the token of a URL path that begins with a token; None where it plays tricks."""
    match = _PREFIXED.fullmatch(raw)
    if match is None or _HIDDEN.search(match[2]) or has_dot_segment(match[2]):
        return None
    return Asked(unquote(match[2]), match[1], "prefix")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls the API."""

    scope: Scope | None
    """None: nobody in particular."""
    name: str = ""


_NOBODY: Final = Caller(None)
_LOCAL: Final = Caller("admin", "a program on this machine")
_FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
"""Fields by which fronts show themselves: who comes through one is not on this machine."""


def is_local(request: BaseRequest) -> bool:
    """Whether a program on this machine asks, by itself: no front, and no page of another site.

    A page of any site can have a browser on this machine ask us, so what browsers say of it counts:
    Origin and Sec-Fetch-Site, and the Host that a name which was pointed at us would have.
    """
    headers = request.headers
    if any(name in headers for name in _FORWARDED) or not _is_loopback(request.remote or ""):
        return False
    if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return False
    if not _is_loopback(address_of(request.host)):
        return False
    origin = headers.get("Origin")
    return origin is None or origin.partition("://")[2].lower() == request.host.lower()


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    address = parse_address(host)
    return address is not None and address.is_loopback


def scope_challenge(scope: Scope) -> str:
    """What a 401 of the API has to say (RFC 9110 15.5.2, RFC 6750 3)."""
    return f'Bearer realm="headwater", scope="{scope}"'


def has_dot_segment(path: str) -> bool:
    """Whether some part between slashes is "." or ".."."""
    return any(part in (".", "..") for part in path.split("/"))


class Access:
    """Owns the rules, the tokens that were verified, and the reading of the key set.

    One per delivery process; the site asks, the link replaces the rules.
    """

    def __init__(self, rules: AccessRules, utc: Callable[[], float] = time.time) -> None:
        self._utc = utc
        self._fetched_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self._key_set: tuple[ViewKey, ...] = ()
        self.rules = AccessRules()
        self.hook = AuthHook(self.rules.hook)
        self.apply(rules)

    def apply(self, rules: AccessRules) -> None:
        """New rules; tokens are verified anew, by their keys."""
        if rules.jwks != self.rules.jwks:
            self._key_set = ()
        self.rules = rules
        self.policy = ViewPolicy(rules)
        self.tokens = ViewTokens(rules, self._key_set)
        if rules.hook != self.hook.rules:
            self.hook.close()
            self.hook = AuthHook(rules.hook)
        self._proxies = _networks(rules.trusted_proxies)
        self._fetched_at = float("-inf")

    async def keep_keys(self) -> None:
        """Reads the key set every so often; for ever."""
        while True:
            if self.rules.jwks:
                await self._fetch()
            await asyncio.sleep(self.rules.jwks_refresh_s)

    # -- the fast path's questions -------------------------------------------------------------

    def admits(self, token: bytes, path: str, viewer: int) -> bool:
        """Whether this viewer had `path` by this token a moment ago."""
        grant = self.tokens.known(token)
        return grant is not None and grant.is_admitted(path, viewer, self._utc())

    # -- the API's -----------------------------------------------------------------------------

    def caller(self, request: BaseRequest, asked: Asked) -> Caller:
        """Who calls; a token in the URL is none of the API."""
        tokens = self.rules.api_tokens
        if asked.place == "header":
            found = find_token(tokens, asked.token)
            return _NOBODY if found is None else Caller(found.scope, found.name)
        return _LOCAL if not tokens and is_local(request) else _NOBODY

    def follow_refusal(self, request: BaseRequest, asked: Asked) -> Response | None:
        """401 for who may not read all events, which name guarded paths, too; None for others."""
        if self.rules.api_public and self.policy.all_open:
            return None
        if covers(self.caller(request, asked).scope, "read"):
            return None
        detail = "Events are for callers with the scope read."
        response = problem_response(401, "Token needed", detail)
        response.headers["WWW-Authenticate"] = scope_challenge("read")
        return response

    def is_operator(self, path: str, request: BaseRequest, asked: Asked) -> bool:
        """Whether a token of the API, rather than one for viewing, brings who asks to `path`.

        Being on this machine is not enough: fronts that do not show themselves are there, too.
        """
        if asked.place != "header" or self.policy.is_open(path):
            return False
        return covers(self.caller(request, asked).scope, "read")

    # -- the site's ----------------------------------------------------------------------------

    async def refusal(
        self, path: str, asked: Asked, request: BaseRequest, action: str = "read"
    ) -> Response | None:
        """401, 403 or 503 with the reason; None where `path` may be viewed."""
        if self.policy.is_open(path):
            return None
        agent = request.headers.get("User-Agent", "").encode("utf-8", "surrogateescape")
        viewer = viewer_key(request.remote or "", agent)
        address = self.client_address(request)
        status, reason = await self.judge(path, asked.token, address, viewer, action)
        if not status:
            return None
        if status == 503:  # the hook is away, which says nothing of the token
            response = problem_response(status, "Busy", f"{reason}.")
            response.headers["Retry-After"] = str(RETRY_AFTER_S)
            return response
        if asked.token:
            response = problem_response(status, "Token refused", f"{reason}.")
            error = "invalid_token" if status != 403 else "insufficient_scope"
            challenge = f'Bearer realm="headwater", error="{error}"'
        else:
            response = problem_response(status, "Token needed", f"{reason}.")
            challenge = 'Bearer realm="headwater"'
        response.headers["WWW-Authenticate"] = challenge
        return response

    async def judge(
        self, path: str, token: str, address: str, viewer: int, action: str = "read"
    ) -> tuple[int, str]:
        """HTTP status and reason of a refusal; 0 where the viewer is let in."""
        rule = self.policy.rule(path)
        if rule == "open":
            return 0, ""
        if rule == "token":
            status, reason = await self._judge_token(path, token, address, viewer)
            if status:
                return status, reason
        elif token and find_token(self.rules.api_tokens, token) is not None:
            return 401, "that is a token of the API, which no auth hook is to see"
        elif not self.hook.wants(action):
            return 403, f"{path} is for those whom the auth hook lets, which is not asked"
        if self.hook.wants(action):
            protocol = "webrtc" if action == "whep" else "http"
            question = Question(action, path, protocol, address, token)
            verdict = await self.hook.ask(question)
            if verdict.status:
                return verdict.status, verdict.reason
        grant = self.tokens.opaque(token) if rule == "hook" else await self._verify(token)
        grant.admit(path, viewer, self._utc())
        return 0, ""

    def share(self, path: str, token: str) -> TokenShare | None:
        """Of the token by which `path` was just opened to a session, where it has a limit.

        A session asks once and stays, so whoever has the sessions counts them.
        """
        name = token.encode("utf-8", "replace")
        grant = None if self.policy.is_open(path) else self.tokens.known(name)
        if grant is None or not grant.max_sessions:
            return None
        return TokenShare(hashlib.sha256(name).hexdigest()[:32], grant.max_sessions)

    async def _judge_token(
        self, path: str, token: str, address: str, viewer: int
    ) -> tuple[int, str]:
        if not token:
            return 401, f"{path} is for viewers with a token"
        try:
            grant = await self._verify(token)
        except TokenRefused as refusal:
            return 401, str(refusal)
        reason = grant.refusal(path, address, viewer, self._utc())
        return (403, reason) if reason else (0, "")

    def has_token_for(self, path: str, asked: Asked) -> bool:
        """Whether the request brings a viewing token for `path`."""
        if self.policy.rule(path) == "hook":  # what it would say is not asked for a list's sake
            return False
        with contextlib.suppress(TokenRefused):
            return bool(asked.token) and self.tokens.verify(asked.token, self._utc()).covers(path)
        return False

    def finish(self, path: str, asked: Asked, response: StreamResponse) -> None:
        """Keeps shared caches from giving to everyone what came by a token they do not see."""
        rule = response.headers.get("Cache-Control", "")
        if asked.place in ("header", "query") and not self.policy.is_open(path):
            if "public" in rule:
                response.headers["Cache-Control"] = rule.replace("public", "private")
            elif rule != "no-store":
                response.headers["Cache-Control"] = "private, no-cache"

    def client_address(self, request: BaseRequest) -> str:
        """Where the client is: the last hop that is no front of ours."""
        address = request.remote or ""
        if not is_in(address, self._proxies):
            return address
        hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",")]
        for hop in reversed([hop for hop in hops if hop]):
            address = hop
            if not is_in(hop, self._proxies):
                break
        return address

    async def _verify(self, token: str) -> Grant:
        try:
            return self.tokens.verify(token, self._utc())
        except TokenRefused as refusal:
            is_due = time.monotonic() - self._fetched_at > REFETCH_S
            if refusal.is_final or not self.rules.jwks or not is_due:
                raise
        await self._fetch()
        return self.tokens.verify(token, self._utc())

    async def _fetch(self) -> None:
        """Reads the key set, once for all who ask meanwhile; keeps the old one where it fails."""
        if self._fetching is None or self._fetching.done():
            self._fetched_at = time.monotonic()
            self._fetching = asyncio.get_running_loop().create_task(self._fetch_now())
        await asyncio.shield(self._fetching)

    async def _fetch_now(self) -> None:
        rules = self.rules
        try:
            keys = await asyncio.to_thread(fetch_key_set, rules.jwks)
        except ConfigError as error:
            logger.warning("%s", error)
            return
        if keys != self._key_set and rules is self.rules:
            self._key_set = keys
            self.tokens = ViewTokens(rules, keys)


def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)
