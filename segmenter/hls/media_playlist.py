"""One rendition's live window as an HLS media playlist (RFC 8216bis 4.4.3, 4.4.4).

Every segment carries its own EXT-X-PROGRAM-DATE-TIME. A tag on the first segment alone would have
to move to another segment whenever the first one leaves, which is none of the edits that RFC
8216bis 6.2.1 allows.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from segmenter.errors import UsageError
from segmenter.rendition import Rendition
from segmenter.segment import Segment

VERSION = 6
"""EXT-X-MAP in a playlist that has other than I-frames (RFC 8216bis 8); nothing here needs more."""

_EPOCH = datetime.datetime(1970, 1, 1)


def render_media_playlist(rendition: Rendition) -> str:
    """The whole playlist; URIs are relative to its own directory ``<rendition>/``.

    Raises UsageError when ``rendition`` has no segment, or no target duration, yet: there is no
    playlist of a rendition before its first segment.
    """
    if not rendition.segments or not rendition.target_duration:
        raise UsageError(f"rendition {rendition.name!r} has no segment to list yet")
    lines = [*_head(rendition), *_segments(rendition)]
    if rendition.is_ended:
        lines.append("#EXT-X-ENDLIST")
    lines.append("")
    return "\n".join(lines)


def format_date_time(ticks: int, timescale: int) -> str:
    """Media time as ISO 8601, to the millisecond, rounded down."""
    moment = _EPOCH + datetime.timedelta(milliseconds=ticks * 1000 // timescale)
    return f"{moment.isoformat(timespec='milliseconds')}Z"


def _head(rendition: Rendition) -> Iterator[str]:
    yield "#EXTM3U"
    yield f"#EXT-X-VERSION:{VERSION}"
    if rendition.is_independent:
        yield "#EXT-X-INDEPENDENT-SEGMENTS"
    yield f"#EXT-X-TARGETDURATION:{rendition.target_duration}"
    yield f"#EXT-X-MEDIA-SEQUENCE:{rendition.media_sequence}"
    yield f"#EXT-X-DISCONTINUITY-SEQUENCE:{rendition.discontinuity_sequence}"


def _segments(rendition: Rendition) -> Iterator[str]:
    map_name = ""
    for segment in rendition.segments:
        if segment.starts_discontinuity:
            yield "#EXT-X-DISCONTINUITY"
        # A gap needs no init section, and may stand between those of two formats.
        if not segment.is_gap and segment.init.name != map_name:
            map_name = segment.init.name
            yield f'#EXT-X-MAP:URI="{map_name}"'
        yield from _segment(segment)


def _segment(segment: Segment) -> Iterator[str]:
    yield f"#EXT-X-PROGRAM-DATE-TIME:{format_date_time(segment.start, segment.timescale)}"
    if segment.is_gap:
        yield "#EXT-X-GAP"
    yield f"#EXTINF:{segment.duration / segment.timescale:.6f},"
    yield segment.name
