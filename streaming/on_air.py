"""Which of a path's publishers is on air. Sans-IO; the path asks, obeys and moves the samples.

Ranks are primary, backup, slate. What may follow what, and why:

    nobody ──came──▶ primary, backup         nobody ──absent──▶ slate
    primary ──gone, stalled──▶ backup         primary, backup ──stalled──▶ slate
    backup ──gone, stalled, returned──▶ primary
    slate ──came──▶ primary, backup           any ──gone──▶ nobody
    any ──chosen──▶ primary, backup, slate    (an operator's wish, until it is taken back)

A publisher that vanishes or stalls is replaced at once by the best one that delivers, from what
was kept of it (streaming/kept_gops.py); one that returns takes over at a key frame of its own. A
backup that was connected first is on air until the primary has been steady for `return_s`; with
`returns` False until it fails itself. The slate covers whoever is silent, after `slate_after_s`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from segmenter.errors import UsageError
from streaming.config_paths import PathConfig
from streaming.publisher_slot import PublisherRecord, Rank, Slot


class Why(enum.Enum):
    """Why another publisher went on air; the value is the word of logs and the API."""

    CAME = "came"
    GONE = "gone"
    STALLED = "stalled"
    ABSENT = "absent"
    RETURNED = "returned"
    CHOSEN = "chosen"


_FAILED = frozenset({Why.GONE, Why.STALLED, Why.CHOSEN})
_TRANSITIONS: dict[tuple[Rank | None, Rank | None], frozenset[Why]] = {
    (None, Rank.PRIMARY): frozenset({Why.CAME}),
    (None, Rank.BACKUP): frozenset({Why.CAME}),
    (None, Rank.SLATE): frozenset({Why.ABSENT, Why.CHOSEN}),
    (Rank.PRIMARY, Rank.BACKUP): _FAILED,
    (Rank.PRIMARY, Rank.SLATE): frozenset({Why.STALLED, Why.CHOSEN}),
    (Rank.PRIMARY, None): frozenset({Why.GONE}),
    (Rank.BACKUP, Rank.PRIMARY): _FAILED | {Why.RETURNED, Why.CAME},
    (Rank.BACKUP, Rank.SLATE): frozenset({Why.STALLED, Why.CHOSEN}),
    (Rank.BACKUP, None): frozenset({Why.GONE}),
    (Rank.SLATE, Rank.PRIMARY): frozenset({Why.CAME, Why.CHOSEN}),
    (Rank.SLATE, Rank.BACKUP): frozenset({Why.CAME, Why.CHOSEN}),
    (Rank.SLATE, None): frozenset({Why.GONE}),
}


LATE_S = 0.5
"""Timers come ten times a second; when one is so much late, we stood still, not the publishers:
what they sent meanwhile is read first, for as long."""


@dataclass(frozen=True, slots=True)
class OnAirPolicy:
    """When to switch; durations in seconds."""

    stall_s: float = 1.5
    returns: bool = True
    return_s: float = 10.0
    slate_after_s: float = 0.3


def policy_of(config: PathConfig) -> OnAirPolicy:
    """What a path's settings say about it."""
    return OnAirPolicy(
        stall_s=config.stall_s,
        returns=config.backup_return == "auto",
        return_s=config.backup_return_s,
        slate_after_s=config.slate_after_s,
    )


@dataclass(frozen=True, slots=True)
class Switch:
    """Another publisher is on air from now on."""

    old: Rank | None
    slot: Slot | None
    """None: nobody."""
    why: Why
    reason: str
    at_utc: float

    @property
    def is_urgent(self) -> bool:
        """Whether the one before has stopped, so that what was kept must fill in."""
        return self.why in (Why.GONE, Why.STALLED)


@dataclass(frozen=True, slots=True)
class OnAirStatistics:
    """Who is on air and who could be; counters only rise."""

    on_air: str
    """A rank, "" for nobody."""
    chosen: str
    """The rank that an operator wants on air; "" is automatic."""
    reason: str
    """Of the latest switch."""
    since_utc: float
    switches: int
    """From one publisher to another, or between publisher and slate."""
    stalls: int
    """How often a publisher on air fell silent."""
    publishers: tuple[PublisherRecord, ...]


class OnAir:
    """Owns the publishers' slots of one path, which is the only caller.

    Every method that may change who is on air gives the switch, or None.
    """

    def __init__(self, policy: OnAirPolicy, now_utc: float) -> None:
        self.current: Slot | None = None
        self._policy = policy
        self._slots: dict[Rank, Slot] = {}
        self._slate: Slot | None = None
        self._chosen: Rank | None = None
        self._latest: Rank | None = None
        self._silent_since_utc = now_utc
        self._since_utc = now_utc
        self._reason = ""
        self._switches = 0
        self._stalls = 0
        self._is_stall_counted = False
        self._timer_utc = now_utc
        self._deaf_until_utc = 0.0

    def apply(self, policy: OnAirPolicy) -> None:
        """Another policy from now on, for those who are there as well."""
        self._policy = policy
        for slot in self._slots.values():
            slot.set_stall(policy.stall_s)

    # -- who is there ------------------------------------------------------------------------

    def holder(self, rank: Rank) -> Slot | None:
        """The publisher that holds `rank`."""
        return self._slots.get(rank)

    def holds(self, slot: Slot) -> bool:
        """Whether `slot` is not stale."""
        return self._slots.get(slot.rank) is slot

    @property
    def publishers(self) -> tuple[Slot, ...]:
        """All of them, best rank first; the slate is none."""
        return tuple(sorted(self._slots.values(), key=lambda slot: slot.rank.order))

    def join(self, slot: Slot, now_utc: float) -> Switch | None:
        """A publisher has come; where nobody is on air it is, before it has said anything."""
        self._slots[slot.rank] = slot
        current = self.current
        if current is None:
            return self._switch(slot, Why.CAME, f"{slot.protocol} publisher", now_utc)
        waits = current.rank is not Rank.SLATE and not current.has_media
        if waits and slot.rank.order < current.rank.order:
            reason = f"{slot.rank.value} came before the {current.rank.value} sent anything"
            return self._switch(slot, Why.CAME, reason, now_utc)
        return None

    def replace(self, old: Slot, new: Slot) -> None:
        """A publisher has taken over from one of its own rank.

        That is no switch: the backup is given a chance only when the new one does not deliver.
        """
        self._slots[new.rank] = new
        if self.current is old:
            new.heard_utc = max(new.heard_utc, old.heard_utc)
            self.current = new
            self._is_stall_counted = False

    def leave(self, slot: Slot, reason: str, now_utc: float) -> Switch | None:
        """A publisher has gone; the best of those that deliver goes on air, or for now nobody."""
        del self._slots[slot.rank]
        if self.current is not slot:
            return None
        self._silent_since_utc = slot.heard_utc if slot.has_media else now_utc
        return self._switch(
            self._best_ready(now_utc), Why.GONE, f"{slot.rank.value}: {reason}", now_utc
        )

    def set_slate(self, slate: Slot | None, now_utc: float) -> Switch | None:
        """There is a slate from now on, another one, or none."""
        is_on_air = self.current is not None and self.current is self._slate
        switch = None
        if is_on_air and slate is None:
            switch = self.end_slate("there is no slate any more", now_utc)
        elif is_on_air:
            self.current = slate
        self._slate = slate
        return switch

    def end_slate(self, reason: str, now_utc: float) -> Switch | None:
        """Takes the slate off the air, if it is on; for now nobody is."""
        if self.current is None or self.current is not self._slate:
            return None
        self._silent_since_utc = now_utc
        return self._switch(None, Why.GONE, reason, now_utc)

    # -- what happens ------------------------------------------------------------------------

    def take_entry(self, slot: Slot, now_utc: float) -> Switch | None:
        """A publisher that is off air has sent a sample with which it could begin."""
        current = self.current
        name = slot.rank.value
        if current is None:
            return self._switch(slot, Why.CAME, f"{name} is here", now_utc)
        if self._chosen is slot.rank:
            return self._switch(slot, Why.CHOSEN, f"{name}: wanted on air", now_utc)
        if current.rank is Rank.SLATE and self._chosen is not Rank.SLATE:
            return self._switch(slot, Why.CAME, f"{name} is here", now_utc)
        if self._has_stalled(current, now_utc):
            reason = _silence(current, now_utc)
            return self._switch(slot, Why.STALLED, reason, now_utc)
        steady_s = now_utc - slot.steady_since_utc
        if self._may_return(slot, current) and steady_s >= self._policy.return_s:
            reason = f"{name} has been steady for {steady_s:.0f} s"
            return self._switch(slot, Why.RETURNED, reason, now_utc)
        return None

    def handle_timer(self, now_utc: float) -> Switch | None:
        """Time passes: call it several times a second."""
        current, slate = self.current, self._slate
        if now_utc - self._timer_utc > LATE_S:
            self._deaf_until_utc = now_utc + LATE_S
        self._timer_utc = now_utc
        if self._chosen is Rank.SLATE and slate is not None and current is not slate:
            return self._switch(slate, Why.CHOSEN, "slate: wanted on air", now_utc)
        if current is None:
            if slate is not None and self._is_slate_due(self._silent_since_utc, now_utc):
                return self._switch(slate, Why.ABSENT, "no publisher is here", now_utc)
            return None
        if not current.is_stalled(now_utc):
            self._is_stall_counted = False
        if not self._has_stalled(current, now_utc):
            return None
        self._count_stall(current)
        successor = self._best_ready(now_utc)
        if successor is None and self._is_slate_due(current.heard_utc, now_utc):
            successor = slate
        if successor is None:
            return None
        return self._switch(successor, Why.STALLED, _silence(current, now_utc), now_utc)

    def has_stalled(self, now_utc: float) -> bool:
        """Whether who is on air has fallen silent, though we have listened."""
        current = self.current
        return current is not None and current.has_media and self._has_stalled(current, now_utc)

    def choose(self, rank: Rank | None) -> None:
        """An operator's wish: this rank whenever it delivers, or None, automatic.

        The slate comes with the next timer, a publisher with its next key frame.
        """
        self._chosen = rank

    def statistics(self, now_utc: float) -> OnAirStatistics:
        """The present state."""
        current = self.current
        return OnAirStatistics(
            on_air=current.rank.value if current else "",
            chosen=self._chosen.value if self._chosen else "",
            reason=self._reason,
            since_utc=self._since_utc,
            switches=self._switches,
            stalls=self._stalls,
            publishers=tuple(
                slot.record(is_on_air=slot is current, now_utc=now_utc) for slot in self.publishers
            ),
        )

    # -- inside ------------------------------------------------------------------------------

    def _has_stalled(self, slot: Slot, now_utc: float) -> bool:
        if now_utc < self._deaf_until_utc or now_utc - self._timer_utc > LATE_S:
            return False
        return slot.is_stalled(now_utc)

    def _may_return(self, slot: Slot, current: Slot) -> bool:
        is_better = slot.rank.order < current.rank.order
        return is_better and self._policy.returns and self._chosen is not current.rank

    def _is_slate_due(self, silent_since_utc: float, now_utc: float) -> bool:
        return now_utc - silent_since_utc >= self._policy.slate_after_s

    def _best_ready(self, now_utc: float) -> Slot | None:
        """The best publisher off air that delivers and whose kept samples one could begin with."""
        ready = (
            slot
            for slot in self.publishers
            if slot is not self.current and not slot.is_stalled(now_utc) and not slot.kept.is_empty
        )
        return next(ready, None)

    def _count_stall(self, slot: Slot) -> None:
        if slot.has_media and not self._is_stall_counted:
            self._is_stall_counted = True
            self._stalls += 1

    def _switch(self, slot: Slot | None, why: Why, reason: str, now_utc: float) -> Switch:
        former = self.current
        old, new = (one.rank if one is not None else None for one in (former, slot))
        if why not in _TRANSITIONS.get((old, new), ()):
            raise UsageError(f"on air: {old} cannot be followed by {new} because {why.value}")
        if former is not None and why is Why.STALLED:
            self._count_stall(former)
        if new is not None:
            self._switches += self._latest not in (None, new)
            self._latest = new
        self.current = slot
        self._reason, self._since_utc = reason, now_utc
        self._is_stall_counted = False
        return Switch(old, slot, why, reason, now_utc)


def _silence(slot: Slot, now_utc: float) -> str:
    return f"{slot.rank.value} has been silent for {now_utc - slot.heard_utc:.1f} s"
