"""A path's samples on their way to WebRTC viewers: which tracks suit them, and since when.

What goes out, best first: the publisher's own video and its simulcast layers, unless they have
B-frames, which WebRTC cannot carry; else one encoding of it made for WebRTC, where no rung of the
ladder is as good; the ladder's rungs; and Opus: the publisher's, or made from what it sends
(streaming/rtc/view_plan.py). What has to be made is made once for all viewers, and only while there
are some.

Nothing is sent while nobody watches; the newest group of pictures is kept, so that the first viewer
sees a picture at once.

The drop rule. When more than `MOST_BUFFERED_BYTES` wait to be read by the WebRTC process, each
video is withheld until its next key frame after that, and sound while it lasts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from segmenter.media import MediaType, Sample, Track
from streaming.config_paths import PathConfig
from streaming.rtc.made_for_webrtc import MadeForWebrtc
from streaming.rtc.messages import PathEnded, PathMessage, PathSample, PathTracks
from streaming.rtc.recent_gop import RecentGop
from streaming.rtc.view_plan import NOTHING, Candidate, ViewPlan, plan_view
from streaming.transcode.messages import SampleMessage, TrackMessage

logger = logging.getLogger(__name__)

MOST_BUFFERED_BYTES = 8_000_000
"""The WebRTC process reads at once, so anything that waits means that it hangs or is starved: this
is a second of eight paths with 8 Mb/s."""


class TapOutlet(Protocol):
    """The way to the WebRTC process."""

    @property
    def buffered_bytes(self) -> int: ...
    def send(self, message: object) -> object: ...


@dataclass(slots=True)
class _Lane:
    """One track that a tap knows."""

    track: Track
    recent: RecentGop = field(default_factory=RecentGop)
    is_reordered: bool = False
    is_withheld: bool = False

    @property
    def candidate(self) -> Candidate:
        return Candidate(self.track, self.is_reordered)


class RtcTap:
    """Owns what WebRTC viewers of one path get; path and pipeline write, the other side watches."""

    def __init__(
        self,
        path: str,
        config: PathConfig,
        outlet: TapOutlet,
        maker: Callable[..., MadeForWebrtc] = MadeForWebrtc,
    ) -> None:
        self._path = path
        self._config = config
        self._outlet = outlet
        self._maker = maker
        self._raw: dict[str, _Lane] = {}
        self._encoded: dict[str, _Lane] = {}
        self._made_lanes: dict[str, _Lane] = {}
        self._made: MadeForWebrtc | None = None
        self._stopping: set[asyncio.Task[None]] = set()
        self._plan: ViewPlan = NOTHING
        self._sent: frozenset[str] = frozenset()
        """Names of the offered tracks."""
        self._is_watched = False
        self._withheld = 0
        self._sound_s = self._made_sound_from_s = float("-inf")
        """Media time of the publisher's newest sound, and since when what is made of it is sent."""

    # -- the path's side (streaming.reader.Reader) ---------------------------------------------

    def set_tracks(self, tracks: Sequence[Track], now_utc: float) -> None:
        """The publisher's own tracks."""
        self._raw = {track.name: _Lane(track) for track in tracks}
        self._encoded.clear()
        self._replan(anew=True)

    def set_layers(self, tracks: Sequence[Track], now_utc: float) -> None:
        """Some of its pictures have come or gone."""
        self._raw = _lanes_of(tracks, self._raw)
        self._replan()

    def write(self, samples: list[Sample], now_utc: float) -> None:
        """The publisher's own samples, in media time."""
        raw, made = self._raw, self._made
        for sample in samples:
            lane = raw.get(sample.track)
            if lane is None:
                continue
            if made is not None:
                made.write(sample)
            if lane.track.media_type is MediaType.AUDIO:
                self._sound_s = sample.pts / lane.track.timescale
            self._take(lane, sample)

    def tell(self, message: bytes) -> None:
        """Metadata or chat, for those who watch just now."""
        if self._is_watched:
            self._outlet.send(PathMessage(self._path, message))

    def pause(self, now_utc: float) -> None:
        """The publisher has gone; viewers wait for its successor."""

    def is_drained(self, now_utc: float) -> bool:
        """What it takes is passed on at once."""
        return True

    def end(self, now_utc: float) -> None:
        """Nobody came back."""
        self._raw.clear()
        self._encoded.clear()
        self._plan, self._sent = NOTHING, frozenset()
        if self._is_watched:
            self._outlet.send(PathEnded(self._path, "the stream has ended"))
            self.unwatch()

    # -- the pipeline's side -----------------------------------------------------------------

    def set_encoded(self, tracks: Sequence[Track]) -> None:
        """The ladder's rungs, and whatever else is encoded for players.

        Their sound may have the name of the publisher's own, which is the better one here.
        """
        others = [track for track in tracks if track.name not in self._raw]
        self._encoded = _lanes_of(others, self._encoded)
        self._replan()

    def write_encoded(self, sample: Sample) -> None:
        """A sample of one of them."""
        lane = self._encoded.get(sample.track)
        if lane is not None:
            self._take(lane, sample)

    # -- the WebRTC side ---------------------------------------------------------------------

    @property
    def is_live(self) -> bool:
        """Whether there is anything to watch."""
        return bool(self._plan.offered)

    @property
    def is_watched(self) -> bool:
        """Whether it sends samples: their publisher is to be read without delay."""
        return self._is_watched

    @property
    def withheld(self) -> int:
        """Samples not sent, by the drop rule."""
        return self._withheld

    def watch(self) -> None:
        """Sends tracks and samples from now on, the newest groups of pictures first."""
        if self._is_watched:
            return
        self._is_watched = True
        self._send_tracks()
        for lane in (*self._raw.values(), *self._encoded.values()):
            self._send_recent(lane)
        self._make()

    def ask_for_key_frame(self) -> None:
        """A viewer of what is made for WebRTC has lost the picture; rungs that players have, too,
        keep their key frames where segments begin."""
        if self._made is not None:
            self._made.ask_for_key_frame()

    def unwatch(self) -> None:
        """Sends nothing any more, and stops what was made for WebRTC alone."""
        self._is_watched = False
        self._made_lanes.clear()
        made, self._made = self._made, None
        if made is not None:
            task = made.stop()
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)

    async def close(self) -> None:
        """The path has gone; returns when every worker has."""
        self.end(0.0)
        await asyncio.gather(*self._stopping)

    # -- inside ------------------------------------------------------------------------------

    def _take(self, lane: _Lane, sample: Sample) -> None:
        if lane.track.media_type is MediaType.VIDEO:
            lane.recent.push(sample)
            if sample.pts != sample.dts and not lane.is_reordered:
                lane.is_reordered = True
                logger.info("path %s: %s has B-frames", self._path, lane.track.name)
                self._replan()
        if self._is_watched and sample.track in self._sent and self._admits(lane, sample):
            self._outlet.send(PathSample(self._path, SampleMessage.from_sample(sample)))

    def _admits(self, lane: _Lane, sample: Sample) -> bool:
        if self._outlet.buffered_bytes > MOST_BUFFERED_BYTES:
            lane.is_withheld = True
        elif lane.is_withheld and sample.is_sync:
            lane.is_withheld = False
        self._withheld += lane.is_withheld
        return not lane.is_withheld

    def _send_recent(self, lane: _Lane) -> None:
        if lane.track.name in self._sent:
            for sample in lane.recent.samples:
                self._outlet.send(PathSample(self._path, SampleMessage.from_sample(sample)))

    def _replan(self, *, anew: bool = False) -> None:
        """Decides what is offered, and tells it where somebody watches."""
        old = self._plan
        self._plan = NOTHING
        if self._raw:
            self._plan = plan_view(
                self._config,
                [lane.candidate for lane in self._raw.values()],
                [lane.candidate for lane in self._encoded.values()],
            )
        self._sent = frozenset(track.name for track in self._plan.offered)
        if not self._is_watched or (self._plan == old and not anew):
            return
        self._send_tracks()
        self._make()

    def _make(self) -> None:
        """Starts or stops the worker as the plan demands."""
        if self._plan.made is None:
            return
        if self._made is None:
            self._made = self._maker(self._path, self._config, self._set_made, self._write_made)
        video = self._plan.video
        recent = self._raw[video.name].recent.samples if video is not None else ()
        self._made.start(self._plan, recent)

    def _set_made(self, tracks: Sequence[Track]) -> None:
        old, self._made_lanes = self._made_lanes, _lanes_of(tracks, self._made_lanes)
        for name, lane in self._made_lanes.items():
            if lane.track.media_type is MediaType.AUDIO and lane is not old.get(name):
                # What waited for the worker to start is late: a player that got it would stay
                # behind by as much for a while, and the picture with it.
                self._made_sound_from_s = self._sound_s
        self._send_tracks()

    def _write_made(self, sample: Sample) -> None:
        lane = self._made_lanes.get(sample.track)
        if lane is None:
            return
        is_sound = lane.track.media_type is MediaType.AUDIO
        if not is_sound or sample.pts / lane.track.timescale >= self._made_sound_from_s:
            self._take(lane, sample)

    def _send_tracks(self) -> None:
        tracks = tuple(
            self._made_lanes[track.name].track if track.name in self._made_lanes else track
            for track in self._plan.offered
        )
        messages = tuple(TrackMessage.from_track(track) for track in tracks)
        self._outlet.send(PathTracks(self._path, messages))


def _lanes_of(tracks: Sequence[Track], old: dict[str, _Lane]) -> dict[str, _Lane]:
    """A lane for each track; those that did not change stay."""
    lanes = {}
    for track in tracks:
        known = old.get(track.name)
        lanes[track.name] = known if known and known.track == track else _Lane(track)
    return lanes
