"""A path's transcoder seen from the event loop: the worker process, what it gets, how it fares.

States, told by `on_state` at each change:

    IDLE ── start ──> STARTING ── its tracks ──> RUNNING <──> DEGRADED    (the worker says so)
      ^                  ^   └──── worker ended ───────┴──────────┤
      └── nothing to do ─┼─────────────────────────── RESTARTING <┘       (any may close)
                         └──────── next worker up ────────┘

The drop rule. While no worker is there, the video since the first key frame that came meanwhile
is held for the next one, at most `MOST_HELD_S` and in whole groups of pictures (gop_queue.py), and
audio likewise. What a lost worker had got is not sent again: rungs go on at the next key frame.
When more than `MOST_BUFFERED_BYTES` wait to be read by a worker, video is withheld until a key
frame comes and less than half of that waits. Rungs then have a gap, not a discontinuity: media
time goes on.
"""

from __future__ import annotations

import enum
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec

from segmenter.media import MediaType, Sample, Track
from streaming.config_paths import PathConfig
from streaming.restart_backoff import RestartBackoff
from streaming.transcode.gop_queue import GopQueue
from streaming.transcode.ladder import BUDGET_SHARE, LadderPlan, plan_ladder
from streaming.transcode.messages import (
    FromTranscoder,
    KeyFrameMessage,
    SampleMessage,
    StartMessage,
    StatusMessage,
    TrackMessage,
    TracksMessage,
)
from streaming.worker_process import (
    WorkerExit,
    WorkerProcess,
    WorkerStatistics,
)

logger = logging.getLogger(__name__)

MOST_BUFFERED_BYTES = 16_000_000
"""A worker reads at once whatever its codecs do, so anything that waits means that it hangs: this
is 2.5 s of 50 Mb/s, below which a busy machine can fall without harm."""
MOST_HELD_S = 3.0
"""A worker is up within 0.5 s; longer than this, and viewers would rather have what is new."""
MODULE = "streaming.transcode.worker"


class TranscodePhase(enum.Enum):
    """What the encoding of a path is doing."""

    IDLE = "idle"
    STARTING = "starting"
    RUNNING = "running"
    DEGRADED = "degraded"
    RESTARTING = "restarting"
    CLOSED = "closed"


_P = TranscodePhase
_TRANSITIONS = {
    _P.IDLE: {_P.STARTING, _P.CLOSED},
    _P.STARTING: {_P.RUNNING, _P.DEGRADED, _P.RESTARTING, _P.IDLE, _P.CLOSED},
    _P.RUNNING: {_P.DEGRADED, _P.STARTING, _P.RESTARTING, _P.IDLE, _P.CLOSED},
    _P.DEGRADED: {_P.RUNNING, _P.STARTING, _P.RESTARTING, _P.IDLE, _P.CLOSED},
    _P.RESTARTING: {_P.STARTING, _P.IDLE, _P.CLOSED},
    _P.CLOSED: set[TranscodePhase](),
}


@dataclass(frozen=True, slots=True)
class TranscodeState:
    """A phase, and why."""

    phase: TranscodePhase
    reason: str = ""
    shed: tuple[str, ...] = ()
    """Rungs that stand still because the machine is too slow."""
    failed: tuple[str, ...] = ()
    """Renditions that no encoder takes."""


@dataclass(frozen=True, slots=True)
class TranscodeStatistics:
    """What a path's transcoder does; `status` is the worker's latest report."""

    state: TranscodeState
    worker: WorkerStatistics
    status: StatusMessage
    samples_in: int
    samples_out: int
    withheld_samples: int
    """Not sent, by the drop rule."""


class TranscodeLink:
    """Owns a path's worker process; its pipeline starts, writes and closes it.

    `on_tracks` names all encoded tracks of the present source, before the samples of each.
    `on_sample` gets their samples, in order within each track; tracks keep no pace with one
    another. All callbacks run on the event loop, none after `close()` has begun.
    """

    def __init__(
        self,
        path: str,
        config: PathConfig,
        *,
        on_tracks: Callable[[Sequence[Track]], None],
        on_sample: Callable[[Sample], None],
        on_state: Callable[[TranscodeState], None],
        cores: float | None = None,
        backoff: RestartBackoff | None = None,
    ) -> None:
        self._path = path
        self._config = config
        self._cores = BUDGET_SHARE * (os.cpu_count() or 1) if cores is None else cores
        self._on_tracks = on_tracks
        self._on_sample = on_sample
        self._on_state = on_state
        self._worker: WorkerProcess[FromTranscoder] = WorkerProcess(
            MODULE,
            (),
            FromTranscoder,
            self._receive,
            self._worker_ended,
            on_start=self._worker_started,
            name=f"path {path}: transcoder",
            backoff=backoff,
        )
        self._state = TranscodeState(TranscodePhase.IDLE)
        self._start: StartMessage | None = None
        self._encodes = False
        self._video = self._audio = ""
        self._timescales: tuple[int, ...] = (1, 1)
        self._owes_discontinuity = False
        self._hold_from_the_next_key_frame()
        self._answered = False
        self._software_only = False
        self._status = StatusMessage()
        self._samples_in = self._samples_out = self._withheld = 0

    def start(self, tracks: Sequence[Track], plan: LadderPlan | None = None) -> LadderPlan:
        """Encodes what `plan` says of `tracks` from the next sample on; may be called again.

        Without a plan it makes one, within the `cores` it was created with, and returns it.
        """
        video = next((t for t in tracks if t.media_type is MediaType.VIDEO), None)
        audio = next((t for t in tracks if t.media_type is MediaType.AUDIO), None)
        if plan is None:
            plan = plan_ladder(self._config, video, audio, None, self._cores)
        self._encodes = plan.needs_worker
        self._video = video.name if video is not None and plan.rungs else ""
        self._audio = audio.name if audio is not None and plan.encode_audio is not None else ""
        self._start = self._start_message(video, audio, plan)
        self._timescales = tuple(t.timescale if t is not None else 1 for t in (video, audio))
        self._hold_from_the_next_key_frame()
        if not self._encodes:
            self._worker.send(self._start)
            self._set_state(TranscodePhase.IDLE, "nothing is to be encoded")
        elif self._worker.running:
            self._set_state(TranscodePhase.STARTING)
            self._send_start()
        else:
            if self._state.phase is not TranscodePhase.RESTARTING:
                self._set_state(TranscodePhase.STARTING)
            self._worker.start()
        return plan

    def write(self, sample: Sample) -> None:
        """Passes a sample in media time on, holds or withholds it; never waits."""
        if self._fed and not self._worker.running:
            self._hold_from_the_next_key_frame()
        if sample.track == self._video:
            if not self._admits(sample):
                self._withheld += 1
                self._owes_discontinuity = self._owes_discontinuity or sample.discontinuity
                return
            if self._owes_discontinuity:
                sample = replace(sample, discontinuity=True)
                self._owes_discontinuity = False
        elif sample.track != self._audio:
            return
        if self._worker.running:
            self._send(sample)
        elif sample.track == self._video:
            self._held_video.put(sample)
        else:
            self._held_audio.put(sample)

    def ask_for_key_frame(self, from_pts: int = 0) -> None:
        """Of every rung, with the next frame that is not before `from_pts`, the same one of all."""
        if self._fed and self._worker.running:
            self._worker.send(KeyFrameMessage(from_pts))

    async def close(self) -> None:
        """Ends the worker; what it still holds is lost."""
        self._set_state(TranscodePhase.CLOSED)
        await self._worker.close()

    @property
    def state(self) -> TranscodeState:
        """The present state."""
        return self._state

    def statistics(self) -> TranscodeStatistics:
        """The present measurements."""
        return TranscodeStatistics(
            self._state,
            self._worker.statistics(),
            self._status,
            self._samples_in,
            self._samples_out,
            self._withheld,
        )

    def _admits(self, sample: Sample) -> bool:
        waiting = self._worker.buffered_bytes
        if waiting > MOST_BUFFERED_BYTES:
            self._withholding = True
        elif self._withholding and sample.is_sync and waiting < MOST_BUFFERED_BYTES / 2:
            self._withholding = False
        return not self._withholding

    def _hold_from_the_next_key_frame(self) -> None:
        """Nothing from before a new source or a lost worker may reach what comes after it."""
        self._withholding = True
        self._fed = False
        self._held_video, self._held_audio = (
            GopQueue[Sample](MOST_HELD_S, MOST_BUFFERED_BYTES, timescale)
            for timescale in self._timescales
        )

    def _send(self, sample: Sample) -> None:
        self._fed = True
        self._samples_in += 1
        self._worker.send(SampleMessage.from_sample(sample))

    def _start_message(
        self, video: Track | None, audio: Track | None, plan: LadderPlan
    ) -> StartMessage:
        config = self._config
        return StartMessage(
            video=TrackMessage.from_track(video) if video is not None else None,
            audio=TrackMessage.from_track(audio) if audio is not None else None,
            rungs=plan.rungs,
            follow_source=plan.copies_video,
            encode_audio=plan.encode_audio,
            segment_duration_s=config.segment_duration_s,
            encoder=config.encoder,
            frame_hook=config.frame_hook,
            frame_hook_budget_ms=config.frame_hook_budget_ms,
        )

    # -- the worker's side -----------------------------------------------------------------------

    def _worker_started(self) -> None:
        if self._encodes:
            self._set_state(TranscodePhase.STARTING)
            self._send_start()

    def _send_start(self) -> None:
        self._answered = False
        self._status = _without_trouble(self._status)
        start = self._start
        if start is not None and self._software_only:
            start = msgspec.structs.replace(start, encoder="software")
        self._worker.send(start)
        for held in (self._held_video, self._held_audio):
            for sample in held.take_all():
                self._send(sample)

    def _worker_ended(self, ended: WorkerExit) -> None:
        if not self._encodes:
            return
        if not self._answered and self._config.encoder != "software":
            self._software_only = True  # a driver may have taken the process with it
        self._status = StatusMessage()
        if self._fed:
            self._hold_from_the_next_key_frame()
        self._set_state(TranscodePhase.RESTARTING, ended.reason)

    def _receive(self, message: FromTranscoder) -> None:
        if isinstance(message, SampleMessage):
            self._samples_out += 1
            self._on_sample(message.to_sample())
        elif isinstance(message, TracksMessage):
            self._answered = True
            tracks = [track.to_track() for track in message.tracks]
            if tracks:
                self._on_tracks(tracks)
                self._judge()
        else:
            self._log_choices(message)
            self._status = message
            self._answered |= bool(message.failed)
            self._judge()

    def _log_choices(self, new: StatusMessage) -> None:
        known = {(rung.name, rung.encoder) for rung in self._status.rungs}
        for rung in new.rungs:
            if (rung.name, rung.encoder) not in known:
                reason = f"{rung.encoder}: {rung.chosen_because}"
                logger.info("path %s: rung %s is encoded by %s", self._path, rung.name, reason)

    def _judge(self) -> None:
        """From the worker's latest report to our state."""
        if not self._answered or not self._encodes:
            return
        status = self._status
        trouble = "; ".join(filter(None, (status.trouble, _hook_trouble(status))))
        shed = tuple(rung.name for rung in status.rungs if rung.shed)
        phase = TranscodePhase.DEGRADED if trouble else TranscodePhase.RUNNING
        self._set_state(phase, trouble, shed, status.failed)

    def _set_state(
        self,
        phase: TranscodePhase,
        reason: str = "",
        shed: tuple[str, ...] = (),
        failed: tuple[str, ...] = (),
    ) -> None:
        state = TranscodeState(phase, reason, shed, failed)
        if state == self._state:
            return
        old = self._state.phase
        if phase is not old and phase not in _TRANSITIONS[old]:
            raise RuntimeError(f"transcoder cannot go from {old.value} to {phase.value}")
        self._state = state
        level = logging.INFO if not reason else logging.WARNING
        logger.log(level, "path %s: transcoder %s%s", self._path, phase.value, _because(reason))
        self._on_state(state)


def _without_trouble(status: StatusMessage) -> StatusMessage:
    """What a worker has yet to say of a new source: nothing is wrong."""
    rungs = tuple(msgspec.structs.replace(rung, shed=False) for rung in status.rungs)
    return msgspec.structs.replace(status, rungs=rungs, hook="", trouble="", failed=())


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _hook_trouble(status: StatusMessage) -> str:
    return f"the frame hook is bypassed: {status.hook}" if status.hook else ""
