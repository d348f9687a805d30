"""What a path's publishers were advised about: said once until it changes. Sans-IO."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from streaming.events.advice import Advice

HAPPENED: Final = frozenset({"timestamp-jump", "clock-stood-still"})
"""Codes that tell of a moment, not of how things are."""


class AdviceMemory:
    """Remembers what was told of one path: who comes back as before is told nothing again."""

    def __init__(self, deaf_role: str = "") -> None:
        """Who is in `deaf_role` can change nothing, as our own test source, and is told nothing."""
        self._deaf_role = deaf_role
        self._told: dict[tuple[str, str], Advice] = {}

    def news(self, role: str, given: Sequence[Advice], looked_for: Collection[str]) -> list[Advice]:
        """What is new of the advice `given` to a publisher in that role.

        Of the codes that were `looked_for`, those that are not given have been heeded.
        """
        if role == self._deaf_role:
            return []
        for code in {*looked_for} - {advice.code for advice in given}:
            self._told.pop((role, code), None)
        news = [advice for advice in given if self._is_news(role, advice)]
        for advice in news:
            self._told[role, advice.code] = advice
        return news

    def standing(self) -> list[tuple[str, Advice]]:
        """Role and advice, as long as it has not been heeded; what only happened is over."""
        return [(role, one) for (role, code), one in self._told.items() if code not in HAPPENED]

    def _is_news(self, role: str, advice: Advice) -> bool:
        told = self._told.get((role, advice.code))
        return told is None or advice.differs(told)
