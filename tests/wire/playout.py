"""When a player shows pictures that come from a network, and for how long it has none to show.

It holds each picture back by as much as one takes that had to be sent again, so that most of those
are there when they are due; what comes later than that is seen as a picture that stands still.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

Span = tuple[float, float]
"""From, to; seconds."""
ROUNDING_S: Final = 0.02
"""Of a picture's duration, as where a clip begins again."""


class Picture(NamedTuple):
    """What came of a picture."""

    media_s: float
    """When it is to be shown, on the publisher's clock."""
    whole_at: float = math.inf
    """When all of it was there, on ours; infinity: never."""


def frozen_s(
    pictures: Sequence[Picture],
    until: float,
    hold_back_s: float,
    frame_s: float,
    still: Iterable[Span] = (),
) -> float:
    """How long pictures stood still up to a moment, from the first one on.

    They are due with the hold-back after the time at which the one that came quickest would have
    come in their place, whatever was late before. Each builds upon the one before it and is shown
    after it, for `frame_s` or until the next is due; where that is longer some were left out.
    `still` is when the machine stood still or we did not look: time that does not count, neither
    as frozen nor of what a picture is held back.
    """
    stood, shown_at, over, late = merged(still), -math.inf, math.inf, list[Span]()
    end, quickest = _running(until, stood), min(at - media_s for media_s, at in pictures)
    assert quickest < math.inf, "no picture ever came"
    for media_s, whole_at in sorted(pictures):
        due = _running(min(media_s + quickest, until), stood) + hold_back_s
        shown_at = max(shown_at, _running(min(whole_at, until), stood))
        late += [(due, min(shown_at, end)), (over, min(due, end))]
        over = _running(media_s + quickest + frame_s, stood) + hold_back_s + ROUNDING_S
    return sum(b - a for a, b in merged([*late, (over, end)]))


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same time in spans that neither overlap nor touch, in order."""
    found: list[Span] = []
    for begin, end in sorted((begin, end) for begin, end in spans if begin < end):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((begin, end))
    return found


def _running(at: float, stood: Sequence[Span]) -> float:
    """The same moment on a clock that stands still in those spans."""
    return at - sum(min(at, end) - begin for begin, end in stood if begin < at)
