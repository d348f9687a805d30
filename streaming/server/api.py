"""The REST API under /api/v1: from a request to an operation, its scope, and its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec
from aiohttp.web import BaseRequest, Response
from msgspec import Struct

from streaming import __version__
from streaming.auth.api_tokens import covers
from streaming.auth.minting import mint_view_token
from streaming.command_messages import ChooseOnAir, Command, Kick
from streaming.errors import ConfigError
from streaming.server import config_api, message_api, session_api, webhook_api
from streaming.server.access import Access, Asked, Caller, scope_challenge
from streaming.server.answers import json_response
from streaming.server.api_call import AsCommand, Call, Refused
from streaming.server.api_types import (
    CallerRecord,
    Done,
    MintedToken,
    OnAirChoice,
    PathList,
    PathRecord,
    ServerRecord,
    TokenWish,
    path_record,
)
from streaming.server.command_relay import CommandRelay
from streaming.server.openapi import PREFIX, Operation, parameter_error, read_query, render_openapi
from streaming.server.speaking import Speaking
from streaming.shelf_messages import PathState, Totals

MOST_BODY_BYTES: Final = 1_000_000
"""A configuration of 60,000 characters, each as an escape, of who has a token of the API."""
MOST_OPEN_BODY_BYTES: Final = 16_384
"""Of everyone else: a line of chat, each of its characters as two escapes, is half of that."""
BODY_S: Final = 10.0
OPERATIONS: Final = (
    Operation("getServer", "GET", "/server", "The server.", None, ServerRecord),
    Operation("getCaller", "GET", "/caller", "Who calls, as the API sees it.", None,
              CallerRecord),
    Operation("listPaths", "GET", "/paths", "Paths, a page at a time.", None, PathList,
              paged=True, problems=(400,)),
    Operation("getPath", "GET", "/paths/{path}", "One path.", None, PathRecord, tagged=True,
              problems=(404,)),
    Operation("kickPublisher", "DELETE", "/publishers/{path}", "Close the publishers of a path.",
              "control", Done, matched=True, problems=(409, 503)),
    Operation("chooseOnAir", "PUT", "/on-air/{path}", "Put a publisher or the slate on air.",
              "control", Done, OnAirChoice, matched=True, problems=(409, 503)),
    Operation("mintToken", "POST", "/tokens", "Make a viewing token.",
              "admin", MintedToken, TokenWish, problems=(422,)),
    *session_api.OPERATIONS,
    *message_api.OPERATIONS,
    *config_api.OPERATIONS,
    *webhook_api.OPERATIONS,
)  # fmt: skip
_COMMANDS: Final[dict[str, AsCommand]] = {
    "kickPublisher": lambda call: Kick(call.path),
    "chooseOnAir": lambda call: ChooseOnAir(call.path, call.body.rank),
    **session_api.COMMANDS,
    **config_api.COMMANDS,
    **webhook_api.COMMANDS,
}
_OWN_RULES: Final = ("getPath", "getCaller", message_api.FOR_VIEWERS)
"""What viewing tokens are good for, too, and what tells nothing but who asks."""
_PATTERNS: Final = tuple((one, one.pattern) for one in OPERATIONS)


@dataclass(frozen=True, slots=True)
class ApiView:
    """What the API shows, as of now."""

    paths: Mapping[str, PathState]
    totals: Totals
    server: ServerRecord
    utc: float


class Api:
    """Answers everything below /api/; owned by the site."""

    def __init__(
        self, access: Access, commands: CommandRelay | None, view: Callable[[], ApiView]
    ) -> None:
        self._access = access
        self._commands = commands
        self._view = view
        self._document = b""
        self.speaking = Speaking(access, commands)
        self._handlers: dict[str, Callable[[Call], Awaitable[object]]] = {
            "getServer": self._server,
            "getCaller": self._get_caller,
            "listPaths": self._list,
            "getPath": self._get,
            "listSessions": self._list_sessions,
            "mintToken": self._mint,
            **message_api.handlers(self.speaking),
        }

    async def answer(self, request: BaseRequest, asked: Asked) -> Response:
        """The whole answer to one request."""
        try:
            if asked.url == f"{PREFIX}/openapi.json" and request.method in ("GET", "HEAD"):
                return self._openapi()
            operation, groups = _find(request.method, asked.url)
            caller = self._authorise(operation, request, asked)
            most_bytes = MOST_OPEN_BODY_BYTES if caller.scope is None else MOST_BODY_BYTES
            body = await _read_body(request, operation.takes, most_bytes)
            _check_names(groups)
            query = _read_query(operation, request)
            if_match = _if_match(request) if operation.matched else None
            call = Call(request, asked, caller, groups, body, query, if_match)
            result = await self._carry_out(operation.name, call)
            response = json_response(result)
            if isinstance(result, PathRecord) and "state_version" in result.details:
                response.headers["ETag"] = f'"{result.details["state_version"]}"'
            return response
        except Refused as refused:
            return refused.response()

    async def _carry_out(self, name: str, call: Call) -> object:
        handler = self._handlers.get(name)
        if handler is not None:
            return await handler(call)
        return await self._command(call, _COMMANDS[name](call))

    def _authorise(self, operation: Operation, request: BaseRequest, asked: Asked) -> Caller:
        caller = self._access.caller(request, asked)
        needed, is_public = operation.scope, self._access.rules.api_public
        if needed is None and not is_public and operation.name not in _OWN_RULES:
            needed = "read"
        if needed is None or covers(caller.scope, needed):
            return caller
        if asked.place == "header" and caller.scope is not None:
            raise Refused(403, f"this needs a token with the scope {needed}")
        raise Refused(
            401,
            f"this needs a token with the scope {needed}",
            {"WWW-Authenticate": scope_challenge(needed)},
        )

    def _openapi(self) -> Response:
        if not self._document:
            self._document = render_openapi(OPERATIONS, __version__)
        headers = {"Content-Type": "application/json", "Cache-Control": "no-cache"}
        return Response(body=self._document, headers=headers)

    # -- what is shown -------------------------------------------------------------------------

    def _shows(self, path: str, call: Call) -> bool:
        if covers(call.caller.scope, "read"):
            return True
        if self._access.policy.is_open(path):
            return self._access.rules.api_public
        return self._access.has_token_for(path, call.asked)

    async def _server(self, call: Call) -> ServerRecord:
        return self._view().server

    async def _get_caller(self, call: Call) -> CallerRecord:
        return CallerRecord(call.caller.scope, call.caller.name)

    async def _list(self, call: Call) -> PathList:
        view, limit, after = self._view(), call.query["limit"], call.query.get("after", "")
        names = sorted(name for name in view.paths if name > after and self._shows(name, call))
        records = [self._record(view, name) for name in names[:limit]]
        return PathList(records, names[limit - 1] if len(names) > limit else "")

    async def _get(self, call: Call) -> PathRecord:
        view = self._view()
        if call.path not in view.paths or not self._shows(call.path, call):
            raise Refused(404, f"Nothing is published at {call.path!r}.")
        return self._record(view, call.path)

    def _record(self, view: ApiView, name: str) -> PathRecord:
        return path_record(view.paths[name], view.totals, view.server.webrtc)

    # -- what is commanded ---------------------------------------------------------------------

    async def _list_sessions(self, call: Call) -> Any:
        told = await self._command(call, _COMMANDS["listSessions"](call))
        asked = call.query.get("path", "")
        over_http = {
            path: counts
            for path, seen in self._view().totals.viewers_by.items()
            if asked in ("", path)
            and (counts := {name: seen[name] for name in session_api.OVER_HTTP if seen.get(name)})
        }
        return {**told, "http_viewers": over_http}

    async def _mint(self, call: Call) -> MintedToken:
        wish = cast(TokenWish, call.body)
        expires_utc = int(self._view().utc) + wish.expires_s
        try:
            token = mint_view_token(
                self._access.rules, wish.path, expires_utc,
                ip=wish.ip, max_sessions=wish.max_sessions, key=wish.key,
            )  # fmt: skip
        except ConfigError as error:
            raise Refused(422, str(error)) from error
        return MintedToken(token, expires_utc, f"/t/{token}")

    async def _command(self, call: Call, command: Command) -> Any:
        if self._commands is None:
            raise Refused(503, "there is nobody who could do that")
        answer = await self._commands.ask(command, call.caller.name, call.if_match)
        if answer.status >= 400:
            raise Refused(answer.status, answer.detail)
        return answer.result


def _find(method: str, url: str) -> tuple[Operation, dict[str, str]]:
    if not url.startswith(f"{PREFIX}/"):
        raise Refused(404, "The API lives under /api/v1/.")
    name = url.removeprefix(PREFIX).rstrip("/")
    fitting = [(one, match) for one, pattern in _PATTERNS if (match := pattern.fullmatch(name))]
    if not fitting:
        raise Refused(404, f"There is no {url[:128]!r} in this API.")
    wanted = "GET" if method == "HEAD" else method
    for one, match in fitting:
        if one.method == wanted:
            return one, match.groupdict()
    detail = f"{method[:16]} is not possible here."
    raise Refused(405, detail, {"Allow": allowed_methods(url)})


def _read_query(operation: Operation, request: BaseRequest) -> dict[str, Any]:
    try:
        return read_query(operation, request.query)
    except ValueError as error:
        raise Refused(400, str(error)) from None


def _check_names(groups: Mapping[str, str]) -> None:
    for name, value in groups.items():
        reason = parameter_error(name, value)
        if reason:
            raise Refused(400, reason)


def allowed_methods(url: str) -> str:
    """What can be asked of an URL of the API; what is no operation can only be read."""
    name = url.removeprefix(PREFIX).rstrip("/")
    fitting = [one for one, pattern in _PATTERNS if pattern.fullmatch(name)]
    # {path} fits everything, but "/paths/{path}/chat" is meant by what ends like this.
    longest = max((len(one.template) for one in fitting), default=0)
    methods = {one.method for one in fitting if len(one.template) == longest} or {"GET"}
    return ", ".join(sorted({*methods, "OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))


def _if_match(request: BaseRequest) -> int | None:
    text = request.headers.get("If-Match")
    if text is None:
        return None
    number = text.strip().removeprefix('"').removesuffix('"')
    if not (number.isascii() and number.isdigit() and len(number) <= 18):
        raise Refused(400, "If-Match is a state_version here")
    return int(number)


async def _read_body(request: BaseRequest, kind: type[Struct] | None, most_bytes: int) -> Any:
    """The body as its type; a content type that pages cannot send by themselves is a must."""
    if kind is None:
        return None
    if request.content_type != "application/json":
        raise Refused(415, "Content-Type must be application/json.")
    data = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.content.iter_any():
                data += chunk
                if len(data) > most_bytes:
                    raise Refused(413, f"A body has at most {most_bytes} bytes.")
    except TimeoutError:
        raise Refused(400, "The body did not come in time.") from None
    try:
        return msgspec.json.decode(bytes(data), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, str(error)) from None
