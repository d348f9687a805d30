"""The transcoder's process: `python -m streaming.transcode.worker <fd>`.

The main thread reads the link and never waits for anything else; one thread reports each second.
The report is the proof of life that the origin watches, so it is withheld while a frame has kept
a thread busy for `STUCK_S`: a hung codec, driver or hook then costs the process.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence

import av

from segmenter.media import Sample, Track
from streaming.errors import LinkBrokenError
from streaming.link import BlockingLink
from streaming.transcode.gop_queue import QueueStatistics
from streaming.transcode.messages import (
    KeyFrameMessage,
    RungStatus,
    SampleMessage,
    StatusMessage,
    ToTranscoder,
    TrackMessage,
    TracksMessage,
)
from streaming.transcode.transcoder import Transcoder
from streaming.worker_entry import enter_worker

STATUS_INTERVAL_S = 1.0
STUCK_S = 8.0
"""Opening hardware may take 5 s (encoders.TRY_S); no frame takes a second."""
_PAGE_BYTES = resource.getpagesize()


class Worker:
    """Owns the transcoder and its end of the link."""

    def __init__(self, link: BlockingLink[ToTranscoder]) -> None:
        self._link = link
        self._frames: dict[str, int] = {}
        self._reported_at = time.monotonic()
        self._transcoder = Transcoder(self._emit, self._tell_tracks, die)

    def run(self) -> None:
        """Serves until the origin closes the link."""
        self._report()
        threading.Thread(target=self._report_forever, name="report", daemon=True).start()
        for message in self._link.messages():
            if isinstance(message, SampleMessage):
                self._transcoder.write(message.to_sample())
            elif isinstance(message, KeyFrameMessage):
                self._transcoder.ask_for_key_frame(message.from_pts)
            else:
                self._transcoder.start(message)

    def _emit(self, sample: Sample) -> None:
        self._send(SampleMessage.from_sample(sample))

    def _tell_tracks(self, tracks: Sequence[Track]) -> None:
        self._send(TracksMessage(tuple(TrackMessage.from_track(track) for track in tracks)))

    def _send(self, message: SampleMessage | TracksMessage | StatusMessage) -> None:
        try:
            self._link.send(message)
        except LinkBrokenError:
            os._exit(0)  # nobody is left to work for; codecs need no farewell

    def _report_forever(self) -> None:
        try:
            while True:
                time.sleep(STATUS_INTERVAL_S)
                self._report()
        except BaseException as error:
            die(error)

    def _report(self) -> None:
        now = time.monotonic()
        shed = self._transcoder.observe(now)
        status = self._status(shed, now)
        if status is not None:
            self._send(status)

    def _status(self, shed: tuple[str, ...], now: float) -> StatusMessage | None:
        video, audio = self._transcoder.statistics()
        if video.stuck_s > STUCK_S:
            return None
        failures = self._transcoder.failures
        interval_s = max(now - self._reported_at, 1e-3)
        self._reported_at = now
        rungs = []
        for thread in video.threads:
            name, choice = thread.encoder.rung.name, thread.encoder.choice
            frames = thread.frames - self._frames.get(name, 0)
            self._frames[name] = thread.frames
            fps = round(max(0, frames) / interval_s, 2)
            queued = thread.queued_frames
            rungs.append(RungStatus(name, choice.name, choice.reason, fps, queued, name in shed))
        return StatusMessage(
            rungs=tuple(rungs),
            lag_s=round(video.queue.lag_s, 3),
            queued_samples=video.queue.samples + audio.samples,
            dropped_samples=video.queue.dropped_samples + audio.dropped_samples,
            decode_errors=video.decode_errors,
            rss_bytes=_rss_bytes(),
            cpu_s=round(time.process_time(), 3),
            hook=video.hook,
            hook_errors=video.hook_errors,
            trouble="; ".join((*_refusals(failures), *_slowness(shed, video.queue))),
            failed=tuple(failures),
        )


def _refusals(failures: Mapping[str, str]) -> list[str]:
    return [f"{name} cannot be encoded ({why})" for name, why in failures.items()]


def _slowness(shed: tuple[str, ...], queue: QueueStatistics) -> list[str]:
    parts = []
    if shed:
        parts.append(f"the machine is too slow: {', '.join(shed)} stopped")
    if queue.skipping:
        parts.append("the machine is too slow: whole groups of pictures are dropped")
    return parts


def _rss_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * _PAGE_BYTES


def die(error: BaseException) -> None:
    """Ends the process for a bug of ours; the origin logs the trace and starts another."""
    traceback.print_exception(error)
    sys.stderr.flush()
    os._exit(1)


def main(arguments: list[str]) -> None:
    """Runs the worker on the descriptor in the first argument."""
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 otherwise introduces itself on stderr
    av.logging.set_level(None)  # FFmpeg's log callback takes the GIL from its own threads
    sys.stdout = sys.stderr  # which is logged: where a hook's print() would go is nowhere
    worker = Worker(enter_worker(arguments, ToTranscoder))
    worker.run()
    os._exit(0)  # codec threads may be busy; closing them in order gains nothing


if __name__ == "__main__":
    main(sys.argv[1:])
