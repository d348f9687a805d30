"""What hangs off one path, in packet order. Read this first.

    publisher ─→ Path.write ─→ Timeline ─→ Pipeline.write
                                  │          ├─→ Origin            (what is packaged as it is)
                                  │          └─→ TranscodeLink ─→ worker process
                                  │                   └──derived samples──→ Origin, RtcTap
                                  └─→ RtcTap ─→ WebRTC process     (while somebody watches by WHEP)

The pipeline decides which tracks are packaged as they are and which are encoded (`plan_ladder`),
and what happens while the encoder is away: where nothing is packaged as it is, a slate goes on in
the place of what it would have made (`LadderBridge`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from segmenter.lanes import DRAIN_S
from segmenter.media import MediaType, Sample, Track
from streaming.layer_gate import LayerGate
from streaming.live_state.path_journal import PathJournal
from streaming.origin import NO_FLOOR, NumberFloor, Origin, OriginStatistics
from streaming.path import Path
from streaming.pipeline_plan import (
    NOTHING,
    expected_names,
    inputs_of,
    is_copied,
    ladder_to_cover,
    log_plan,
    not_encoded,
    pictures_of,
    why_closed,
)
from streaming.rendition_meter import RenditionRates
from streaming.rtc.tap import RtcTap
from streaming.shelf_feed import ShelfFeed
from streaming.slate.bridge import LadderBridge
from streaming.slate.bridge_outcome import BridgeStatistics, KeyFrameWanted, Outcome, TracksNow
from streaming.slate.loop import SlateStrip
from streaming.slate.messages import LadderToCover
from streaming.transcode.ladder import NOTHING_OFFERED, plan_ladder
from streaming.transcode.transcode_link import (
    TranscodeLink,
    TranscodePhase,
    TranscodeState,
    TranscodeStatistics,
)

logger = logging.getLogger(__name__)

BRIDGED: Final = "the slate bridges the worker's crash"


@dataclass(frozen=True, slots=True)
class PipelineStatistics:
    """What becomes of a path's samples."""

    tracks: tuple[Track, ...]
    """Everything that is packaged."""
    copied: frozenset[str]
    """Names of tracks packaged as the publisher sent them."""
    ladder_reasons: tuple[str, ...]
    """Why the ladder is as it is, for people."""
    transcode: TranscodeStatistics | None
    """None while nothing was ever encoded."""
    origin: OriginStatistics
    rates: Mapping[str, RenditionRates] = field(default_factory=dict)
    """What each rendition has brought lately."""
    bridge: BridgeStatistics | None = None
    """None where no slate could ever go on in the encoder's place."""


class Pipeline:
    """Owns a path's origin and its transcoder; the registry creates and closes it."""

    def __init__(
        self,
        path: Path,
        feed: ShelfFeed,
        ladder_cores: Callable[[str], float],
        clock: Callable[[], float],
        journal: PathJournal | None = None,
        floor: NumberFloor = NO_FLOOR,
        tap: RtcTap | None = None,
    ) -> None:
        self._path = path
        self._config = path.config
        self._ladder_cores = ladder_cores
        self._clock = clock
        self._origin = Origin(path.name, path.config, feed, journal, floor)
        self._plan = NOTHING
        self._link: TranscodeLink | None = None
        self._sources: tuple[Track | None, Track | None] = (None, None)
        """The picture and the sound that are encoded."""
        self._inputs: frozenset[str] = frozenset()
        self._copied: dict[str, Track] = {}
        self._gate = LayerGate(path.config.segment_duration_s)
        self._closed: tuple[str, ...] = ()
        self._encoded: dict[str, Track] = {}
        self._bridge = LadderBridge(path.config.segment_duration_s)
        self._may_bridge = bool(path.config.slate) and path.config.on_worker_crash != "wait"
        self._was_bridged = False
        self._tap = tap
        self._has_ended = False
        self._moved_utc = 0.0
        """When anything was given to the encoder last, or came from it."""
        path.readers.append(self)
        if tap is not None:
            path.readers.append(tap)

    # -- the path's side ---------------------------------------------------------------------

    def set_tracks(self, tracks: Sequence[Track], now_utc: float) -> None:
        """See streaming.reader.Reader. Raises MediaError when a track cannot be packaged."""
        video, audio = inputs_of(tracks)
        layers = [t for t in tracks if t.media_type is MediaType.VIDEO and t is not video]
        cores = self._ladder_cores(self._path.name)
        self._has_ended = False
        plan = self._plan = plan_ladder(self._config, video, audio, None, cores, layers)
        log_plan(self._path.name, plan)
        self._copied = {track.name: track for track in tracks if is_copied(track, plan)}
        self._gate = LayerGate(self._config.segment_duration_s, pictures_of(self._copied))
        self._sources = video, audio
        self._inputs = frozenset(track.name for track in (video, audio) if track is not None)
        self._encoded = {}
        self._follow_with_slate()
        if plan.needs_worker and self._link is None:
            self._link = self._open_link()
        self._announce(now_utc)
        if self._link is not None:
            self._link.start(tracks, plan)

    def set_layers(self, tracks: Sequence[Track], now_utc: float) -> None:
        """See streaming.reader.Reader: only another best picture is encoded anew."""
        if inputs_of(tracks) != self._sources:
            self.set_tracks(tracks, now_utc)
            return
        self._copied = {track.name: track for track in tracks if is_copied(track, self._plan)}
        self._gate.follow(pictures_of(self._copied))
        self._announce(now_utc)

    def write(self, samples: list[Sample], now_utc: float) -> None:
        """See streaming.reader.Reader."""
        link, copied = self._link, self._copied
        if link is not None:
            self._moved_utc = now_utc
            samples = [sample for sample in samples if not self._feeds(link, sample)]
        admits = self._gate.admits
        packaged = [sample for sample in samples if sample.track in copied and admits(sample)]
        if packaged:
            self._origin.write(packaged, now_utc)
        if self._gate.closed != self._closed:
            self._withhold()

    def _withhold(self) -> None:
        """Nobody is pointed for long to what is announced and left out: layers whose key frames are
        elsewhere, and what is not encoded."""
        self._closed = self._gate.closed
        state = self._link.state if self._link is not None else TranscodeState(TranscodePhase.IDLE)
        self._origin.withhold({*self._closed, *not_encoded(self._plan, state)})

    def _feeds(self, link: TranscodeLink, sample: Sample) -> bool:
        """Gives the worker its share; whether the sample goes no other way, all waiting for it."""
        if sample.track not in self._inputs:
            return False
        link.write(sample)
        self._obey(self._bridge.push_source(sample))
        return self._holds(link)

    def pause(self, now_utc: float) -> None:
        """See streaming.reader.Reader: what there is becomes the last segment for now."""
        self._obey(self._bridge.flush())
        self._origin.pause(now_utc)

    def is_drained(self, now_utc: float) -> bool:
        """See streaming.reader.Reader: whether the encoder has brought what it was given."""
        return self._link is None or now_utc - self._moved_utc > DRAIN_S

    def end(self, now_utc: float) -> None:
        """See streaming.reader.Reader: what an encoder brings after it is too late."""
        self._has_ended = True
        self._origin.end(now_utc)

    # -- the registry's side -----------------------------------------------------------------

    def handle_timer(self, now_utc: float) -> None:
        """What time alone brings about; also tells the path how its encoder fares."""
        self._origin.handle_timer(now_utc)
        if self._link is not None:
            trouble = self.trouble
            phase = self._link.state.phase
            if trouble or phase is not TranscodePhase.STARTING:  # it may crash again at once
                is_degraded = bool(trouble) or phase in _TROUBLED
                self._path.set_degraded(is_degraded, trouble or "recovered", now_utc)

    def rest(self) -> None:
        """Nobody watches: nothing needs to be rendered until `wake`."""
        self._origin.rest()

    def wake(self, now_utc: float) -> None:
        """Somebody watches, or is about to."""
        self._origin.wake(now_utc)

    @property
    def is_watched(self) -> bool:
        """Whether anybody may be watching."""
        return self.is_prompt or not self._origin.is_resting

    @property
    def is_prompt(self) -> bool:
        """Whether it is watched by WebRTC, where milliseconds count."""
        return self._tap is not None and self._tap.is_watched

    @property
    def origin(self) -> Origin:
        """For whoever restores it; everything else goes through the path."""
        return self._origin

    async def close(self) -> None:
        """Stops the worker."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()
        if self._tap is not None:
            await self._tap.close()

    @property
    def tap(self) -> RtcTap | None:
        """What WebRTC viewers get; None where there is no WebRTC."""
        return self._tap

    @property
    def is_playable(self) -> bool:
        """Whether players find a multivariant playlist."""
        return self._origin.is_playable

    @property
    def is_encoding(self) -> bool:
        """Whether a worker encodes for this path."""
        return self._link is not None and self._plan.needs_worker

    @property
    def trouble(self) -> str:
        """What is wrong with what is made of the source, for people; "" when nothing is."""
        if NOTHING_OFFERED in self._plan.reasons:
            return NOTHING_OFFERED
        if self._link is None:
            return ""
        state = self._link.state
        reason = state.reason if state.phase in _TROUBLED else ""
        return "; ".join(filter(None, (reason, BRIDGED if self._bridge.is_active else "")))

    def statistics(self) -> PipelineStatistics:
        """What becomes of the path's samples."""
        return PipelineStatistics(
            tracks=(*self._copied.values(), *self._encoded.values()),
            copied=frozenset(self._copied),
            ladder_reasons=(*self._plan.reasons, *map(why_closed, self._gate.closed)),
            transcode=self._link.statistics() if self._link is not None else None,
            origin=self._origin.statistics(),
            rates=self._origin.rates(self._clock()),
            bridge=self._bridge.statistics() if self._may_bridge else None,
        )

    # -- the slate in the place of a worker --------------------------------------------------

    @property
    def ladder_to_cover(self) -> LadderToCover | None:
        """What there is to be a slate of; None while it does not run as it should."""
        link = self._link
        if link is None or not self._bridge.has_renditions or self._bridge.is_active:
            return None
        state = link.state
        if state.phase not in _AT_WORK or state.shed:
            return None
        return ladder_to_cover(self._plan, self._bridge.tracks, link.statistics().status)

    def set_strips(self, strips: Sequence[SlateStrip]) -> None:
        """The slate of the encoded renditions, for when the worker dies."""
        self._bridge.set_strips(strips)

    def _follow_with_slate(self) -> None:
        """It goes on for the next publisher, too, while the worker is still away."""
        if self._may_bridge:
            is_away = self._link is not None and self._link.state.phase is TranscodePhase.RESTARTING
            sources = [track for track in self._sources if track is not None]
            self._bridge.follow(self._plan, sources, is_away=is_away)

    def _obey(self, outcome: Outcome) -> None:
        """What goes out of the encoded renditions."""
        for one in outcome:
            if isinstance(one, TracksNow):
                self._announce_encoded(one.tracks)
            elif isinstance(one, KeyFrameWanted):
                assert self._link is not None
                self._link.ask_for_key_frame(one.from_pts)
            else:
                self._write_encoded(one)
        self._log_bridge()

    def _take_state(self, state: TranscodeState) -> None:
        """Path and log: `handle_timer` asks, so that the path is LIVE by then."""
        self._bridge.shed = state.shed
        self._withhold()
        if state.phase is TranscodePhase.RESTARTING:
            self._bridge.worker_lost()
        self._log_bridge()

    def _log_bridge(self) -> None:
        """Its beginning and its end."""
        if self._bridge.is_active is self._was_bridged:
            return
        self._was_bridged = self._bridge.is_active
        if self._was_bridged:
            logger.warning("path %s: %s", self._path.name, BRIDGED)
        else:
            logger.info("path %s: the ladder is back, the slate has ended", self._path.name)

    # -- the worker's side -------------------------------------------------------------------

    def _open_link(self) -> TranscodeLink:
        return TranscodeLink(
            self._path.name,
            self._config,
            on_tracks=self._set_encoded,
            on_sample=self._take_encoded,
            on_state=self._take_state,
        )

    def _set_encoded(self, tracks: Sequence[Track]) -> None:
        self._obey(self._bridge.set_encoded(tracks))

    def _take_encoded(self, sample: Sample) -> None:
        self._obey(self._bridge.push_encoded(sample))

    def _announce_encoded(self, tracks: Sequence[Track]) -> None:
        packaged = expected_names(self._plan)
        self._encoded = {track.name: track for track in tracks if track.name in packaged}
        if not self._has_ended:
            self._announce(self._clock())
        if self._tap is not None:
            self._tap.set_encoded(tracks)

    def _write_encoded(self, sample: Sample) -> None:
        now = self._moved_utc = self._clock()
        if sample.track in self._encoded and not self._has_ended:
            self._origin.write([sample], now)
        if self._tap is not None:
            self._tap.write_encoded(sample)

    def _announce(self, now_utc: float) -> None:
        """Tells the origin which tracks there are and which are still to come."""
        known = (*self._copied.values(), *self._encoded.values())
        self._origin.set_tracks(known, expected_names(self._plan), now_utc)
        self._withhold()

    def _holds(self, link: TranscodeLink) -> bool:
        """Whether everything waits for the worker, as `on_worker_crash = "wait"` demands."""
        if self._config.on_worker_crash != "wait":
            return False
        return link.state.phase in _AWAY and link.statistics().worker.starts > 1


_AT_WORK = frozenset({TranscodePhase.RUNNING, TranscodePhase.DEGRADED})
_TROUBLED = frozenset({TranscodePhase.DEGRADED, TranscodePhase.RESTARTING})
_AWAY = frozenset({TranscodePhase.STARTING, TranscodePhase.RESTARTING})
