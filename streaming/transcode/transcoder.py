"""Decode once, scale, encode: samples of a source in, samples of all its encoded tracks out.

    write ─> video queue ─> [decode, hook, scale] ─> queue ─> [encode 720p] ─> emit
       │     (GopQueue)         one thread       └─> queue ─> [encode 360p] ─> emit
       └───> audio queue ─> [decode, resample, encode] ────────────────────> emit

Each pair of brackets is a thread. Only the input queues drop (gop_queue.py says by which rule);
the others make the thread before them wait.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from segmenter.errors import MediaError
from segmenter.media import MediaType, Sample, Track
from streaming.errors import ConfigError
from streaming.transcode.audio_transcoder import AudioTranscoder
from streaming.transcode.frames import FrameHook, load_hook
from streaming.transcode.gop_queue import GopQueue
from streaming.transcode.key_grid import EpochGrid, KeyGrid, SourceKeys
from streaming.transcode.ladder_encoder import LadderEncoder
from streaming.transcode.messages import RungStatus, StartMessage
from streaming.transcode.overload import Overload
from streaming.transcode.video_decoder import VideoDecoder


class _Drained:
    """A control item: everything before it has been dealt with."""

    def __init__(self) -> None:
        self.done = threading.Event()


class _Stop:
    """A control item: no more."""


Control = StartMessage | _Drained | _Stop


@dataclass(frozen=True, slots=True)
class TranscoderStatistics:
    """What a transcoder measures; rungs' `frames` count since their source began."""

    rungs: tuple[RungStatus, ...]
    frames: tuple[int, ...]
    lag_s: float
    queued_samples: int
    dropped_samples: int
    decode_errors: int
    hook: str
    hook_errors: int
    stuck_s: float
    """How long one frame has kept a thread busy."""


class Transcoder:
    """Owns all threads and codecs of one path; one thread writes, one (the same) measures.

    `emit` and `on_tracks` are called on the transcoder's threads, one call at a time each for
    tracks; a track is always told before its samples. `on_failure` gets what is a bug of ours.
    """

    def __init__(
        self,
        emit: Callable[[Sample], None],
        on_tracks: Callable[[Sequence[Track]], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._emit = emit
        self._on_tracks = on_tracks
        self._on_failure = on_failure
        self._video_queue: GopQueue[Control] = GopQueue()
        self._audio_queue: GopQueue[Control] = GopQueue()
        self._names: dict[str, MediaType] = {}
        self._video_tracks: tuple[Track, ...] = ()
        self._audio_tracks: tuple[Track, ...] = ()
        self._tracks_lock = threading.Lock()
        self._decoder: VideoDecoder | None = None
        self._ladder: LadderEncoder | None = None
        self._audio: AudioTranscoder | None = None
        self._hook: FrameHook | None = None
        self._hook_trouble = ""
        self._overload = Overload(())
        self._shed: tuple[str, ...] = ()
        self._busy_since: float | None = None
        self._threads = [
            threading.Thread(target=self._run_video, name="decode video", daemon=True),
            threading.Thread(target=self._run_audio, name="transcode audio", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    # -- the door ------------------------------------------------------------------------------

    def start(self, message: StartMessage) -> None:
        """From the next sample on, these tracks; what was written before is finished first."""
        self._names = {}
        self._overload = Overload([rung.name for rung in message.rungs])
        if message.video is not None and message.rungs:
            self._names[message.video.name] = MediaType.VIDEO
        if message.audio is not None and message.encode_audio is not None:
            self._names[message.audio.name] = MediaType.AUDIO
        self._video_queue.put_control(message, message.video.timescale if message.video else 1)
        self._audio_queue.put_control(message, message.audio.timescale if message.audio else 1)

    def write(self, sample: Sample) -> None:
        """Queues a sample, never waits; samples of tracks that need no encoding are ignored."""
        kind = self._names.get(sample.track)
        if kind is MediaType.VIDEO:
            self._video_queue.put(sample)
        elif kind is MediaType.AUDIO:
            self._audio_queue.put(sample)

    def drain(self) -> None:
        """Waits until all that was written has been emitted; the next video sample is a sync one."""
        marks = [(self._video_queue, _Drained()), (self._audio_queue, _Drained())]
        for queue, mark in marks:
            queue.put_control(mark)
        for _, mark in marks:
            mark.done.wait()

    def close(self) -> None:
        """Finishes what was written and ends all threads."""
        self._video_queue.put_control(_Stop())
        self._audio_queue.put_control(_Stop())
        for thread in self._threads:
            thread.join()

    def observe(self, now: float) -> bool:
        """Sheds and restores rungs by the rule of overload.py; True when something changed."""
        changed = self._overload.observe(now, self._video_queue.statistics().lag_s)
        if changed:
            self._shed = self._overload.shed
        return changed

    def statistics(self) -> TranscoderStatistics:
        """The present measurements."""
        video, audio = self._video_queue.statistics(), self._audio_queue.statistics()
        ladder, decoder, hook = self._ladder, self._decoder, self._hook
        threads = ladder.threads if ladder is not None else ()
        busy = [since for t in threads if (since := t.busy_since) is not None]
        if self._busy_since is not None:
            busy.append(self._busy_since)
        return TranscoderStatistics(
            rungs=tuple(self._rung_status(thread.encoder, thread.queued_frames) for thread in threads),
            frames=tuple(thread.frames for thread in threads),
            lag_s=video.lag_s,
            queued_samples=video.samples + audio.samples,
            dropped_samples=video.dropped_samples + audio.dropped_samples,
            decode_errors=decoder.errors if decoder is not None else 0,
            hook=hook.bypassed if hook is not None else self._hook_trouble,
            hook_errors=hook.errors if hook is not None else 0,
            stuck_s=time.monotonic() - min(busy) if busy else 0.0,
        )
