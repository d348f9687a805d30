"""Offers of ours that wait for a viewer's answer (WHEP's counter-offers, and sockets that ask)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from streaming.rtc.signal_messages import SignalRequest
from webrtc.counter_offer import CounterOffer
from webrtc.errors import SessionNotFound
from webrtc.signalling import Signalling
from webrtc.signalling_results import Answer

VALID_S: Final = 32.0
"""WHEP promises 30 s; the answer takes a moment."""
MOST_WAITING: Final = 500
"""An offer has some kilobytes. Of a flood of them the oldest are forgotten,"""
MOST_OF_ONE: Final = 50
"""of those of the same address first: viewers of one household or office may share it."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    request: SignalRequest
    """Which asked for it, without its own offer."""
    offered: CounterOffer
    until: float


class CounterOffers:
    """Owns what has been offered; the server asks and gives it the time."""

    def __init__(self, signalling: Signalling, now: Callable[[], float]) -> None:
        self._signalling = signalling
        self._now = now
        self._waiting: dict[str, _Waiting] = {}
        """By session, the oldest first."""

    def make(self, request: SignalRequest) -> CounterOffer:
        """An offer for who asks. Raises WebRtcError."""
        offered = self._signalling.offer(request.path, request.remote)
        self._make_room(request.remote)
        until = self._now() + VALID_S
        asked = replace(request, body="")
        self._waiting[offered.session_id] = _Waiting(asked, offered, until)
        return offered

    def accept(self, request: SignalRequest) -> tuple[SignalRequest, Answer]:
        """The request that an answer belongs to, and its session.

        Raises WebRtcError; an offer whose answer cannot be read may be answered again.
        """
        waiting = self._find(request)
        if waiting is None:
            raise SessionNotFound("there is no offer that waits for an answer")
        answer = self._signalling.accept(waiting.offered, request.body, waiting.request.remote)
        del self._waiting[request.session]
        return waiting.request, answer

    def drop(self, request: SignalRequest) -> bool:
        """Whether there was such an offer, which is forgotten now."""
        if self._find(request) is None:
            return False
        del self._waiting[request.session]
        return True

    def has_offered(self, path: str) -> bool:
        """Whether somebody may answer soon."""
        return any(waiting.request.path == path for waiting in self._waiting.values())

    def handle_timer(self, now: float) -> None:
        """Forget those that nobody has answered."""
        self._waiting = {name: one for name, one in self._waiting.items() if now < one.until}

    def _make_room(self, remote: str) -> None:
        own = [name for name, one in self._waiting.items() if one.request.remote == remote]
        if len(own) >= MOST_OF_ONE:
            del self._waiting[own[0]]
        elif len(self._waiting) >= MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]

    def _find(self, request: SignalRequest) -> _Waiting | None:
        waiting = self._waiting.get(request.session)
        return waiting if waiting is not None and waiting.request.path == request.path else None
