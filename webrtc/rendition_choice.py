"""Which of the path's video renditions a viewer gets, sans-IO.

An estimate of the viewer's bandwidth decides, with OvenMediaEngine's thresholds: down when 1.1
times the estimate is not more than the bitrate, up when 0.75 times the estimate is more than the
next bitrate. An estimate cannot rise far above what is sent (libwebrtc holds it below 1.5 times
that), so with rungs a factor of two apart it would never lead up: when it stands as high as it can
and nothing is lost for some time, we try. A try that fails makes the next one wait longer.
"""

from __future__ import annotations

from collections.abc import Sequence

START_BITRATE = 4_000_000
"""Assumed before anything is known, so that a viewer begins with a picture worth seeing."""

_DOWN = 1.1
_UP = 0.75
_CEILING = 1.35
"""An estimate of so many times the bitrate is as good as it gets."""

_HEAVY_LOSS = 0.1
_LIGHT_LOSS = 0.02
"""libwebrtc's thresholds of its loss-based control (RFC draft-ietf-rmcat-gcc-02 6)."""

_SETTLE_S = 2.0
"""After a switch the reports are still about what was before."""

_FIRST_TRY_S = 4.0
_LAST_TRY_S = 60.0
_FAILED_WITHIN_S = 10.0
"""Coming down so soon after a try means that the try failed."""


class RenditionChoice:
    """Owns one viewer's choice; `choose` is asked about once a second."""

    def __init__(self) -> None:
        self._switched_at = float("-inf")
        self._good_since: float | None = None
        self._wait_s = _FIRST_TRY_S
        self._tried_at = float("-inf")

    def first(self, bitrates: Sequence[int]) -> int:
        """With what to begin, nothing being known: the best that most can receive."""
        fitting = [index for index, each in enumerate(bitrates) if each <= START_BITRATE]
        return fitting[-1] if fitting else 0

    def choose(
        self, bitrates: Sequence[int], current: int, estimate: int, loss: float, now: float
    ) -> int:
        """Index of the rendition to send; ``bitrates`` rise, bits per second.

        ``estimate`` 0 means unknown; ``loss`` is the fraction lost of late. The answer is the
        current one or another; the caller switches at the next key frame.
        """
        if now - self._switched_at < _SETTLE_S:
            return current
        if loss > _HEAVY_LOSS or (estimate and estimate * _DOWN <= bitrates[current]):
            return self._down(bitrates, current, estimate, now)
        if current + 1 < len(bitrates) and self._may_rise(bitrates, current, estimate, loss, now):
            return self._switch(current + 1, now)
        return current

    def _down(self, bitrates: Sequence[int], current: int, estimate: int, now: float) -> int:
        self._good_since = None
        if now - self._tried_at < _FAILED_WITHIN_S:
            self._wait_s = min(self._wait_s * 2, _LAST_TRY_S)
        if current == 0:
            return 0
        below = range(current)
        fitting = [index for index in below if estimate and bitrates[index] < estimate * _DOWN]
        return self._switch(fitting[-1] if fitting else 0 if estimate else current - 1, now)

    def _may_rise(
        self, bitrates: Sequence[int], current: int, estimate: int, loss: float, now: float
    ) -> bool:
        if estimate * _UP > bitrates[current + 1]:
            return True
        if estimate < bitrates[current] * _CEILING or loss > _LIGHT_LOSS:
            self._good_since = None
            return False
        if self._good_since is None:
            self._good_since = now
        if now - self._good_since < self._wait_s:
            return False
        self._tried_at = now
        return True

    def _switch(self, index: int, now: float) -> int:
        self._switched_at = now
        self._good_since = None
        if now - self._tried_at > _LAST_TRY_S:
            self._wait_s = _FIRST_TRY_S
        return index
