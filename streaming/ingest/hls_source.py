"""Another origin's HLS presentation into the outlet: lanes merged, stretches joined, in real time.

A live playlist comes in bursts of whole segments; what is sent is paced by the samples' own time,
about three target durations behind the origin's live edge. Of two lanes neither goes ahead of the
other, but where one has a gap (EXT-X-GAP), which may last for minutes. Where the origin breaks its
timestamps (EXT-X-DISCONTINUITY) ours go on: the new stretch begins where the old one ended.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from segmenter.media import VIDEO_TIMESCALE, Sample
from streaming.errors import RemoteError
from streaming.ingest.hls_fetch import MAX_PLAYLIST_BYTES, Fetcher
from streaming.ingest.hls_lane import Chunk, Lane
from streaming.ingest.hls_pull import Variant, parse_playlist
from streaming.ingest.outlet import Outlet
from streaming.ingest.pacing import Item, Tracks
from streaming.ingest.url_source import RecordingFeed

SUFFIX = ".m3u8"
NO_SEGMENT_S = 120.0
"""Longer than the longest target duration that we follow, twice."""
MAX_STRETCHES = 64
"""Remembered for the lane that comes later, which is never more than a window behind."""
_POLL_S = 0.5


def is_hls(url: str) -> bool:
    """Whether a source is a playlist rather than media."""
    scheme, _, rest = url.partition("://")
    path = rest.partition("?")[0].partition("#")[0]
    return scheme.lower() in ("http", "https") and path.lower().endswith(SUFFIX)


def read_hls(
    url: str,
    outlet: Outlet,
    *,
    loop: bool,
    pause: Callable[[float], object] | None = None,
) -> None:
    """Returns when a recording has ended and is not to be begun again.

    `pause` waits some seconds between loads in place of the clock. Raises RemoteError with one
    sentence.
    """
    feed = RecordingFeed(outlet)
    while True:
        outlet.note_alive()
        lanes = _open_lanes(url, pause)
        try:
            _Merge(lanes, outlet, feed).run()
        finally:
            for lane in lanes:
                lane.stop()
        if not all(lane.was_recording for lane in lanes):
            raise RemoteError(f"{url}: the stream has ended")
        feed.end_pass()
        if not loop:
            return


def _open_lanes(url: str, pause: Callable[[float], object] | None) -> list[Lane]:
    resource = Fetcher().fetch(url, MAX_PLAYLIST_BYTES)
    playlist = parse_playlist(resource.data.decode("utf-8", "replace"), resource.url)
    if not isinstance(playlist, Variant):
        return [Lane(url, ("source", "audio"), Fraction(0), pause)]
    if not playlist.audio_url:
        return [Lane(playlist.video_url, ("source", "audio"), playlist.frame_rate, pause)]
    return [
        Lane(playlist.video_url, ("source",), playlist.frame_rate, pause),
        Lane(playlist.audio_url, ("audio",), Fraction(0), pause),
    ]


class _Inflow:
    """What one lane has given and the merge has not yet passed on."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.waiting: deque[Item] = deque()
        self.tracks: Tracks = ()
        self.has_ended = False
        self.stretch: tuple[int, int] | None = None
        self.shift = 0
        self.end = 0
        """Where its samples end so far, ticks of 90 kHz in the joined time."""
        self.is_silent = False
        """From a gap until its next segment, which is there long before its time: for so long
        nobody waits for it."""


class _Merge:
    """Owns one pass over the lanes: the sample that is next in time goes first."""

    def __init__(self, lanes: list[Lane], outlet: Outlet, feed: RecordingFeed) -> None:
        self._inflows = [_Inflow(lane) for lane in lanes]
        self._outlet = outlet
        self._feed = feed
        self._shifts: dict[tuple[int, int], int] = {}

    def run(self) -> None:
        """Returns when all lanes have ended. Raises what ended one of them."""
        while True:
            for inflow in self._inflows:
                self._fill(inflow)
            heads = [i for i in self._inflows if i.waiting]
            if heads:
                self._pass_on(min(heads, key=_next_dts))
            elif all(i.has_ended for i in self._inflows):
                return

    def _fill(self, inflow: _Inflow) -> None:
        """Waits until the lane has something, has ended, or has nothing for others to wait for."""
        waited_s = 0.0
        while not inflow.waiting and not inflow.has_ended:
            self._outlet.note_alive()
            others_go_on = any(i.waiting for i in self._inflows)
            try:
                if inflow.is_silent and others_go_on:
                    news = inflow.lane.chunks.get_nowait()
                else:
                    news = inflow.lane.chunks.get(timeout=_POLL_S)
            except queue.Empty as nothing:
                if inflow.is_silent:
                    return
                waited_s += _POLL_S
                if waited_s > NO_SEGMENT_S:
                    raise RemoteError(f"no segment for {NO_SEGMENT_S:.0f} s") from nothing
                continue
            if isinstance(news, Exception):
                raise news
            if news is None:
                inflow.has_ended = True
            else:
                self._place(inflow, news)

    def _place(self, inflow: _Inflow, chunk: Chunk) -> None:
        """Moves a chunk into the joined time and lets it wait."""
        inflow.is_silent = chunk.missing_s > 0
        inflow.end += round(chunk.missing_s * VIDEO_TIMESCALE)
        samples = [item for item in chunk.items if isinstance(item, Sample)]
        if chunk.stretch != inflow.stretch and samples:
            self._join(inflow, chunk.stretch, min(s.dts for s in samples))
        shift = inflow.shift
        for item in chunk.items:
            if isinstance(item, Sample):
                moved = replace(item, dts=item.dts + shift, pts=item.pts + shift) if shift else item
                inflow.waiting.append(moved)
            else:
                inflow.waiting.append(item)
                inflow.tracks = item
        timescales = {track.name: track.timescale for track in inflow.tracks}
        for sample in samples:
            lasts = sample.duration * VIDEO_TIMESCALE // timescales[sample.track]
            inflow.end = max(inflow.end, sample.dts + shift + lasts)

    def _join(self, inflow: _Inflow, stretch: tuple[int, int], first_dts: int) -> None:
        """The lane that comes first decides for all, so that they stay together."""
        begins_at = first_dts if inflow.stretch is None else inflow.end
        inflow.shift = self._shifts.setdefault(stretch, begins_at - first_dts)
        inflow.stretch = stretch
        if len(self._shifts) > MAX_STRETCHES:
            del self._shifts[next(iter(self._shifts))]

    def _pass_on(self, inflow: _Inflow) -> None:
        item = inflow.waiting.popleft()
        if isinstance(item, Sample):
            self._feed.take(item)
            return
        # The other lanes' are known already, because each of them has something waiting, or a gap.
        self._feed.take(tuple(track for i in self._inflows for track in i.tracks))


def _next_dts(inflow: _Inflow) -> int:
    item = inflow.waiting[0]
    return item.dts if isinstance(item, Sample) else -(1 << 62)
