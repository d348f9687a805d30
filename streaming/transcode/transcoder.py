"""Decode once, scale, encode: samples of a source in, samples of all its encoded tracks out.

    write ─> video queue ─> [decode, hook, scale] ─> queue ─> [encode 720p] ─> emit
       │                                        └──> queue ─> [encode 360p] ─> emit
       └───> audio queue ─> [decode, resample, encode] ─────────────────────> emit

Each pair of brackets is a thread. Only the two input queues drop (gop_queue.py says by which
rule); the others make the thread before them wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from segmenter.media import MediaType, Sample, Track
from streaming.transcode.audio_thread import AudioThread
from streaming.transcode.gop_queue import QueueStatistics
from streaming.transcode.messages import StartMessage
from streaming.transcode.overload import Overload
from streaming.transcode.video_thread import VideoStatistics, VideoThread


class Transcoder:
    """Owns all threads and codecs of one path.

    `emit` and `on_tracks` are called on its threads; a track is told before its samples, and each
    call of `on_tracks` names all tracks of the present source known by then. `on_failure` gets
    what is a bug of ours.
    """

    def __init__(
        self,
        emit: Callable[[Sample], None],
        on_tracks: Callable[[Sequence[Track]], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._on_tracks = on_tracks
        self._lock = threading.Lock()
        self._video_tracks: tuple[Track, ...] = ()
        self._audio_tracks: tuple[Track, ...] = ()
        self._inputs: dict[str, MediaType] = {}
        self._overload = Overload(())
        self._video = VideoThread(emit, self._tell_video, on_failure)
        self._audio = AudioThread(emit, self._tell_audio, on_failure)

    def start(self, message: StartMessage) -> None:
        """From the next sample on, these tracks; what was written before is finished first."""
        self._inputs = {}
        self._overload = Overload([rung.name for rung in message.rungs])
        if message.video is not None and message.rungs:
            self._inputs[message.video.name] = MediaType.VIDEO
        if message.audio is not None and message.encode_audio is not None:
            self._inputs[message.audio.name] = MediaType.AUDIO
        self._video.start(message)
        self._audio.start(message)

    def write(self, sample: Sample) -> None:
        """Queues a sample, never waits; samples of tracks that need no encoding are ignored."""
        kind = self._inputs.get(sample.track)
        if kind is MediaType.VIDEO:
            self._video.put(sample)
        elif kind is MediaType.AUDIO:
            self._audio.put(sample)

    def ask_for_key_frame(self, from_pts: int = 0) -> None:
        """The next frame to be decoded that is not before `from_pts` is one in every rung."""
        self._video.ask_for_key_frame(from_pts)

    def drain(self) -> None:
        """Waits until all that was written has been emitted; then a new `start` is needed."""
        for done in (self._video.drain(), self._audio.drain()):
            done.wait()

    def close(self) -> None:
        """Finishes what was written and ends all threads."""
        self._video.stop()
        self._audio.stop()

    def observe(self, now: float) -> tuple[str, ...]:
        """Sheds and restores rungs by the rule of overload.py; returns those that stand still."""
        overload = self._overload
        if overload.observe(now, self._video.lag_s):
            self._video.shed(overload.shed)
        return overload.shed

    @property
    def failures(self) -> Mapping[str, str]:
        """Renditions that no encoder takes, and why."""
        return {**self._video.statistics().failures, **self._audio.failures}

    def statistics(self) -> tuple[VideoStatistics, QueueStatistics]:
        """The present measurements of video, and of what waits of audio."""
        return self._video.statistics(), self._audio.statistics()

    def _tell_video(self, tracks: Sequence[Track]) -> None:
        with self._lock:
            if tracks or self._video_tracks:
                self._video_tracks = tuple(tracks)
                self._on_tracks((*self._video_tracks, *self._audio_tracks))

    def _tell_audio(self, tracks: Sequence[Track]) -> None:
        with self._lock:
            if tracks or self._audio_tracks:
                self._audio_tracks = tuple(tracks)
                self._on_tracks((*self._video_tracks, *self._audio_tracks))
