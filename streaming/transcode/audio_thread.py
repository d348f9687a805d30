"""The thread that re-encodes a path's audio, and the queue before it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Literal

from segmenter.media import Sample, Track
from streaming.transcode.audio_transcoder import AudioTranscoder
from streaming.transcode.encoders import ENCODER_ERRORS
from streaming.transcode.gop_queue import GopQueue, QueueStatistics
from streaming.transcode.messages import StartMessage

Control = StartMessage | threading.Event | Literal["stop"]


class AudioThread:
    """Owns an `AudioTranscoder` for each source in turn; its creator puts and asks.

    `failures` says why the present source's audio is not encoded, if it is not.
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
        self._queue: GopQueue[Control] = GopQueue()
        self._transcoder: AudioTranscoder | None = None
        self.failures: tuple[str, ...] = ()
        self._thread = threading.Thread(target=self._run, name="transcode audio", daemon=True)
        self._thread.start()

    def start(self, message: StartMessage) -> None:
        """A new source from the next sample on."""
        self._queue.put_control(message, message.audio.timescale if message.audio else 1)

    def put(self, sample: Sample) -> None:
        """Queues a sample; never waits."""
        self._queue.put(sample)

    def drain(self) -> threading.Event:
        """Set when all that was put has been emitted."""
        done = threading.Event()
        self._queue.put_control(done)
        return done

    def stop(self) -> None:
        """Finishes what was put, and ends."""
        self._queue.put_control("stop")
        self._thread.join()

    def statistics(self) -> QueueStatistics:
        """What waits."""
        return self._queue.statistics()

    @property
    def errors(self) -> int:
        """Access units of the present source that did not decode."""
        transcoder = self._transcoder
        return transcoder.errors if transcoder is not None else 0

    def _run(self) -> None:
        try:
            while self._step(self._queue.take()):
                pass
        except BaseException as error:
            self._on_failure(error)

    def _step(self, item: Sample | Control) -> bool:
        if isinstance(item, Sample):
            if self._transcoder is not None:
                self._emit_all(self._transcoder.push(item))
            return True
        self._end()
        if isinstance(item, StartMessage):
            self._begin(item)
        elif isinstance(item, threading.Event):
            item.set()
        return item != "stop"

    def _begin(self, message: StartMessage) -> None:
        self.failures = ()
        if message.audio is None or message.encode_audio is None:
            self._on_tracks(())
            return
        try:
            self._transcoder = AudioTranscoder(message.audio.to_track(), message.encode_audio)
        except ENCODER_ERRORS as error:
            self.failures = (f"{message.encode_audio.name} cannot be encoded ({error})",)
            self._on_tracks(())
        else:
            self._on_tracks((self._transcoder.track,))

    def _end(self) -> None:
        if self._transcoder is not None:
            self._emit_all(self._transcoder.flush())
        self._transcoder = None

    def _emit_all(self, samples: Sequence[Sample]) -> None:
        for sample in samples:
            self._emit(sample)
