"""Samples of one track in, finished parts and segments out.

A part is one fragment. It is cut on dts, before the sample whose end would make it longer than
the part target, as soon as another one like the last would: where samples know their duration a
part goes out with its last sample, else with the first sample after it. A segment is the
concatenation of its parts, so nothing is ever written twice.

Parts keep to `segmenter.part_target` while frames are of one length. Where the rate changes a
part may be under 85 %, for what comes cannot be known; and a frame longer than the target is a
part of its own. Where nothing came until the segment's end the last frame stands, so that no
player runs dry, and for how long it stands beyond its part is told as parts that are not there
(GAP=YES, RFC 8216bis 6.2.1).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from fractions import Fraction

from segmenter.boundary import ROUNDING_S, Boundary
from segmenter.codecs.silence import silence_of
from segmenter.errors import UsageError
from segmenter.fmp4.fragment import ProducerReference, write_fragment
from segmenter.media import MediaType, Sample, Track
from segmenter.part_target import LEAST_OF_TARGET, choose_part_target_ms
from segmenter.segment import Event, InitSection, Part, PartReady, Segment, SegmentReady
from segmenter.timed_message import STALE_MS, TimedMessage, write_message

ASSUMED_RATE = 30
"""Frames per second where nothing else tells how long a lone sample lasts."""

MOST_MISSED_PARTS = 1_000
"""Of one segment, a hundred times as many as a usual one has: no player waits in a longer hole."""


class TrackSegmenter:
    """Owns the segment in progress of one rendition; called by its lane only.

    ``open`` begins a segment, ``push`` adds samples to it in decode order, ``close`` ends it.
    Ends and starts meet exactly: a sample lasts until the next one's dts, whatever it claimed; if
    its part has gone out already, the next one's dts is moved to its end instead. Within a segment
    this holds for holes, too (CMAF: a chunk begins at the sum of the durations before it): sound
    that is missing becomes silence where the codec can say it, else the sample after a hole is
    shown from its beginning on, so that no player's buffer has a hole to stall in.
    """

    def __init__(
        self,
        track: Track,
        init: InitSection,
        part_duration_s: float,
        part_target_ms: int = 0,
        messages: deque[TimedMessage] | None = None,
    ) -> None:
        """``part_target_ms`` 0: not decided yet; it is with the first frame. ``messages`` is where
        the lane puts what the next fragment takes along."""
        self._messages: deque[TimedMessage] = deque() if messages is None else messages
        self._track = track
        self._init = init
        self._part_duration_s = part_duration_s
        self._set_target(part_target_ms)
        self._frame = _announced_frame(track)
        self._silence = silence_of(track)
        self._samples: list[Sample] = []
        self._is_settled = False
        self._boundary: Boundary | None = None
        self._begins = self._shift = 0
        self._start: int | None = None
        self._is_independent = False
        self._parts: list[Part] = []
        self._part_count = 0
        self._size_bytes = 0
        self._sample_count = 0
        self._sequence_number = 0
        self._end: int | None = None
        self.dropped = 0

    @property
    def is_open(self) -> bool:
        """Whether a segment is in progress."""
        return self._boundary is not None

    @property
    def start(self) -> int:
        """dts of the segment's first sample; UsageError when it has none yet."""
        if self._start is None:
            raise UsageError("no segment in progress")
        return self._start

    @property
    def end(self) -> int:
        """Where the media so far ends: the last sample's end, as far as it is known."""
        if self._samples:
            last = self._samples[-1]
            return last.dts + self._shift + (last.duration or self._assumed_duration())
        return self._end if self._end is not None else 0

    @property
    def frame(self) -> int:
        """Ticks from one sample to the next, as far as it is known."""
        if not self._frame and len(self._samples) > 1:
            return self._samples[-1].dts - self._samples[-2].dts
        return self._assumed_duration()

    def open(self, boundary: Boundary, begins: int, *, follows: bool) -> None:
        """Begin a segment. ``begins``: dts for its first sample; ``follows``: that continues the
        segment before, and begins where it ends if that has gone out."""
        if self._boundary is not None:
            raise UsageError(f"segment {self._boundary.msn} is still open")
        self._boundary = boundary
        self._begins, self._shift = begins, 0
        self._start = None
        self._parts = []
        self._part_count = self._size_bytes = self._sample_count = 0
        if not follows:
            self._end = None

    def push(self, sample: Sample) -> list[Event]:
        """Add the next sample; gives the part that it completes, if any.

        A sample whose dts does not rise is left out and counted.
        """
        samples = self._samples
        events: list[Event] = []
        if self._start is None and sample.dts != self._begins:
            sample = self._begun(sample)
        elif self._shift:
            sample = replace(sample, dts=sample.dts - self._shift)
        if samples:
            if sample.dts <= samples[-1].dts:
                self.dropped += 1
                return events
            last = samples[-1]
            if last.duration and self._misses_sound(sample.dts - last.dts - last.duration):
                return self._push_after_silence(sample, last.dts + last.duration)
            if not self._is_settled:
                events = self._settle(sample.dts)
        elif self._end is not None and sample.dts != self._end:
            if self._start is not None and self._misses_sound(sample.dts - self._end):
                return self._push_after_silence(sample, self._end)
            sample = self._joined(sample, self._end)
        if self._start is None:
            self._start = sample.dts
            self._is_independent = sample.is_sync
        self._samples.append(sample)
        self._is_settled = sample.duration > 0
        if self._is_settled:
            events += self._settle(sample.dts + sample.duration)
        return events

    def close(self, end: int | None) -> list[Event]:
        """End the segment at ``end`` (None: where its media ends) and give it, last part first.

        The last sample is stretched or shortened to ``end``. Gives nothing if it has no sample.
        """
        boundary = self._boundary
        self._boundary = None
        if boundary is None or self._start is None:
            return []
        events: list[Event] = []
        if self._samples:
            last = self._samples[-1]
            if end is None or end <= last.dts:
                end = self.end
            events = self._emit_last(boundary, self._samples, end)
            self._samples = []
        elif end is None or self._is_jitter(end - self.end):
            end = self.end
        self._miss_parts(boundary, max(end, self.end))
        segment = self._finish(boundary, self._start, max(end, self.end))
        self._start = None
        return [*events, SegmentReady(self._track.name, segment)]

    def _finish(self, boundary: Boundary, start: int, end: int) -> Segment:
        return Segment(
            msn=boundary.msn,
            start=start,
            duration=end - start,
            timescale=self._track.timescale,
            size_bytes=self._size_bytes,
            sample_count=self._sample_count,
            init=self._init,
            discontinuity=boundary.discontinuity,
            starts_discontinuity=boundary.is_break,
            is_independent=self._is_independent,
            is_gap=False,
            parts=tuple(self._parts),
        )

    def _miss_parts(self, boundary: Boundary, end: int) -> None:
        """What the parts so far do not cover until ``end`` is told as parts that are not there.

        Only where there are parts that players are told of, and no more than `MOST_MISSED_PARTS`.
        """
        parts = self._parts
        if not parts:
            return
        for _ in range(MOST_MISSED_PARTS):
            start = parts[-1].start + parts[-1].duration
            if start >= end:
                return
            gap = Part(
                msn=boundary.msn,
                index=len(parts),
                start=start,
                duration=min(self._longest_part, end - start),
                timescale=self._track.timescale,
                offset_bytes=self._size_bytes,
                size_bytes=0,
                sample_count=0,
                is_independent=False,
                is_gap=True,
            )
            parts.append(gap)

    def _settle(self, end: int) -> list[Event]:
        """The last sample is known to end at ``end``: cut what makes a part."""
        if self._part_duration_s <= 0:
            return []
        samples = self._samples
        boundary = self._boundary
        assert boundary is not None
        frame = end - samples[-1].dts
        if not self.part_target_ms:
            self._decide_target(frame)
        events: list[Event] = []
        if end - samples[0].dts > self._longest_part and len(samples) > 1:
            events = self._emit(boundary, samples[:-1], samples[-1].dts)
            samples = self._samples = samples[-1:]
        length = end - samples[0].dts
        if length >= self._shortest_part and length + frame > self._longest_part:
            events += self._emit(boundary, samples, end)
            self._samples = []
        return events

    def _decide_target(self, duration: int) -> None:
        self._frame = self._frame or duration
        frame_s = Fraction(self._frame, self._track.timescale)
        self._set_target(choose_part_target_ms(self._part_duration_s, frame_s))

    def _set_target(self, part_target_ms: int) -> None:
        ticks = Fraction(part_target_ms * self._track.timescale, 1000)
        self.part_target_ms = part_target_ms
        self._longest_part = max(math.floor(ticks), 1) if part_target_ms else 0
        self._shortest_part = math.ceil(ticks * LEAST_OF_TARGET)

    def _emit_last(self, boundary: Boundary, samples: list[Sample], end: int) -> list[Event]:
        """A last sample that stands over a hole does so beyond the end of its part."""
        last = samples[-1]
        if self._part_duration_s > 0 and not self.part_target_ms:
            self._decide_target(self._assumed_duration())
        frame_end = last.dts + self._assumed_duration()
        if self._part_duration_s <= 0 or end - samples[0].dts <= self._longest_part:
            return self._emit(boundary, samples, end)
        listed = samples[0].dts + self._longest_part
        if frame_end <= listed or len(samples) == 1:
            return self._emit(boundary, samples, end, listed)
        return [
            *self._emit(boundary, samples[:-1], last.dts),
            *self._emit(boundary, [last], end, min(end, last.dts + self._longest_part)),
        ]

    def _emit(
        self, boundary: Boundary, samples: list[Sample], end: int, listed_end: int | None = None
    ) -> list[Event]:
        """Write a fragment of ``samples``, which last until ``end``; its part ends there or
        before."""
        first, last = samples[0], samples[-1]
        starts_segment = not self._part_count
        self._sequence_number += 1
        pieces = write_fragment(
            self._track,
            samples,
            self._sequence_number,
            end=end,
            styp=starts_segment,
            producer_time=_producer_time(first) if starts_segment else None,
            events=self._take_messages(first.dts) if self._messages else (),
        )
        self._end = end
        part = Part(
            msn=boundary.msn,
            index=self._part_count,
            start=first.dts,
            duration=(end if listed_end is None else listed_end) - first.dts,
            timescale=self._track.timescale,
            offset_bytes=self._size_bytes,
            size_bytes=sum(map(len, pieces)),
            sample_count=len(samples),
            is_independent=first.is_sync,
            captured_utc=last.captured_utc,
        )
        self._part_count += 1
        self._size_bytes += part.size_bytes
        self._sample_count += len(samples)
        if self._part_duration_s > 0:
            self._parts.append(part)
        return [PartReady(self._track.name, part, pieces)]

    def _take_messages(self, start: int) -> list[bytes]:
        """Boxes of those that are not stale for a fragment that begins at ``start``."""
        timescale = self._track.timescale
        oldest_ms = start * 1000 // timescale - STALE_MS
        fresh = [message for message in self._messages if message.time_ms >= oldest_ms]
        self._messages.clear()
        return [write_message(message, timescale) for message in fresh]

    def silence_until(self, end: int) -> list[Sample]:
        """Whole frames that fit between where the media end and ``end``."""
        if self._silence is None or end <= self.end:
            return []
        count = (end - self.end) // self._silence.ticks
        return self._silence.samples(
            self._track.name, self.end, self.end + count * self._silence.ticks
        )

    def silence_before(self, sample: Sample) -> list[Sample]:
        """What stands for the sound that is missing between the media so far and ``sample``."""
        if self._silence is None or not self._misses_sound(sample.dts - self.end):
            return []
        return self._silence.samples(sample.track, self.end, sample.dts)

    def _misses_sound(self, ticks: int) -> bool:
        return self._silence is not None and ticks > self._silence.ticks // 2

    def _push_after_silence(self, sample: Sample, end: int) -> list[Event]:
        assert self._silence is not None
        events: list[Event] = []
        for silent in self._silence.samples(sample.track, end, sample.dts):
            events += self.push(silent)
        return events + self.push(sample)

    def _begun(self, sample: Sample) -> Sample:
        """The first sample of a segment, where that begins.

        If the picture is late for that, those after it follow it in the rhythm that they have:
        one that lasted longer would leave parts that no whole number of pictures fills.
        """
        start = self._begins
        if self._end is not None and self._is_jitter(start - self._end):
            start = self._end
        late = sample.dts - start
        if late <= ROUNDING_S * self._track.timescale:
            return _moved(sample, start, sample.pts)
        self._shift = late
        return replace(sample, dts=start)

    def _joined(self, sample: Sample, end: int) -> Sample:
        """The sample after a part that has gone out, moved to its end.

        Over a hole its time of showing is moved as well; before the first sample of a segment a
        hole stays.
        """
        shown = sample.pts
        if not self._is_jitter(sample.dts - end):
            if self._start is None:
                return sample
            shown -= sample.dts - end
        return _moved(sample, end, shown)

    def _is_jitter(self, ticks: int) -> bool:
        return ticks <= self._assumed_duration() // 2

    def _assumed_duration(self) -> int:
        return self._frame or self._track.timescale // ASSUMED_RATE


def _moved(sample: Sample, dts: int, pts: int) -> Sample:
    """The same at another time, ending as it did."""
    duration = sample.dts + sample.duration - dts if sample.duration else 0
    return replace(sample, dts=dts, pts=pts, duration=max(duration, 0))


def _announced_frame(track: Track) -> int:
    """Ticks of a frame as the track announces it; 0 if it does not."""
    if track.media_type is MediaType.VIDEO and track.frame_rate > 0:
        return int(track.timescale / track.frame_rate)
    return 0


def _producer_time(sample: Sample) -> ProducerReference | None:
    if not sample.captured_utc:
        return None
    return ProducerReference(sample.captured_utc, sample.pts)
