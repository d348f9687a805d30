"""Requests that wait for what is announced and not there yet (RFC 8216bis 6.2.5.2, 6.2.6).

Sans-IO. Those who wait at one URL for one moment form a group: whether a moment has come is asked
once for each group, not for each request, and everyone in it is then answered from the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from enum import Enum
from typing import Final

MAX_WAITING: Final = 20_000
"""As many as a delivery process has connections: over HTTP/1.1 each waits for one thing."""


class Outcome(Enum):
    """What the wait came to."""

    DUE = "due"
    """Ask again: the answer is there."""
    LATE = "late"
    """It took too long."""
    CLOSED = "closed"
    """The server is about to end, or will never have it."""


class Ticket:
    """One request's place; whoever waits keeps it to leave."""

    __slots__ = ("_group", "deadline", "release")

    def __init__(self, group: _Group, deadline: float, release: Callable[[Outcome], None]) -> None:
        self._group: _Group | None = group
        self.deadline = deadline
        self.release = release

    def leave(self) -> bool:
        """The client has gone. False the second time, or once released: nothing to leave."""
        group, self._group = self._group, None
        return group is not None and group.remove(self)

    def call(self, outcome: Outcome) -> None:
        """The wait is over; the group has dropped the ticket already."""
        if self._group is not None:  # else it left while others of its group were answered
            self._group = None
            self.release(outcome)


class _Group:
    """Tickets at one URL for one moment, in the order of their arrival."""

    __slots__ = ("_moment", "_room", "_url", "tickets")

    def __init__(self, room: WaitingRoom, url: str, moment: Hashable) -> None:
        self._room = room
        self._url = url
        self._moment = moment
        self.tickets: dict[Ticket, None] = {}

    def remove(self, ticket: Ticket) -> bool:
        if ticket not in self.tickets:
            return False
        del self.tickets[ticket]
        self._room.note_left(self._url, self._moment, self)
        return True


class WaitingRoom:
    """Owns everyone who waits in one delivery process; requests enter, the shelf calls.

    A moment is whatever `wait` was given; only `serve` of the same URL is asked about it.
    """

    def __init__(self) -> None:
        self._groups: dict[str, dict[Hashable, _Group]] = {}
        self._waiting = 0
        self._is_shut = False
        self.served = 0
        self.late = 0

    def __len__(self) -> int:
        return self._waiting

    def wait(
        self, url: str, moment: Hashable, deadline: float, release: Callable[[Outcome], None]
    ) -> Ticket | None:
        """Enters; `release` is called once unless the ticket leaves before.

        None: it is full, or shut. `release` must not raise.
        """
        if self._is_shut or self._waiting >= MAX_WAITING:
            return None
        groups = self._groups.setdefault(url, {})
        group = groups.get(moment)
        if group is None:
            group = groups[moment] = _Group(self, url, moment)
        ticket = Ticket(group, deadline, release)
        group.tickets[ticket] = None
        self._waiting += 1
        return ticket

    def serve(self, url: str, is_due: Callable[[Hashable], bool]) -> int:
        """Something changed at `url`: releases the groups whose moment has come; gives how many
        were released."""
        groups = self._groups.get(url)
        if groups is None:
            return 0
        due = [moment for moment in groups if is_due(moment)]
        released = sum(self._release(url, moment, Outcome.DUE) for moment in due)
        self.served += released
        return released

    def close(self, is_of: Callable[[str], bool] = lambda url: True) -> int:
        """Nothing will come any more at the URLs that `is_of` names."""
        places = [(u, m) for u, groups in self._groups.items() if is_of(u) for m in groups]
        return sum(self._release(url, moment, Outcome.CLOSED) for url, moment in places)

    def shut(self) -> int:
        """Nothing will come any more at all: everyone is released and nobody enters again."""
        self._is_shut = True
        return self.close()

    def expire(self, now: float) -> int:
        """Releases those whose deadline has passed."""
        late = [
            ticket
            for groups in self._groups.values()
            for group in groups.values()
            for ticket in _expired(group, now)
        ]
        expired = 0
        for ticket in late:
            if ticket.leave():  # it may have left while others were told
                ticket.release(Outcome.LATE)
                expired += 1
        self.late += expired
        return expired

    def note_left(self, url: str, moment: Hashable, group: _Group) -> None:
        """A ticket of `group` has gone; for groups only."""
        self._waiting -= 1
        if not group.tickets:
            self._forget(url, moment)

    def _release(self, url: str, moment: Hashable, outcome: Outcome) -> int:
        group = self._groups.get(url, {}).get(moment)
        if group is None:  # all of it left while others were told
            return 0
        self._forget(url, moment)
        tickets, group.tickets = group.tickets, {}
        self._waiting -= len(tickets)
        for ticket in tickets:
            ticket.call(outcome)
        return len(tickets)

    def _forget(self, url: str, moment: Hashable) -> None:
        groups = self._groups[url]
        del groups[moment]
        if not groups:
            del self._groups[url]


def _expired(group: _Group, now: float) -> list[Ticket]:
    """The tickets of a group arrive, and so expire, in order."""
    expired = []
    for ticket in group.tickets:
        if ticket.deadline > now:
            break
        expired.append(ticket)
    return expired
