"""The life of one path: its state, what led there, and the source that is opened for it. Sans-IO.

The table is in streaming/path_state.py. What a state's work is and when it is done again:

- A source that is wanted is opened at once; after a run that failed, again after
  `RestartBackoff`'s delay, for as long as it is wanted, whatever state the path is in.
- An attempt that has not brought a publisher onto the path after `OPEN_S` is abandoned, which is
  a failure like any other.
- After `FAILING_AFTER` failures in a row, a path that waited for its source alone is FAILED; the
  attempts go on, at the back-off's longest delay, and the first that succeeds leads on to PROBING.
- A source that ended, or was closed by an operator, is not opened again.
- What takes longer than `LONGEST_S` allows is given up.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from segmenter.errors import UsageError
from streaming.path_state import LONGEST_S, TRANSITIONS, UNCHANGED, Cause, PathState, StateChange
from streaming.restart_backoff import RestartBackoff

OPEN_S: Final = 60.0
"""From the start of a source's worker to its first tracks: cameras that wake up take half a minute,
and FFmpeg probes for some seconds."""
FAILING_AFTER: Final = 5
"""Failures in a row: a quarter of a minute by `RestartBackoff`, which a camera's restart takes."""
VERSIONS_SINCE_UTC: Final = 1_767_225_600.0
"""2026-01-01."""
VERSIONS_PER_S: Final = 10
"""More than a path changes its state on average, so versions of a path that begins anew are above
all it ever had, without anything being kept: they start from the clock, as media sequence numbers
do."""


class Work(enum.Enum):
    """What is to be done for a path's source."""

    OPEN = "open"
    ABANDON = "abandon"


@dataclass(frozen=True, slots=True)
class LifeStatistics:
    """A path's life until now; counters only rise."""

    state: PathState
    version: int
    since_utc: float
    reason: str
    """Code of the latest transition; empty before the first."""
    detail: str
    entered: Mapping[PathState, int]
    """How often each state was entered."""
    spent_s: Mapping[PathState, float]
    """Time in each state, the present one included."""
    source_failures: int
    """In a row."""
    source_due_utc: float
    """When the source is opened next; 0 when that is not due."""


class Lifecycle:
    """Owns a path's state and when its source is opened; the path and its entry are the callers.

    `on_change` is told of each transition, when the new state holds.
    """

    def __init__(self, path: str, now_utc: float, on_change: Callable[[StateChange], None]) -> None:
        self.state = PathState.IDLE
        self.since_utc = now_utc
        self.version = max(0, int((now_utc - VERSIONS_SINCE_UTC) * VERSIONS_PER_S))
        self._path = path
        self._on_change = on_change
        self._latest: StateChange | None = None
        self._entered: Counter[PathState] = Counter()
        self._spent_s: dict[PathState, float] = dict.fromkeys(PathState, 0.0)
        self._asking = 0
        self._backoff = RestartBackoff()
        self._is_source_wanted = False
        self._source_due_utc: float | None = None
        self._opening_since_utc: float | None = None
        self._source_failures = 0

    def take(self, cause: Cause, detail: str, now_utc: float) -> bool:
        """Something has happened; whether it led to another state.

        Raises UsageError where that cannot happen.
        """
        new = TRANSITIONS[cause].get(self.state)
        if new is None:
            if self.state not in UNCHANGED.get(cause, ()):
                raise UsageError(f"path {self._path}: {cause.value} while {self.state.value}")
            return False
        spent_s = max(0.0, now_utc - self.since_utc)
        self._spent_s[self.state] += spent_s
        old, self.state, self.since_utc = self.state, new, now_utc
        self.version += 1
        self._entered[new] += 1
        change = StateChange(self._path, old, new, cause, detail, self.version, now_utc, spent_s)
        self._latest = change
        self._on_change(change)
        return True

    def is_overdue(self, now_utc: float) -> bool:
        """Whether the present state has lasted for longer than it may."""
        longest_s = LONGEST_S.get(self.state)
        return longest_s is not None and now_utc - self.since_utc >= longest_s

    # -- who asks to publish -----------------------------------------------------------------

    def ask(self, protocol: str, now_utc: float) -> None:
        """A publisher asks, and has to wait for the answer; `answered` follows."""
        self._asking += 1
        self.take(Cause.PUBLISHER_ASKS, f"{protocol} publisher", now_utc)

    def answered(self, now_utc: float) -> None:
        """It knows by now: either it has joined, or it was refused."""
        self._asking -= 1
        if not self._asking:
            self.take(Cause.PUBLISHER_REFUSED, "", now_utc)

    # -- the source --------------------------------------------------------------------------

    @property
    def is_source_wanted(self) -> bool:
        """Whether there is a source that is open or will be opened."""
        return self._is_source_wanted

    @property
    def is_source_failing(self) -> bool:
        """Whether there is hardly a hope of it."""
        return self._is_source_wanted and self._source_failures >= FAILING_AFTER

    def want_source(self, now_utc: float) -> None:
        """There is a source, to be opened as soon as possible."""
        self._is_source_wanted = True
        self._source_due_utc = now_utc
        self._source_failures = 0
        self._backoff = RestartBackoff()
        self.take(Cause.SOURCE_WANTED, "", now_utc)

    def drop_source(self, detail: str, now_utc: float) -> None:
        """There is none any more: the configuration names none, it has ended, or it was closed."""
        self._is_source_wanted = False
        self._source_due_utc = self._opening_since_utc = None
        self.take(Cause.SOURCE_DROPPED, detail, now_utc)

    def source_opened(self) -> None:
        """It publishes."""
        self._opening_since_utc = None
        self._source_failures = 0

    def source_failed(self, ran_s: float, now_utc: float) -> None:
        """A run of it is over, after `ran_s`."""
        if not self._is_source_wanted:
            return
        self._opening_since_utc = None
        self._source_failures += 1
        self._source_due_utc = now_utc + self._backoff.delay_s(ran_s)
        if self.is_source_failing and self.state is PathState.CONNECTING:
            detail = f"{self._source_failures} attempts failed"
            self.take(Cause.SOURCE_FAILING, detail, now_utc)

    def source_work(self, now_utc: float) -> Work | None:
        """What is to be done now; called several times a second."""
        if self._source_due_utc is not None and now_utc >= self._source_due_utc:
            self._source_due_utc, self._opening_since_utc = None, now_utc
            return Work.OPEN
        opening = self._opening_since_utc
        if opening is not None and now_utc - opening >= OPEN_S:
            self._opening_since_utc = None
            return Work.ABANDON
        return None

    def statistics(self, now_utc: float) -> LifeStatistics:
        """What there has been until now."""
        spent_s = dict(self._spent_s)
        spent_s[self.state] += max(0.0, now_utc - self.since_utc)
        latest = self._latest
        return LifeStatistics(
            self.state,
            self.version,
            self.since_utc,
            latest.cause.value if latest is not None else "",
            latest.detail if latest is not None else "",
            dict(self._entered),
            spent_s,
            self._source_failures,
            self._source_due_utc or 0.0,
        )
