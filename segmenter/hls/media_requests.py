"""Requests for media that is not there yet: which of them may wait, and for what.

An HLS part may be asked for once it is hinted (RFC 8216bis 6.2.6): the request waits until the
part is complete, because no byte of it may leave before. So does one for the first part of the
next segment, at any time: it may have been hinted when this segment was expected to end, and it
will come. What else is neither there nor hinted does not exist. A low-latency DASH player asks for
the segment in progress, which it gets chunk by chunk as parts complete; and as its clock and ours
differ, sometimes for the one after it a little too early, which is held rather than refused (shaka
gives up at a 404). Numbers follow from the clock, so where a publisher's media come late (its
machine or its network is too slow for a moment) players ask for some more that are due and have not
begun.
"""

from __future__ import annotations

import enum
import re

from segmenter.hls.directives import MAX_DIGITS, WHOLE, Position
from segmenter.hls.rendered_playlist import PlaylistState
from segmenter.segment import part_name

LATE_SEGMENTS = 3
"""How many that have not begun may be due where media come late: further ones mean that the
publisher has as good as stopped, and that a client is better told so."""

_NUMBER = rf"(0|[1-9]\d{{0,{MAX_DIGITS - 1}}})"
_NAME = re.compile(rf"{_NUMBER}(?:\.{_NUMBER})?\.m4s", re.ASCII)


class MediaRequest(enum.Enum):
    """What to do with a request for media that is not on the shelf."""

    NOT_FOUND = "not found"
    """Never was, or is no longer: 404 or 410."""
    WAIT = "wait"
    """Answer when the part is complete; 404 when the hint is for another one by then and the
    segment is over."""
    STREAM = "stream"
    """Send the parts there are and each one that follows, until the segment is finished."""
    HOLD = "hold"
    """As STREAM, once the segment has begun; 404 if that takes a target duration for each segment
    from here to there."""


def parse_media_name(name: str) -> Position | None:
    """``<msn>.m4s`` (part WHOLE) or ``<msn>.<index>.m4s``; None for anything else."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    return Position(int(match[1]), WHOLE if match[2] is None else int(match[2]))


def may_come(position: Position, state: PlaylistState) -> bool:
    """Whether somebody may wait for a part: it is hinted, or is the first of the next segment."""
    if state.is_ended or not state.can_block:
        return False
    if part_name(position.msn, position.part) == state.hint:
        return True
    # With no part of it there, the segment after the last finished one is itself the next.
    following = state.last_msn + (2 if state.open_parts else 1)
    return position == (following, 0)


def newest_begun(state: PlaylistState) -> int:
    """Number of the newest segment of which there is anything."""
    return state.last_msn + 1 if state.open_parts else state.last_msn


def judge_media_request(
    name: str, state: PlaylistState, *, may_be_late: bool = False
) -> MediaRequest:
    """What to do with a request for ``name``, which is not on the shelf.

    ``may_be_late``: media come, but not necessarily in time.
    """
    position = parse_media_name(name)
    if position is None or state.is_ended or not state.can_block:
        return MediaRequest.NOT_FOUND
    if position.part != WHOLE:
        return MediaRequest.WAIT if may_come(position, state) else MediaRequest.NOT_FOUND
    begun = newest_begun(state)
    if begun < position.msn <= begun + (LATE_SEGMENTS if may_be_late else 1):
        return MediaRequest.HOLD
    if position.msn == begun and state.open_parts:
        return MediaRequest.STREAM
    return MediaRequest.NOT_FOUND
