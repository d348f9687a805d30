"""What packaging produces: init sections, parts and segments, and the events that announce them.

The records carry no media bytes except an init section's few hundred. Media bytes travel once, in
the event that announces their part, and belong from then on to whoever serves them; a segment is
its parts one after the other. So a live window costs this package a few hundred bytes for each
segment.

What is made for each part and segment is not frozen, for the reason that `media.Sample` gives:
nobody changes it once it is made, and a frozen record takes several times as long to make.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segmenter.media import Payload, Track


def part_name(msn: int, index: int) -> str:
    """Relative URI of a part within its rendition, known before there is one."""
    return f"{msn}.{index}.m4s"


@dataclass(frozen=True, slots=True)
class InitSection:
    """The CMAF header of a rendition (ISO/IEC 23000-19 7.3.1).

    ``name`` is unique for its content: the same parameters after a restart give the same name,
    so that players and caches keep what they have.
    """

    name: str
    data: bytes
    track: Track
    codecs: str
    """RFC 6381, as in CODECS and @codecs."""


@dataclass(slots=True)
class Part:
    """One fragment of a segment: ``[styp] [prft] [emsg…] moof mdat``, a CMAF chunk."""

    msn: int
    index: int
    """Position in its segment, from 0."""
    start: int
    """Ticks: tfdt."""
    duration: int
    """Ticks."""
    timescale: int
    offset_bytes: int
    """Where it begins in its segment, which is the concatenation of its parts."""
    size_bytes: int
    sample_count: int
    is_independent: bool
    """Starts with a sync sample (INDEPENDENT=YES)."""
    captured_utc: float = 0.0
    """Capture time of its last sample; 0 when unknown. With the moment it is served: latency."""
    is_gap: bool = False
    """There is none: the time has no media (GAP=YES). Without bytes, and never announced."""

    @property
    def name(self) -> str:
        """Relative URI within the rendition."""
        return part_name(self.msn, self.index)


@dataclass(slots=True)
class Segment:
    """A finished segment, or the announcement that there is none (``is_gap``)."""

    msn: int
    """Media sequence number: the same number is the same boundary in every rendition."""
    start: int
    """Ticks: tfdt of its first sample, which is also its earliest presentation time, but where a
    rung has no picture at a boundary between key frames."""
    duration: int
    """Ticks: up to the start of the next segment, unless a gap or a discontinuity follows."""
    timescale: int
    size_bytes: int
    sample_count: int
    init: InitSection
    discontinuity: int
    """Discontinuity Sequence Number (RFC 8216bis 3), its own tag counted."""
    starts_discontinuity: bool
    is_independent: bool
    is_gap: bool
    parts: tuple[Part, ...] = ()
    """Empty when parts are off, and for what has been a gap from its beginning on."""

    @property
    def name(self) -> str:
        """Relative URI within the rendition."""
        return f"{self.msn}.m4s"

    @property
    def end(self) -> int:
        """Ticks."""
        return self.start + self.duration

    @property
    def duration_s(self) -> float:
        """Seconds, for measuring; playlists are rendered from the ticks."""
        return self.duration / self.timescale


@dataclass(frozen=True, slots=True)
class InitReady:
    """An init section that the next segments of this rendition need; serve it before them."""

    rendition: str
    init: InitSection


@dataclass(slots=True)
class PartReady:
    """A part is complete. Its segment is still growing.

    Without parts in playlists each segment is announced as one, which is not among its ``parts``.
    """

    rendition: str
    part: Part
    pieces: Sequence[Payload]
    """Its bytes, in order: as many as the samples have payloads and one, never joined here."""

    @property
    def data(self) -> bytes:
        """Its bytes in one."""
        return b"".join(self.pieces)


@dataclass(slots=True)
class SegmentReady:
    """A segment is complete and listed; its last part, if it has any, was announced before."""

    rendition: str
    segment: Segment


@dataclass(frozen=True, slots=True)
class SegmentExpired:
    """A segment left the playlists long enough ago: it and its parts need not be served any more.

    RFC 8216bis 6.2.2: until then it must be downloadable.
    """

    rendition: str
    segment: Segment


@dataclass(frozen=True, slots=True)
class PresentationEnded:
    """Every rendition has its last segment; playlists carry EXT-X-ENDLIST from now on."""


Event = InitReady | PartReady | SegmentReady | SegmentExpired | PresentationEnded
