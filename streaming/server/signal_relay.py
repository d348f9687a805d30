"""A delivery process's requests to the WebRTC process: who waits for which answer or event."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Final

from streaming.rtc.signal_messages import SignalAnswer, SignalEvent, SignalRequest, TokenShare, Verb

ANSWER_S: Final = 15.0
"""A little more than the main process waits."""
CHANNEL_BYTES: Final = 9
ASK_AGAIN_S: Final = 0.25
MOST_PATIENT: Final = 200
"""Viewers of one delivery process that wait for a path; further ones are told to come again."""
MOST_WAITING: Final = 1_000
"""Requests of one delivery process that wait for their answer."""


class SignalRelay:
    """Owns the requests that wait for an answer from the WebRTC process."""

    def __init__(self, send: Callable[[SignalRequest], None]) -> None:
        self._send = send
        self._waiting: dict[int, asyncio.Future[SignalAnswer]] = {}
        self._channels: dict[str, Callable[[SignalEvent], None]] = {}
        self._next_id = 0
        self._patient = 0

    async def ask(
        self,
        verb: Verb,
        path: str,
        session: str = "",
        *,
        body: str = "",
        if_match: str | None = None,
        key: str = "",
        rank: str = "",
        remote: str = "",
        channel: str = "",
        share: TokenShare | None = None,
        after: str = "",
    ) -> SignalAnswer:
        """The answer to one request; a 503 where none comes."""
        if len(self._waiting) >= MOST_WAITING:
            return SignalAnswer(0, 503, "too many requests at once", {"Retry-After": "1"})
        self._next_id += 1
        number = self._next_id
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        request = SignalRequest(
            number, verb, path, session, if_match=if_match, key=key, rank=rank, remote=remote,
            body=body, channel=channel, share=share, after=after,
        )  # fmt: skip
        self._send(request)
        try:
            return await _in_time(future)
        finally:
            del self._waiting[number]

    async def wait_a_moment(self) -> bool:
        """For a request that will be asked again; False where too many do that."""
        if self._patient >= MOST_PATIENT:
            return False
        self._patient += 1
        try:
            await asyncio.sleep(ASK_AGAIN_S)
        finally:
            self._patient -= 1
        return True

    def open_channel(self, hear: Callable[[SignalEvent], None]) -> str:
        """A name for a WebSocket, by which events of its sessions find it."""
        name = secrets.token_urlsafe(CHANNEL_BYTES)  # no other delivery process has it, too
        self._channels[name] = hear
        return name

    def close_channel(self, name: str) -> None:
        """The WebSocket has gone."""
        self._channels.pop(name, None)

    def tell(self, event: SignalEvent) -> None:
        """Something happened to a session; it is nothing to us where another process has it."""
        hear = self._channels.get(event.channel)
        if hear is not None:
            hear(event)

    def receive(self, answer: SignalAnswer) -> None:
        """An answer has come; it is nothing to those who have stopped waiting."""
        future = self._waiting.get(answer.id)
        if future is not None and not future.done():
            future.set_result(answer)


async def _in_time(future: asyncio.Future[SignalAnswer]) -> SignalAnswer:
    """What is awaited; a 503 where it does not come."""
    try:
        async with asyncio.timeout(ANSWER_S):
            return await future
    except TimeoutError:
        return SignalAnswer(0, 503, "no answer came in time", {"Retry-After": "1"})
