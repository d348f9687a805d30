"""The thread that re-encodes a path's audio, and the queue before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from segmenter.media import Sample, Track
from streaming.transcode.audio_transcoder import AudioTranscoder
from streaming.transcode.encoders import ENCODER_ERRORS
from streaming.transcode.gop_queue import QueueStatistics
from streaming.transcode.messages import StartMessage
from streaming.transcode.source_thread import SourceThread


class AudioThread(SourceThread):
    """Owns an `AudioTranscoder` for each source in turn; its creator puts and asks.

    `failures` says why the present source's audio is not encoded, if it is not.
    """

    def __init__(
        self,
        emit: Callable[[Sample], None],
        on_tracks: Callable[[Sequence[Track]], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        super().__init__("transcode audio", on_failure)
        self._emit = emit
        self._on_tracks = on_tracks
        self._transcoder: AudioTranscoder | None = None
        self.failures: Mapping[str, str] = {}
        self._thread.start()

    def statistics(self) -> QueueStatistics:
        """What waits."""
        return self._queue.statistics()

    @property
    def errors(self) -> int:
        """Access units of the present source that did not decode."""
        transcoder = self._transcoder
        return transcoder.errors if transcoder is not None else 0

    def _timescale(self, message: StartMessage) -> int:
        return message.audio.timescale if message.audio else 1

    def _take(self, sample: Sample) -> None:
        if self._transcoder is not None:
            self._emit_all(self._transcoder.push(sample))

    def _begin(self, message: StartMessage) -> None:
        self.failures = {}
        if message.audio is None or message.encode_audio is None:
            self._on_tracks(())
            return
        try:
            self._transcoder = AudioTranscoder(message.audio.to_track(), message.encode_audio)
        except ENCODER_ERRORS as error:
            self.failures = {message.encode_audio.name: str(error)}
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
