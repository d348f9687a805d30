"""The slate in the place of a ladder whose encoders have died. Sans-IO.

    LIVE ──worker lost──▶ BRIDGING ──its successor has caught up──▶ RETURNING ──▶ LIVE
                             ^───── it is late, or lost as well ─────────┘

There is nothing to pace: for each picture of the publisher that encoders would have made one of,
each rung gets one of its slate, at the same ticks and as late as its encoder was. So what a
publisher does, pauses, bursts and departures, looks as it does in a live ladder.

The way back. A worker that starts begins with the publisher's next key frame and has to catch up.
When all of its rungs are nearly as far as the publisher, its next picture is asked to be a key
frame in all of them; the slate ends before it. Nobody waits long for it (way_back.py): then the
slate goes on, and another one is asked for.

Without strips, which are encoded when a ladder has come up, everything passes unchanged.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from fractions import Fraction
from typing import Final

from segmenter.errors import UsageError
from segmenter.media import VIDEO_TIMESCALE, MediaType, Sample, Track
from streaming.slate.bridge_outcome import BridgeStatistics, KeyFrameWanted, Outcome, TracksNow
from streaming.slate.bridged_picture import MOST_FILLED, MOST_LAG, BridgedPicture, SourceFrame
from streaming.slate.bridged_sound import BridgedSound, SourceSound
from streaming.slate.loop import SlateStrip
from streaming.slate.way_back import WayBack
from streaming.transcode.ladder import LadderPlan

KEPT: Final = MOST_LAG + MOST_FILLED
"""Of when the publisher's pictures were due."""


class Phase(enum.Enum):
    """Whose pictures go out."""

    LIVE = "live"
    BRIDGING = "bridging"
    RETURNING = "returning"


_TRANSITIONS = {
    Phase.LIVE: {Phase.BRIDGING},
    Phase.BRIDGING: {Phase.RETURNING, Phase.LIVE},
    Phase.RETURNING: {Phase.BRIDGING, Phase.LIVE},
}


class LadderBridge:
    """Owns what goes out of a path's encoded renditions; its pipeline alone calls it.

    Everything that reaches the encoders is told by ``push_source``, everything that comes from
    them by ``set_encoded`` and ``push_encoded``. All give what is to go on, in order.
    """

    def __init__(self, segment_duration_s: float) -> None:
        self.shed: Collection[str] = ()
        """Rungs that their encoder lets stand, for want of CPU."""
        self.tracks: tuple[Track, ...] = ()
        """What the renditions look like."""
        self._line_ticks = round(segment_duration_s * VIDEO_TIMESCALE)
        self._phase = Phase.LIVE
        self._is_worker_lost = False
        self._strips: dict[str, SlateStrip] = {}
        self._pictures: dict[str, BridgedPicture] = {}
        self._sound: BridgedSound | None = None
        self._sources: dict[str, Track] = {}
        self._frames: deque[SourceFrame] = deque()
        self._newest = 0
        self._began: int | None = None
        self._heard = Fraction(0)
        self._coming: tuple[Track, ...] = ()
        self._is_announced = True
        self._way_back = WayBack()
        self._bridged = self._bridged_ticks = 0

    # -- what there is -----------------------------------------------------------------------

    def follow(self, plan: LadderPlan, sources: Iterable[Track], *, is_away: bool) -> None:
        """Another publisher, or other tracks of it. While the worker is still away the slate of
        the renditions that stay goes on."""
        former = self._pictures
        self._sources = {}
        self._pictures, self._sound = {}, None
        if not plan.copies_video:
            self._sources = {track.name: track for track in sources}
            rate = next((t.frame_rate for t in self._sources.values() if _is_video(t)), Fraction(0))
            for rung in plan.rungs:
                picture = BridgedPicture(rung.name, rung.fps_divisor, rate, self._line_ticks)
                if rung.name in former:
                    picture.last, picture.lag = former[rung.name].last, former[rung.name].lag
                self._pictures[rung.name] = picture
            if plan.encode_audio is not None:
                self._sound = BridgedSound(plan.encode_audio.name, plan.encode_audio.sample_rate)
        self._attach()
        self._coming = self.tracks = ()
        was_active, self._is_worker_lost = self.is_active, is_away and self._is_worker_lost
        self._frames.clear()
        if was_active:
            self._end()
        if was_active and self._is_worker_lost:
            self.tracks = tuple(strip.track for strip in self._own_strips())
            self._is_announced = False
            self._begin()

    def set_strips(self, strips: Sequence[SlateStrip]) -> None:
        """The slate of each rendition, by its name; in the midst of an outage it begins, unless
        another one is on, which stays."""
        self._strips = {strip.track.name: strip for strip in strips}
        if self.is_active:
            return
        self._attach()
        if self._is_worker_lost:
            self._bridged += bool(self._own_strips())
            self._begin()

    @property
    def has_renditions(self) -> bool:
        """Whether there is anything that a slate could stand for."""
        return bool(self._pictures) or self._sound is not None

    @property
    def is_active(self) -> bool:
        """Whether any rendition is bridged."""
        return self._phase is not Phase.LIVE

    def statistics(self) -> BridgeStatistics:
        """The present state."""
        return BridgeStatistics(
            is_ready=bool(self._own_strips()),
            is_active=self.is_active,
            bridged=self._bridged,
            bridged_s=self._bridged_ticks / VIDEO_TIMESCALE,
        )

    # -- what happens ------------------------------------------------------------------------

    def worker_lost(self) -> None:
        """The encoders are no more; so may be those of a successor."""
        if not self.has_renditions:
            return
        self._bridged += not self._is_worker_lost and bool(self._own_strips())
        self._is_worker_lost = True
        self._coming = ()
        self._begin()

    def push_source(self, sample: Sample) -> Outcome:
        """A sample of the publisher's, after the worker has got it."""
        track = self._sources.get(sample.track)
        if track is None:
            return []
        if not _is_video(track):
            return self._hear(sample, track)
        self._newest = max(self._newest, sample.dts)
        self._frames.append(SourceFrame(sample.dts, sample.captured_utc, sample.discontinuity))
        while self._frames[0].dts < self._newest - KEPT:
            self._frames.popleft()
        if not self.is_active:
            return []
        if self._began is None:
            self._began = sample.dts
        if self._phase is Phase.RETURNING and self._way_back.is_given_up(self._newest):
            return self._give_up() + self._show(self._newest - self._lag)
        return self._show(self._newest - self._lag)

    def flush(self) -> Outcome:
        """The publisher has gone: the slate lasts as long as its pictures did."""
        if not self.is_active:
            return []
        given_up = self._give_up() if self._phase is Phase.RETURNING else []
        return given_up + self._show(self._newest)

    def set_encoded(self, tracks: Sequence[Track]) -> Outcome:
        """What the encoders make. While others are bridged it is told when it is to be seen."""
        self._coming = tuple(tracks)
        return [] if self.is_active else self._announce()

    def push_encoded(self, sample: Sample) -> Outcome:
        """What an encoder has made."""
        picture = self._pictures.get(sample.track)
        if picture is None:
            return self._pass_sound(sample)
        if picture.is_bridged:
            return self._judge(picture, sample)
        if picture.awaits_key and not (sample.is_sync and sample.dts > (picture.last or 0)):
            return []
        self._is_worker_lost = self._is_worker_lost and self.is_active
        return [picture.pass_on(sample, self._newest)]

    # -- the slate ---------------------------------------------------------------------------

    def _own_strips(self) -> list[SlateStrip]:
        return [one.strip for one in self._renditions if one.strip is not None]

    @property
    def _renditions(self) -> list[BridgedPicture | BridgedSound]:
        return [*self._pictures.values(), *([self._sound] if self._sound is not None else [])]

    def _attach(self) -> None:
        for one in self._renditions:
            one.strip = self._strips.get(one.name)

    def _begin(self) -> None:
        """Of those that have a slate."""
        strips = self._own_strips()
        if not strips:
            return
        known = {track.name: track for track in self.tracks}
        breaks = any(strip.track != known.get(strip.track.name) for strip in strips)
        ends = [p.last for p in self._pictures.values() if p.last is not None]
        after = max(ends) if breaks and ends else None
        for picture in self._pictures.values():
            if picture.strip is not None and (breaks or not picture.is_bridged):
                picture.begin(self._newest, breaks=breaks, after=after)
            picture.newest_live = None
        self._way_back.forget()
        if self._sound is not None and self._sound.strip is not None:
            self._sound.begin()
        if breaks:
            slates = {strip.track.name: strip.track for strip in strips}
            self.tracks = tuple({**known, **slates}.values())
            self._is_announced = False
        if self._phase is not Phase.BRIDGING:
            self._set_phase(Phase.BRIDGING)

    def _end(self) -> None:
        if self._began is not None:
            self._bridged_ticks += self._newest - self._began
        self._began = None
        self._set_phase(Phase.LIVE)
        self._attach()

    @property
    def _bridged_pictures(self) -> list[BridgedPicture]:
        return [picture for picture in self._pictures.values() if picture.is_bridged]

    @property
    def _lag(self) -> int:
        return max((picture.lag for picture in self._bridged_pictures), default=0)

    def _show(self, limit: int) -> Outcome:
        """The slate for all pictures of the publisher that are not after `limit`, ticks."""
        if self._phase is Phase.RETURNING:
            limit = min(limit, self._way_back.pts - 1)
        bridged = self._bridged_pictures
        shown = [
            sample
            for frame in self._frames
            if frame.dts <= limit
            for picture in bridged
            if (sample := picture.show(frame)) is not None
        ]
        return self._with_tracks(shown)

    def _hear(self, sample: Sample, track: Track) -> Outcome:
        start = Fraction(sample.dts, track.timescale)
        self._heard = start + Fraction(sample.duration, track.timescale)
        if self._sound is None or not self._sound.is_bridged:
            return []
        heard = SourceSound(start, self._heard, sample.captured_utc, sample.discontinuity)
        return self._with_tracks(self._sound.play(heard))

    def _with_tracks(self, samples: Sequence[Sample]) -> Outcome:
        if not samples or self._is_announced:
            return [*samples]
        self._is_announced = True
        return [TracksNow(self.tracks), *samples]

    # -- the way back ------------------------------------------------------------------------

    def _judge(self, picture: BridgedPicture, sample: Sample) -> Outcome:
        """A rung that is bridged has a picture of its encoder."""
        self._way_back.hear(self._newest)
        picture.newest_live = sample.dts
        if self._phase is Phase.BRIDGING:
            return self._ask()
        is_back = self._way_back.begins_with(sample, picture.last)
        return self._return(picture, sample) if is_back else []

    def _ask(self) -> Outcome:
        """For a key frame of all that run."""
        coming = {track.name for track in self._coming} - set(self.shed)
        behind = [
            None if picture.newest_live is None else self._newest - picture.newest_live
            for picture in self._bridged_pictures
            if picture.name in coming
        ]
        if not self._way_back.choose(self._newest, self._lag, behind):
            return []
        self._set_phase(Phase.RETURNING)
        return [KeyFrameWanted(self._way_back.pts)]

    def _return(self, picture: BridgedPicture, sample: Sample) -> Outcome:
        """The first rung with its key frame ends the slate of all; they are about to follow."""
        outcome = self._show(self._way_back.pts - 1)
        known = {track.name: track for track in self.tracks}
        if any(known.get(track.name) != track for track in self._coming):
            outcome += self._announce()
            self._way_back.breaks = True
        outcome.append(picture.resume(sample, breaks=self._way_back.breaks))
        return outcome + self._settle()

    def _pass_sound(self, sample: Sample) -> Outcome:
        sound = self._sound
        if sound is None or sample.track != sound.name:
            return [sample]
        outcome: Outcome = []
        if sound.is_bridged and self._changes(sound.name):
            if self._bridged_pictures:
                return []  # it comes with them
            outcome = self._announce()
        if not sound.pass_on(sample, self._heard):
            return outcome
        if not self._pictures and not self.is_active:
            self._is_worker_lost = False
        return [*outcome, sample, *self._settle()]

    def _changes(self, name: str) -> bool:
        """Whether what is to come of a rendition has another format."""
        now, then = (
            next((track for track in tracks if track.name == name), None)
            for tracks in (self.tracks, self._coming)
        )
        return now != then

    def _announce(self) -> Outcome:
        self.tracks, self._is_announced = self._coming, True
        return [TracksNow(self.tracks)]

    def _give_up(self) -> Outcome:
        """It has taken too long. Rungs whose encoder does not come though that of others does
        are left to themselves, as they are without a slate."""
        if all(picture.is_bridged for picture in self._pictures.values() if picture.strip):
            self._set_phase(Phase.BRIDGING)
            return []
        for picture in self._bridged_pictures:
            picture.end()
        if self._sound is not None:
            self._sound.is_bridged = False
        return self._settle()

    def _settle(self) -> Outcome:
        """Perhaps all are back."""
        is_sound_bridged = self._sound is not None and self._sound.is_bridged
        if not self.is_active or self._bridged_pictures or is_sound_bridged:
            return []
        self._end()
        self._is_worker_lost = False
        names, coming = ({track.name for track in tracks} for tracks in (self.tracks, self._coming))
        return self._announce() if names != coming else []

    def _set_phase(self, phase: Phase) -> None:
        if phase not in _TRANSITIONS[self._phase]:
            raise UsageError(f"bridge: {self._phase.value} cannot be followed by {phase.value}")
        self._phase = phase


def _is_video(track: Track) -> bool:
    return track.media_type is MediaType.VIDEO
