"""Which of the path's video renditions a viewer gets, sans-IO.

A viewer begins with the best that most can receive, for nothing that is known in its first second
says that it cannot. Congestion leads down, at once to what fits into that which got through. Up
leads a try: a viewer's reports cannot say that more would get through than is sent, except by how
fast packets that left together arrived; where that is known, a try that it promises comes soon and
one that it speaks against late. A try that fails makes the next one wait longer.
"""

from __future__ import annotations

from collections.abc import Sequence

from webrtc.bandwidth import Bandwidth, Congestion

START_BITRATE = 4_000_000
"""Assumed before anything is known, so that a viewer begins with a picture worth seeing."""

_SHARE = 0.85
"""Of what gets through, video may take so much: sound, headers, and what is sent again."""

_BURST_SHARE = 0.6
"""The same of what bursts promise: a router may let some of a burst pass at once."""

_HOLD_S = 3.0
"""A viewer's first seconds: the group of pictures in progress comes faster than real time, which
is congestion of our own making. Only bursts count, which measure by it."""

_SETTLE_S = 3.0
"""After a step down the reports are still about what was before: the switch waits for a key frame
and the queue has to drain."""

_SOME_LOSS = 0.07
"""With more no try is made; retransmission needs room, too."""

_PROMISED_TRY_S = 2.0
_FIRST_TRY_S = 4.0
_LAST_TRY_S = 60.0
_FAILED_WITHIN_S = 10.0
"""Coming down so soon after a try means that the try failed."""

_CARRIED_FOR_S = 15.0
"""How long what bursts told is believed: a low rendition has some at key frames alone."""


class RenditionChoice:
    """Owns one viewer's choice; `choose` is asked about once a second."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._lowered_at = float("-inf")
        self._good_since: float | None = None
        self._was_congested = False
        self._wait_s = _FIRST_TRY_S
        self._tried_at = float("-inf")
        self._carried = 0
        self._carried_at = float("-inf")

    def first(self, bitrates: Sequence[int]) -> int:
        """With what to begin, nothing being known: the best that most can receive."""
        fitting = [index for index, each in enumerate(bitrates) if each <= START_BITRATE]
        return fitting[-1] if fitting else 0

    def choose(
        self, bitrates: Sequence[int], current: int, bandwidth: Bandwidth, now: float
    ) -> int:
        """Index of the rendition to send; ``bitrates`` rise, bits per second.

        The answer is the current one or another; the caller switches at the next key frame.
        """
        self._began = now if self._began is None else self._began
        if bandwidth.carried:
            self._carried, self._carried_at = bandwidth.carried, now
        if bandwidth.congestion is not Congestion.NONE:
            self._good_since = None
        is_new = now - self._began < _HOLD_S
        room = bandwidth.carried if is_new else bandwidth.room
        if self._must_fall(bitrates[current], bandwidth, room, now, is_new=is_new):
            return self._fall(bitrates, current, room, now)
        if current + 1 < len(bitrates) and self._may_rise(bitrates[current + 1], bandwidth, now):
            self._tried_at, self._good_since = now, None
            return current + 1
        return current

    def _must_fall(
        self, bitrate: int, bandwidth: Bandwidth, room: int, now: float, *, is_new: bool
    ) -> bool:
        was_congested, self._was_congested = self._was_congested, bool(bandwidth.congestion)
        if not bandwidth.congestion or now - self._lowered_at < _SETTLE_S:
            return False
        if room and bitrate <= room * _SHARE:
            return False  # it passes, though others' traffic may not
        # What bursts speak against is a pause, of radio or of a busy machine, unless it lasts.
        is_pause = bitrate <= bandwidth.carried * _SHARE
        is_sure = bandwidth.congestion is Congestion.HEAVY and not is_pause
        return bool(room) if is_new else was_congested or is_sure

    def _fall(self, bitrates: Sequence[int], current: int, room: int, now: float) -> int:
        if current == 0:
            return 0
        has_failed = now - self._tried_at < _FAILED_WITHIN_S
        self._wait_s = min(self._wait_s * 2, _LAST_TRY_S) if has_failed else _FIRST_TRY_S
        self._lowered_at = now
        if not room:
            return current - 1
        return max((i for i in range(current) if bitrates[i] <= room * _SHARE), default=0)

    def _may_rise(self, bitrate: int, bandwidth: Bandwidth, now: float) -> bool:
        if bandwidth.congestion or bandwidth.loss > _SOME_LOSS:
            self._good_since = None
            return False
        if self._good_since is None:
            self._good_since = now
        return now - self._good_since >= self._patience_s(bitrate, now)

    def _patience_s(self, bitrate: int, now: float) -> float:
        """How long all has to be well before this bitrate is tried."""
        if now - self._carried_at > _CARRIED_FOR_S:
            return self._wait_s
        is_promised = bitrate <= self._carried * _BURST_SHARE
        if not is_promised:
            return _LAST_TRY_S
        return _PROMISED_TRY_S if self._wait_s == _FIRST_TRY_S else self._wait_s
