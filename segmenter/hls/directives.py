"""Delivery directives of playlist requests: ``_HLS_msn``, ``_HLS_part``, ``_HLS_skip``.

RFC 8216bis 6.2.5: a player says in the query which part it wants the playlist to have before it
is answered. Here is judged what that means for a playlist as it stands; who waits, and for how
long, is delivery's own business (after `WAIT_TARGETS` target durations: 503).

    decision = decide(query, playlist.state)
    Answer(skip)    ->  200 with playlist.version(skip)
    Wait(until)     ->  after each change: decision = recheck(until, playlist.state, skip)
    Refuse(reason)  ->  400
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote_plus

from segmenter.hls.rendered_playlist import PlaylistState, Skip

WAIT_TARGETS = 3
"""Target durations after which a blocked request is answered 503 (6.2.5.2)."""

MSN_AHEAD = 2
"""A segment further ahead than this is refused (6.2.5.2)."""

ADVANCE_PARTS_S = 3
"""The Advance Part Limit is the parts of three seconds if parts are shorter than one, else three
parts (6.2.5.2)."""

MAX_DIGITS = 15
"""Of a number: what JavaScript players hold exactly, and nothing that takes time to convert."""

WHOLE = -1
"""In the place of a part's index: the whole segment."""

_DIRECTIVES = ("_HLS_msn", "_HLS_part", "_HLS_skip")
_SKIPS = {"YES": Skip.YES, "v2": Skip.V2}


class Position(NamedTuple):
    """A part in a playlist, or a whole segment. Waiters for the same position and the same version
    of the playlist get the same answer at the same time."""

    msn: int
    part: int
    """From 0; WHOLE: the segment itself must be finished."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer at once with this version of the playlist."""

    skip: Skip


@dataclass(frozen=True, slots=True)
class Wait:
    """Answer when the playlist has this position, with this version of it."""

    until: Position
    skip: Skip


@dataclass(frozen=True, slots=True)
class Refuse:
    """Bad Request."""

    reason: str


Decision = Answer | Wait | Refuse


@dataclass(frozen=True, slots=True)
class Directives:
    """What a query asks for."""

    msn: int | None = None
    part: int | None = None
    skip: Skip = Skip.NO


def decide(query: str, state: PlaylistState) -> Decision:
    """What becomes of a playlist request with this query (without the ``?``).

    An ended playlist, and one that does not offer to block, ignores directives altogether.
    """
    if state.is_ended or not state.can_block:
        return Answer(Skip.NO)
    directives = parse_directives(query)
    if isinstance(directives, Refuse):
        return directives
    msn, part, skip = directives.msn, directives.part, directives.skip
    if msn is None:
        return Answer(skip)
    if msn > state.last_msn + MSN_AHEAD:
        return Refuse(f"_HLS_msn={msn} is more than {MSN_AHEAD} after {state.last_msn}")
    if part is None:
        return Answer(skip) if msn <= state.last_msn else Wait(Position(msn, WHOLE), skip)
    if msn < state.last_msn:
        return Answer(skip)
    if part > _latest_part(state) + _advance_part_limit(state):
        return Refuse(f"_HLS_part={part} is too far after {_latest_part(state)}")
    if msn == state.last_msn:
        if part < state.last_parts:
            return Answer(skip)
        # Past a segment's end lies part 0 of the next one.
        msn, part = msn + 1, 0
    if msn == state.last_msn + 1 and part < state.open_parts:
        return Answer(skip)
    return Wait(Position(msn, part), skip)


def recheck(until: Position, state: PlaylistState, skip: Skip) -> Answer | Wait:
    """What becomes of waiters after the playlist has changed.

    Those for a part that its segment did not get, now finished, wait on for part 0 of the next
    one. A segment that became a gap has no parts that anybody could wait for.
    """
    msn, part = until
    if state.is_ended or msn < state.last_msn or not state.can_block:
        return Answer(skip)
    if msn == state.last_msn:
        if part < state.last_parts or not state.last_parts:
            return Answer(skip)
        msn, part = msn + 1, 0
    if msn == state.last_msn + 1 and part != WHOLE and part < state.open_parts:
        return Answer(skip)
    return Wait(Position(msn, part), skip)


def parse_directives(query: str) -> Directives | Refuse:
    """The directives of a query; parameters of other names, also ``_HLS_`` ones, are not ours.

    Refused are a number that is not one, a directive given twice, and a part without a segment.
    An unknown ``_HLS_skip`` asks for nothing that we know, and gets the whole playlist.
    """
    if "_HLS_" not in query and "%" not in query:
        return Directives()
    given: dict[str, str] = {}
    for field in query.split("&"):
        name, _, value = field.partition("=")
        name = unquote_plus(name)
        if name in _DIRECTIVES:
            if name in given:
                return Refuse(f"{name} is given twice")
            given[name] = unquote_plus(value)
    for name in ("_HLS_msn", "_HLS_part"):
        if name in given and not _is_number(given[name]):
            return Refuse(f"{name} is not a number of at most {MAX_DIGITS} digits")
    if "_HLS_part" in given and "_HLS_msn" not in given:
        return Refuse("_HLS_part without _HLS_msn")
    return Directives(
        msn=int(given["_HLS_msn"]) if "_HLS_msn" in given else None,
        part=int(given["_HLS_part"]) if "_HLS_part" in given else None,
        skip=_SKIPS.get(given.get("_HLS_skip", ""), Skip.NO),
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS


def _latest_part(state: PlaylistState) -> int:
    """Index of the last part in the playlist, whichever segment's it is."""
    return (state.open_parts or state.last_parts) - 1


def _advance_part_limit(state: PlaylistState) -> float:
    target_s = state.part_target_s
    return ADVANCE_PARTS_S / target_s if 0 < target_s < 1 else ADVANCE_PARTS_S
