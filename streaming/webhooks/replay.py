"""Which events of the log are to be posted again. Sans-IO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streaming.events.event import EventId, LoggedEvent, parse_id
from streaming.events.event_filter import EventFilter
from streaming.events.event_log import EventLog

MOST_REPLAYED: Final = 1_000
"""By one command: half a megabyte. `next` says where to go on."""
MOST_LOOKED_AT: Final = 5_000
"""The same, where a webhook wants few of them: the main process is held for 5 ms."""
FROM_THE_BEGINNING: Final = "0"
REST_OF_ALL: Final = "0:"
"""Before the id after which all that are kept go on."""


class ReplayError(ValueError):
    """What was asked for cannot be had; the message is fit for whoever asked."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Events to post again."""

    events: list[LoggedEvent]
    next: str = ""
    """`after` of the rest of the range; "" where that was all."""


def choose_named(log: EventLog, ids: Sequence[str]) -> Chosen:
    """Those of these ids, wanted or not. Raises ReplayError where the log has one no more."""
    found = []
    for text in ids:
        number = parse_id(text)
        entries = [] if number is None else log.after(EventId(number.epoch, number.number - 1), 1)
        if number is None or not entries or entries[0].id != number:
            raise ReplayError(f"the log has no event {text[:64]!r} (any more)")
        found.append(entries[0])
    return Chosen(found)


def choose_range(log: EventLog, after: str, until: str, wanted: EventFilter) -> Chosen:
    """What is wanted of the events behind `after` up to and with `until`; "" is the latest.

    Raises ReplayError for a range of which the log has forgotten something that is wanted.
    """
    is_all_kept = after == FROM_THE_BEGINNING or after.startswith(REST_OF_ALL)
    after = after.removeprefix(REST_OF_ALL)
    position = log.floor if after == FROM_THE_BEGINNING else parse_id(after)
    last = parse_id(until) if until else log.last
    if position is None or last is None:
        raise ReplayError("after and until are ids of events; after=0 is all that are kept")
    if not log.knows(position):
        raise ReplayError(f"the log goes back to {log.floor} alone; after=0 is all that are kept")
    if not is_all_kept and log.lacks(position, wanted.frequent):
        raise ReplayError("some of what is wanted there is forgotten; after=0 is all that are kept")
    found: list[LoggedEvent] = []
    for entry in log.after(position, MOST_LOOKED_AT):
        if entry.id > last or len(found) == MOST_REPLAYED:
            break
        position = entry.id
        if wanted.matches(entry.event):
            found.append(entry)
    rest = log.after(position, 1)
    if not rest or rest[0].id > last:
        return Chosen(found)
    return Chosen(found, f"{REST_OF_ALL if is_all_kept else ''}{position}")
