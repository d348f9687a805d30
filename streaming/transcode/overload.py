"""When the machine is too slow: which rungs to stop, and when to try them again. Pure.

The rule. Lag is media time received and not yet decoded. When it stays above `SHED_LAG_S` for
`SHED_AFTER_S`, the largest encoded rung still running is shed; the next one when after as long
again the lag has not fallen. The smallest rung is never shed: when it alone is too much, the
input queue drops whole groups of pictures. When lag stays below `CALM_LAG_S` for a calm time, the
smallest shed rung comes back. The calm time is `CALM_S` at first, and doubles up to `MOST_CALM_S`
each time a rung that came back must go again within `RELAPSE_S`.
"""

from __future__ import annotations

from collections.abc import Sequence

SHED_LAG_S = 1.0
"""Several times any sane scheduling delay, and less than a segment."""
SHED_AFTER_S = 2.0
START_S = 5.0
"""A starved machine opens a ladder in two or three seconds and then catches up; after four the
input queue drops, so that latency stays bounded meanwhile."""
FALLING_S = 0.1
"""Lag that is so much less than `SHED_AFTER_S` ago is on its way down: nothing more is shed."""
CALM_LAG_S = 0.25
CALM_S = 30.0
MOST_CALM_S = 600.0
RELAPSE_S = 60.0


class Overload:
    """Judges one ladder; its worker calls `observe` about each second."""

    def __init__(self, rungs: Sequence[str]) -> None:
        self._rungs = tuple(rungs)
        self._running = len(self._rungs)
        self._began: float | None = None
        self._slow_since: float | None = None
        self._slow_lag_s = 0.0
        self._calm_since: float | None = None
        self._calm_s = CALM_S
        self._restored_at: float | None = None

    @property
    def shed(self) -> tuple[str, ...]:
        """The rungs that stand still, the largest first."""
        return self._rungs[: len(self._rungs) - self._running]

    def observe(self, now: float, lag_s: float) -> bool:
        """Takes one measurement; True when `shed` has changed."""
        self._began = now if self._began is None else self._began
        if lag_s > SHED_LAG_S:
            self._calm_since = None
            return now - self._began >= START_S and self._observe_slow(now, lag_s)
        self._slow_since = None
        if lag_s > CALM_LAG_S:
            self._calm_since = None
            return False
        return self._observe_calm(now)

    def _observe_slow(self, now: float, lag_s: float) -> bool:
        if self._slow_since is None:
            self._slow_since, self._slow_lag_s = now, lag_s
        if now - self._slow_since < SHED_AFTER_S:
            return False
        falling = lag_s < self._slow_lag_s - FALLING_S
        self._slow_since, self._slow_lag_s = now, lag_s
        if falling or self._running <= 1:
            return False
        self._running -= 1
        if self._restored_at is not None and now - self._restored_at < RELAPSE_S:
            self._calm_s = min(self._calm_s * 2, MOST_CALM_S)
        self._restored_at = None
        return True

    def _observe_calm(self, now: float) -> bool:
        if self._calm_since is None:
            self._calm_since = now
        if self._restored_at is not None and now - self._restored_at >= RELAPSE_S:
            self._calm_s = CALM_S
        if not self.shed or now - self._calm_since < self._calm_s:
            return False
        self._calm_since = now
        self._running += 1
        self._restored_at = now
        return True
