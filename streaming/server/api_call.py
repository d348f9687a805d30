"""One request of the API on its way to whoever answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from aiohttp.web import BaseRequest, Response

from streaming.command_messages import Command
from streaming.server.access import Asked, Caller
from streaming.server.answers import problem_response

_TITLES: Final = {
    400: "Bad request",
    401: "Token needed",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Not possible now",
    412: "Changed meanwhile",
    413: "Too large",
    415: "Wrong media type",
    422: "Not possible",
    429: "Too many messages",
    500: "Failed",
    503: "Busy",
}


class Refused(Exception):
    """A problem that ends the request."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """As RFC 9457 wants it."""
        made = problem_response(self.status, _TITLES.get(self.status, "Refused"), self.detail)
        made.headers.update(self.headers)
        return made


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked, by whom, with all of it checked against the operation's description."""

    request: BaseRequest
    asked: Asked
    caller: Caller
    names: Mapping[str, str]
    """Out of the URL: "path", "session", "webhook"."""
    body: Any
    query: Mapping[str, Any] = field(default_factory=dict)
    if_match: int | None = None
    """The state_version that the path must still be at."""

    @property
    def path(self) -> str:
        """Of the URL."""
        return self.names["path"]


AsCommand: TypeAlias = Callable[[Call], Command]
"""What the main process is asked to do for a call; its answer is the call's."""
