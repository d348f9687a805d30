"""WHEP and WHIP over HTTP (RFC 9725 and its viewing twin): what a request asks, and the answer.

    POST   /<path>/whep             an offer to view       201, answer, Location
    POST   /<path>/whip             an offer to publish
    PATCH  /<path>/whep/<session>   trickle ICE, ICE restart, the answer to a counter-offer (406)
    DELETE /<path>/whep/<session>   the end
    GET    /<path>/whep/<session>/layer   renditions that the viewer may be sent, as JSON
    POST   /<path>/whep/<session>/layer   choose one: {"encodingId": "720p"}, {} is automatic
    …      /<path>/whep/<session>/events  what happens to it, as it happens (session_events.py)

Nothing of SDP is understood here: the WebRTC process answers, by way of the main process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from aiohttp.web import BaseRequest, Response

from streaming.ingest.source import ROLE
from streaming.rtc.signal_messages import SignalAnswer, TokenShare
from streaming.server.answers import problem_response
from streaming.server.player import is_path_name
from streaming.server.session_events import (
    EVENTS,
    SessionEvents,
    session_events,
    stream_url,
    wanted_events,
)
from streaming.server.session_events import LINK as EVENTS_LINK
from streaming.server.signal_relay import SignalRelay

logger = logging.getLogger(__name__)

MOST_OFFER_BYTES: Final = 65_536
"""Browsers' offers have 2 to 8 KB, with many codecs and candidates 20."""
BODY_S: Final = 10.0
"""How long the body of a request may take."""
MOST_WAIT_S: Final = 30.0
"""Proxies give up after a minute; a viewer asks again."""

SDP: Final = "application/sdp"
SDP_FRAGMENT: Final = "application/trickle-ice-sdpfrag"
JSON: Final = "application/json"
_EXTENSIONS: Final[tuple[Literal["layer", "events"], ...]] = ("layer", "events")
LAYER_LINK: Final = "urn:ietf:params:whep:ext:core:layer"

_EXPOSED: Final = "Accept-Patch, Date, ETag, Link, Location, Retry-After"
_TITLES: Final = {
    400: "Bad request",
    401: "Key needed",
    403: "Refused",
    404: "Not found",
    406: "No common codec",
    409: "Conflict",
    412: "Changed meanwhile",
    413: "Too large",
    415: "Wrong media type",
    422: "Not supported",
    428: "If-Match needed",
    503: "Busy",
}


@dataclass(frozen=True, slots=True)
class SignalPlace:
    """What a URL of WHEP or WHIP names."""

    path: str
    kind: str
    """"whep" or "whip"."""
    session: str
    """Empty at the endpoint itself."""
    extension: Literal["", "layer", "events"] = ""
    """The resource of a session by which a viewer chooses its rendition, or hears of its news."""

    @property
    def methods(self) -> str:
        """What can be asked of it."""
        if self.extension == "layer":
            return "GET, HEAD, OPTIONS, POST"
        if self.extension == "events":
            return "GET, OPTIONS, POST, DELETE"
        return "GET, HEAD, OPTIONS, PATCH, DELETE" if self.session else "GET, HEAD, OPTIONS, POST"


def signal_place(url: str) -> SignalPlace | None:
    """The meaning of a decoded URL path; None where it is neither WHEP's nor WHIP's."""
    parts = url.strip("/").split("/")
    for extension in _EXTENSIONS:
        if len(parts) > 3 and parts[-3] == "whep" and parts[-1] == extension:
            path = "/".join(parts[:-3])
            return SignalPlace(path, "whep", parts[-2], extension) if is_path_name(path) else None
    for tail in (1, 2):
        if len(parts) > tail and parts[-tail] in ("whep", "whip"):
            path = "/".join(parts[:-tail])
            if is_path_name(path):
                return SignalPlace(path, parts[-tail], parts[-1] if tail == 2 else "")
    return None


async def signal_response(
    request: BaseRequest,
    place: SignalPlace,
    relay: SignalRelay,
    remote: str,
    share: TokenShare | None = None,
) -> Response | SessionEvents:
    """The whole answer to a request at `place` by a client at the address `remote`.

    `share` is of the viewing token that it brings.
    """
    response: Response | SessionEvents
    match request.method, place.session:
        case "OPTIONS", _:
            response = _options(place)
        case _ if place.extension == "layer":
            response = await _layers(request, place, relay)
        case _ if place.extension == "events":
            response = await _events(request, place, relay)
        case (("GET" | "HEAD"), _):
            response = _nothing_to_get(request, place)
        case "POST", "":
            response = await _offer(request, place, relay, remote, share)
        case "PATCH", session if session:
            response = await _patch(request, place, relay, remote)
        case "DELETE", session if session:
            response = _response(await relay.ask("delete", place.path, place.session))
        case _:
            response = _not_allowed(request, place)
    response.headers["Access-Control-Expose-Headers"] = _EXPOSED
    return response


async def _layers(request: BaseRequest, place: SignalPlace, relay: SignalRelay) -> Response:
    match request.method:
        case "GET" | "HEAD":
            return _response(await relay.ask("layers", place.path, place.session))
        case "POST":
            return await _choose(request, place, relay)
    return _not_allowed(request, place)


async def _events(
    request: BaseRequest, place: SignalPlace, relay: SignalRelay
) -> Response | SessionEvents:
    match request.method:
        case "GET":
            return await session_events(request, relay, place.path, place.session)
        case "POST":
            return await _new_stream(request, place, relay)
        case "DELETE":
            return _response(await relay.ask("attach", place.path, place.session, channel=""))
    return _not_allowed(request, place)


async def _new_stream(request: BaseRequest, place: SignalPlace, relay: SignalRelay) -> Response:
    """201 and where the stream is; what it is to tell is in its URL, so nothing is kept here."""
    body = await _body(request, JSON) if request.can_read_body else ""
    if isinstance(body, Response):
        return body
    try:
        wanted = wanted_events(body)
    except msgspec.MsgspecError as error:
        return problem_response(400, _TITLES[400], str(error))
    answer = await relay.ask("layers", place.path, place.session)  # is it there?
    if answer.status >= 400:
        return _response(answer)
    url = stream_url(request.rel_url.raw_path, wanted)
    return Response(status=201, headers={"Location": url, "Cache-Control": "no-store"})


def _not_allowed(request: BaseRequest, place: SignalPlace) -> Response:
    text = f"{request.method[:16]} is not possible here."
    response = problem_response(405, "Method not allowed", text)
    response.headers["Allow"] = place.methods
    return response


def preferred_wait_s(headers: Mapping[str, str]) -> float:
    """How long a viewer would rather wait than be told that nothing is live (RFC 7240 4.3)."""
    for preference in headers.get("Prefer", "").split(","):
        name, _, value = preference.strip().partition("=")
        if name.lower() == "wait" and value.strip().isdigit():
            return min(float(value), MOST_WAIT_S)
    return 0.0


def _options(place: SignalPlace) -> Response:
    """W3: what can be asked here; also the answer to browsers' preflights."""
    headers = {
        "Allow": place.methods,
        "Access-Control-Allow-Methods": place.methods,
        "Access-Control-Allow-Headers": (
            "Authorization, Content-Type, If-Match, Last-Event-ID, Prefer"
        ),
        "Access-Control-Max-Age": "86400",
    }
    if place.extension:
        headers["Accept-Post"] = JSON
    else:
        headers["Accept-Patch" if place.session else "Accept-Post"] = (
            SDP_FRAGMENT if place.session else SDP
        )
    return Response(status=200, headers=headers)


def _nothing_to_get(request: BaseRequest, place: SignalPlace) -> Response:
    """W3: 2xx without content; a HEAD of WHEP's endpoint says what it speaks."""
    headers = {"Cache-Control": "no-store"}
    if request.method == "HEAD" and place.kind == "whep" and not place.session:
        return Response(status=200, headers={**headers, "Content-Type": SDP})
    return Response(status=204, headers=headers)


async def _offer(
    request: BaseRequest,
    place: SignalPlace,
    relay: SignalRelay,
    remote: str,
    share: TokenShare | None,
) -> Response:
    body = await _body(request, SDP)
    if isinstance(body, Response):
        return body
    waits_until = asyncio.get_running_loop().time() + preferred_wait_s(request.headers)
    while True:
        answer = await relay.ask(
            "view" if place.kind == "whep" else "publish",
            place.path,
            body=body,
            key=_key(request),
            rank=request.query.get(ROLE, ""),
            remote=remote,
            share=share,
        )
        is_early = answer.status == 409 and place.kind == "whep"
        if not is_early or asyncio.get_running_loop().time() >= waits_until:
            break
        if not await relay.wait_a_moment():
            break
    has_countered = answer.status == 406 and bool(answer.session)
    response = _countered(answer) if has_countered else _response(answer)
    if answer.status == 201 or has_countered:
        response.content_type = SDP
        url = f"{request.rel_url.raw_path.rstrip('/')}/{answer.session}"
        response.headers["Location"] = url
        response.headers["Accept-Patch"] = SDP if has_countered else SDP_FRAGMENT
        if place.kind == "whep":
            events = ",".join(EVENTS)
            response.headers.add("Link", f'<{url}/layer>; rel="{LAYER_LINK}"')
            response.headers.add("Link", f'<{url}/events>; rel="{EVENTS_LINK}"; events="{events}"')
    return response


def _countered(answer: SignalAnswer) -> Response:
    """W6: an offer of ours, which is good for 30 seconds where we say nothing else."""
    headers = {"Cache-Control": "no-store", **answer.headers}
    return Response(status=406, body=answer.body.encode(), headers=headers)


async def _patch(
    request: BaseRequest, place: SignalPlace, relay: SignalRelay, remote: str
) -> Response:
    if place.kind == "whep" and request.content_type == SDP:
        return await _take_answer(request, place, relay, remote)
    body = await _body(request, SDP_FRAGMENT)
    if isinstance(body, Response):
        return body
    answer = await relay.ask(
        "patch",
        place.path,
        place.session,
        body=body,
        if_match=request.headers.get("If-Match"),
    )
    response = _response(answer)
    if answer.status == 200:
        response.content_type = SDP_FRAGMENT
    return response


async def _take_answer(
    request: BaseRequest, place: SignalPlace, relay: SignalRelay, remote: str
) -> Response:
    """W6: the answer to a counter-offer begins the session, which has been named."""
    body = await _body(request, SDP)
    if isinstance(body, Response):
        return body
    answer = await relay.ask("answer", place.path, place.session, body=body, remote=remote)
    if answer.status >= 400:
        return _response(answer)
    return Response(status=204, headers={"Cache-Control": "no-store"})


async def _choose(request: BaseRequest, place: SignalPlace, relay: SignalRelay) -> Response:
    body = await _body(request, JSON)
    if isinstance(body, Response):
        return body
    return _response(await relay.ask("choose", place.path, place.session, body=body))


async def _body(request: BaseRequest, content_type: str) -> str | Response:
    """The body as text, or why it cannot be taken."""
    if request.content_type != content_type:
        return problem_response(415, _TITLES[415], f"Content-Type must be {content_type}.")
    data = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.content.iter_any():
                data += chunk
                if len(data) > MOST_OFFER_BYTES:
                    return problem_response(413, _TITLES[413], "An offer has at most 64 KiB.")
        return data.decode()
    except TimeoutError:
        return problem_response(408, "Too slow", "The body did not come in time.")
    except UnicodeDecodeError:
        return problem_response(400, _TITLES[400], "The body is not UTF-8.")


def _key(request: BaseRequest) -> str:
    """W7: a bearer token, or `?key=` in the URL."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.query.get("key", "")


def _response(answer: SignalAnswer) -> Response:
    if answer.status >= 400:
        title = _TITLES.get(answer.status, "Refused")
        response = problem_response(answer.status, title, answer.body)
        response.headers.update(answer.headers)
        return response
    headers = {"Cache-Control": "no-store", **answer.headers}
    if answer.is_json:
        headers["Content-Type"] = JSON
    return Response(status=answer.status, body=answer.body.encode() or None, headers=headers)
