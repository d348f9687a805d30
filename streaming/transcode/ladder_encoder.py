"""Decoded frames to all rungs of one source: hook, key frames, scaling, hand-over to threads."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from av.video.frame import PictureType, VideoFrame

from segmenter.media import VIDEO_TIMESCALE, Sample, Track
from streaming.transcode.encoders import ENCODER_ERRORS, choose_encoder, refusal, software_encoder
from streaming.transcode.frames import FrameHook
from streaming.transcode.key_grid import FrameDivider, KeyGrid
from streaming.transcode.planned_rung import PlannedRung
from streaming.transcode.rung_encoder import Look, RungEncoder, ScaledFrame
from streaming.transcode.rung_thread import RungThread
from streaming.transcode.scaler import Cascade
from streaming.transcode.video_decoder import DecodedFrame

_TIME_BASE = Fraction(1, VIDEO_TIMESCALE)


@dataclass(slots=True)
class _Rung:
    thread: RungThread
    divider: FrameDivider
    running: bool = True
    """False from being shed until the first key frame after its return."""
    wanted: bool = True
    discontinuity: bool = False
    """To be said with the next frame, whenever this rung gets one."""


class LadderEncoder:
    """Owns the rungs of one source; the decoding thread alone may call it.

    Encoders are opened with the first frame, which tells colours and pixel shape; then
    `on_tracks` is called once, before any sample is emitted. A rung that no encoder takes is
    left out, and `failures` says why.
    """

    def __init__(
        self,
        source: Track,
        rungs: Sequence[PlannedRung],
        keys: KeyGrid,
        encoder: str,
        hook: FrameHook | None,
        *,
        emit: Callable[[Sample], None],
        on_tracks: Callable[[Sequence[Track]], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._source = source
        self._planned = tuple(rungs)
        self._keys = keys
        self._encoder = encoder
        self._hook = hook
        self._emit = emit
        self._on_tracks = on_tracks
        self._on_failure = on_failure
        self._opened = self._broken = False
        self._key_asked_from: int | None = None
        self._cascade = Cascade(())
        self._rungs: list[_Rung] = []
        self._tracks: dict[str, Track] = {}
        self.failures: Mapping[str, str] = {}

    @property
    def threads(self) -> Sequence[RungThread]:
        """One for each rung, the largest first; empty before the first frame."""
        return [rung.thread for rung in self._rungs]

    def set_shed(self, shed: Collection[str]) -> None:
        """Stops these rungs at once, and starts all others again at the next key frame."""
        for rung in self._rungs:
            rung.wanted = rung.thread.encoder.rung.name not in shed
            if rung.running and not rung.wanted:
                rung.running = False
                rung.thread.flush()

    def ask_for_key_frame(self, from_pts: int = 0) -> None:
        """The next frame is one that is not before `from_pts`; may be called on any thread."""
        self._key_asked_from = from_pts

    def push(self, decoded: DecodedFrame, aspect_ratio: Fraction) -> None:
        """Scales one frame and hands it to the encoders; waits while one of them is behind."""
        if not self._opened:
            self._open(decoded.frame, aspect_ratio)
        frame = decoded.frame
        if self._hook is not None:
            frame = self._hook.apply(frame, decoded.pts)
        is_key = self._keys.is_key(decoded.pts)
        if self._key_asked_from is not None and decoded.pts >= self._key_asked_from:
            is_key, self._key_asked_from = True, None
        wanted = [self._takes(rung, decoded, is_key) for rung in self._rungs]
        scaled = self._cascade.scale(frame, wanted)
        for image in scaled:
            if image is not None:
                image.pts, image.time_base = decoded.pts, _TIME_BASE
                image.pict_type = PictureType.I if is_key else PictureType.NONE
        for rung, image in zip(self._rungs, scaled, strict=True):
            if image is not None:
                self._hand_over(rung, image, decoded, is_key)

    def break_timeline(self) -> None:
        """Lets all encoders finish what they have; each rung's next frame says discontinuity."""
        for rung in self._rungs:
            rung.thread.flush()
            rung.discontinuity = True
        self._broken = not self._opened

    def stop(self) -> None:
        """Flushes, and waits until everything has been emitted."""
        for rung in self._rungs:
            rung.thread.stop()

    def _open(self, frame: VideoFrame, aspect_ratio: Fraction) -> None:
        self._opened = True
        look = Look.of(frame, aspect_ratio)
        encoders = [e for planned in self._planned if (e := self._open_rung(planned, look))]
        self._cascade = Cascade([(e.rung.width, e.rung.height) for e in encoders])
        self._tracks = {encoder.rung.name: encoder.track for encoder in encoders}
        self._on_tracks(tuple(self._tracks.values()))
        for encoder in encoders:
            thread = RungThread(encoder, self._emit, self._track_changed, self._on_failure)
            divider = FrameDivider(encoder.rung.fps_divisor, self._source.frame_rate)
            self._rungs.append(_Rung(thread, divider, discontinuity=self._broken))

    def _open_rung(self, planned: PlannedRung, look: Look) -> RungEncoder | None:
        """Hardware may refuse what it did not refuse when tried: a size, one session more."""
        rate = self._source.frame_rate / planned.fps_divisor
        choice = choose_encoder(planned.codec, self._encoder)
        try:
            return RungEncoder(planned, choice, rate, look)
        except ENCODER_ERRORS as error:
            failure = refusal(choice.name, planned, error)
        try:
            return RungEncoder(planned, software_encoder(planned.codec, failure), rate, look)
        except ENCODER_ERRORS:
            self.failures = {**self.failures, planned.name: failure}
            return None

    def _track_changed(self, track: Track) -> None:
        self._tracks[track.name] = track
        self._on_tracks(tuple(self._tracks.values()))

    def _takes(self, rung: _Rung, decoded: DecodedFrame, is_key: bool) -> bool:
        if not rung.running:
            rung.running = rung.wanted and is_key
        return rung.running and rung.divider.keeps(decoded.pts, is_key)

    def _hand_over(
        self, rung: _Rung, image: VideoFrame, decoded: DecodedFrame, is_key: bool
    ) -> None:
        broken, rung.discontinuity = rung.discontinuity, False
        encoder = rung.thread.encoder
        lasts = encoder.rung.fps_divisor == 1 or self._keys.is_clear(decoded.pts, encoder.ticks)
        rung.thread.put(
            ScaledFrame(image, decoded.pts, is_key, decoded.captured_utc, broken, lasts=lasts)
        )
