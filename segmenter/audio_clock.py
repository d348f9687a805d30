"""Audio on the timeline: counted in samples, kept at the publisher's stamps within bounds."""

from __future__ import annotations

from segmenter.codecs import mp3
from segmenter.codecs.aac import parse_audio_specific_config
from segmenter.codecs.opus import SAMPLE_RATE as OPUS_SAMPLE_RATE
from segmenter.codecs.opus import packet_duration
from segmenter.errors import MediaError
from segmenter.media import Codec, Sample, Track
from segmenter.source_clock import SourceClock
from segmenter.timeline_statistics import TimelineCounts
from segmenter.track_clock import TrackClock

DRIFT_LIMIT_MS = 45
"""Count and stamps may differ by this much for good. FLV's milliseconds make 1, coarse encoders
20 to 30; viewers notice sound that is 45 ms early (ITU-R BT.1359-1)."""

DRIFT_FRAMES = 16
"""So many frames in a row must be off on the same side before a drift is believed: a third of a
second of AAC, longer than the jitter of phones."""

HOLE_LIMIT_MS = 150
"""From here on a difference is no jitter: audio is missing (or twice there), act at once."""

_AAC_FRAME = 1024


class AudioClock(TrackClock):
    """Places audio samples back to back, each as long as it decodes to.

    A sample's own ``duration`` (ticks of the track) counts if it is set; otherwise AAC's comes
    from its configuration, MP3's from its rate and Opus' from each packet. When the publisher's
    stamps run ahead for good, the next sample goes to where they say (a hole); when they stay
    behind, samples are left out one by one until both agree.
    """

    __slots__ = (
        "_drift_limit",
        "_frame_ticks",
        "_hole_limit",
        "_last_duration",
        "_off_frames",
        "_off_least",
    )

    def __init__(self, track: Track, clock: SourceClock, counts: TimelineCounts) -> None:
        super().__init__(track, clock, counts)
        self._frame_ticks = _frame_ticks(track)
        self._drift_limit = track.timescale * DRIFT_LIMIT_MS // 1000
        self._hole_limit = track.timescale * HOLE_LIMIT_MS // 1000
        self._last_duration = 0
        self._off_frames = 0
        self._off_least = 0

    @property
    def end(self) -> int:
        """The end of the last sample."""
        return self.frontier if self._last_duration else 0

    @property
    def last_duration(self) -> int:
        """Exact."""
        return self._last_duration or self._frame_ticks

    def composition(self, sample: Sample) -> int:
        """Audio is shown in the order in which it is decoded."""
        return 0

    def start(self, sample: Sample, source: int) -> None:
        """Count from here on."""
        self.is_started = True
        self._off_frames = 0
        self.frontier = max(self.frontier, self.media_time(source))

    def place(self, sample: Sample, source: int, now_utc: float) -> Sample | None:
        """Right after the one before it, unless the stamps have left the bounds."""
        duration = sample.duration or self._frame_ticks or self._packet_ticks(sample)
        dts = self.frontier
        error = self.media_time(source) - dts
        if -self._drift_limit <= error <= self._drift_limit:
            self._off_frames = 0
        else:
            correction = self._correction(error)
            if correction < 0:
                self.counts.audio_dropped += 1
                return None
            dts += correction
        self.frontier = dts + duration
        self._last_duration = duration
        is_break = self.break_due
        self.break_due = False
        return Sample(
            sample.track,
            dts,
            dts,
            sample.data,
            sample.is_sync,
            duration,
            is_break,
            sample.captured_utc or now_utc,
        )

    def _correction(self, error: int) -> int:
        """Ticks to skip now; negative to leave this sample out; 0 to wait and see."""
        if abs(error) <= self._hole_limit:
            if not self._off_frames or (error > 0) is not (self._off_least > 0):
                self._off_frames, self._off_least = 0, error
            self._off_frames += 1
            if abs(error) < abs(self._off_least):
                self._off_least = error
            if self._off_frames < DRIFT_FRAMES:
                return 0
            # The least of them all: the rest of this one is jitter.
            error = self._in_frames(self._off_least)
        self._off_frames = 0
        if error > 0:
            self.counts.audio_holes += 1
        return error

    def _in_frames(self, error: int) -> int:
        """A hole of whole frames, if it is one at least: what is made up for it is then as long as
        the others, and so are the parts."""
        frame = self.last_duration
        if error <= 0 or not frame:
            return error
        return round(error / frame) * frame or error

    def _packet_ticks(self, sample: Sample) -> int:
        return packet_duration(sample.data) * self.track.timescale // OPUS_SAMPLE_RATE


def _frame_ticks(track: Track) -> int:
    """Length of a frame in ticks of the track; 0 where each packet has its own."""
    if track.codec is Codec.OPUS:
        return 0
    if track.codec is Codec.MP3:
        return mp3.samples_per_frame(track.sample_rate) * track.timescale // track.sample_rate
    try:
        config = parse_audio_specific_config(track.codec_config)
    except MediaError:
        return _AAC_FRAME
    return config.samples_per_frame * track.timescale // config.sample_rate or _AAC_FRAME
