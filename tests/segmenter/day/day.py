"""The day itself: samples through the sans-IO core, as a path, a worker and an origin do it.

Every playlist is watched with the strict parsers and against all rules of its kind, and somebody
follows each of them by blocking requests, as a low-latency player does.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from segmenter.dash.low_latency_mpd import LowLatencyMpd
from segmenter.dash.mpd import Mpd
from segmenter.hls.live_playlists import LivePlaylists
from segmenter.hls.multivariant_playlist import MultivariantPlaylist
from segmenter.media import Sample
from segmenter.presentation import Presentation, PresentationSettings
from segmenter.segment import Event, PartReady, SegmentReady
from segmenter.timeline import RTMP_CLOCK, Timeline
from tests.segmenter.dash.watch import ManifestWatch
from tests.segmenter.day.follower import Follower
from tests.segmenter.day.publisher import Publisher
from tests.segmenter.day.script import Session, sessions
from tests.segmenter.hls.low_latency_watch import LowLatencyWatch, check_reports
from tests.segmenter.hls.watch import Playlist, check_together
from tests.segmenter.stage import SMALL, START

STEP_S = 0.05
"""What arrives within it is read at once."""

TIMER_S = 0.5
ENCODER_LATE_S = 0.15
ENCODER_STARTS_S = 0.7
SAMPLE_EVERY = 997
"""Of the playlists, these are shown to other parsers: a prime, to meet all sorts."""

JOIN_S = 0.6
"""How far segments of one number may begin apart where media were lost."""


@dataclass
class Day:
    """Owns the clock, the core, and everything that watches; ``run`` is all there is to do."""

    seed: int
    hours: float
    settings: PresentationSettings = field(
        default_factory=lambda: PresentationSettings(target_duration=2)
    )
    see_manifest: Callable[[str], None] = lambda text: None
    """Called with each version of both manifests."""

    def __post_init__(self) -> None:
        self.now = float(START)
        self.timeline = Timeline()
        self.presentation = Presentation(self.settings)
        self.live = LivePlaylists(self.presentation, low_latency=True)
        self.multivariant = MultivariantPlaylist(self.presentation)
        self.mpd = Mpd(self.presentation, "/time")
        self.low_latency_mpd = LowLatencyMpd(self.presentation, "/time")
        self.manifests = ManifestWatch()
        self.watches: dict[str, LowLatencyWatch] = {}
        self.followers: dict[str, Follower] = {}
        self.counts: Counter[str] = Counter()
        self.samples: dict[str, str] = {}
        """Some of the playlists, by name and number."""
        self._low_latency_text = ""
        self._encoding: deque[tuple[float, Sample]] = deque()
        self._encoder_ready_at = 0.0
        self._encoder_broken = True
        self._timer_at = self.now

    # -- the day -----------------------------------------------------------------------------

    def run(self) -> Day:
        """From the first session to the end of the stream."""
        for number, session in enumerate(sessions(self.seed, self.hours)):
            if session.away_s:
                self._leave()
                self._wait(session.away_s)
            elif number:
                self._leave()
            self._come(session)
        self._leave()
        self._wait(3.0)
        self._take(self.presentation.end(self.now))
        for name in self.presentation.renditions:
            latest = self.watches[name].latest
            assert latest is not None
            assert latest.is_ended, "H7"
        return self

    def _come(self, session: Session) -> None:
        self.counts["sessions"] += 1
        self.counts["wraps"] += session.wraps
        self.counts.update(kind.name for _, kind, _ in session.troubles)
        publisher = Publisher(session)
        self._encoding.clear()
        self._encoder_ready_at = self.now + ENCODER_STARTS_S
        self._encoder_broken = True
        copied = (session.source, session.sound)
        self.timeline.start(copied, RTMP_CLOCK)
        self._take(self.presentation.start(copied, expected=("360p",)))
        began, announced = self.now, False
        for step in itertools.count(1):
            self.now = began + step * STEP_S
            if not announced and self.now >= self._encoder_ready_at:
                self._take(self.presentation.start((*copied, SMALL)))
                announced = True
            placed: list[Sample] = []
            self.timeline.push_all(publisher.send(self.now - began), self.now, placed)
            is_away = self.now - began < publisher.encoder_away_until_s
            self._deliver(placed, encodes=not is_away)
            self._tick()
            if publisher.is_silent:
                self._pardon()
            elif is_away:
                self._pardon("360p")
            if publisher.is_over:
                return

    def _leave(self) -> None:
        if self.counts["sessions"]:
            self._deliver(self.timeline.flush(), encodes=False)
            self._take(self.presentation.pause(self.now))

    def _wait(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now = min(self.now + STEP_S, until)
            self._pardon()
            self._deliver([], encodes=True)
            self._tick()

    def _pardon(self, *names: str) -> None:
        """Nobody can have more of these (of any) just now."""
        for name in names or self.followers:
            if name in self.followers:
                self.followers[name].pardon(self.now)

    def _tick(self) -> None:
        if self.now >= self._timer_at:
            self._timer_at += TIMER_S
            self._take(self.presentation.handle_timer(self.now))
        for follower in self.followers.values():
            follower.check_wait(self.now)

    def _deliver(self, placed: list[Sample], *, encodes: bool) -> None:
        """To the origin, and through the encoder once more a little later."""
        for sample in placed:
            if sample.track != "source":
                continue
            if not encodes:
                self._encoder_broken = True
            elif sample.is_sync or not self._encoder_broken:
                due = max(self.now, self._encoder_ready_at) + ENCODER_LATE_S
                self._encoding.append((due, self._encoded(sample)))
        while self._encoding and self._encoding[0][0] <= self.now:
            placed.append(self._encoding.popleft()[1])
        if placed:
            self._take(self.presentation.push_all(placed, self.now))

    def _encoded(self, sample: Sample) -> Sample:
        is_first, self._encoder_broken = self._encoder_broken, False
        breaks = is_first or sample.discontinuity
        return Sample(
            "360p", sample.dts, sample.pts, sample.data, sample.is_sync, sample.duration, breaks
        )

    # -- what viewers see --------------------------------------------------------------------

    def _take(self, events: list[Event]) -> None:
        changed = {e.rendition for e in events if isinstance(e, PartReady | SegmentReady)}
        if self.presentation.is_ended:
            changed.update(self.presentation.renditions)
        if not changed:
            return
        rendered = self.live.render(changed)
        for name, versions in rendered.items():
            watch = self.watches.setdefault(name, LowLatencyWatch(JOIN_S))
            playlist = watch.see(versions.full, versions.delta, versions.delta_v2)
            follower = self.followers.setdefault(name, Follower(name))
            follower.see(versions.state, playlist, self.now)
            self.counts["playlists"] += 1
            if self.counts["playlists"] % SAMPLE_EVERY == 0:
                self.samples[f"{name} {self.counts['playlists']}"] = versions.full.decode()
        self._check_together(rendered)
        if any(isinstance(event, SegmentReady) for event in events):
            self._see_manifests()

    def _check_together(self, rendered: Iterable[str]) -> None:
        latest = {name: watch.latest for name, watch in self.watches.items() if watch.latest}
        for name in rendered:
            check_reports(latest, name)
        for tag in ("#EXT-X-SERVER-CONTROL", "#EXT-X-TARGETDURATION"):
            assert len({playlist.head[tag] for playlist in latest.values()}) == 1, f"H26: {tag}"

    def _see_manifests(self) -> None:
        plain: dict[str, Playlist] = {
            name: watch.plain.latest for name, watch in self.watches.items() if watch.plain.latest
        }
        check_together(plain, apart_s=JOIN_S)
        if self.presentation.has_media:
            self.samples["index"] = self.multivariant.render()
            text = self.mpd.render(self.now)
            self.manifests.see(text)
            self._show_manifest(text)
            assert self.low_latency_mpd.update()
            text = self.low_latency_mpd.render(self.now)
            if text is not self._low_latency_text:
                self._low_latency_text = text
                self._show_manifest(text)

    def _show_manifest(self, text: str) -> None:
        self.counts["manifests"] += 1
        self.see_manifest(text)

    # -- a summary ---------------------------------------------------------------------------

    def summary(self) -> str:
        """For people, in a few lines."""
        statistics = self.timeline.statistics()
        merged = sum(watch.merged for watch in self.watches.values())
        boundaries = self.presentation.statistics()
        waits = ", ".join(f"{f.name} {f.longest_wait_s:.2f} s" for f in self.followers.values())
        return "\n".join(
            (
                f"{(self.now - START) / 3600:.1f} h of media time, seed {self.seed}",
                ", ".join(f"{count} {what}" for what, count in sorted(self.counts.items())),
                f"{merged} deltas merged, each equal to the whole playlist",
                f"{boundaries.boundaries} segments, {boundaries.breaks} discontinuities,"
                f" {statistics.jumps} jumps of clocks, {statistics.lost_clocks} lost clocks",
                f"longest blocked request while a publisher was there: {waits}",
            )
        )
