"""A path as its registry keeps it, and the door that a publisher on it gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from segmenter.errors import MediaError
from segmenter.media import Sample, Track
from segmenter.timed_message import TimedMessage
from segmenter.timeline import SourceClock
from streaming.config_paths import TEST_SCHEME
from streaming.events.advice import ADVICE, not_packaged, nothing_offered, sound_not_packaged
from streaming.events.advice_memory import AdviceMemory
from streaming.events.event import Emit
from streaming.events.ingest_exam import EXAM_CODES, IngestExam
from streaming.events.path_observer import PathObserver
from streaming.ingest.pull import PullSource, RunEnd
from streaming.lifecycle import Work
from streaming.live_state.path_journal import PathJournal
from streaming.path import Path
from streaming.path_state import PathState
from streaming.pipeline import Pipeline
from streaming.publisher_slot import Rank, Slot
from streaming.slate.rung_strips import RungStrips
from streaming.slate.source import SlateSource
from streaming.transcode.ladder import NOT_PACKAGED, NOTHING_OFFERED, SOUND_NOT_PACKAGED

RESTARTED: Final = "worker.restarted"
REST_AFTER_S: Final = 30.0
"""Without viewers for so long a path's texts are rendered on demand: far longer than requests wait
for a change, and players with the longest segments between two of theirs."""


class PathEntry:
    """Owns one path with what hangs off it; the registry is the only caller.

    It does what the path's life wants done for the source, and says what came of it.
    """

    def __init__(
        self,
        path: Path,
        pipeline: Pipeline,
        journal: PathJournal | None,
        clock: Callable[[], float],
        emit: Emit,
    ) -> None:
        self.path = path
        self.pipeline = pipeline
        self.journal = journal
        self.pull: PullSource | None = None
        self._clock = clock
        self._emit = emit
        self.slate: SlateSource | None = None
        self.rung_strips: RungStrips | None = None
        is_test = path.config.source.startswith(TEST_SCHEME)
        self.advice = AdviceMemory(Rank.PRIMARY.value if is_test else "")
        self.observer = PathObserver(self.advice)
        self.wanted_utc = clock()
        """When it was watched last, or asked for; at first when it came into being."""

    def want(self, now_utc: float) -> None:
        """It is watched, or asked for."""
        self.wanted_utc = now_utc
        self.pipeline.wake(now_utc)

    def handle_timer(self, now_utc: float) -> None:
        """What time alone brings about, but its end."""
        self.path.handle_timer(now_utc)
        self.work_on_source(now_utc)
        self.pipeline.handle_timer(now_utc)
        if now_utc - self.wanted_utc > REST_AFTER_S:
            self.pipeline.rest()
        if self.slate is not None:
            self.slate.handle_timer()
        if self.rung_strips is not None:
            self.rung_strips.handle_timer(now_utc)

    @property
    def allows_viewer_chat(self) -> bool:
        """See SpokenPath."""
        return self.path.config.viewer_chat

    @property
    def state_version(self) -> int:
        """See SpokenPath."""
        return self.path.state_version

    @property
    def media_time_ms(self) -> int | None:
        """See SpokenPath."""
        end_utc = self.path.media_end_utc
        return None if end_utc is None else int(end_utc * 1000)

    def tell(self, message: TimedMessage) -> bool:
        """See SpokenPath."""
        return self.pipeline.origin.tell(message)

    def tell_viewers(self, message: bytes) -> None:
        """See SpokenPath."""
        if self.pipeline.tap is not None:
            self.pipeline.tap.tell(message)

    def is_over(self, now_utc: float) -> bool:
        """Ended for so long that no player can still be reading its last window."""
        path, life = self.path, self.path.lifecycle
        if path.state is PathState.ENDED:
            is_old = now_utc - life.since_utc > path.config.window_s
            return is_old and not life.is_source_wanted
        is_kept = life.is_source_wanted or path.config.slate_always
        return path.state is PathState.IDLE and not is_kept

    async def stop(self) -> None:
        """Ends its source, slate and workers."""
        pull = self.let_go_of_source("closed")
        if pull is not None:
            await pull.close()
        if self.slate is not None:
            await self.slate.close()
        if self.rung_strips is not None:
            await self.rung_strips.close()
        await self.pipeline.close()

    # -- the source --------------------------------------------------------------------------

    def pull_from(self, source: PullSource) -> None:
        """Opens a source, again and again where that fails; needs a running loop."""
        self.pull = source
        now = self._clock()
        self.path.lifecycle.want_source(now)
        self.work_on_source(now)

    def let_go_of_source(self, reason: str) -> PullSource | None:
        """There is to be none; gives the one there was, which is still to be closed."""
        pull, self.pull = self.pull, None
        if pull is not None:
            self.path.lifecycle.drop_source(reason, self._clock())
        return pull

    def work_on_source(self, now_utc: float) -> None:
        """Opens it when that is due."""
        if self.pull is None:
            return
        work = self.path.lifecycle.source_work(now_utc)
        if work is Work.OPEN:
            self.pull.open()
        elif work is Work.ABANDON:
            self.pull.abandon("it has not begun in time")

    def source_opened(self) -> None:
        """See SourceOwner."""
        self.path.lifecycle.source_opened()

    def source_failed(self, end: RunEnd) -> None:
        """See SourceOwner."""
        if end.died:
            self._emit(RESTARTED, self.path.name, {"worker": "source", "reason": end.reason})
        self.path.lifecycle.source_failed(end.ran_s, self._clock())

    def source_over(self, reason: str) -> None:
        """See SourceOwner."""
        self.path.lifecycle.drop_source(reason, self._clock())


class PathPublication:
    """A publisher's slot with the clock that the shell has not."""

    def __init__(
        self, entry: PathEntry, slot: Slot, clock: Callable[[], float], emit: Emit
    ) -> None:
        self._path = entry.path
        self._advice = entry.advice
        self._emit = emit
        self._exam: IngestExam | None = IngestExam(
            clock(),
            entry.path.config.segment_duration_s,
            asks_key_frames=slot.protocol == "whip",
        )
        self._pipeline = entry.pipeline
        self._slot = slot
        self._clock = clock

    @property
    def session(self) -> str:
        return self._slot.session

    @property
    def is_watched(self) -> bool:
        return self._pipeline.is_watched

    @property
    def is_prompt(self) -> bool:
        return self._pipeline.is_prompt

    def set_tracks(self, tracks: Sequence[Track], clock: SourceClock) -> None:
        now = self._clock()
        if self._exam is not None:
            self._exam.set_tracks(tracks, clock)
        try:
            self._path.set_tracks(self._slot, tracks, clock, now)
        except MediaError as error:
            self._path.reject(self._slot, str(error), now)

    def write(self, samples: list[Sample]) -> None:
        now = self._clock()
        if self._exam is not None:
            self._examine(self._exam, samples, now)
        try:
            self._path.write(self._slot, samples, now)
        except MediaError as error:  # costs the publisher its place, never the path
            self._path.reject(self._slot, str(error), now)

    def media_time(self, track: str, stamp: int) -> int | None:
        return self._path.media_time(self._slot, track, stamp)

    def _examine(self, exam: IngestExam, samples: list[Sample], now: float) -> None:
        exam.push(samples)
        if exam.is_over(now):
            self._exam = None
            role = self._slot.rank.value
            verdict = exam.verdict()
            reasons = self._pipeline.statistics().ladder_reasons
            if NOT_PACKAGED in reasons:
                verdict.append(not_packaged(NOT_PACKAGED))
            if SOUND_NOT_PACKAGED in reasons:
                verdict.append(sound_not_packaged(SOUND_NOT_PACKAGED))
            if NOTHING_OFFERED in reasons:
                verdict.append(nothing_offered(NOTHING_OFFERED))
            for advice in self._advice.news(role, verdict, EXAM_CODES):
                data = {**advice.data(), "role": role}
                self._emit(ADVICE, self._path.name, data, self._path.state_version)

    def close(self, reason: str) -> None:
        self._path.leave(self._slot, reason, self._clock())
