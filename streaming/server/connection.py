"""One HTTP connection: aiohttp's, with time limits that aiohttp does not have."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from aiohttp import HttpVersion10, HttpVersion11
from aiohttp.web import (
    BaseRequest,
    RequestHandler,
    RequestPayloadError,
    Response,
    Server,
    StreamResponse,
)

from streaming.live_requests import Pending
from streaming.server.answers import FAILED, problem_response
from streaming.server.fast_path import (
    MAX_HEAD_BYTES,
    FastPath,
    PlainFields,
    ends_where_it_seems,
)
from streaming.server.middleware import SERVER
from streaming.server.viewers import viewer_key
from streaming.waiting_room import Outcome, Ticket

logger = logging.getLogger(__name__)

KEEPALIVE_S: Final = 75.0
"""An idle connection is closed after so long; players ask every 2 s to 10 s (nginx: 75 s)."""

REQUEST_S: Final = 10.0
"""A request's head must be complete so long after its first byte (nginx: 60 s, Apache: 20 s);
a browser sends it in one packet."""

WRITE_STALL_S: Final = 20.0
"""A client that takes not one byte of its response for so long is cut (nginx: 60 s); a live
player has long given up by then."""

LINGER_S: Final = 2.0
"""How long an unwanted request body is read and thrown away, for the answer to arrive."""

MAX_LINE_BYTES: Final = 8_190
MAX_HEADER_FIELDS: Final = 64
"""Browsers send under 30."""

EARLY_BYTES: Final = 16_384
"""What a client may send while its request waits; players send nothing before the answer."""

READ_BYTES: Final = 16_384
"""We take no bodies worth reading ahead."""


WRONG_VERSION: Final = (
    b"HTTP/1.1 505 HTTP Version Not Supported\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class Connection(RequestHandler):
    """One client; the sweeper of the Listener asks `is_dawdling` now and then."""

    __slots__ = (
        "_at_boundary",
        "_client_is_done",
        "_deadline",
        "_early",
        "_fast_path",
        "_fields",
        "_head_since",
        "_plain",
        "_socket_transport",
        "_ticket",
        "_unsent_bytes",
        "_unsent_since",
        "_viewer",
        "_waiting_line",
        "is_waiting",
    )

    def __init__(self, server: Server, fast_path: FastPath | None, **settings: Any) -> None:
        super().__init__(server, **settings)
        self._fast_path = fast_path
        # Nothing of a request that is not whole has gone to aiohttp's parser.
        self._at_boundary = True
        # Clients send the same fields again and again: the last ones and what they mean.
        self._fields = b""
        self._plain: PlainFields | None = None
        self._viewer = 0
        self._head_since: float | None = None
        self._unsent_bytes = 0
        self._unsent_since: float | None = None
        # aiohttp forgets its transport when it closes, though bytes may still wait in it.
        self._socket_transport: asyncio.Transport | None = None
        self._client_is_done = False
        # A request that waits on the fast path: its line, its fields being the last ones seen.
        self._ticket: Ticket | None = None
        self._waiting_line = b""
        self._deadline = 0.0
        self._early = b""
        # The same for a request that is aiohttp's; set by whoever lets it wait.
        self.is_waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no asyncio.Transport by type.
        self._socket_transport = cast(asyncio.Transport, transport)
        super().connection_made(transport)
        # A timer for each connection is half a kilobyte; the sweeper asks `is_idle` as well.
        if self._keepalive_handle is not None:
            self._keepalive_handle.cancel()
            self._keepalive_handle = None

    def connection_lost(self, exc: BaseException | None) -> None:
        self._socket_transport = None
        if self._ticket is not None:
            self._ticket.leave()
            self._ticket = None
        super().connection_lost(exc)

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """The client will ask nothing more; it still gets what it asked for (HTTP/1.0 tools)."""
        if self._ticket is not None or self.is_waiting:
            return None  # a player that has gone looks the same; it must not be waited with
        if self._waiter is not None and not self._messages:
            return None
        self._client_is_done = True
        if not self._messages:
            self._close = True  # after the running response
        return True

    async def finish_response(
        self, request: BaseRequest, resp: StreamResponse, start_time: float | None
    ) -> tuple[StreamResponse, bool]:
        """Sends `resp`; the last one that a client with nothing more to ask gets.

        aiohttp answers in whatever version it was asked in, even in one that nobody speaks.
        """
        if request.version not in (HttpVersion10, HttpVersion11):
            if self._socket_transport is not None:
                self._socket_transport.write(WRONG_VERSION)
            return resp, True
        if self._client_is_done and not self._messages:
            resp.force_close()
        return await super().finish_response(request, resp, start_time)

    def data_received(self, data: bytes) -> None:
        if self._ticket is not None:
            self._early += data
            if len(self._early) > EARLY_BYTES:
                self.abort()
            return
        if self._at_boundary and data:
            if self._answer_fast(data):
                return
            self._at_boundary = ends_where_it_seems(data)
        super().data_received(data)
        waiter = self._waiter
        if waiter is None or waiter.done() or self._messages:
            self._head_since = None
        elif self._head_since is None:
            # Still waiting for a request after bytes came: its head is not complete.
            self._head_since = self._loop.time()

    def _answer_fast(self, data: bytes) -> bool:
        """Answers `data` if it is one whole plain request and nothing is going on before it."""
        fast_path, transport = self._fast_path, self.transport
        if fast_path is None or not fast_path.open or transport is None:
            return False
        if len(data) > MAX_HEAD_BYTES or not self._waits_for_request:
            return False
        if self._close or self._force_close:
            return False
        # The next answer waits until the client has taken this one: aiohttp knows how.
        if not data.startswith(b"GET /") or transport.get_write_buffer_size():
            return False
        line, _, fields = data.partition(b"\r\n")
        if fields != self._fields:
            self._fields, self._plain = fast_path.know_fields(fields)
            if self._plain is not None:
                address = (self.peername or ("",))[0]
                self._viewer = viewer_key(address, self._plain.user_agent)
        if self._plain is None:
            return False
        answer = fast_path.answer(line, self._plain, self._viewer)
        if answer is None:
            return False
        if isinstance(answer, Pending):
            return self._wait(answer, line, self._loop.time() + answer.patience_s)
        self._next_keepalive_close_time = self._loop.time() + KEEPALIVE_S
        transport.writelines(answer)
        return True

    @property
    def _waits_for_request(self) -> bool:
        """Whether aiohttp has nothing to do here."""
        if self._messages:
            return False
        if self._waiter is None:  # a request that came with the connection: nothing waits yet
            return self._request_count == 0
        return not self._waiter.done()

    def _wait(self, pending: Pending, line: bytes, deadline: float) -> bool:
        """Answers `line` when what it waits for is there; False when too many wait already."""
        assert self._fast_path is not None
        self._ticket = self._fast_path.wait(pending, deadline, self._released)
        if self._ticket is None:
            return False
        self._waiting_line, self._deadline = self._fast_path.know_line(line), deadline
        self._next_keepalive_close_time = deadline + KEEPALIVE_S
        return True

    def _released(self, outcome: Outcome) -> None:
        """The wait is over. Who calls has news for everyone, which must not end with one client."""
        try:
            self._end_wait(outcome)
        except Exception:
            logger.exception("failed to answer a request that waited")
            self.abort()

    def _end_wait(self, outcome: Outcome) -> None:
        self._ticket = None
        fast_path, transport, plain = self._fast_path, self.transport, self._plain
        if transport is None or fast_path is None or plain is None:
            return
        if outcome is not Outcome.DUE:
            transport.write(fast_path.apology())
        elif not self._answer_waiting(fast_path, plain, transport):
            return
        if not fast_path.open:
            self.force_close()
            return
        self._next_keepalive_close_time = self._loop.time() + KEEPALIVE_S
        early, self._early = self._early, b""
        if early:  # what the client sent meanwhile
            self.data_received(early)

    def _answer_waiting(
        self, fast_path: FastPath, plain: PlainFields, transport: asyncio.WriteTransport
    ) -> bool:
        """Answers the request that waited; False if it waits on."""
        line = self._waiting_line
        answer = fast_path.answer(line, plain, self._viewer)
        if isinstance(answer, Pending) and self._wait(answer, line, self._deadline):
            return False
        if isinstance(answer, list):
            transport.writelines(answer)
        else:  # such as 404: what was hinted never came
            super().data_received(line + b"\r\n" + self._fields)
        return True

    def is_dawdling(self, now: float) -> bool:
        """Whether the client has used up its time for sending a request or taking a response."""
        if self._head_since is not None and now - self._head_since > REQUEST_S:
            return True
        unsent = self.unsent_bytes
        if unsent == 0 or unsent != self._unsent_bytes or self._unsent_since is None:
            self._unsent_bytes = unsent
            self._unsent_since = now if unsent else None
            return False
        return now - self._unsent_since > WRITE_STALL_S

    def is_idle(self, now: float) -> bool:
        """Whether nothing has been asked here for so long that nothing will be."""
        if self._ticket is not None or not self._waits_for_request or self.unsent_bytes:
            return False
        return now > self._next_keepalive_close_time

    @property
    def waits_for_head(self) -> bool:
        """Whether part of a request's head has come and the rest has not."""
        return self._head_since is not None

    @property
    def unsent_bytes(self) -> int:
        """Response bytes the client has not taken yet."""
        transport = self._socket_transport
        return 0 if transport is None else transport.get_write_buffer_size()

    def abort(self) -> None:
        """Cuts the connection at once."""
        if self._socket_transport is not None:
            self._socket_transport.abort()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        """A request that could not be parsed: no stack, no echo of what was sent."""
        if status == 400:
            return _last_answer(status, "Bad request", "This is no request, or it is too long.")
        return _last_answer(status, *FAILED)

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """A request's body that breaks off or breaks the rules is its sender's affair."""
        if not isinstance(kw.get("exc_info"), RequestPayloadError):
            super().log_exception(*args, **kw)


def _last_answer(status: int, title: str, detail: str) -> Response:
    """The last answer of a connection, with nothing of what was sent in it."""
    response = problem_response(status, title, detail)
    response.headers.update({"Server": SERVER, "X-Content-Type-Options": "nosniff"})
    response.force_close()
    return response


class DeliveryServer(Server):
    """Makes a Connection for each client."""

    def __init__(
        self,
        handler: Callable[[BaseRequest], Awaitable[StreamResponse]],
        fast_path: FastPath | None = None,
    ) -> None:
        # Whoever waits for a part or a playlist is forgotten as soon as the client has gone.
        super().__init__(handler, handler_cancellation=True)
        self._fast_path = fast_path

    def __call__(self) -> Connection:
        return Connection(
            self,
            self._fast_path,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEPALIVE_S,
            access_log=None,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            max_headers=MAX_HEADER_FIELDS,
            lingering_time=LINGER_S,
            auto_decompress=False,  # nobody reads bodies here, least of all bombs
            read_bufsize=READ_BYTES,
        )
