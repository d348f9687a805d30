"""`/api/v1/events`: the event log as Server-Sent Events, by WebSocket, or by long-poll."""

from __future__ import annotations

import math
from typing import Final

from aiohttp.web import BaseRequest, Response, WebSocketResponse

from streaming.events.event import LoggedEvent
from streaming.events.event_filter import EventFilter
from streaming.server.access import Asked
from streaming.server.answers import problem_response
from streaming.server.event_socket import event_socket
from streaming.server.event_stream import EventStream
from streaming.server.followers import HEARTBEAT_S, Followers
from streaming.server.growing import hold
from streaming.server.middleware import ALLOWED_METHODS
from streaming.server.speaking import Speaking

URL: Final = "/api/v1/events"
LONGEST_WAIT_S: Final = 60.0
"""Of a long-poll: proxies give up after a minute."""
SHORTEST_HEARTBEAT_S: Final = 1.0


async def events_response(
    request: BaseRequest,
    followers: Followers,
    origins: frozenset[str],
    speaking: Speaking,
    asked: Asked,
) -> Response | EventStream | WebSocketResponse:
    """The answer to a request of the events' URL; a WebSocket has been served to its end."""
    if request.method not in ("GET", "HEAD"):
        detail = f"{request.method[:16]} is not possible here."
        refused = problem_response(405, "Method not allowed", detail)
        refused.headers["Allow"] = ALLOWED_METHODS
        return refused
    query = request.rel_url.query
    try:
        paths, types = (_patterns(query.getall(key, [])) for key in ("path", "type"))
        wanted = EventFilter(paths, types)
        heartbeat_s = _seconds(query.get("heartbeat"), SHORTEST_HEARTBEAT_S, HEARTBEAT_S)
        wait_s = _seconds(query.get("wait"), 0.0, LONGEST_WAIT_S) if "wait" in query else None
    except ValueError as error:
        return problem_response(400, "Bad request", str(error))
    # A browser's EventSource resumes by its header, while its URL stays as it was at first.
    after = request.headers.get("Last-Event-ID") or query.get("after")
    if request.headers.get("Upgrade", "").lower() == "websocket":
        return await event_socket(
            request, followers, origins, after, wanted, heartbeat_s, speaking, asked
        )
    if wait_s is not None or _wants_json(request):
        return await _poll(request, followers, after, wanted, wait_s or 0.0)
    return EventStream(followers, after, wanted, heartbeat_s)


async def _poll(
    request: BaseRequest,
    followers: Followers,
    after: str | None,
    wanted: EventFilter,
    wait_s: float,
) -> Response:
    """The events after a position as a JSON array; 204 when none came in time.

    The ETag is the position, which is past events that were not wanted, too: who sends it back
    in `If-None-Match` in the place of `after` is told 304 for "nothing new".
    """
    etag = request.headers.get("If-None-Match", "").removeprefix("W/").strip('"')
    following = followers.open(after or etag or None, wanted, wait_s or math.inf)
    try:
        if wait_s > 0:
            async with hold(request):
                batch = await following.wait()
        else:
            batch = following.take()
    finally:
        followers.close(following)
    headers = {"ETag": f'W/"{following.position}"', "Cache-Control": "no-store"}
    if not batch.told:
        return Response(status=204 if after else 304 if etag else 204, headers=headers)
    headers["Content-Type"] = "application/json"
    return Response(body=batch.bytes_for("poll", _array), headers=headers)


def _array(told: list[LoggedEvent]) -> bytes:
    return b"[" + b",\n".join(entry.body for entry in told) + b"]\n"


def _patterns(values: list[str]) -> list[str]:
    return [pattern for value in values for pattern in value.split(",") if pattern]


def _seconds(value: str | None, least: float, most: float) -> float:
    if value is None:
        return most
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise ValueError(f"{value[:32]!r} is no number of seconds")
    return min(max(seconds, least), most)


def _wants_json(request: BaseRequest) -> bool:
    accepts = request.headers.get("Accept", "")
    return "application/json" in accepts and "text/event-stream" not in accepts
