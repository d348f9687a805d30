"""The lines of a media playlist that belong to one segment or one part (RFC 8216bis 4.4.4).

Every segment carries its own EXT-X-PROGRAM-DATE-TIME. A tag on the first segment alone would have
to move to another segment whenever the first one leaves, which is none of the edits that RFC
8216bis 6.2.1 allows.
"""

from __future__ import annotations

import datetime
import functools

from segmenter.segment import InitSection, Part, Segment

DISCONTINUITY = "#EXT-X-DISCONTINUITY\n"

_EPOCH = datetime.datetime(1970, 1, 1)
_MINUTE_MS = 60_000


def format_date_time(ticks: int, timescale: int) -> str:
    """Media time as ISO 8601, to the millisecond, rounded down."""
    minute, rest_ms = divmod(ticks * 1000 // timescale, _MINUTE_MS)
    return f"{_date_and_minute(minute)}:{rest_ms // 1000:02}.{rest_ms % 1000:03}Z"


@functools.lru_cache(maxsize=8)
def _date_and_minute(minute: int) -> str:
    """Minutes since 1970 in words: the same for all segments of a minute, and of all paths."""
    return (_EPOCH + datetime.timedelta(minutes=minute)).isoformat(timespec="minutes")


def date_line(start: int, timescale: int) -> str:
    """When the segment begins, which is its media time."""
    return f"#EXT-X-PROGRAM-DATE-TIME:{format_date_time(start, timescale)}\n"


def map_line(init: InitSection) -> str:
    """The init section of the segments that follow."""
    return f'#EXT-X-MAP:URI="{init.name}"\n'


def part_line(part: Part) -> str:
    """A part that can be downloaded, or the word that there is none."""
    line = f'#EXT-X-PART:DURATION={part.duration / part.timescale:.6f},URI="{part.name}"'
    if part.is_gap:
        return f"{line},GAP=YES\n"
    return f"{line},INDEPENDENT=YES\n" if part.is_independent else f"{line}\n"


def closing_lines(segment: Segment) -> str:
    """What stands last of a finished segment: after its parts, up to its URI."""
    gap = "#EXT-X-GAP\n" if segment.is_gap else ""
    return f"{gap}#EXTINF:{segment.duration / segment.timescale:.6f},\n{segment.name}\n"
