"""When the machine is too slow: which rungs to stop, and when to try them again. Pure.

The rule. Lag is media time received and not yet decoded. Late is better than lost: as long as lag
falls, or is new, the rungs are only late, and the input queue has room for that. The largest
encoded rung still running is shed when lag is above `LATE_LAG_S` and has not fallen for `LATE_S`,
or, where the queue would soon be full and drop whole groups of pictures, is above
`ALMOST_FULL_LAG_S` and has not fallen for `ALMOST_FULL_S`; the next one when after as long again
it still has not. The smallest rung is never shed: when it alone is too much, the queue drops.
When lag stays below `CALM_LAG_S` for a calm time, the smallest shed rung comes back. The calm time
is `CALM_S` at first, and doubles up to `MOST_CALM_S` each time a rung that came back must go again
within `RELAPSE_S`.
"""

from __future__ import annotations

from collections.abc import Sequence

LATE_LAG_S = 1.0
"""Several times any sane scheduling delay, and less than a segment."""
LATE_S = 10.0
"""A browser or a compiler that starts beside us is busy for seconds. A gap of a rung costs more
than that it is late for so long."""
ALMOST_FULL_LAG_S = 2.5
"""The queue holds four seconds: at half speed it is full in three more."""
ALMOST_FULL_S = 2.0
START_S = 5.0
"""A starved machine opens a ladder in two or three seconds and then catches up; after four the
input queue drops, so that latency stays bounded meanwhile."""
FALLING_S = 0.1
"""Lag that is so much less than it was at its last low is on its way down."""
CALM_LAG_S = 0.25
CALM_S = 10.0
"""Five segments; what was too much once may have been somebody else's doing, and over."""
MOST_CALM_S = 600.0
RELAPSE_S = 60.0


class Overload:
    """Judges one ladder; its worker calls `observe` about each second."""

    def __init__(self, rungs: Sequence[str]) -> None:
        self._rungs = tuple(rungs)
        self._running = len(self._rungs)
        self._began: float | None = None
        self._late_since: float | None = None
        self._least_lag_s = 0.0
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
        if lag_s > LATE_LAG_S:
            self._calm_since = None
            return now - self._began >= START_S and self._observe_late(now, lag_s)
        self._late_since = None
        if lag_s > CALM_LAG_S:
            self._calm_since = None
            return False
        return self._observe_calm(now)

    def _observe_late(self, now: float, lag_s: float) -> bool:
        if self._late_since is None or lag_s < self._least_lag_s - FALLING_S:
            self._late_since, self._least_lag_s = now, lag_s
        patience_s = ALMOST_FULL_S if lag_s > ALMOST_FULL_LAG_S else LATE_S
        if self._running <= 1 or now - self._late_since < patience_s:
            return False
        self._late_since, self._least_lag_s = now, lag_s
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
