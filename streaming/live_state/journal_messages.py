"""Records of a live window as they are written in a journal, and read again.

Structs are arrays on disk. Whoever changes one raises `journal_format.VERSION`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from segmenter.boundary import Boundary
from segmenter.period_start import PeriodStart
from segmenter.saved_window import PresentationState, RenditionState
from segmenter.segment import InitSection, Part, Segment
from segmenter.window_records import (
    EndedRecord,
    ExpiredRecord,
    InitRecord,
    Record,
    SegmentRecord,
    StateRecord,
)
from streaming.transcode.messages import TrackMessage

Inits: TypeAlias = Mapping[tuple[str, str], InitSection]
"""By the names of rendition and init section: what segments before them refer to."""


class HeadMessage(Struct, tag="head", array_like=True, frozen=True):
    """The first record of every file."""

    path: str
    packaging: str
    """Of the settings that decide how media are cut and named; see `packaging_key`."""


class InitMessage(Struct, tag="init", array_like=True, frozen=True):
    """An `InitRecord`."""

    rendition: str
    position: int
    name: str
    data: bytes
    track: TrackMessage
    codecs: str


class StateMessage(Struct, tag="state", array_like=True, frozen=True):
    """A `StateRecord`, and when it was written."""

    at_utc: float
    target_duration: int
    has_forced_cut: bool
    period_starts: tuple[tuple[int, int, int, bool], ...]
    """The fields of each `PeriodStart`, in their order."""
    boundary: tuple[int, int, int, int, bool, int, int | None] | None
    """The fields of a `Boundary`, in their order."""


class PartMessage(Struct, array_like=True, frozen=True):
    """A `Part`; what its segment says is not repeated."""

    start: int
    duration: int
    size_bytes: int
    sample_count: int
    is_independent: bool
    captured_utc: float


class SegmentMessage(Struct, tag="segment", array_like=True, frozen=True):
    """A `SegmentRecord`; its media follow, unless it is a gap."""

    rendition: str
    msn: int
    start: int
    duration: int
    timescale: int
    size_bytes: int
    sample_count: int
    init: str
    discontinuity: int
    flags: tuple[bool, bool, bool]
    """starts_discontinuity, is_independent, is_gap."""
    parts: tuple[PartMessage, ...]
    state: tuple[int, float, bool, bool, float, int]
    """The fields of a `RenditionState`, in their order."""


class ExpiredMessage(Struct, tag="expired", array_like=True, frozen=True):
    """An `ExpiredRecord`."""

    rendition: str
    last_msn: int


class EndedMessage(Struct, tag="ended", array_like=True, frozen=True):
    """An `EndedRecord`."""


RecordMessage: TypeAlias = (
    InitMessage | StateMessage | SegmentMessage | ExpiredMessage | EndedMessage
)
JournalMessage: TypeAlias = HeadMessage | RecordMessage


def to_message(record: Record, at_utc: float) -> RecordMessage:
    """How a record is written."""
    match record:
        case InitRecord(rendition, position, init):
            track = TrackMessage.from_track(init.track)
            return InitMessage(rendition, position, init.name, init.data, track, init.codecs)
        case SegmentRecord():
            return _segment_message(record)
        case StateRecord(state):
            return _state_message(state, at_utc)
        case ExpiredRecord(rendition, last_msn):
            return ExpiredMessage(rendition, last_msn)
        case EndedRecord():
            return EndedMessage()


def to_record(message: RecordMessage, inits: Inits) -> Record | None:
    """What was written; None for a segment whose init section is not among ``inits``.

    Raises ValueError for what no record can be.
    """
    match message:
        case InitMessage():
            init = InitSection(message.name, message.data, message.track.to_track(), message.codecs)
            return InitRecord(message.rendition, message.position, init)
        case SegmentMessage():
            found = inits.get((message.rendition, message.init))
            return None if found is None else _segment_record(message, found)
        case StateMessage():
            return StateRecord(_state(message))
        case ExpiredMessage(rendition, last_msn):
            return ExpiredRecord(rendition, last_msn)
        case EndedMessage():
            return EndedRecord()


def _state_message(state: PresentationState, at_utc: float) -> StateMessage:
    made = state.boundary
    return StateMessage(
        at_utc,
        state.target_duration,
        state.has_forced_cut,
        tuple(
            (start.discontinuity, start.ticks, start.first_msn, start.follows_gap)
            for start in state.period_starts
        ),
        None
        if made is None
        else (
            made.msn,
            made.time,
            made.timescale,
            made.discontinuity,
            made.is_break,
            made.previous_end,
            made.expected_end,
        ),
    )


def _state(message: StateMessage) -> PresentationState:
    boundary = None if message.boundary is None else Boundary(*message.boundary)
    if boundary is not None and boundary.timescale <= 0:
        raise ValueError(f"a boundary in {boundary.timescale} ticks per second")
    return PresentationState(
        message.target_duration,
        message.has_forced_cut,
        tuple(PeriodStart(*start) for start in message.period_starts),
        boundary,
    )


def _segment_message(record: SegmentRecord) -> SegmentMessage:
    segment, state = record.segment, record.state
    return SegmentMessage(
        record.rendition,
        segment.msn,
        segment.start,
        segment.duration,
        segment.timescale,
        segment.size_bytes,
        segment.sample_count,
        segment.init.name,
        segment.discontinuity,
        (segment.starts_discontinuity, segment.is_independent, segment.is_gap),
        tuple(
            PartMessage(
                part.start,
                part.duration,
                part.size_bytes,
                part.sample_count,
                part.is_independent,
                part.captured_utc,
            )
            for part in segment.parts
        ),
        (
            state.media_sequence,
            state.part_target_s,
            state.is_independent,
            state.is_shortened,
            state.longest_s,
            state.peak,
        ),
    )


def _segment_record(message: SegmentMessage, init: InitSection) -> SegmentRecord:
    if message.timescale <= 0 or message.duration <= 0 or message.msn < 0:
        raise ValueError(f"segment {message.msn} lasts {message.duration} / {message.timescale} s")
    starts_discontinuity, is_independent, is_gap = message.flags
    segment = Segment(
        msn=message.msn,
        start=message.start,
        duration=message.duration,
        timescale=message.timescale,
        size_bytes=message.size_bytes,
        sample_count=message.sample_count,
        init=init,
        discontinuity=message.discontinuity,
        starts_discontinuity=starts_discontinuity,
        is_independent=is_independent,
        is_gap=is_gap,
        parts=_parts(message),
    )
    return SegmentRecord(message.rendition, segment, RenditionState(*message.state))


def _parts(message: SegmentMessage) -> tuple[Part, ...]:
    parts = []
    offset = 0
    for index, part in enumerate(message.parts):
        parts.append(
            Part(
                message.msn,
                index,
                part.start,
                part.duration,
                message.timescale,
                offset,
                part.size_bytes,
                part.sample_count,
                part.is_independent,
                part.captured_utc,
                is_gap=not part.size_bytes,
            )
        )
        offset += part.size_bytes
    if parts and offset != message.size_bytes:
        raise ValueError(f"parts of {offset} bytes in a segment of {message.size_bytes}")
    return tuple(parts)
