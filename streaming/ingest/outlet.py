"""Where a pulled source puts what it read: paced if need be, and on to the origin."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from segmenter.media import Sample, Track
from streaming.errors import RemoteError
from streaming.ingest.pacing import Pacer
from streaming.ingest.pull_messages import PullNews, PullReport, PullTracks
from streaming.transcode.messages import SampleMessage, TrackMessage

STUCK_S = 25.0
"""A source that neither gives a sample nor fails for so long is stuck inside FFmpeg: its own
time-outs are shorter. The worker then stops reporting, and the watchdog ends it."""
LATE_S = 5.0
"""Media so late would leave viewers this far behind for good: begin anew at the present."""
_NAP_S = 1.0


class Outlet:
    """Owns the pace and the sign of life of one source; the source's loop calls it.

    `send` gives one message to the origin and blocks while that is behind; `report` may be called
    from another thread.
    """

    def __init__(
        self,
        send: Callable[[PullNews], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._send = send
        self._clock = clock
        self._sleep = sleep
        self._pacer = Pacer()
        self._alive_at = clock()
        self._samples = 0
        self._bytes = 0

    def set_tracks(self, tracks: Sequence[Track]) -> None:
        """The complete list of tracks."""
        self.note_alive()
        self._send(PullTracks(tuple(TrackMessage.from_track(track) for track in tracks)))

    def write(self, sample: Sample) -> None:
        """Sends one sample at once."""
        self.note_alive()
        self._samples += 1
        self._bytes += sample.size_bytes
        self._send(SampleMessage.from_sample(sample))

    def write_paced(self, sample: Sample) -> None:
        """Sends one sample when it is due by its dts.

        Raises RemoteError when the source has fallen behind real time for good.
        """
        due = self._pacer.due(sample.dts, self._clock())
        late_s = self._clock() - due
        if late_s > LATE_S:
            raise RemoteError(f"the source is {late_s:.0f} s behind real time")
        self.wait_until(due)
        self.write(sample)

    def wait_until(self, due: float) -> None:
        """Waits for a moment of the monotonic clock, alive."""
        while (left_s := due - self._clock()) > 0:
            self.note_alive()
            self._sleep(min(left_s, _NAP_S))

    def note_alive(self) -> None:
        """The source has made progress; to be called before each call that may block."""
        self._alive_at = self._clock()

    def report(self) -> PullReport | None:
        """The sign of life to send; None when the source is stuck."""
        if self._clock() - self._alive_at > STUCK_S:
            return None
        return PullReport(self._samples, self._bytes)
