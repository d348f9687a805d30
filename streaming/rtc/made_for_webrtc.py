"""What a path's WebRTC viewers need and nobody else has: made by a worker while they watch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from segmenter.media import Sample, Track
from streaming.config_paths import PathConfig
from streaming.rtc.view_plan import ViewPlan
from streaming.transcode.transcode_link import TranscodeLink, TranscodeStatistics

logger = logging.getLogger(__name__)


class MadeForWebrtc:
    """Owns one worker process for as long as a path is watched; its tap writes and stops it."""

    def __init__(
        self,
        path: str,
        config: PathConfig,
        on_tracks: Callable[[Sequence[Track]], None],
        on_sample: Callable[[Sample], None],
    ) -> None:
        self._link = TranscodeLink(
            f"{path} (WebRTC)",
            config,
            on_tracks=on_tracks,
            on_sample=on_sample,
            on_state=lambda _state: None,
        )
        self._closing: asyncio.Task[None] | None = None

    def start(self, plan: ViewPlan, recent: Iterable[Sample]) -> None:
        """Encodes what `plan` says, the group of pictures `recent` first; may be called again."""
        assert plan.made is not None
        tracks = [track for track in (plan.video, plan.audio) if track is not None]
        self._link.start(tracks, plan.made)
        for sample in recent:
            self._link.write(sample)

    def write(self, sample: Sample) -> None:
        """A sample of the publisher's; whatever is not to be encoded is ignored."""
        self._link.write(sample)

    def ask_for_key_frame(self) -> None:
        """A viewer has lost the picture."""
        self._link.ask_for_key_frame()

    def stop(self) -> asyncio.Task[None]:
        """Ends the worker; the task is done when it has gone."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._link.close())
        return self._closing

    def statistics(self) -> TranscodeStatistics:
        """How the worker fares."""
        return self._link.statistics()
