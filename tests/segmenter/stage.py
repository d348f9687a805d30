"""A presentation on a stage: made-up publishers in front, everything it announced behind.

Sample bytes mean nothing here, so segments of any length cost microseconds; codec configurations
are of real encoders. Tests that decode use real encodes (tests/segmenter/fmp4/encodes.py).
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from segmenter.media import Codec, Sample, Track
from segmenter.presentation import Presentation, PresentationSettings
from segmenter.saved_window import SavedPresentation
from segmenter.segment import (
    Event,
    InitReady,
    PartReady,
    PresentationEnded,
    Segment,
    SegmentExpired,
    SegmentReady,
)
from segmenter.window_records import Record, WindowRecorder, replay

START = 1_800_000_000
"""Media time of the first sample, seconds since 1970; on the grid of every segment duration."""

TIMER_S = 0.5

ON_TIME: Mapping[str, float] = {}

SOURCE = Track(
    "source",
    Codec.H264,
    90_000,
    bytes.fromhex("0142c01fffe100176742c01fda014016ec0440000003004000000f03c60ca801000468ce0fc8"),
    width=1280,
    height=720,
    frame_rate=Fraction(30),
)
"""libx264, 1280x720, 30 frames/s, square samples."""

SMALL = Track(
    "360p",
    Codec.H264,
    90_000,
    bytes.fromhex(
        "0142c01effe100196742c01eda0280bfe5c044000003000400000300f03c58ba8001000468ce0fc8"
    ),
    width=640,
    height=360,
    frame_rate=Fraction(30),
)
"""libx264, 640x360, 30 frames/s, square samples."""

AUDIO = Track("audio", Codec.AAC, 48_000, bytes.fromhex("1190"), sample_rate=48_000, channels=2)
"""AAC-LC, stereo."""

OPUS = Track(
    "audio_opus",
    Codec.OPUS,
    48_000,
    bytes.fromhex("000201380000bb80000000"),
    sample_rate=48_000,
    channels=2,
)


def renamed(track: Track, name: str) -> Track:
    """The same track under another name."""
    return dataclasses.replace(track, name=name)


def video(
    track: Track = SOURCE,
    *,
    at: float = 0.0,
    seconds: float = 8.0,
    gop: int = 60,
    fps: Fraction | int = 30,
    size: int = 1000,
    breaks: bool = False,
) -> list[Sample]:
    """Frames from START + ``at``, a key frame every ``gop`` frames; ``breaks`` marks the first."""
    begin = round((START + at) * track.timescale)
    samples = []
    for number in range(max(1, int(seconds * fps))):
        dts, end = (begin + round(n * track.timescale / fps) for n in (number, number + 1))
        is_sync = number % gop == 0
        data = bytes(4 * size if is_sync else size)
        mark = breaks and number == 0
        samples.append(Sample(track.name, dts, dts, data, is_sync, end - dts, mark))
    return samples


def audio(
    track: Track = AUDIO,
    *,
    at: float = 0.0,
    seconds: float = 8.0,
    size: int = 300,
    breaks: bool = False,
) -> list[Sample]:
    """AAC frames of 1024 samples from START + ``at`` on."""
    begin = round((START + at) * track.timescale)
    count = int(seconds * track.timescale / 1024)
    return [
        Sample(
            track.name,
            begin + n * 1024,
            begin + n * 1024,
            bytes(size),
            True,
            1024,
            breaks and not n,
        )
        for n in range(count)
    ]


def interleaved(*streams: Iterable[Sample], tracks: Sequence[Track] = ()) -> list[Sample]:
    """In the order in which they would arrive: by dts in seconds."""
    scales = {track.name: track.timescale for track in (SOURCE, SMALL, AUDIO, OPUS, *tracks)}
    return sorted(
        (sample for stream in streams for sample in stream),
        key=lambda sample: Fraction(sample.dts, scales.get(sample.track, 90_000)),
    )


class Stage:
    """Owns a presentation, its wall clock, and a record of all events by kind."""

    def __init__(self, *tracks: Track, settings: PresentationSettings | None = None) -> None:
        self.settings = settings or PresentationSettings()
        self.presentation = Presentation(self.settings)
        self.recorder = WindowRecorder(self.presentation)
        self.records: list[Record] = []
        """What an origin would have kept on disk."""
        self.now = float(START)
        self._timer_at = self.now + TIMER_S
        self.events: list[Event] = []
        self.segments: dict[str, list[Segment]] = defaultdict(list)
        self.data: dict[tuple[str, str], bytes] = {}
        self._parts: dict[tuple[str, int], list[bytes]] = defaultdict(list)
        self.expired: dict[str, list[Segment]] = defaultdict(list)
        self.scales: dict[str, int] = {}
        if tracks:
            self.start(*tracks)

    def start(self, *tracks: Track, expected: Sequence[str] = ()) -> list[Event]:
        """Announce tracks."""
        self.scales.update({track.name: track.timescale for track in tracks})
        return self._record(self.presentation.start(tracks, expected=expected))

    def push(self, *streams: Iterable[Sample], late: Mapping[str, float] = ON_TIME) -> list[Event]:
        """Samples in order of time, each at its own end by the wall clock (or at once, if that
        is in the past); those of ``late`` tracks so many seconds after that."""

        def due(sample: Sample) -> Fraction:
            delay = Fraction(late.get(sample.track, 0))
            return Fraction(sample.dts, self.scales[sample.track]) + delay

        events: list[Event] = []
        for sample in sorted((sample for stream in streams for sample in stream), key=due):
            arrival = float(due(sample) + Fraction(sample.duration, self.scales[sample.track]))
            while self._timer_at <= arrival:
                events += self._tick(self._timer_at)
            self.now = max(self.now, arrival)
            events += self._record(self.presentation.push(sample, self.now))
        return events

    def wait(self, seconds: float) -> list[Event]:
        """Let time pass in steps of the timer."""
        events: list[Event] = []
        until = self.now + seconds
        while self._timer_at <= until:
            events += self._tick(self._timer_at)
        self.now = until
        return events

    def pause(self) -> list[Event]:
        """The publisher has gone."""
        return self._record(self.presentation.pause(self.now))

    def end(self) -> list[Event]:
        """Nothing follows."""
        return self._record(self.presentation.end(self.now))

    def kill(self, *, lost: int = 0, settings: PresentationSettings | None = None) -> list[Event]:
        """The origin is killed and another begins with its records, the latest ``lost`` missing."""
        saved = replay(self.records[: len(self.records) - lost])
        return self.begin_again(saved, settings or self.settings)

    def begin_again(
        self, saved: SavedPresentation | None, settings: PresentationSettings
    ) -> list[Event]:
        """Another origin, with this memory of the one before."""
        self.presentation = Presentation(settings)
        self.recorder = WindowRecorder(self.presentation)
        if saved is None:
            self.records = []
            return []
        events = self.presentation.restore(saved, self.now)
        self.recorder.restore(saved)
        return self._record(events)

    def gaps(self, name: str) -> list[int]:
        """Media sequence numbers of those which are gaps."""
        return [segment.msn for segment in self.segments[name] if segment.is_gap]

    def lengths(self, name: str) -> list[float]:
        """Durations of all segments ever listed of a rendition, seconds."""
        return [round(segment.duration_s, 3) for segment in self.segments[name]]

    def starts(self, name: str) -> list[float]:
        """Where they begin, seconds after START."""
        return [round(s.start / s.timescale - START, 3) for s in self.segments[name]]

    def numbers(self, name: str) -> list[int]:
        """Media sequence numbers of all segments ever listed of a rendition."""
        return [segment.msn for segment in self.segments[name]]

    def parts_of(self, name: str, msn: int) -> list[bytes]:
        """Bytes of the parts of one segment, as they were announced."""
        return self._parts[name, msn]

    def _tick(self, now: float) -> list[Event]:
        self.now = max(self.now, now)
        self._timer_at = now + TIMER_S
        return self._record(self.presentation.handle_timer(self.now))

    def _record(self, events: list[Event]) -> list[Event]:
        if events:
            self.records += self.recorder.push(events)
        for event in events:
            self.events.append(event)
            match event:
                case InitReady(rendition, init):
                    self.data[rendition, init.name] = init.data
                case PartReady(rendition, part):
                    self.data[rendition, part.name] = event.data
                    self._parts[rendition, part.msn].append(event.data)
                case SegmentReady(rendition, segment):
                    self.segments[rendition].append(segment)
                    if not segment.is_gap:
                        parts = self.parts_of(rendition, segment.msn)
                        self.data[rendition, segment.name] = b"".join(parts)
                case SegmentExpired(rendition, segment):
                    self.expired[rendition].append(segment)
                case PresentationEnded():
                    pass
        return events
