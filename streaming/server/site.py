"""Which answer belongs to which URL: the one map of everything a delivery process serves."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias

from aiohttp.web import BaseRequest, Response, StreamResponse, WebSocketResponse

from segmenter.hls.directives import Refuse
from streaming.auth.access_rules import AccessRules
from streaming.live_requests import Growing, LiveRequests, Pending
from streaming.resource import Resource
from streaming.server.access import Access, Asked, read_prefixed, read_request
from streaming.server.answers import (
    FAILED,
    RETRY_AFTER_S,
    absence_response,
    problem_response,
    resource_response,
    text_response,
)
from streaming.server.api import Api, ApiView, allowed_methods
from streaming.server.api_types import ServerRecord
from streaming.server.command_relay import CommandRelay
from streaming.server.counters import Counters
from streaming.server.event_stream import EventStream
from streaming.server.events import URL as EVENTS_URL
from streaming.server.events import events_response
from streaming.server.fast_path import FastPath
from streaming.server.followers import Followers
from streaming.server.growing import GrowingResponse, wait_for
from streaming.server.metrics import health_response, metrics_response, ready_response
from streaming.server.middleware import ALLOWED_METHODS, Headers, options_response
from streaming.server.player import Pages, is_compare_page, is_path_name, is_publish_page
from streaming.server.session_events import SessionEvents
from streaming.server.signal_relay import SignalRelay
from streaming.server.signalling import (
    SignalPlace,
    signal_place,
    signal_response,
)
from streaming.server.signalling_socket import URL as SIGNALLING_URL
from streaming.server.signalling_socket import signalling_socket
from streaming.server.thumbnail import is_thumbnail, thumbnail_resource
from streaming.server.utc_timing import time_response
from streaming.server.viewers import ViewerCounter, viewer_key
from streaming.shelf import Absence
from streaming.shelf_messages import DeliveryConfig, Metrics, Totals
from streaming.thumbnail.thumbnail_process import ThumbnailProcess
from streaming.thumbnail.thumbnails import Thumbnails, TooManyAskError
from streaming.waiting_room import Outcome

logger = logging.getLogger(__name__)

Answered: TypeAlias = Response | GrowingResponse | EventStream | SessionEvents | WebSocketResponse

AUTHORIZED_URL: Final = "/api/v1/authorized"
ORIGINAL_URL: Final = "X-Original-URI"
"""As nginx's auth_request passes it on by convention."""

MAX_URL_CHARS: Final = 1_024
"""Longer URLs are 404 without a look; ours have under 300."""


class Site:
    """Answers every request from the shelf and the pages; owned by the delivery process."""

    def __init__(
        self,
        config: DeliveryConfig,
        live: LiveRequests,
        pages: Pages,
        on_path_wanted: Callable[[str], None],
        signals: SignalRelay | None = None,
        followers: Followers | None = None,
        commands: CommandRelay | None = None,
    ) -> None:
        self.live = live
        self.shelf = live.shelf
        self.followers = Followers() if followers is None else followers
        self.followers.utc = self._utc
        self.viewers = ViewerCounter()
        self.counters = Counters()
        self.headers = Headers(config.allow_origins)
        self._origins = frozenset(config.allow_origins)
        self.totals = Totals()
        self.metrics = Metrics()
        self.access = Access(config.access, self._utc)
        self.fast_path = FastPath(self.live, self.headers, self.viewers, self.counters, self.access)
        self._draining = False
        self._pages = pages
        self._utc_ahead_s = config.utc_ahead_s
        self._on_path_wanted = on_path_wanted
        self._signals = signals if config.webrtc else None
        self._config = config
        self.thumbnail_process = ThumbnailProcess()
        self.thumbnails = Thumbnails(live.shelf, self.thumbnail_process.make, time.monotonic)
        self.api = Api(self.access, commands, self._view)
        self._exact: dict[str, Callable[[], Response]] = {
            "/time": lambda: time_response(self._utc()),
            "/healthz": health_response,
            "/readyz": lambda: ready_response(draining=self.draining),
            "/metrics": lambda: metrics_response(
                self.totals, self.metrics.metrics, self.shelf.paths
            ),
        }

    def _utc(self) -> float:
        """The origin's time, with which all media agree; the system's may have been stepped."""
        ahead_s = self.totals.utc_ahead_s or self._utc_ahead_s
        return time.monotonic() + ahead_s if ahead_s else time.time()

    def apply(self, rules: AccessRules) -> None:
        """Other rules for who may view what, from now on.

        Who follows events was let in by the rules as they were: it has to ask again.
        """
        if _who_may_follow(rules) != _who_may_follow(self.access.rules):
            self.followers.let_go()
        self.access.apply(rules)
        self.fast_path.forget()

    @property
    def draining(self) -> bool:
        """Whether each answer is the last of its connection."""
        return self._draining

    @draining.setter
    def draining(self, draining: bool) -> None:
        self._draining = draining
        self.fast_path.open = self.headers.everyone and not draining
        if draining:
            self.live.room.shut()
            self.followers.shut()

    async def answer(self, request: BaseRequest) -> StreamResponse:
        """The whole answer to one request."""
        kind = "other"
        try:
            kind, response = await self._route(request)
        except Exception:
            logger.exception("failed to answer %s", request.method)
            response = problem_response(500, *FAILED)
        if isinstance(response, GrowingResponse):
            return await self._follow(request, response)
        if isinstance(response, (EventStream, SessionEvents)):
            return await self._stream(request, response)
        if isinstance(response, WebSocketResponse):  # it has been served to its end
            return response
        self.headers.complete(request, response)
        if self.draining:
            response.force_close()
        sent = response.body if request.method != "HEAD" else None
        self.counters.count(
            kind, response.status, len(sent) if isinstance(sent, (bytes, bytearray)) else 0
        )
        return response

    async def _route(self, request: BaseRequest) -> tuple[str, Answered]:
        asked = read_request(request)
        if asked is None:
            detail = "This URL has more than one meaning."
            return "other", problem_response(400, "Bad request", detail)
        url = asked.url
        if self._signals is not None:
            if url == SIGNALLING_URL:
                return "signal", await signalling_socket(
                    request, self._signals, self._origins, self.access, asked.token
                )
            place = signal_place(url)
            if place is not None:
                return "signal", await self._signal(request, place, asked, self._signals)
        if url == EVENTS_URL and request.method != "OPTIONS":
            return "events", await self._tell_events(request, asked)
        if request.method == "OPTIONS":
            methods = allowed_methods(url) if url.startswith("/api/") else ALLOWED_METHODS
            return "other", options_response(request, methods)
        if url == AUTHORIZED_URL:
            return "api", await self._authorized(request)
        if url.startswith("/api/"):
            return "api", await self.api.answer(request, asked)
        if request.method not in ("GET", "HEAD"):
            return "other", _method_not_allowed(request.method)
        exact = self._exact.get(url)
        if exact is not None:
            return "other", exact()
        page = self._page(url)
        if page is not None:
            return "page", resource_response(request, page)
        if is_thumbnail(url):
            return "thumbnail", await self._thumbnail(request, asked)
        if len(url) > MAX_URL_CHARS:
            return "media", text_response(404, "Not found.\n")
        return await self._media(request, asked)

    async def _tell_events(self, request: BaseRequest, asked: Asked) -> Answered:
        """Events as they happen, for those who may know of them."""
        refusal = self.access.follow_refusal(request, asked)
        if refusal is not None:
            return refusal
        return await events_response(
            request, self.followers, self._origins, self.api.speaking, asked
        )

    async def _signal(
        self, request: BaseRequest, place: SignalPlace, asked: Asked, signals: SignalRelay
    ) -> Response | SessionEvents:
        """Viewers need a token for the offer; a session is known to its owner alone."""
        if place.kind == "whep" and not place.session and request.method == "POST":
            refusal = await self.access.refusal(place.path, asked, request, "whep")
            if refusal is not None:
                return refusal
        share = self.access.share(place.path, asked.token) if place.kind == "whep" else None
        remote = self.access.client_address(request)
        return await signal_response(request, place, signals, remote, share)

    async def _authorized(self, request: BaseRequest) -> Response:
        """204 where the URL that a cache before us was asked for may be given to its client."""
        raw = request.headers.get(ORIGINAL_URL, "").partition("?")[0]
        asked = read_prefixed(raw)
        if asked is None:
            return problem_response(403, "Not allowed", "This URL has no token, or two meanings.")
        refusal = await self.access.refusal(self.shelf.path_of(asked.url), asked, request)
        return refusal or Response(status=204, headers={"Cache-Control": "no-store"})

    def _view(self) -> ApiView:
        config, viewers = self._config, sum(self.totals.viewers.values())
        server = ServerRecord(config.name, config.rtmp_listen, config.webrtc, viewers)
        return ApiView(self.shelf.paths, self.totals, server, self._utc())

    def _page(self, url: str) -> Resource | None:
        if url == "/":
            return self._pages.index
        if url.endswith("/") and is_path_name(url[1:-1]):
            return self._pages.player
        if self._signals is not None and is_publish_page(url):
            return self._pages.publish
        if is_compare_page(url):
            return self._pages.compare
        return self._pages.file(url)

    async def _thumbnail(self, request: BaseRequest, asked: Asked) -> Response:
        """A picture for who may view its path, or read the API; nobody becomes a viewer by it."""
        path = asked.url[1:].rpartition("/")[0]
        # Asked first: the auth hook is to see no token of the API.
        is_operator = self.access.is_operator(path, request, asked)
        refusal = None if is_operator else await self.access.refusal(path, asked, request)
        if refusal is not None:
            return refusal
        try:
            jpeg = await self.thumbnails.picture(path)
        except TooManyAskError as error:
            response = problem_response(503, "Busy", str(error))
            response.headers["Retry-After"] = str(RETRY_AFTER_S)
            return response
        if not jpeg:
            return absence_response(Absence.NEVER)
        response = resource_response(request, thumbnail_resource(asked.url, path, jpeg))
        if is_operator:
            response.headers["Cache-Control"] = "no-store"
        else:
            self.access.finish(path, asked, response)
        return response

    async def _media(
        self, request: BaseRequest, asked: Asked
    ) -> tuple[str, Response | GrowingResponse]:
        path = self.shelf.path_of(asked.url)
        refusal = await self.access.refusal(path, asked, request)
        if refusal is not None:
            return "media", refusal
        found = await self._find(asked.url, request)
        if isinstance(found, (Resource, Growing)):
            certain = found.path if isinstance(found, Resource) else found.rendition.path
            if certain != path:  # what is waited for may be another's than its name told
                refusal = await self.access.refusal(certain, asked, request)
                if refusal is not None:
                    return "media", refusal
            return self._give(request, asked, found, certain)
        if isinstance(found, Refuse):
            return "playlist", text_response(400, f"Bad request: {found.reason}.\n")
        return await self._absent(request, asked, found)

    def _give(
        self, request: BaseRequest, asked: Asked, found: Resource | Growing, path: str
    ) -> tuple[str, Response | GrowingResponse]:
        content_type = found.content_type if isinstance(found, Resource) else ""
        self._saw(path, request, content_type)
        if isinstance(found, Growing):
            growing = GrowingResponse(found)
            self.access.finish(path, asked, growing)
            return "media", growing
        response = resource_response(request, found)
        self.access.finish(path, asked, response)
        return found.kind, response

    async def _absent(
        self, request: BaseRequest, asked: Asked, absence: Absence
    ) -> tuple[str, Response]:
        """What is said where there is nothing; a playlist that is asked for wakes its path."""
        name = asked.url[1:]
        if name in self.shelf.paths and await self.access.refusal(name, asked, request) is None:
            query = request.rel_url.raw_query_string
            place = f"{request.rel_url.raw_path}/{'?' if query else ''}{query}"
            return "page", text_response(308, "", {"Location": place})
        wanted = self.shelf.wanted_path(asked.url)
        if wanted is not None and is_path_name(wanted):
            self._on_path_wanted(wanted)
        return "media", absence_response(absence)

    async def _find(self, url: str, request: BaseRequest) -> Resource | Growing | Refuse | Absence:
        """What there is at `url`, once it is there."""
        found = self.live.find(url, request.rel_url.raw_query_string)
        deadline = None
        while True:
            pending: Pending
            if isinstance(found, Pending):
                pending = found
            elif isinstance(found, Growing) and not _can_follow(request):
                pending = replace(found.next_part(sys.maxsize), late=None)
            else:
                return found
            if deadline is None:
                deadline = asyncio.get_running_loop().time() + pending.patience_s
            if await wait_for(self.live, request, pending, deadline) is not Outcome.DUE:
                return pending.late or Absence.LATE
            found = self.live.find(url, request.rel_url.raw_query_string)

    async def _follow(self, request: BaseRequest, response: GrowingResponse) -> StreamResponse:
        """Sends a growing segment as it grows."""
        self.headers.complete(request, response)
        sent_bytes = 0
        try:
            sent_bytes = await response.follow(request, self.live)
        finally:
            self.counters.count("media", response.status, sent_bytes)
        return response

    async def _stream(
        self, request: BaseRequest, response: EventStream | SessionEvents
    ) -> StreamResponse:
        """Sends events as they happen."""
        self.headers.complete(request, response)
        sent_bytes = 0
        try:
            sent_bytes = await response.follow(request)
        finally:
            self.counters.count("events", response.status, sent_bytes)
        return response

    def _saw(self, path: str, request: BaseRequest, content_type: str) -> None:
        agent = request.headers.get("User-Agent", "").encode("utf-8", "surrogateescape")
        self.viewers.saw(path, viewer_key(request.remote or "", agent), content_type)


def _who_may_follow(rules: AccessRules) -> tuple[object, ...]:
    return rules.api_tokens, rules.api_public, rules.views


def _method_not_allowed(method: str) -> Response:
    text = f"{method[:16]} is not possible here.\n"
    return text_response(405, text, {"Allow": ALLOWED_METHODS})


def _can_follow(request: BaseRequest) -> bool:
    """Whether a segment may be sent without knowing its length.

    HTTP/1.0 has no chunks, and a range is one of the whole.
    """
    return request.method == "GET" and request.version >= (1, 1) and "Range" not in request.headers
