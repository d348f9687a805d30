"""The origin's UTC: it follows the system's clock, but never jumps and never goes back.

Media time, numbers and everything that players compare with them come from it, so a system clock
that is stepped (by NTP, by hand, by a host that woke up) must not reach them. This clock starts
with the system's and then runs with the monotonic one; what separates it from the system's is
made up for by running faster or slower, at most by SLEW_RATE. Only while nothing is on air it
follows a step, and only forward.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

logger = logging.getLogger(__name__)

SLEW_RATE: Final = 0.0005
"""Seconds per second, what adjtime(3) and NTP allow themselves: less than the clocks of cameras
drift, 5 ms between two reloads of a playlist. An hour is made up for in 83 days: after a step it
is a restart that brings it (see `started_utc`), or an idle minute."""

SOON_S: Final = 10.0
"""A small difference is made up for within this, not at once: it may be noise."""

STEP_S: Final = 1.0
"""A difference worth a line in the log."""


class UtcClock:
    """Owns UTC in the main process; calling it gives seconds since 1970. One thread alone."""

    def __init__(
        self,
        started_utc: float = 0.0,
        *,
        system: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``started_utc``: not before this, the latest moment that an earlier origin has seen."""
        self._system = system
        self._monotonic = monotonic
        self._at = monotonic()
        self._utc = max(system(), started_utc)
        self._rate = 1.0
        self._is_off = False

    def __call__(self) -> float:
        """Now."""
        return self._utc + (self._monotonic() - self._at) * self._rate

    @property
    def offset_s(self) -> float:
        """By how much the system's clock is ahead of this one."""
        return self._system() - self()

    @property
    def ahead_of_monotonic_s(self) -> float:
        """What other processes of this machine have to add to their monotonic clock."""
        return self() - self._monotonic()

    def follow(self, *, is_idle: bool) -> None:
        """Compares with the system's clock; called about once a second.

        ``is_idle``: nothing is on air that a step forward could tear apart.
        """
        utc, offset_s = self(), self.offset_s
        self._note(offset_s)
        if is_idle and offset_s > STEP_S:
            utc, offset_s = utc + offset_s, 0.0
        self._utc, self._at = utc, self._monotonic()
        self._rate = 1.0 + max(-SLEW_RATE, min(SLEW_RATE, offset_s / SOON_S))

    def _note(self, offset_s: float) -> None:
        is_off = abs(offset_s) > STEP_S
        if is_off and not self._is_off:
            logger.warning(
                "the system's clock is %+.1f s off ours; what is on air goes on with ours", offset_s
            )
        elif self._is_off and not is_off:
            logger.info("our clock agrees with the system's again")
        self._is_off = is_off


def steady_utc() -> Callable[[], float]:
    """UTC as the system has it now, carried by the monotonic clock from here on."""
    ahead_s = time.time() - time.monotonic()
    return lambda: time.monotonic() + ahead_s
