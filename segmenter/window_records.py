"""A live window as a journal: what happened to a presentation, as records to keep and to replay.

Records need no order among the segments of different renditions, and any number of them may be
missing at the end. Those at the beginning may be dropped once their segments have expired, if
what `WindowRecorder.head` gave then comes before the rest.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from segmenter.boundary import Boundary
from segmenter.presentation import Presentation
from segmenter.saved_window import (
    PresentationState,
    RenditionState,
    SavedPresentation,
    SavedRendition,
)
from segmenter.segment import (
    Event,
    InitReady,
    InitSection,
    PartReady,
    PresentationEnded,
    Segment,
    SegmentExpired,
    SegmentReady,
)

MOST_MISSING = 1000
"""Numbers that a rendition may lack at the end, each of which becomes a gap: half an hour. More is
not what an origin leaves, and filling it up would take for ever."""


@dataclass(frozen=True, slots=True)
class InitRecord:
    """The next segments of this rendition need this init section."""

    rendition: str
    position: int
    init: InitSection


@dataclass(frozen=True, slots=True)
class SegmentRecord:
    """A segment is listed; ``state`` is that of its rendition since then."""

    rendition: str
    segment: Segment
    state: RenditionState


@dataclass(frozen=True, slots=True)
class StateRecord:
    """What all renditions share has changed: a segment has begun, at the least."""

    state: PresentationState


@dataclass(frozen=True, slots=True)
class ExpiredRecord:
    """Segments up to this number are no longer served: records of them are not needed."""

    rendition: str
    last_msn: int


@dataclass(frozen=True, slots=True)
class EndedRecord:
    """The playlists have ended: no record of them is needed any more."""


Record = InitRecord | SegmentRecord | StateRecord | ExpiredRecord | EndedRecord


class WindowRecorder:
    """Makes records of what a presentation reports; owned by whoever owns the presentation."""

    def __init__(self, presentation: Presentation) -> None:
        self._presentation = presentation
        self._inits: dict[str, InitRecord] = {}
        self._state: StateRecord | None = None
        self._boundary: Boundary | None = None

    def push(self, events: Sequence[Event]) -> list[Record]:
        """What to keep of these events, after they have happened and before they are told.

        A segment that could not be kept is recorded as what its rendition made of it, a gap.
        """
        records: list[Record] = []
        boundary = self._presentation.boundary
        if boundary is self._boundary and all(isinstance(event, PartReady) for event in events):
            return records
        self._boundary = boundary
        if any(isinstance(event, PresentationEnded) for event in events):
            self._inits.clear()
            self._state = None
            return [EndedRecord()]
        state = StateRecord(self._presentation.saved_state())
        if state != self._state and state.state.boundary is not None:
            self._state = state
            records.append(state)
        for event in events:
            records += self._record(event)
        return records

    def head(self) -> list[Record]:
        """What has to come before the records to follow, if none before them is kept."""
        return [*([self._state] if self._state else []), *self._inits.values()]

    def restore(self, saved: SavedPresentation) -> None:
        """The presentation was restored from this."""
        for rendition in saved.renditions:
            self._inits[rendition.name] = InitRecord(
                rendition.name, rendition.position, rendition.init
            )
        self._state = StateRecord(self._presentation.saved_state())

    def _record(self, event: Event) -> list[Record]:
        match event:
            case InitReady(name, init):
                position = self._presentation.renditions[name].position
                record = self._inits[name] = InitRecord(name, position, init)
                return [record]
            case SegmentReady(name, segment):
                rendition = self._presentation.renditions.get(name)
                if rendition is None or not rendition.segments:  # of a former life
                    return []
                kept = rendition.listed(segment.msn) or segment
                if kept.is_gap:  # whatever parts of it are there go with this origin
                    kept = dataclasses.replace(kept, parts=())
                return [SegmentRecord(name, kept, rendition.saved_state())]
            case SegmentExpired(name, segment):
                return [ExpiredRecord(name, segment.msn)]
        return []


class _Kept:
    """What is known of one rendition while records are replayed."""

    def __init__(self, record: InitRecord) -> None:
        self.latest = record
        self.segments: dict[int, Segment] = {}
        self.state: RenditionState | None = None

    def saved(self) -> SavedRendition | None:
        if self.state is None or not self.segments:
            return None
        segments = tuple(segment for _, segment in sorted(self.segments.items()))
        state = self.state
        if segments[-1].msn < state.media_sequence:
            state = dataclasses.replace(state, media_sequence=segments[-1].msn)
        latest = self.latest
        return SavedRendition(latest.rendition, latest.position, latest.init, state, segments)


def replay(records: Iterable[Record]) -> SavedPresentation | None:
    """The window that these records, in their order, leave; None when nothing can be listed.

    Segments of which no init section is recorded are left out.
    """
    kept: dict[str, _Kept] = {}
    state: PresentationState | None = None
    for record in records:
        match record:
            case InitRecord(name):
                kept.setdefault(name, _Kept(record)).latest = record
            case SegmentRecord(name, segment, rendition_state) if name in kept:
                kept[name].segments[segment.msn] = segment
                kept[name].state = rendition_state
            case StateRecord(latest):
                state = latest
            case ExpiredRecord(name, last_msn) if name in kept:
                segments = kept[name].segments
                for msn in [msn for msn in segments if msn <= last_msn]:
                    del segments[msn]
            case EndedRecord():
                kept, state = {}, None
    renditions = [saved for each in kept.values() if (saved := each.saved()) is not None]
    if state is None or state.target_duration <= 0 or not renditions:
        return None
    newest = max(rendition.segments[-1].msn for rendition in renditions)
    renditions = [r for r in renditions if newest - r.segments[-1].msn <= MOST_MISSING]
    if state.boundary is not None and state.boundary.msn - newest > MOST_MISSING:
        state = dataclasses.replace(state, boundary=None)
    renditions.sort(key=lambda rendition: rendition.position)
    return SavedPresentation(state, tuple(renditions))
