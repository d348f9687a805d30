"""Which events a follower wants: patterns of paths and of types."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Hashable, Iterable, Sequence
from typing import Final, Protocol

from streaming.events.event import FREQUENT, RESET, Event

SEGMENT: Final = "segment.ready"
ON_REQUEST: Final = frozenset({SEGMENT})
"""Types that are told only to who names them: there are many, and few want them."""
MOST_PATTERNS: Final = 16
MOST_PATTERN_CHARS: Final = 256
"""A path's name has at most 200."""


class FilterError(ValueError):
    """Too many or too long patterns; the message is fit for whoever asked."""


class EventFilter:
    """Decides for one follower."""

    def __init__(self, paths: Sequence[str] = (), types: Sequence[str] = ()) -> None:
        """Patterns as of shells: "live/*", "publisher.*". None at all: everything.

        Raises FilterError.
        """
        for patterns in (paths, types):
            if len(patterns) > MOST_PATTERNS:
                raise FilterError(f"more than {MOST_PATTERNS} patterns")
            if any(len(pattern) > MOST_PATTERN_CHARS for pattern in patterns):
                raise FilterError(f"a pattern has at most {MOST_PATTERN_CHARS} characters")
        self.key: Hashable = (tuple(paths), tuple(types))
        """Filters with equal keys want the same."""
        self._paths = _compile(paths)
        self._types = _compile(types)
        matches = self._types.fullmatch if self._types is not None else _is_for_all
        self.frequent: frozenset[str] = frozenset(filter(matches, FREQUENT))
        """Of the frequent types, those that it wants."""

    def matches(self, event: Event) -> bool:
        """Whether the follower wants it; resets everybody wants."""
        if event.type == RESET:
            return True
        if self._types is None:
            if not _is_for_all(event.type):
                return False
        elif not self._types.fullmatch(event.type):
            return False
        return self.wants_path(event.path)

    def wants_path(self, path: str) -> bool:
        """Whether events of a path are wanted."""
        return self._paths is None or self._paths.fullmatch(path) is not None


def _is_for_all(kind: str) -> bool:
    return kind not in ON_REQUEST


def _compile(patterns: Sequence[str]) -> re.Pattern[str] | None:
    if not patterns:
        return None
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns))


class AnyOf:
    """Several filters of one follower: it is told what any of them wants."""

    def __init__(self, filters: Iterable[EventFilter]) -> None:
        self._filters = tuple(filters)
        self.key: Hashable = tuple(one.key for one in self._filters)
        """Filters with equal keys want the same."""
        self.frequent: frozenset[str] = frozenset().union(*(one.frequent for one in self._filters))
        """Of the frequent types, those that one of them wants."""

    def matches(self, event: Event) -> bool:
        """Whether the follower wants it; resets everybody wants."""
        return event.type == RESET or any(f.matches(event) for f in self._filters)

    def wants_path(self, path: str) -> bool:
        """Whether events of a path are wanted."""
        return any(f.wants_path(path) for f in self._filters)


class Wanted(Protocol):
    """What decides for a follower."""

    @property
    def key(self) -> Hashable:
        """Those with equal keys want the same."""

    @property
    def frequent(self) -> frozenset[str]:
        """Of the frequent types, those that it wants."""

    def matches(self, event: Event) -> bool:
        """Whether it wants an event."""

    def wants_path(self, path: str) -> bool:
        """Whether it wants events of a path."""
