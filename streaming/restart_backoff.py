"""How long to wait before what has ended is started again. Sans-IO."""

from __future__ import annotations


class RestartBackoff:
    """How long to wait before the next start: `first_s`, doubled by each short run up to `most_s`.

    A run of at least `calm_s` was a success, and the next delay is `first_s` again.
    """

    def __init__(self, first_s: float = 0.5, most_s: float = 30.0, calm_s: float = 60.0) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._calm_s = calm_s
        self._next_s = first_s

    def delay_s(self, ran_s: float) -> float:
        """Seconds to wait after a run that lasted `ran_s`."""
        if ran_s >= self._calm_s:
            self._next_s = self._first_s
        delay = self._next_s
        self._next_s = min(self._next_s * 2, self._most_s)
        return delay
