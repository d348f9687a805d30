"""A watched stage which renders low-latency playlists, too, after every event."""

from __future__ import annotations

from segmenter.hls.live_playlists import LivePlaylists
from segmenter.hls.media_playlist import MediaPlaylist
from segmenter.hls.rendered_playlist import RenderedPlaylist
from segmenter.lane import AUDIO_JOIN_S
from segmenter.media import Track
from segmenter.presentation import Presentation, PresentationSettings
from segmenter.segment import Event, PartReady, PresentationEnded, SegmentReady
from tests.segmenter.hls.low_latency_text import LowLatencyPlaylist, plain_text
from tests.segmenter.hls.low_latency_watch import LowLatencyWatch, check_reports
from tests.segmenter.made_anew import render_media_playlist
from tests.segmenter.watched_stage import WatchedStage


class LowLatencyStage(WatchedStage):
    """Renders what changed as an origin would, and checks it against all rules.

    Whatever is rendered step by step must equal what a renderer without a past makes of the same
    rendition, and without its low-latency lines the plain playlist.
    """

    def __init__(
        self,
        *tracks: Track,
        settings: PresentationSettings | None = None,
        apart_s: float | None = 0.1,
    ) -> None:
        self.low_latency_watches: dict[str, LowLatencyWatch] = {}
        self.rendered: dict[str, RenderedPlaylist] = {}
        self.low_latency: dict[str, LowLatencyPlaylist] = {}
        self.history: dict[str, list[RenderedPlaylist]] = {}
        self.live: LivePlaylists | None = None
        self._shown: Presentation | None = None
        super().__init__(*tracks, settings=settings, apart_s=apart_s)

    def new_life(self) -> None:
        super().new_life()
        self.low_latency_watches = {}
        self.rendered = {}
        self.low_latency = {}

    def _record(self, events: list[Event]) -> list[Event]:
        super()._record(events)
        changed = set()
        for event in events:
            if isinstance(event, PartReady | SegmentReady):
                changed.add(event.rendition)
            elif isinstance(event, PresentationEnded):
                changed.update(self.presentation.renditions)
        if changed and self.presentation.settings.part_duration_s > 0:
            self._render_low_latency(changed)
        return events

    def _render_low_latency(self, changed: set[str]) -> None:
        if self.live is None or self._shown is not self.presentation:
            self.live = LivePlaylists(self.presentation, low_latency=True)
            self._shown = self.presentation
        hole_s = AUDIO_JOIN_S if self._apart_s is None else 0.0
        rendered = self.live.render(changed)
        self.rendered.update(rendered)
        for name, versions in rendered.items():
            self.history.setdefault(name, []).append(versions)
            watch = self.low_latency_watches.setdefault(name, LowLatencyWatch(hole_s))
            self.low_latency[name] = watch.see(versions.full, versions.delta, versions.delta_v2)
            self._check_against_plain(name, versions)
        for name in rendered:
            check_reports(self.low_latency, name)
        controls = [
            playlist.head["#EXT-X-SERVER-CONTROL"] for playlist in self.low_latency.values()
        ]
        assert len(set(controls)) <= 1, "H26"

    def _check_against_plain(self, name: str, versions: RenderedPlaylist) -> None:
        rendition = self.presentation.renditions[name]
        if rendition.segments:
            assert plain_text(versions.full) == render_media_playlist(rendition)
        assert self.live is not None
        anew = MediaPlaylist(rendition, self.live._control)
        anew.update()
        reports = "".join(
            f"{line}\n"
            for line in versions.full.decode().split("\n")
            if line.startswith("#EXT-X-RENDITION-REPORT")
        )
        assert anew.render(reports) == versions
